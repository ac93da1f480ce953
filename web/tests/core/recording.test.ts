import { describe, expect, it } from "vitest";

import { choiceOf, failureOf, recordingChange, sourcesOf, writtenMs } from "../../src/core/recording";
import type { RecordingField } from "../../src/generated/wire";

const field = (change: Partial<RecordingField> = {}): RecordingField => ({
  id: "r",
  state: "on",
  part: 1,
  since_ms: 1_000,
  students: [],
  reason: null,
  by: "t",
  ...change,
});
const off = (reason: RecordingField["reason"]) => field({ state: "off", reason });

describe("what is told of the recording", () => {
  it.each([
    ["it is asked for", null, field({ state: "starting" }), { step: "starting", sound: "start" }],
    ["it is written", field({ state: "starting" }), field(), { step: "on", sound: null }],
    ["one comes late", null, field(), { step: "on", sound: "start" }],
    ["the state comes again", field(), field({ since_ms: 5_000 }), null],
    ["a leader stops it", field(), off("stopped"), { step: "stopped", sound: "stop" }],
    ["the lesson ends", field(), off("ended"), { step: "stopped", sound: "stop" }],
    ["no recorder came", field({ state: "starting" }), off("no_recorder"), { step: "failed", sound: "stop" }],
    ["the disk is full", field(), off("disk_full"), { step: "failed", sound: "stop" }],
    ["one comes after it is over", null, off("failed"), null],
    ["nobody ever pressed record", null, null, null],
    ["the next part starts", off("stopped"), field({ state: "starting", part: 2 }), { step: "starting", sound: "start" }],
    ["a stop and a start were missed", field(), field({ part: 2 }), { step: "on", sound: "start" }],
  ])("%s", (_, before, after, told) => {
    expect(recordingChange(before, after)).toEqual(told);
  });

  it("names a failure only of a part that nobody ended", () => {
    expect([off("stopped"), off("ended"), off(null), field(), null].map(failureOf)).toEqual([null, null, null, null, null]);
    expect(failureOf(off("disk_full"))).toBe("disk_full");
  });

  it("counts the time from when it is written", () => {
    expect(writtenMs(field({ state: "starting" }), 9_000)).toBe(0);
    expect(writtenMs(field(), 9_000)).toBe(8_000);
    expect(writtenMs(field(), 500)).toBe(0);
  });
});

describe("the choice of what is recorded of students", () => {
  it("takes a screen with its sound", () => {
    expect(sourcesOf({ voices: true, cameras: false, screens: true })).toEqual(["microphone", "screen", "screen_sound"]);
  });

  it("is read back as it was made", () => {
    for (const voices of [false, true])
      for (const cameras of [false, true])
        for (const screens of [false, true]) {
          const choice = { voices, cameras, screens };
          expect(choiceOf(sourcesOf(choice))).toEqual(choice);
        }
  });
});
