/** Once a second: what the connection carries, and whether the computer keeps up with it. */

import { Load } from "./load";
import type { Traffic } from "./types";
import { Value, type Readable } from "./value";

export const EVERY_MS = 1_000;
/** Fewer frames than this in a second tell nothing. */
const FRAMES_TO_TELL = 8;
/** A piece of work of some milliseconds: who slows a page down does it in turns of about one, and a shorter piece
 * may fall between them. The shorter of two times was not disturbed by other work. */
const WORK_ROUNDS = 120_000;
const WORK_TIMES = 2;

/** Totals of one connection since its beginning. */
export interface PeerTotals {
  readonly downBytes: number;
  readonly upBytes: number;
  readonly framesDecoded: number;
  readonly framesDropped: number;
  readonly encoderLimited: boolean;
}

export interface VitalsOptions {
  /** Of the connection in use; null: there is none. The key tells connections apart. */
  readonly totals: () => Promise<{ readonly key: number; readonly totals: PeerTotals } | null>;
  readonly onSpare: (level: number) => void;
  readonly work?: () => number;
  readonly nowMs?: () => number;
}

const NOTHING: PeerTotals = { downBytes: 0, upBytes: 0, framesDecoded: 0, framesDropped: 0, encoderLimited: false };

/** Calling rule: `start` once, `close` at the end. */
export class Vitals {
  readonly #options: VitalsOptions;
  readonly #load = new Load();
  readonly #spare = new Value(0);
  readonly #traffic = new Value<Traffic>({ downBytes: 0, upBytes: 0, downBps: 0, upBps: 0 });
  #timer: ReturnType<typeof setInterval> | undefined;
  #before: { readonly key: number; readonly totals: PeerTotals } = { key: -1, totals: NOTHING };
  #atMs = 0;
  #bestMs = Infinity;

  readonly spare: Readable<number> = this.#spare;
  readonly traffic: Readable<Traffic> = this.#traffic;

  constructor(options: VitalsOptions) {
    this.#options = options;
  }

  start(): void {
    this.#atMs = this.#nowMs();
    this.#timer ??= setInterval(() => void this.#look(), EVERY_MS);
  }

  close(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  async #look(): Promise<void> {
    const nowMs = this.#nowMs();
    const elapsedMs = nowMs - this.#atMs;
    this.#atMs = nowMs;
    const tookMs = (this.#options.work ?? work)();
    this.#bestMs = Math.min(this.#bestMs, tookMs);
    const found = await this.#options.totals().catch(() => null);
    if (found === null || this.#timer === undefined) return;
    const before = found.key === this.#before.key ? this.#before.totals : NOTHING;
    this.#before = found;
    const { totals } = found;
    const down = Math.max(0, totals.downBytes - before.downBytes);
    const up = Math.max(0, totals.upBytes - before.upBytes);
    const sofar = this.#traffic.get();
    const bps = (bytes: number): number => (elapsedMs > 0 ? Math.round((bytes * 8_000) / elapsedMs) : 0);
    this.#traffic.set({
      downBytes: sofar.downBytes + down,
      upBytes: sofar.upBytes + up,
      downBps: bps(down),
      upBps: bps(up),
    });
    // a page that is not seen is slowed down on purpose
    if (document.visibilityState !== "visible") return;
    const dropped = totals.framesDropped - before.framesDropped;
    const frames = totals.framesDecoded - before.framesDecoded;
    const changed = this.#load.take({
      droppedShare: frames >= FRAMES_TO_TELL ? Math.max(0, dropped) / frames : null,
      slowness: this.#bestMs > 0 ? tookMs / this.#bestMs : 1,
      lateMs: elapsedMs - EVERY_MS,
      encoderLimited: totals.encoderLimited,
    });
    if (!changed) return;
    this.#spare.set(this.#load.level);
    this.#options.onSpare(this.#load.level);
  }

  #nowMs(): number {
    return (this.#options.nowMs ?? (() => performance.now()))();
  }
}

/** How long (ms) the work takes at its best just now. */
function work(): number {
  let best = Infinity;
  for (let time = 0; time < WORK_TIMES; time += 1) {
    const began = performance.now();
    let value = time;
    for (let round = 0; round < WORK_ROUNDS; round += 1) value = (value * 1_103_515_245 + 12_345) % 2_147_483_648;
    if (value < 0) return 0; // keeps the work from being optimised away
    best = Math.min(best, performance.now() - began);
  }
  return best;
}
