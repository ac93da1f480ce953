import { describe, expect, it } from "vitest";

import { positionOf, stepTo } from "../../src/core/film";
import { resultIn, resultsOf } from "../../src/core/score";

describe("a film in step", () => {
  const film = { state: "playing", position_ms: 2000, at_ms: 10_000, by: "t" } as const;

  it("goes on by server time while it plays, and stands where it was paused", () => {
    expect(positionOf(film, 13_500)).toBe(5500);
    expect(positionOf({ ...film, state: "paused" }, 13_500)).toBe(2000);
    expect(positionOf(film, 9000)).toBe(2000); // a clock that is behind
    expect(positionOf(film, 99_000, 30_000)).toBe(30_000);
  });

  it.each([
    [5000, 5030, { kind: "rate", rate: 1 }],
    [5000, 5100, { kind: "rate", rate: 1.06 }],
    [5100, 5000, { kind: "rate", rate: 0.94 }],
    [5000, 5300, { kind: "seek" }],
    [9000, 2000, { kind: "seek" }],
  ])("from %d to %d", (is, should, step) => {
    expect(stepTo(is, should)).toEqual(step);
  });
});

describe("results of apps", () => {
  it.each([
    null,
    "zvonok.score",
    {},
    { type: "score", points: 1, of: 2 },
    { type: "zvonok.score", points: "1", of: 2 },
    { type: "zvonok.score", points: 3, of: 2 },
    { type: "zvonok.score", points: -1, of: 2 },
    { type: "zvonok.score", points: 0, of: 0 },
    { type: "zvonok.score", points: NaN, of: 2 },
    { type: "zvonok.score", points: 1, of: Infinity },
    { type: "zvonok.score", points: 1, of: 1e9 },
  ])("%j is none", (data) => {
    expect(resultIn(data)).toBeNull();
  });

  it("are read one by one", () => {
    expect(resultIn({ type: "zvonok.score", points: 1.5, of: 2, more: "x" })).toEqual({ points: 1.5, of: 2 });
    const score = { points: 1, of: 2, tries: 1, at_ms: 5 };
    expect(resultsOf(new Map([["score/m/a", score], ["score/p/b", score]]), "a")).toEqual([{ ...score, participant: "m" }]);
  });
});
