import { describe, expect, it } from "vitest";

import { arrange, grid, paging, type Arrangement, type Rect, type Scene } from "../../src/views/lesson/arrange";

const DESK = { width: 1350, height: 676 };
const PHONE = { width: 374, height: 756 };

function scene(change: Partial<Scene>): Scene {
  return { ...DESK, layout: "speaker", shown: false, screen: false, stage: true, large: "screen", cells: 1, ...change };
}

function all(arrangement: Arrangement): Rect[] {
  return [arrangement.shown, arrangement.screen, arrangement.stage, ...arrangement.cells].filter((rect) => rect !== null);
}

function overlap(a: Rect, b: Rect): boolean {
  return a.left < b.left + b.width && b.left < a.left + a.width && a.top < b.top + b.height && b.top < a.top + a.height;
}

const area = (rect: Rect | null): number => (rect === null ? 0 : rect.width * rect.height);

describe("arrange", () => {
  const sizes = [DESK, PHONE, { width: 990, height: 676 }, { width: 828, height: 300 }, { width: 200, height: 200 }];
  const scenes = sizes.flatMap((size) =>
    (["speaker", "gallery", "focus"] as const).flatMap((layout) =>
      [false, true].flatMap((shown) =>
        [false, true].flatMap((screen) =>
          [false, true].flatMap((stage) =>
            (["shown", "screen", "stage"] as const).flatMap((large) =>
              [1, 2, 5, 10, 25].map((cells) => ({ ...size, layout, shown, screen, stage, large, cells })),
            ),
          ),
        ),
      ),
    ),
  );

  it("keeps everything inside the area and nothing on top of another", () => {
    for (const each of scenes) {
      const rects = all(arrange(each));
      for (const [index, rect] of rects.entries()) {
        const inside =
          rect.left >= 0 &&
          rect.top >= 0 &&
          rect.left + rect.width <= each.width + 1 &&
          rect.top + rect.height <= each.height + 1 &&
          rect.width > 0 &&
          rect.height > 0;
        const covered = rects.slice(index + 1).filter((other) => overlap(rect, other));
        expect({ each, rect, inside, covered }).toEqual({ each, rect, inside: true, covered: [] });
      }
    }
  });

  it("gives every small picture a place outside of focus", () => {
    for (const each of scenes) {
      if (each.layout === "focus") continue;
      expect(arrange(each).cells, JSON.stringify(each)).toHaveLength(each.cells);
    }
  });

  it("gives the screen the largest place, also in the gallery", () => {
    for (const layout of ["speaker", "gallery", "focus"] as const) {
      const { screen, stage, cells, large } = arrange(scene({ layout, screen: true, cells: 10 }));
      expect(large).toBe("screen");
      for (const other of [stage, ...cells]) expect(area(screen)).toBeGreaterThan(area(other) * 4);
    }
  });

  it("gives what the class looks at the largest place, and keeps a shared screen and the stage beside it", () => {
    for (const layout of ["speaker", "gallery", "focus"] as const) {
      const { shown, screen, stage, cells, large } = arrange(
        scene({ layout, shown: true, screen: true, large: "shown", cells: 10 }),
      );
      expect(large).toBe("shown");
      for (const other of [screen, stage, ...cells]) expect(area(shown)).toBeGreaterThan(area(other) * 4);
      expect(area(screen) > 0).toBe(layout !== "focus");
      expect(area(stage) > 0).toBe(layout === "speaker");
    }
  });

  it("makes the stage large and the screen small when a person is pinned during a share", () => {
    const { screen, stage } = arrange(scene({ screen: true, large: "stage", cells: 4 }));
    expect(area(stage)).toBeGreaterThan(area(screen));
    expect(area(screen)).toBeGreaterThan(0);
  });

  it("leaves at least two thirds of the width to the screen beside a full class", () => {
    const { screen } = arrange(scene({ layout: "gallery", screen: true, cells: 25 }));
    expect(screen?.width).toBeGreaterThan((DESK.width * 2) / 3 - 20);
  });

  it("draws only the large picture in focus", () => {
    expect(arrange(scene({ layout: "focus", cells: 9 }))).toMatchObject({ screen: null, cells: [], stage: DESK });
  });

  it("shows everybody in focus when nobody is on the stage", () => {
    expect(arrange(scene({ layout: "focus", stage: false, cells: 3 })).cells).toHaveLength(3);
  });

  it("draws nothing in an area that is not there yet", () => {
    expect(all(arrange(scene({ width: 0, height: 0, cells: 5 })))).toEqual([]);
  });

  it("keeps one's own picture smaller than the stage on a phone", () => {
    const { stage, cells } = arrange(scene({ ...PHONE, cells: 1 }));
    expect(cells[0]?.width).toBeLessThanOrEqual(PHONE.width / 2);
    expect(stage?.width).toBe(PHONE.width);
  });
});

describe("grid", () => {
  it("uses the whole of one direction", () => {
    const rects = grid({ left: 0, top: 0, width: 1600, height: 900 }, 4);
    expect(rects).toHaveLength(4);
    expect(rects[0]?.width).toBeGreaterThan(780);
  });

  it("centres a last row that is not full", () => {
    const [first, second, third] = grid({ left: 0, top: 0, width: 1000, height: 600 }, 3);
    expect(third?.left).toBeCloseTo(((first?.left ?? 0) + (second?.left ?? 0)) / 2, -1);
  });
});

describe("paging", () => {
  it.each([
    // wanted, tiles, cameras, without -> pages, page, cameraPage, cameras drawn, from, to
    [0, 9, 0, 0, 1, 0, 0, false, 0, 0],
    [0, 9, 3, 2, 1, 0, 0, true, 0, 2],
    [0, 9, 9, 2, 2, 0, 0, true, 0, 0],
    [1, 9, 9, 2, 2, 1, 0, false, 0, 2],
    [1, 9, 12, 10, 3, 1, 1, true, 0, 6],
    [2, 9, 12, 10, 3, 2, 1, false, 6, 10],
    [7, 4, 5, 0, 2, 1, 1, true, 0, 0],
    [0, 4, 0, 9, 3, 0, 0, false, 0, 4],
    [2, 4, 0, 9, 3, 2, 0, false, 8, 9],
  ])("page %i of %i tiles, %i cameras, %i without", (wanted, tiles, cameras, without, ...expected) => {
    const result = paging(wanted, tiles, cameras, without);
    expect([
      result.pages,
      result.page,
      result.cameraPage,
      result.cameras,
      result.withoutFrom,
      result.withoutTo,
    ]).toEqual(expected);
  });

  it("shows every person exactly once over all pages", () => {
    for (let cameras = 0; cameras <= 20; cameras += 1) {
      for (let without = 0; without <= 20; without += 1) {
        const seen: number[] = [];
        let shownCameras = 0;
        const { pages } = paging(0, 9, cameras, without);
        for (let page = 0; page < pages; page += 1) {
          const at = paging(page, 9, cameras, without);
          const here = at.cameras ? Math.min(9, cameras - at.cameraPage * 9) : 0;
          shownCameras += here;
          expect(here + at.withoutTo - at.withoutFrom).toBeLessThanOrEqual(9);
          for (let index = at.withoutFrom; index < at.withoutTo; index += 1) seen.push(index);
        }
        expect(shownCameras).toBe(cameras);
        expect(seen).toEqual([...Array(without).keys()]);
      }
    }
  });
});
