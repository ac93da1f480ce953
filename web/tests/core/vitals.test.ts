import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { EVERY_MS, Vitals, type PeerTotals } from "../../src/core/vitals";

const TOTALS: PeerTotals = { downBytes: 0, upBytes: 0, framesDecoded: 0, framesDropped: 0, encoderLimited: false };

describe("Vitals", () => {
  let workMs = 1;
  let found: { key: number; totals: PeerTotals } | null = null;
  const levels: number[] = [];
  let vitals: Vitals;

  beforeEach(() => {
    vi.useFakeTimers();
    vi.stubGlobal("document", { visibilityState: "visible" });
    workMs = 1;
    found = { key: 1, totals: TOTALS };
    levels.length = 0;
    vitals = new Vitals({
      totals: () => Promise.resolve(found),
      onSpare: (level) => levels.push(level),
      work: () => workMs,
      nowMs: () => Date.now(),
    });
    vitals.start();
  });

  afterEach(() => {
    vitals.close();
    vi.useRealTimers();
    vi.unstubAllGlobals();
  });

  const seconds = (count: number): Promise<unknown> => vi.advanceTimersByTimeAsync(count * EVERY_MS);

  it("knows how fast this computer was at its best", async () => {
    for (workMs of [9, 1, 2]) await seconds(1);
    expect(levels).toEqual([]);
    workMs = 6;
    await seconds(2);
    expect(levels).toEqual([1]);
    expect(vitals.spare.get()).toBe(1);
  });

  it("adds up what connections carried, one after the other", async () => {
    found = { key: 1, totals: { ...TOTALS, downBytes: 1_000, upBytes: 100 } };
    await seconds(1);
    expect(vitals.traffic.get()).toEqual({ downBytes: 1_000, upBytes: 100, downBps: 8_000, upBps: 800 });
    found = { key: 2, totals: { ...TOTALS, downBytes: 500, upBytes: 50 } };
    await seconds(1);
    expect(vitals.traffic.get()).toEqual({ downBytes: 1_500, upBytes: 150, downBps: 4_000, upBps: 400 });
  });

  it("tells dropped frames only where enough came", async () => {
    found = { key: 1, totals: { ...TOTALS, framesDecoded: 4, framesDropped: 4 } };
    await seconds(1);
    found = { key: 1, totals: { ...TOTALS, framesDecoded: 8, framesDropped: 8 } };
    await seconds(1);
    expect(levels).toEqual([]);
    for (const decoded of [38, 68]) {
      found = { key: 1, totals: { ...TOTALS, framesDecoded: decoded, framesDropped: decoded - 15 } };
      await seconds(1);
    }
    expect(levels).toEqual([1]);
  });

  it("stands still without a connection and after its end", async () => {
    await seconds(2);
    found = null;
    workMs = 6;
    await seconds(5);
    found = { key: 1, totals: { ...TOTALS, downBytes: 1_000 } };
    vitals.close();
    await seconds(5);
    expect(levels).toEqual([]);
    expect(vitals.traffic.get().downBytes).toBe(0);
  });
});
