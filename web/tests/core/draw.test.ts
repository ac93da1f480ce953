import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { Drawing, HIDDEN_MS, SETTLE_MS, wantedHeight } from "../../src/core/draw";
import type { Draw } from "../../src/generated/wire";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function setUp(up = true) {
  const sent: Draw[] = [];
  const line = { up };
  const drawing = new Drawing(2, (draw) => {
    if (line.up) sent.push(draw);
    return line.up;
  });
  return { drawing, sent, line };
}

describe("drawing", () => {
  it("tells all slots once when the layout has settled; sound is always wanted", () => {
    const { drawing, sent } = setUp();
    for (let height = 100; height <= 180; height += 10) drawing.set(0, height);
    drawing.set(9, 90.4);
    vi.advanceTimersByTime(SETTLE_MS - 1);
    expect(sent).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(sent).toEqual([{ t: "draw", heights: [180, 1, 0, 1, 1, 1, 1, 1, 0, 90], page: 0, pin: null, mode: "full" }]);
  });

  it("spares a weak computer by levels, never its sound", () => {
    const sent: Draw[] = [];
    const drawing = new Drawing(9, (draw) => sent.push(draw) > 0);
    for (const [slot, height] of [[0, 720], [2, 720], ...Array.from({ length: 9 }, (_, tile) => [8 + tile, 240] as const)] as const)
      drawing.set(slot, height);
    const pictures = [0, 1, 2, 3].map((level) => {
      drawing.setSpare(level);
      const heights = sent.at(-1)?.heights ?? [];
      expect([1, 3, 4, 5, 6, 7].map((sound) => heights[sound])).toEqual([1, 1, 1, 1, 1, 1]);
      return [heights[0], heights[2], heights.slice(8).filter((height) => height > 0)];
    });
    expect(pictures).toEqual([
      [720, 720, Array(9).fill(240)],
      [720, 720, Array(4).fill(180)],
      [360, 360, []],
      [180, 180, []],
    ]);
  });

  it("says nothing when nothing changed", () => {
    const { drawing, sent } = setUp();
    drawing.set(0, 100);
    vi.advanceTimersByTime(SETTLE_MS);
    drawing.set(0, 200);
    drawing.set(0, 100);
    vi.advanceTimersByTime(SETTLE_MS);
    expect(sent).toHaveLength(1);
    drawing.again();
    expect(sent).toHaveLength(2);
  });

  it("is told later when there was no line", () => {
    const { drawing, sent, line } = setUp(false);
    drawing.set(0, 100);
    vi.advanceTimersByTime(SETTLE_MS);
    line.up = true;
    drawing.flush();
    expect(sent).toHaveLength(1);
  });

  it("of a page or a pin is told at once", () => {
    const { drawing, sent } = setUp();
    drawing.setView(2, "somebody");
    expect(sent.at(-1)).toMatchObject({ page: 2, pin: "somebody" });
  });

  it("stops pictures, not sound, while the page is hidden for longer", () => {
    const { drawing, sent } = setUp();
    drawing.set(0, 300);
    vi.advanceTimersByTime(SETTLE_MS);
    drawing.setVisible(false);
    vi.advanceTimersByTime(HIDDEN_MS - 1);
    drawing.setVisible(true);
    vi.advanceTimersByTime(HIDDEN_MS);
    expect(sent).toHaveLength(1); // a glance at another tab
    drawing.setVisible(false);
    vi.advanceTimersByTime(HIDDEN_MS);
    expect(sent.at(-1)?.heights).toEqual([0, 1, 0, 1, 1, 1, 1, 1, 0, 0]);
    drawing.setVisible(true);
    expect(sent.at(-1)?.heights[0]).toBe(300);
  });

  it("asks for real pixels, on phones for fewer", () => {
    expect(wantedHeight(200, 1, false)).toBe(200);
    expect(wantedHeight(200, 3, false)).toBe(400);
    expect(wantedHeight(200, 3, true)).toBe(200);
  });
});
