import { describe, expect, it } from "vitest";

import { cuesOf, factorOf, lastBy, thumbnailsOf, waveform } from "../../src/core/extras";

const CHAPTERS = "WEBVTT\n\n00:00:00.000 --> 00:01:01.001\nBeginning\n\n01:01:01.001 --> 02:00:00.000\n&lt;b&gt;A--&gt;&amp;lt;\n";

describe("WebVTT of ours", () => {
  it("gives times and text, markup as text", () => {
    expect(cuesOf(CHAPTERS)).toEqual([
      { fromMs: 0, toMs: 61_001, text: "Beginning" },
      { fromMs: 3_661_001, toMs: 7_200_000, text: "<b>A-->&lt;" },
    ]);
  });

  it.each(["", "WEBVTT", "<html>", "WEBVTT\n\nNOTE x\n\n0 --> 1\nx\n"])("passes over %j", (text) => {
    expect(cuesOf(text)).toEqual([]);
  });

  it("gives places in the picture of thumbnails and nothing else", () => {
    const cue = (text: string) => `WEBVTT\n\n00:00:10.000 --> 00:00:20.000\n${text}\n`;
    expect(thumbnailsOf(cue("thumbnails.jpg#xywh=160,90,160,90"))).toEqual([{ fromMs: 10_000, x: 160, y: 90, width: 160, height: 90 }]);
    expect(thumbnailsOf(cue("thumbnails.jpg#xywh=1,2,3"))).toEqual([]);
    expect(thumbnailsOf(cue("x#xywh=-1,2,3,4"))).toEqual([]);
  });
});

describe("what is on the bar", () => {
  it("is the last that has begun", () => {
    const all = cuesOf(CHAPTERS);
    expect(lastBy(all, 61_001)?.text).toBe("Beginning");
    expect(lastBy(all, 3_661_001)?.fromMs).toBe(3_661_001);
    expect(lastBy([], 5)).toBeNull();
  });

  it("is a waveform that stands on the lower edge", () => {
    expect(waveform([])).toBe("");
    expect(waveform([0, 255, 9999, -5])).toBe("M0 100L0 100L1 0L2 0L3 100L3 100Z");
  });

  it("turns a loud lesson down and no quiet one up", () => {
    expect(factorOf(-6)).toBeCloseTo(0.501, 3);
    expect(factorOf(12)).toBe(1);
    expect(factorOf(Number.NaN)).toBe(1);
  });
});
