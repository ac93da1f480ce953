import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { AIM_BYTES, nextQuality, Stills } from "../../src/core/stills";
import type { Still } from "../../src/generated/wire";

const still = (participant: string, source: Still["source"] = "camera"): Still => ({
  t: "still",
  participant,
  source,
  image: new Uint8Array([1, 2, 3]),
});

describe("the quality of a picture", () => {
  it("finds what fits, from above and from below", () => {
    for (const bytesAtFull of [2_000, 10_000, 60_000]) {
      let quality = 0.4;
      for (let second = 0; second < 12; second += 1) quality = nextQuality(quality, bytesAtFull * quality);
      const bytes = bytesAtFull * quality;
      if (quality > 0.02 && quality < 0.8) expect(Math.abs(bytes - AIM_BYTES)).toBeLessThan(AIM_BYTES * 0.1);
    }
  });
});

describe("pictures of others", () => {
  const alive = new Set<string>();
  beforeEach(() => {
    let number = 0;
    vi.stubGlobal("URL", {
      createObjectURL: () => {
        const url = `blob:${String((number += 1))}`;
        alive.add(url);
        return url;
      },
      revokeObjectURL: (url: string) => alive.delete(url),
    });
  });
  afterEach(() => {
    vi.unstubAllGlobals();
    alive.clear();
  });

  it("are the newest of each source, and the memory of older ones is given back", () => {
    const stills = new Stills();
    for (const each of [still("a"), still("b"), still("a"), still("a", "screen")]) stills.add(each);
    expect(stills.all.get().map(({ participant, source }) => [participant, source])).toEqual([
      ["b", "camera"],
      ["a", "camera"],
      ["a", "screen"],
    ]);
    expect(alive).toEqual(new Set(stills.all.get().map(({ url }) => url)));
  });

  it("are few, whoever sends", () => {
    const stills = new Stills();
    for (let who = 0; who < 50; who += 1) stills.add(still(String(who)));
    expect(stills.all.get().length).toBeLessThanOrEqual(4);
    stills.clear();
    expect(alive.size).toBe(0);
  });
});
