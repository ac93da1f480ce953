import { describe, expect, it } from "vitest";

import { captureCode, isInApp, isPhone } from "../../src/core/capture";
import { gunzip, gzip, pack, unpack } from "../../src/core/codec";
import { loudness } from "../../src/core/meter";

const IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)";
const ANDROID = "Mozilla/5.0 (Linux; Android 14; Pixel 8";
const CHROME = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0";

describe("a browser", () => {
  it.each([
    ["Safari on a phone", `${IPHONE} Version/18.0 Mobile/15E148 Safari/604.1`, false, true],
    ["an app's own view on it", `${IPHONE} Mobile/15E148`, true, true],
    ["a messenger", `${IPHONE} Mobile/15E148 Safari/604.1 Telegram`, true, true],
    ["Chrome on a phone", `${ANDROID}) ${CHROME} Mobile Safari/537.36`, false, true],
    ["an Android WebView", `${ANDROID}; wv) ${CHROME} Mobile Safari/537.36`, true, true],
    ["Chrome on Linux", `Mozilla/5.0 (X11; Linux x86_64) ${CHROME} Safari/537.36`, false, false],
    ["Firefox", "Mozilla/5.0 (Windows NT 10.0; rv:153.0) Gecko/20100101 Firefox/153.0", false, false],
  ])("%s", (_, userAgent, inApp, phone) => {
    expect([isInApp(userAgent), isPhone(userAgent, 400)]).toEqual([inApp, phone]);
  });

  it("on an Android tablet is no phone", () => {
    expect(isPhone(`${ANDROID}) ${CHROME} Safari/537.36`, 800)).toBe(false);
  });
});

describe("a capture error", () => {
  it.each([
    ["camera", "NotAllowedError", "camera_denied"],
    ["microphone", "NotFoundError", "microphone_missing"],
    ["camera", "NotReadableError", "camera_busy"],
    ["camera", "OverconstrainedError", "camera_missing"],
    ["screen", "NotAllowedError", "screen_denied"],
    ["screen", "NotSupportedError", "screen_unsupported"],
    ["microphone", "AbortError", "microphone_busy"],
  ] as const)("%s %s", (source, name, code) => {
    expect(captureCode(source, new DOMException("", name))).toBe(code);
  });
});

describe("loudness", () => {
  it("is 0 for silence, 1 at full scale, on a decibel scale between", () => {
    expect(loudness(new Float32Array(8))).toBe(0);
    expect(loudness(new Float32Array(8).fill(1))).toBe(1);
    expect(loudness(new Float32Array(8).fill(0.0316))).toBeCloseTo(0.5, 1);
    expect(loudness(new Float32Array(8).fill(1e-6))).toBe(0);
  });
});

describe("the codec", () => {
  it("leaves out what is undefined, keeps bytes as bytes", () => {
    const packed = pack({ t: "offer", id: 1, connection: 2 ** 31, sdp: Uint8Array.of(1, 2), send: ["0"], slots: [] });
    expect(unpack(packed.slice().buffer)).toBeNull(); // no message of a server
    const answer = pack({ t: "draw", heights: [1], page: 0, pin: null });
    expect(answer[0]).toBe(0x84); // a map of four
  });

  it("refuses what the server would not take", () => {
    expect(() => pack({ t: "chat", id: 1, text: "x".repeat(70_000) })).toThrow(RangeError);
  });

  it("compresses an offer and reads an answer", async () => {
    const sdp = "a=rtpmap:96 VP8/90000\r\n".repeat(2_000);
    const packed = await gzip(sdp);
    expect(packed.length).toBeLessThan(1_000);
    expect(await gunzip(packed)).toBe(sdp);
  });
});
