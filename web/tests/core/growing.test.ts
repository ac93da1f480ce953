import { describe, expect, it } from "vitest";

import { asksNow, newestMs } from "../../src/core/growing";

const at = (timeMs: number, change = {}) => ({ timeMs, durationMs: 60_000, playing: true, ended: false, ...change });

describe("a video that grows", () => {
  it.each([
    ["in the middle", at(10_000), 5_000, false],
    ["in the middle, after long", at(10_000), 30_000, true],
    ["near the end", at(55_000), 5_000, true],
    ["near the end, just asked", at(55_000), 4_000, false],
    ["near the end, but at rest", at(55_000, { playing: false }), 5_000, false],
    ["at the end", at(60_000, { playing: false, ended: true }), 5_000, true],
  ])("asks for more: %s", (_, state, sinceMs, asks) => {
    expect(asksNow(state, sinceMs)).toBe(asks);
  });

  it("leads to where it can go on for a while", () => {
    expect(newestMs(120_000)).toBe(100_000);
    expect(newestMs(5_000)).toBe(0);
  });
});
