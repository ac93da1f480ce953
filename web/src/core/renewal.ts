/** When the signed addresses of a video are asked for anew. Pure: time is an argument. */

/** How long the server's addresses are good; measured here, because this computer's clock may be wrong. */
const LIFE_MS = 15 * 60_000;
const MARGIN_MS = 20_000;
/** Waiting for picture so long is an old address's doing, or (whatever the address) a dead connection's. */
const STALLED_OLD_MS = 6_000;
const STALLED_MS = 30_000;
/** Before each try to rescue playing; then the person is asked. */
const DELAYS_MS = [0, 1_000, 3_000, 8_000];
/** What breaks later than this after the last time is another matter. */
const FORGET_MS = 60_000;

/** Calling rule: `got` with each new address, `failed` before each rescue. */
export class Renewal {
  #gotAtMs: number;
  #failures = 0;
  #failedAtMs = -Infinity;

  constructor(nowMs: number) {
    this.#gotAtMs = nowMs;
  }

  got(nowMs: number): void {
    this.#gotAtMs = nowMs;
  }

  /** The server would refuse the address for anything not loaded yet. */
  old(nowMs: number): boolean {
    const age = nowMs - this.#gotAtMs;
    return age < 0 || age > LIFE_MS - MARGIN_MS;
  }

  /** How long nothing may come (ms) before a new address is tried. */
  patienceMs(nowMs: number): number {
    return this.old(nowMs) ? STALLED_OLD_MS : STALLED_MS;
  }

  /** Playing broke: how long to wait before the rescue, null: leave it to the person. */
  failed(nowMs: number): number | null {
    if (nowMs - this.#failedAtMs > FORGET_MS) this.#failures = 0;
    this.#failedAtMs = nowMs;
    const delay = DELAYS_MS[this.#failures] ?? null;
    this.#failures += 1;
    return delay;
  }

  /** The person wants another try. */
  again(): void {
    this.#failures = 0;
  }
}
