/** Where everything in the lesson is drawn. Pure: sizes in, rectangles out, all in CSS pixels. */

export type Layout = "speaker" | "gallery" | "focus";

export interface Size {
  width: number;
  height: number;
}

export interface Rect extends Size {
  left: number;
  top: number;
}

export type Large = "shown" | "screen" | "stage";

export interface Scene extends Size {
  layout: Layout;
  /** Something that all look at together: it is large unless somebody is pinned. */
  shown: boolean;
  /** Somebody else's screen is shared. */
  screen: boolean;
  /** Somebody is on the stage. */
  stage: boolean;
  /** What is large when it is there beside others. */
  large: Large;
  /** How many small pictures: oneself, tiles and people without a camera. */
  cells: number;
}

export interface Arrangement {
  shown: Rect | null;
  screen: Rect | null;
  stage: Rect | null;
  cells: Rect[];
  /** Which of them is the large one; null in a gallery that has only people. */
  large: Large | null;
}

const GAP = 8;
const WIDE = 16 / 9;

/** Cells of one size in a grid that fills the area best; the last row is centred. */
export function grid(area: Rect, count: number, aspect = WIDE): Rect[] {
  if (count <= 0 || area.width <= 0 || area.height <= 0) return [];
  let best: { columns: number; width: number; height: number } | null = null;
  for (let columns = 1; columns <= count; columns += 1) {
    const rows = Math.ceil(count / columns);
    const roomWidth = (area.width - GAP * (columns - 1)) / columns;
    const roomHeight = (area.height - GAP * (rows - 1)) / rows;
    if (roomWidth <= 0 || roomHeight <= 0) continue;
    const width = Math.min(roomWidth, roomHeight * aspect);
    if (best === null || width > best.width) best = { columns, width, height: width / aspect };
  }
  if (best === null) return [];
  const { columns, width, height } = best;
  const rows = Math.ceil(count / columns);
  const top = area.top + (area.height - rows * height - GAP * (rows - 1)) / 2;
  const rects: Rect[] = [];
  for (let index = 0; index < count; index += 1) {
    const row = Math.floor(index / columns);
    const inRow = Math.min(columns, count - row * columns);
    const rowLeft = area.left + (area.width - inRow * width - GAP * (inRow - 1)) / 2;
    rects.push(rounded(rowLeft + (index - row * columns) * (width + GAP), top + row * (height + GAP), width, height));
  }
  return rects;
}

/** All places of a scene. Every cell gets one, except in focus, which has none. */
export function arrange(scene: Scene): Arrangement {
  const area: Rect = { left: 0, top: 0, width: scene.width, height: scene.height };
  const there = (["shown", "screen", "stage"] as const).filter(
    (each) => scene[each] && (each !== "stage" || scene.layout !== "gallery"),
  );
  const large = there.find((each) => each === scene.large) ?? there[0] ?? null;
  const nothing: Arrangement = { shown: null, screen: null, stage: null, cells: [], large };
  if (area.width <= 0 || area.height <= 0) return nothing;
  if (scene.layout === "focus") {
    return large === null ? { ...nothing, cells: grid(area, scene.cells) } : { ...nothing, [large]: area };
  }
  if (large === null) return { ...nothing, cells: grid(area, scene.cells, cellAspect(area)) };

  const small = there.filter((each) => each !== large);
  const count = scene.cells + small.length;
  const split = area.width >= area.height * 1.1 ? beside(area, count) : below(area, count);
  const places: Arrangement = { ...nothing, [large]: split.main, cells: split.cells.slice(small.length) };
  for (const [index, each] of small.entries()) places[each] = split.cells[index] ?? null;
  return places;
}

interface Split {
  main: Rect;
  cells: Rect[];
}

/** A column (or two, three) of cells at the right: the fewest columns whose cells are not too small. */
function beside(area: Rect, count: number): Split {
  if (count === 0) return { main: area, cells: [] };
  const enough = 84;
  const share = count > 12 ? 0.34 : 0.27;
  let chosen: { columns: number; width: number; height: number } | null = null;
  for (let columns = 1; columns <= 4; columns += 1) {
    const rows = Math.ceil(count / columns);
    const widest = Math.min(area.width * share, 236 * columns) / columns - GAP;
    const height = Math.min((area.height - GAP * (rows - 1)) / rows, widest / WIDE);
    const width = height * WIDE;
    if (chosen === null || height > chosen.height * 1.15) chosen = { columns, width, height };
    if (height >= enough) break;
  }
  if (chosen === null) return { main: area, cells: [] };
  const { columns, width, height } = chosen;
  const rows = Math.ceil(count / columns);
  const stripWidth = columns * width + GAP * (columns - 1);
  const left = area.left + area.width - stripWidth;
  const top = area.top + Math.max(0, (area.height - rows * height - GAP * (rows - 1)) / 2);
  const cells: Rect[] = [];
  for (let index = 0; index < count; index += 1) {
    const row = Math.floor(index / columns);
    const column = index - row * columns;
    cells.push(rounded(left + column * (width + GAP), top + row * (height + GAP), width, height));
  }
  return { main: rounded(area.left, area.top, area.width - stripWidth - GAP, area.height), cells };
}

/** Upright screens: the large one above, small ones below it in at least two columns. */
function below(area: Rect, count: number): Split {
  if (count === 0) return { main: area, cells: [] };
  const room = area.height - Math.max(area.width / WIDE, area.height * 0.42) - GAP;
  const aspect = 4 / 3;
  let columns = 1;
  let rows: number;
  let width: number;
  do {
    columns += 1;
    rows = Math.ceil(count / columns);
    width = (area.width - GAP * (columns - 1)) / columns;
  } while ((rows * width) / aspect + GAP * (rows - 1) > room && columns < count);
  const height = Math.min(width / aspect, (room - GAP * (rows - 1)) / rows);
  const used = rows * height + GAP * (rows - 1);
  const mainHeight = Math.min(area.height - used - GAP, area.width / 0.75);
  const top = area.top + Math.max(0, (area.height - mainHeight - GAP - used) / 2);
  const cells = grid(
    { left: area.left, top: top + mainHeight + GAP, width: area.width, height: used },
    count,
    width / height,
  );
  return {
    main: rounded(area.left, top, area.width, mainHeight),
    cells:
      count > 1
        ? cells
        : [rounded(area.left + (area.width - width) / 2, top + mainHeight + GAP, width, height)],
  };
}

function cellAspect(area: Rect): number {
  return area.width >= area.height ? WIDE : 4 / 3;
}

function rounded(left: number, top: number, width: number, height: number): Rect {
  return { left: Math.round(left), top: Math.round(top), width: Math.floor(width), height: Math.floor(height) };
}

export interface Paging {
  /** Pages of small pictures in all, at least one. */
  pages: number;
  /** The page shown. */
  page: number;
  /** The page of camera tiles to ask the server for. */
  cameraPage: number;
  /** Whether camera tiles are drawn on this page. */
  cameras: boolean;
  /** Which of the people without a camera are drawn: from, to (exclusive). */
  withoutFrom: number;
  withoutTo: number;
}

/**
 * Cameras first, page by page as the server cuts them (`tiles` a page), then people without a camera:
 * they fill what the last camera page leaves free and go on behind it.
 */
export function paging(wanted: number, tiles: number, cameras: number, without: number): Paging {
  const size = Math.max(1, tiles);
  const pages = Math.max(1, Math.ceil((cameras + without) / size));
  const page = Math.min(Math.max(0, wanted), pages - 1);
  const cameraPages = Math.ceil(cameras / size);
  const drawn = page < cameraPages;
  const from = Math.max(0, page * size - cameras);
  const free = size - Math.min(size, Math.max(0, cameras - page * size));
  return {
    pages,
    page,
    cameraPage: Math.max(0, Math.min(page, cameraPages - 1)),
    cameras: drawn,
    withoutFrom: Math.min(from, without),
    withoutTo: Math.min(from + free, without),
  };
}
