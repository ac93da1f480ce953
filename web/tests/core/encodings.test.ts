import { describe, expect, it } from "vitest";

import { cameraLayers, screenLayers, wantedCodecs } from "../../src/core/encodings";

/** Heights of what each rid sends; null: not sent. */
function sizes(width: number, height: number): (string | null)[] {
  return cameraLayers(width, height).map(({ active, scaleResolutionDownBy: by }) =>
    active ? `${Math.round(width / by)}x${Math.round(height / by)}` : null,
  );
}

describe("screen layers", () => {
  it("are two, and one of a small window", () => {
    const scales = (width: number, height: number): (number | null)[] =>
      screenLayers(width, height).map(({ active, scaleResolutionDownBy }) => (active ? scaleResolutionDownBy : null));
    expect(scales(1920, 1080)).toEqual([2, 1]);
    expect(scales(400, 300)).toEqual([1, null]);
  });
});

describe("camera layers", () => {
  it.each([
    ["720p", 1280, 720, ["320x180", "640x360", "1280x720"]],
    ["360p: the browser drops a third layer", 640, 360, ["320x180", "640x360", null]],
    ["VGA", 640, 480, ["320x240", "640x480", null]],
    ["540p", 960, 540, ["240x135", "480x270", "960x540"]],
    ["portrait 720p", 720, 1280, ["180x320", "360x640", "720x1280"]],
    ["portrait 360p", 360, 640, ["180x320", "360x640", null]],
    ["tiny", 320, 180, ["320x180", null, null]],
    ["1080p is scaled to 720p", 1920, 1080, ["320x180", "640x360", "1280x720"]],
  ])("%s", (_, width, height, expected) => {
    expect(sizes(width, height)).toEqual(expected);
  });

  it("get bits by their pixels, not by their rid", () => {
    const [q, h, f] = cameraLayers(1280, 720).map(({ maxBitrate }) => maxBitrate);
    expect(q).toBe(150_000);
    expect(h).toBeGreaterThan(450_000);
    expect(f).toBeGreaterThan(1_500_000);
    expect((q ?? 0) + (h ?? 0) + (f ?? 0)).toBeLessThan(3_000_000);
    expect(cameraLayers(640, 360)[1]?.maxBitrate).toBe(h);
  });
});

describe("codecs", () => {
  it("keep VP8 with its retransmissions and Opus with its redundancy", () => {
    const found = ["video/VP8", "video/rtx", "video/VP9", "video/red", "audio/opus", "audio/red", "audio/PCMU"];
    expect(wantedCodecs(found.map((mimeType) => ({ mimeType }))).map(({ mimeType }) => mimeType)).toEqual([
      "video/VP8",
      "video/rtx",
      "audio/opus",
      "audio/red",
    ]);
  });
});
