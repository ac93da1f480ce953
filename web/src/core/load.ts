/** Whether this computer can draw what it gets. Pure: measurements in, a level of sparing out. */

export interface Measure {
  /** Frames that came and were not shown, of all that came, 0..1; null: too few to tell. */
  readonly droppedShare: number | null;
  /** How many times longer than at its best a fixed piece of work takes. */
  readonly slowness: number;
  /** By how much the page's own timer came late. */
  readonly lateMs: number;
  /** The encoder sends less than it is asked for, for want of processor. */
  readonly encoderLimited: boolean;
}

export const MOST_SPARED = 3;
const DROPPED_BAD = 0.25;
const DROPPED_GOOD = 0.05;
const SLOW_BAD = 3;
const SLOW_GOOD = 2;
const LATE_BAD_MS = 400;
const LATE_GOOD_MS = 100;
/** Measurements, of which there is one a second; one that is bad in two ways counts as two. */
const BAD_FOR = 2;
const GOOD_FOR_FIRST = 20;
const GOOD_FOR_MOST = 320;
/** After a step down this many measurements tell of the time before it. */
const SETTLES_FOR = 2;

/** Calling rule: `take` once a second, then read `level`. */
export class Load {
  level = 0;
  #bad = 0;
  #good = 0;
  #goodFor = GOOD_FOR_FIRST;
  #settles = 0;
  /** Seconds since the last step up; a step down soon after makes the next one wait longer. */
  #sinceUp = Infinity;

  /** Gives back whether the level changed. */
  take(measure: Measure): boolean {
    this.#sinceUp += 1;
    if (this.#settles > 0) {
      this.#settles -= 1;
      return false;
    }
    const signs = badSigns(measure);
    this.#bad = signs > 0 ? this.#bad + signs : 0;
    this.#good = isGood(measure) ? this.#good + 1 : 0;
    if (this.#bad >= BAD_FOR && this.level < MOST_SPARED) {
      this.#goodFor = this.#sinceUp < this.#goodFor ? Math.min(2 * this.#goodFor, GOOD_FOR_MOST) : GOOD_FOR_FIRST;
      return this.#step(1);
    }
    if (this.#good >= this.#goodFor && this.level > 0) {
      this.#sinceUp = 0;
      return this.#step(-1);
    }
    return false;
  }

  #step(by: number): true {
    this.level += by;
    this.#bad = this.#good = 0;
    this.#settles = SETTLES_FOR;
    return true;
  }
}

function badSigns({ droppedShare, slowness, lateMs, encoderLimited }: Measure): number {
  const signs = [(droppedShare ?? 0) >= DROPPED_BAD, slowness >= SLOW_BAD, lateMs >= LATE_BAD_MS, encoderLimited];
  return signs.filter(Boolean).length;
}

function isGood({ droppedShare, slowness, lateMs, encoderLimited }: Measure): boolean {
  return (droppedShare ?? 0) <= DROPPED_GOOD && slowness <= SLOW_GOOD && lateMs <= LATE_GOOD_MS && !encoderLimited;
}
