import { describe, expect, it } from "vitest";

import { atBoardIn, calledIn, countdownMs, isCalm, leftMs, pickedIn, turnsIn } from "../../src/core/leading";
import type { TimerField } from "../../src/generated/wire";

const RUNS: TimerField = { by: "t", total_ms: 60_000, ends_at_ms: 160_000, left_ms: 0 };
const HELD: TimerField = { by: "t", total_ms: 60_000, ends_at_ms: null, left_ms: 20_000 };

describe("the timer", () => {
  it.each([
    [RUNS, 100_000, 60_000],
    [RUNS, 170_000, 0],
    [HELD, 999_000, 20_000],
  ])("%o at %i has %i ms left", (timer, nowMs, left) => {
    expect(leftMs(timer, nowMs)).toBe(left);
  });

  it("counts whole seconds, and zero only when it is over", () => {
    expect([0, 1, 999, 1000, 1001].map(countdownMs)).toEqual([0, 1000, 1000, 1000, 2000]);
  });
});

describe("what is read of the fields", () => {
  const fields = new Map<string, unknown>([
    ["called/b", { by: "t", at_ms: 5, answer: "none" }],
    ["called/a", { by: "t", at_ms: 9, answer: "not_now" }],
    ["at_board/d", { at_ms: 2 }],
    ["at_board/c", { at_ms: 1 }],
    ["picker/a", { round: 2, excluded: false }],
    ["picker/b", { round: 1, excluded: true }],
    ["drawn", { participant: "a", by: "t", at_ms: 4 }],
  ]);

  it("has calls and the board in order", () => {
    expect(calledIn(fields)).toEqual([
      { id: "b", atMs: 5, notNow: false },
      { id: "a", atMs: 9, notNow: true },
    ]);
    expect(atBoardIn(fields)).toEqual(["c", "d"]);
  });

  it("knows who had a turn in this round, and who leaders alone were told of", () => {
    expect(turnsIn(fields).get("a")).toEqual({ excluded: false, had: true });
    expect(turnsIn(fields).get("b")).toEqual({ excluded: true, had: false });
    expect(turnsIn(new Map([["picker/a", { round: 0, excluded: true }]])).get("a")?.had).toBe(false);
    expect(pickedIn(fields, true)?.participant).toBe("a");
    expect(pickedIn(fields, false)).toBeNull();
  });

  it("is calm only while the last calm holds", () => {
    expect(isCalm(fields)).toBe(false);
    expect(isCalm(new Map([["calm", { on: false }]]))).toBe(false);
    expect(isCalm(new Map([["calm", { on: true }]]))).toBe(true);
  });
});
