import { describe, expect, it } from "vitest";

import { Load, MOST_SPARED, type Measure } from "../../src/core/load";

const FINE: Measure = { droppedShare: 0, slowness: 1, lateMs: 5, encoderLimited: false };
const SLOW: Measure = { ...FINE, slowness: 4 };

/** Levels after each of so many seconds. */
function take(load: Load, measure: Measure, seconds: number): number[] {
  return Array.from({ length: seconds }, () => {
    load.take(measure);
    return load.level;
  });
}

describe("a computer", () => {
  it.each([
    ["drops frames", { ...FINE, droppedShare: 0.3 }],
    ["takes four times as long for the same work", SLOW],
    ["lets timers come late", { ...FINE, lateMs: 500 }],
    ["can't encode what it should", { ...FINE, encoderLimited: true }],
  ])("that %s is spared within five seconds", (_, measure) => {
    expect(take(new Load(), measure, 5).at(-1)).toBeGreaterThan(0);
  });

  it("that keeps up is never spared", () => {
    expect(Math.max(...take(new Load(), { ...FINE, droppedShare: 0.1, slowness: 2.5, lateMs: 150 }, 600))).toBe(0);
  });

  it("that stumbles for a second is not spared", () => {
    const load = new Load();
    for (let time = 0; time < 20; time += 1) {
      take(load, SLOW, 1);
      take(load, FINE, 1);
    }
    expect(load.level).toBe(0);
  });

  it("that is slow and late is spared at once", () => {
    expect(take(new Load(), { ...SLOW, lateMs: 1000 }, 1)).toEqual([1]);
  });

  it("is spared by steps, to the last one at most", () => {
    const levels = take(new Load(), SLOW, 60);
    expect(levels.at(-1)).toBe(MOST_SPARED);
    levels.forEach((level, second) => {
      expect(level - (levels[second - 1] ?? 0)).toBeLessThanOrEqual(1);
    });
  });

  it("that has recovered gets its pictures back", () => {
    const load = new Load();
    take(load, SLOW, 3);
    expect(load.level).toBe(1);
    expect(take(load, FINE, 30).at(-1)).toBe(0);
  });

  it("that can't bear all pictures is tried less and less", () => {
    const load = new Load();
    let raised = 0;
    for (let second = 0; second < 1800; second += 1) {
      const before = load.level;
      load.take(load.level === 0 ? SLOW : FINE);
      raised += Number(load.level < before);
    }
    expect(raised).toBeLessThan(12);
  });
});
