/** Elements of a board as SVG paths. Pure, and light: what only looks on needs no editor. */

import { getStroke } from "perfect-freehand";

import { unpackPoints, type BoardElement, type Point } from "./elements";

export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** A path around what a pen drew; `pressures` 0..1 a point, none: by its speed. */
export function outline(points: readonly Point[], pressures: readonly number[], thick: number): string {
  const simulatePressure = pressures.length !== points.length;
  const around = getStroke(
    simulatePressure ? points.map(([x, y]) => [x, y]) : points.map(([x, y], index) => [x, y, pressures[index] ?? 0.5]),
    {
      simulatePressure,
      size: thick * 4.25,
      thinning: 0.6,
      smoothing: 0.5,
      streamline: 0.5,
      easing: (t) => Math.sin((t * Math.PI) / 2),
      last: true,
    },
  );
  const first = around[0];
  if (first === undefined) return "";
  const parts = [`M${pair(first)}Q`];
  around.forEach((point, index) => {
    const next = around[(index + 1) % around.length] ?? first;
    parts.push(`${pair(point)} ${pair([((point[0] ?? 0) + (next[0] ?? 0)) / 2, ((point[1] ?? 0) + (next[1] ?? 0)) / 2])}`);
  });
  return `${parts.join(" ")}Z`;
}

/** Straight from point to point, or a curve through them (Catmull-Rom). */
export function polyline(points: readonly Point[], curved: boolean): string {
  const first = points[0];
  if (first === undefined) return "";
  if (!curved || points.length < 3) return `M${points.map(pair).join("L")}`;
  const at = (index: number): Point => points[Math.max(0, Math.min(points.length - 1, index))] ?? first;
  const parts = [`M${pair(first)}`];
  for (let index = 0; index + 1 < points.length; index += 1) {
    const [before, from, to, after] = [at(index - 1), at(index), at(index + 1), at(index + 2)];
    parts.push(
      `C${pair([from[0] + (to[0] - before[0]) / 6, from[1] + (to[1] - before[1]) / 6])} ` +
        `${pair([to[0] - (after[0] - from[0]) / 6, to[1] - (after[1] - from[1]) / 6])} ${pair(to)}`,
    );
  }
  return parts.join("");
}

/** Outline of a rectangle, ellipse, diamond, line, arrow or pen stroke, from the element's own corner. */
export function pathOf(element: BoardElement): string {
  const { kind, width: w, height: h } = element;
  switch (kind) {
    case "rectangle": {
      const r = element.round === 0 ? 0 : Math.min(0.25 * Math.min(Math.abs(w), Math.abs(h)), 32);
      if (r === 0) return `M0 0H${number(w)}V${number(h)}H0Z`;
      return (
        `M${number(r)} 0H${number(w - r)}Q${number(w)} 0 ${number(w)} ${number(r)}V${number(h - r)}Q${number(w)} ${number(h)} ` +
        `${number(w - r)} ${number(h)}H${number(r)}Q0 ${number(h)} 0 ${number(h - r)}V${number(r)}Q0 0 ${number(r)} 0Z`
      );
    }
    case "diamond":
      return `M${number(w / 2)} 0L${number(w)} ${number(h / 2)}L${number(w / 2)} ${number(h)}L0 ${number(h / 2)}Z`;
    case "ellipse": {
      const [rx, ry] = [Math.abs(w / 2), Math.abs(h / 2)];
      const arc = `${number(rx)} ${number(ry)} 0 1 0`;
      return `M0 ${number(h / 2)}A${arc} ${number(w)} ${number(h / 2)}A${arc} 0 ${number(h / 2)}Z`;
    }
    case "line":
    case "arrow":
      return polyline(unpackPoints(element.points), element.round !== 0);
    case "freedraw":
      return outline(
        unpackPoints(element.points),
        Array.from(element.pressures, (pressure) => pressure / 255),
        element.thick,
      );
    case "text":
      return "";
  }
}

const HEAD = Math.PI / 9;

/** The heads of an arrow or line, as one open path. */
export function headsOf(element: BoardElement): string {
  if (element.kind !== "arrow" && element.kind !== "line") return "";
  const points = unpackPoints(element.points);
  const parts: string[] = [];
  if (element.head !== "none") parts.push(head(points.at(-1), points.at(-2), element));
  if (element.tail !== "none") parts.push(head(points[0], points[1], element));
  return parts.join("");
}

function head(tip: Point | undefined, from: Point | undefined, element: BoardElement): string {
  if (tip === undefined || from === undefined) return "";
  const angle = Math.atan2(tip[1] - from[1], tip[0] - from[0]);
  const size = Math.min(30, Math.hypot(tip[0] - from[0], tip[1] - from[1]) / 2) + element.thick;
  const wing = (turn: number): string => pair([tip[0] - size * Math.cos(angle + turn), tip[1] - size * Math.sin(angle + turn)]);
  return `M${wing(HEAD)}L${pair(tip)}L${wing(-HEAD)}`;
}

/** What all of it takes, turned elements with room to spare; null: there is nothing. */
export function boundsOf(elements: readonly BoardElement[]): Box | null {
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
  for (const element of elements) {
    let corners: readonly Point[] = [
      [0, 0],
      [element.width, element.height],
    ];
    if (element.points.length > 0) corners = unpackPoints(element.points);
    if (element.angle !== 0) {
      const [cx, cy] = [element.width / 2, element.height / 2];
      const r = Math.hypot(cx, cy);
      corners = [
        [cx - r, cy - r],
        [cx + r, cy + r],
      ];
    }
    for (const [x, y] of corners) {
      left = Math.min(left, element.x + x - element.thick);
      top = Math.min(top, element.y + y - element.thick);
      right = Math.max(right, element.x + x + element.thick);
      bottom = Math.max(bottom, element.y + y + element.thick);
    }
  }
  return left === Infinity ? null : { x: left, y: top, width: right - left, height: bottom - top };
}

export function union(a: Box, b: Box | null): Box {
  if (b === null) return a;
  const [x, y] = [Math.min(a.x, b.x), Math.min(a.y, b.y)];
  return {
    x,
    y,
    width: Math.max(a.x + a.width, b.x + b.width) - x,
    height: Math.max(a.y + a.height, b.y + b.height) - y,
  };
}

function pair(point: readonly number[]): string {
  return `${number(point[0] ?? 0)} ${number(point[1] ?? 0)}`;
}

function number(value: number): string {
  return String(Math.round(value * 100) / 100);
}
