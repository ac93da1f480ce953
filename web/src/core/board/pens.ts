/** Pens, pointers and lasers of others as they move: shown for a moment, kept by nobody. */

import { MAX_INK_POINTS, type Ink, type SendInk } from "../../generated/wire";
import { Value, type Readable } from "../value";
import { packPoints, thin, unpackPoints, type Point } from "./elements";

export interface Stroke {
  readonly element: string;
  readonly points: readonly Point[];
  readonly stroke: string;
  readonly thick: number;
  readonly laser: boolean;
  readonly atMs: number;
}

/** One person's; `at` in the board's units. */
export interface Pen {
  readonly participant: string;
  readonly at: Point;
  readonly atMs: number;
  readonly strokes: readonly Stroke[];
}

export const POINTER_MS = 2_000;
/** A stroke whose element did not come: it was lost, or refused. */
export const STROKE_MS = 6_000;
export const LASER_MS = 900;
/** 20 a second; the server passes no more on. */
export const EVERY_MS = 55;
const MOST_POINTS = 3_000;

/** Calling rule: `add` what comes, `tidy` with the time a few times a second while there is any. */
export class Pens {
  readonly #board: string;
  readonly #pens = new Value<readonly Pen[]>([]);

  readonly pens: Readable<readonly Pen[]> = this.#pens;

  constructor(board: string) {
    this.#board = board;
  }

  add(ink: Ink, nowMs: number): void {
    if (ink.board !== this.#board) return;
    const others = this.#pens.get().filter((pen) => pen.participant !== ink.participant);
    if (ink.tool === "away") {
      this.#pens.set(others);
      return;
    }
    const before = this.#pens.get().find((pen) => pen.participant === ink.participant);
    let strokes = before?.strokes ?? [];
    if (ink.element !== null && ink.points.length > 0) {
      const added = unpackPoints(ink.points).map(([x, y]): Point => [ink.x + x, ink.y + y]);
      const stroke = strokes.find(({ element }) => element === ink.element);
      strokes = [
        ...strokes.filter((each) => each !== stroke).slice(-4),
        {
          element: ink.element,
          points: [...(stroke?.points ?? []), ...added].slice(-MOST_POINTS),
          stroke: ink.stroke,
          thick: ink.thick,
          laser: ink.tool === "laser",
          atMs: nowMs,
        },
      ];
    }
    const at = strokes.at(-1)?.atMs === nowMs ? (strokes.at(-1)?.points.at(-1) ?? [ink.x, ink.y]) : ([ink.x, ink.y] as const);
    this.#pens.set([...others, { participant: ink.participant, at, atMs: nowMs, strokes }]);
  }

  /** Lets go of what is over, and of strokes that are elements now. */
  tidy(nowMs: number, isThere: (element: string) => boolean): void {
    const before = this.#pens.get();
    if (before.length === 0) return;
    const after = before
      .map((pen) => {
        const strokes = pen.strokes.filter(
          (stroke) => !isThere(stroke.element) && nowMs - stroke.atMs < (stroke.laser ? LASER_MS : STROKE_MS),
        );
        return strokes.length === pen.strokes.length ? pen : { ...pen, strokes };
      })
      .filter((pen) => pen.strokes.length > 0 || nowMs - pen.atMs < POINTER_MS);
    if (after.length !== before.length || after.some((pen, index) => pen !== before[index])) this.#pens.set(after);
  }
}

type Movement = Omit<SendInk, "t" | "board" | "points"> & { readonly points?: readonly Point[] };

/** One's own pen on its way out: at most one each EVERY_MS, what comes between is put together. */
export class PenSender {
  readonly #board: string;
  readonly #send: (message: SendInk) => void;
  readonly #later: (work: () => void, ms: number) => unknown;
  #waiting: Movement | null = null;
  #resting = false;

  constructor(board: string, send: (message: SendInk) => void, later: (work: () => void, ms: number) => unknown = (work, ms) => setTimeout(work, ms)) {
    this.#board = board;
    this.#send = send;
    this.#later = later;
  }

  /** `points` are the new ones of stroke `element`, in the board's units. */
  move(movement: Movement): void {
    const before = this.#waiting;
    const same = before !== null && before.element === movement.element && before.tool === movement.tool;
    // A stroke that just ended goes out before the pointer moves on.
    if (before?.points !== undefined && !same) this.#out(before);
    this.#waiting = same ? { ...movement, points: [...(before.points ?? []), ...(movement.points ?? [])] } : movement;
    if (!this.#resting) this.#flush();
  }

  #flush(): void {
    const waiting = this.#waiting;
    this.#waiting = null;
    this.#resting = waiting !== null;
    if (waiting === null) return;
    this.#out(waiting);
    this.#later(() => {
      this.#flush();
    }, EVERY_MS);
  }

  #out({ points = [], ...movement }: Movement): void {
    const [x, y] = points[0] ?? [movement.x ?? 0, movement.y ?? 0];
    const kept = thin(points, MAX_INK_POINTS).map(([px, py]): Point => [px - x, py - y]);
    this.#send({ t: "send_ink", board: this.#board, ...movement, x, y, points: packPoints(kept) });
  }
}
