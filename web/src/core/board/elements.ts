/** Boards and what is on them, as read from the lesson's fields. */

import { POINTS_A_UNIT, type BoardElementField, type BoardField } from "../../generated/wire";
import { under, type Fields } from "../store";
import type { Self } from "../types";
import { boardOfGroup } from "../groups";
import { isCalm } from "../leading";

export interface Board extends BoardField {
  readonly id: string;
}

/** An element with its id, and with what the server leaves out. */
export type BoardElement = BoardElementField & { readonly id: string };
export type Point = readonly [x: number, y: number];

const NONE = new Uint8Array();
const DEFAULTS = {
  order: "",
  by: "",
  angle: 0,
  seed: 1,
  stroke: "#1e1e1e",
  fill: "transparent",
  fill_style: "solid",
  thick: 2,
  line: "solid",
  rough: 0,
  opacity: 100,
  round: 0,
  points: NONE,
  pressures: NONE,
  head: "none",
  tail: "none",
  text: "",
  size: 20,
  font: 2,
  align: "left",
  spacing: 1.25,
} as const satisfies Partial<BoardElementField>;

/** What a page holds at least of a board, in its units: wider than high, as screens are. */
export const PAGE = { width: 1200, height: 675 } as const;

const read = new WeakMap<object, BoardElement>();

/** Boards of their own (not over slides), oldest first. */
export function boardsOf(fields: Fields): readonly Board[] {
  return under<BoardField>(fields, "board/")
    .filter(([id, board]) => !id.includes("/") && board.over === null)
    .map(([id, board]) => ({ id, ...board }))
    .sort((a, b) => a.at_ms - b.at_ms || (a.id < b.id ? -1 : 1));
}

/** Everything on a board, from back to front; the same object for the same value of a field. */
export function elementsOf(fields: Fields, board: string): readonly BoardElement[] {
  return under<Partial<BoardElementField> & object>(fields, `board/${board}/e/`)
    .map(([id, value]) => complete(id, value))
    .sort((a, b) => compare(a.order, b.order) || compare(a.id, b.id));
}

function complete(id: string, value: Partial<BoardElementField> & object): BoardElement {
  const before = read.get(value);
  if (before !== undefined) return before;
  const element = { ...DEFAULTS, ...value, id } as BoardElement;
  read.set(value, element);
  return element;
}

export function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Which of two elements of one id counts: as the server decides it. */
export function supersedes(
  element: { readonly version: number; readonly nonce: number },
  before: { readonly version: number; readonly nonce: number },
): boolean {
  return element.version > before.version || (element.version === before.version && element.nonce < before.nonce);
}

export function mayAllDraw(fields: Fields): boolean {
  return fields.get("ink/*") === true;
}

export function mayDraw(fields: Fields, self: Pick<Self, "id" | "leads">, board: string): boolean {
  if (self.leads) return true;
  const allowed = mayAllDraw(fields) || fields.get(`ink/${self.id}`) === true || boardOfGroup(fields, self.id) === board;
  return allowed && !isCalm(fields);
}

/** Pairs of int16 in quarters of a unit; what lies too far is brought to the edge. */
export function packPoints(points: readonly Point[]): Uint8Array<ArrayBuffer> {
  const view = new DataView(new ArrayBuffer(4 * points.length));
  points.forEach(([x, y], index) => {
    view.setInt16(4 * index, quarter(x), true);
    view.setInt16(4 * index + 2, quarter(y), true);
  });
  return new Uint8Array(view.buffer);
}

export function unpackPoints(bytes: Uint8Array): readonly Point[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: Math.floor(bytes.byteLength / 4) }, (_, index) => [
    view.getInt16(4 * index, true) / POINTS_A_UNIT,
    view.getInt16(4 * index + 2, true) / POINTS_A_UNIT,
  ]);
}

const FARTHEST = 32_000;

function quarter(value: number): number {
  return Math.max(-FARTHEST, Math.min(FARTHEST, Math.round(value * POINTS_A_UNIT)));
}

/** Every nth, the first and the last, so that at most `most` are left. */
export function thin<T>(points: readonly T[], most: number): readonly T[] {
  if (points.length <= most) return points;
  const step = (points.length - 1) / (most - 1);
  return Array.from({ length: most }, (_, index) => points[Math.round(index * step)] as T);
}
