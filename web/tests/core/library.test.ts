import { encode } from "@msgpack/msgpack";
import { describe, expect, it } from "vitest";

import { clock } from "../../src/core/clock";
import { ANYTHING, filtersAnything, filtersOf, searchOf } from "../../src/core/filters";
import { pollDelayMs } from "../../src/core/poll";
import { fieldsOf, handsAt, linesBy, linesOf, partAt } from "../../src/core/replay";
import type { Timeline } from "../../src/generated/wire";

describe("filters in the address", () => {
  it("come back as they were written", () => {
    const filters = { subject: "Физика & химия", grade: 8, teacher: "Анна +1", text: "a=b?" };
    expect(filtersOf(searchOf(filters))).toEqual(filters);
  });

  it("leave an address without a query when nothing is filtered", () => {
    expect(searchOf(ANYTHING)).toBe("");
    expect(searchOf({ ...ANYTHING, text: "  " })).toBe("");
    expect(filtersAnything({ ...ANYTHING, grade: 6 })).toBe(true);
  });

  it.each(["?grade=eight", "?grade=-1", "?grade=", "?grade=1e3", "?subject=", "?after=x&other=1"])("take nothing from %s", (search) => {
    expect(filtersOf(search)).toEqual(ANYTHING);
  });

  it("bring the next page's place along", () => {
    expect(searchOf({ ...ANYTHING, grade: 7 }, "n1")).toBe("?grade=7&after=n1");
  });
});

const TIMELINE: Timeline = {
  missing: null,
  changes: [],
  duration_ms: 60_000,
  parts: [
    { at_ms: 0, duration_ms: 30_000, started_at_ms: 0 },
    { at_ms: 30_000, duration_ms: 30_000, started_at_ms: 90_000 },
  ],
  chat: [
    { at_ms: 2_000, name: "Ann", text: "hi", participant: "p" },
    { at_ms: 40_000, name: "Ben", text: "bye", participant: "p" },
  ],
  hands: [
    { at_ms: 1_000, participant: "a", name: "Ann", up: true },
    { at_ms: 3_000, participant: "b", name: "Ann", up: true },
    { at_ms: 5_000, participant: "a", name: "Ann", up: false },
    { at_ms: 5_000, participant: "c", name: "Eve", up: false },
  ],
};

describe("what is beside the picture", () => {
  const lines = linesOf(TIMELINE);

  it("comes in the order of time", () => {
    expect(lines.map((line) => line.atMs)).toEqual([1_000, 2_000, 3_000, 40_000]);
  });

  it.each([
    [0, 0],
    [999, 0],
    [1_000, 1],
    [2_500, 2],
    [60_000, 4],
  ])("at %i ms has %i lines", (ms, count) => {
    expect(linesBy(lines, ms)).toBe(count);
  });

  it.each([
    [0, []],
    [1_000, ["a"]],
    [4_000, ["a", "b"]],
    [5_000, ["b"]],
    [60_000, ["b"]],
  ])("at %i ms has the hands %j", (ms, up) => {
    expect(handsAt(TIMELINE, ms).map((hand) => hand.participant)).toEqual(up);
  });

  it("has the fields of each moment, forwards and back, as one object while nothing changes", () => {
    const bytes = new Uint8Array([0, 200, 255]);
    const seal = (fields: Record<string, unknown>) =>
      Object.fromEntries(
        Object.entries(fields).map(([path, value]) => [path, btoa(String.fromCharCode(...encode(value)))]),
      );
    const read = fieldsOf({
      ...TIMELINE,
      changes: [
        { at_ms: 0, set: seal({ shown: 1, "board/b": bytes }), delete: [] },
        { at_ms: 2_000, set: seal({ "board/b/e/1": 1 }), delete: [] },
        { at_ms: 5_000, set: seal({ shown: 2 }), delete: ["board/b/e/1"] },
      ],
    });
    const at = (ms: number) => Object.fromEntries(read(ms));
    expect(at(0)).toEqual({ shown: 1, "board/b": bytes });
    expect(at(1_999)).toEqual({ shown: 1, "board/b": bytes });
    expect(at(9_000)).toEqual({ shown: 2, "board/b": bytes });
    expect(at(2_000)).toEqual({ shown: 1, "board/b": bytes, "board/b/e/1": 1 });
    expect(read(4_999)).toBe(read(2_500));
    expect(Object.fromEntries(fieldsOf(TIMELINE)(9))).toEqual({});
  });

  it("knows the part", () => {
    expect([0, 29_999, 30_000, 99_000].map((ms) => partAt(TIMELINE.parts, ms))).toEqual([0, 0, 1, 1]);
    expect(partAt([], 5)).toBe(0);
  });
});

describe("clock", () => {
  it.each([
    [0, "0:00"],
    [-5, "0:00"],
    [7_999, "0:07"],
    [723_000, "12:03"],
    [3_723_000, "1:02:03"],
  ])("%i ms is %s", (ms, written) => {
    expect(clock(ms)).toBe(written);
  });
});

describe("asking again", () => {
  it("becomes more seldom, spread over a class, and never stops", () => {
    const whole = [0, 1, 2, 30, 10_000].map((asked) => pollDelayMs(asked, 0.5));
    expect(whole).toEqual([1_500, 2_250, 3_375, 20_000, 20_000]);
    expect(pollDelayMs(0, 0)).toBeLessThan(pollDelayMs(0, 0.99));
  });
});
