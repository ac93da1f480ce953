import { afterEach, beforeEach, expect, it, vi } from "vitest";

import { SILENT_MS, SilenceWatch } from "../../src/core/silence";
import { Value } from "../../src/core/value";

const track = (changes: Partial<MediaStreamTrack> = {}): MediaStreamTrack =>
  ({ enabled: true, muted: false, readyState: "live", ...changes }) as MediaStreamTrack;

function setUp() {
  const level = new Value(0);
  const told = vi.fn();
  return { level, told, watch: new SilenceWatch(level, told) };
}

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("navigator", { userActivation: { hasBeenActive: true } });
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

it("a microphone that gives nothing is noticed once", () => {
  const { told, watch } = setUp();
  watch.attach(track());
  vi.advanceTimersByTime(SILENT_MS - 1);
  expect(told).not.toHaveBeenCalled();
  vi.advanceTimersByTime(10 * SILENT_MS);
  expect(told).toHaveBeenCalledTimes(1);
});

it("the least sound is enough", () => {
  const { level, told, watch } = setUp();
  watch.attach(track());
  level.set(0.02);
  level.set(0);
  vi.advanceTimersByTime(10 * SILENT_MS);
  expect(told).not.toHaveBeenCalled();
});

it.each([{ muted: true }, { readyState: "ended" as const }, { enabled: false }])("%o is another matter", (changes) => {
  const { told, watch } = setUp();
  watch.attach(track(changes));
  vi.advanceTimersByTime(SILENT_MS);
  expect(told).not.toHaveBeenCalled();
});

it("a microphone that was turned off is not waited for", () => {
  const { told, watch } = setUp();
  watch.attach(track());
  watch.attach(null);
  vi.advanceTimersByTime(SILENT_MS);
  expect(told).not.toHaveBeenCalled();
});
