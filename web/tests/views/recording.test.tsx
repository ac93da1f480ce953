// @vitest-environment jsdom
import "./setup";

import { StrictMode } from "react";
import { act, fireEvent, render, screen, waitFor, within } from "@testing-library/react";
import { beforeEach, describe, expect, it, vi } from "vitest";

import { Devices } from "../../src/core/devices";
import { Failed, type RecordingField } from "../../src/core/types";
import { LessonView } from "../../src/views/lesson/LessonView";
import { Language } from "../../src/views/text";
import { FakeLesson, person } from "./fake";

const ON: RecordingField = { id: "r", state: "on", part: 1, since_ms: -65_000, students: [], reason: null, by: "t" };
const STARTING: RecordingField = { ...ON, state: "starting" };
const off = (reason: RecordingField["reason"]): RecordingField => ({ ...ON, state: "off", reason });

const student = () => new FakeLesson(person("me", { name: "Ann" }), [person("t", { name: "Maria", role: "teacher" })]);
const teacher = () => new FakeLesson(person("t", { name: "Maria", role: "teacher" }), [person("ann", { name: "Ann" })]);
const chimes = (lesson: FakeLesson) => lesson.calls.filter(([name]) => name === "chime").map(([, which]) => which);
const asked = (lesson: FakeLesson) => lesson.calls.filter(([name]) => name === "record");

function open(lesson: FakeLesson, code: string | null = null) {
  render(
    <StrictMode>
      <Language initial="en">
        <LessonView lesson={lesson} devices={new Devices()} links={null} code={code} />
      </Language>
    </StrictMode>,
  );
}

describe("recording", () => {
  beforeEach(() => {
    localStorage.clear();
    vi.stubGlobal("RTCPeerConnection", () => undefined);
    vi.stubGlobal("isSecureContext", true);
    vi.stubGlobal("navigator", Object.create(navigator, { mediaDevices: { value: {} }, onLine: { value: true }, languages: { value: ["en-US"] } }));
  });

  it("asks a leader once what is recorded, students not at all by default, then starts the next part at once", () => {
    const lesson = teacher();
    open(lesson);
    fireEvent.click(screen.getByTestId("record"));
    expect(screen.getByTestId("record-dialog").textContent).toContain("Everybody is told");
    for (const what of ["voices", "cameras", "screens"])
      expect(screen.getByTestId<HTMLInputElement>(`record-${what}`).checked, what).toBe(false);
    fireEvent.click(screen.getByTestId("record-start"));
    expect(asked(lesson)).toEqual([["record", true, []]]);
    act(() => lesson.recording.set(ON));
    expect(screen.getByTestId("record").dataset["state"]).toBe("on");
    fireEvent.click(screen.getByTestId("record"));
    expect(asked(lesson).at(-1)).toEqual(["record", false, []]);
    act(() => lesson.recording.set(off("stopped")));
    fireEvent.click(screen.getByTestId("record"));
    expect(screen.queryByTestId("record-dialog")).toBeNull();
    expect(asked(lesson).at(-1)).toEqual(["record", true, []]);
  });

  it("records of students what the leader chose, in the next part too", () => {
    const lesson = teacher();
    open(lesson);
    fireEvent.click(screen.getByTestId("record"));
    fireEvent.click(screen.getByTestId("record-voices"));
    fireEvent.click(screen.getByTestId("record-screens"));
    fireEvent.click(screen.getByTestId("record-start"));
    const students = ["microphone", "screen", "screen_sound"] as const;
    expect(asked(lesson).at(-1)).toEqual(["record", true, students]);
    act(() => lesson.recording.set({ ...ON, students }));
    act(() => lesson.recording.set(off("stopped")));
    fireEvent.click(screen.getByTestId("record"));
    expect(asked(lesson).at(-1)).toEqual(["record", true, students]);
  });

  it("goes on with what another leader chose", () => {
    const lesson = teacher();
    lesson.recording.set({ ...ON, students: ["camera"] });
    open(lesson);
    act(() => lesson.recording.set(off("stopped")));
    fireEvent.click(screen.getByTestId("record"));
    expect(asked(lesson)).toEqual([["record", true, ["camera"]]]);
  });

  it("lets a leader choose anew between parts, not during one", () => {
    const lesson = teacher();
    lesson.recording.set(ON);
    open(lesson);
    fireEvent.click(screen.getByTestId("people"));
    expect(screen.getByTestId<HTMLButtonElement>("record-choose").disabled).toBe(true);
    act(() => lesson.recording.set(off("stopped")));
    fireEvent.click(screen.getByTestId("record-choose"));
    fireEvent.click(screen.getByTestId("record-cameras"));
    fireEvent.click(screen.getByTestId("record-start"));
    expect(asked(lesson)).toEqual([["record", true, ["camera"]]]);
  });

  it("lets a student say that nothing of them is recorded, and take it back", () => {
    const lesson = student();
    lesson.recording.set({ ...ON, students: ["microphone", "camera"] });
    open(lesson);
    expect(screen.getByTestId("recording-of-you").textContent).toContain("Your voice and camera are recorded.");
    fireEvent.click(screen.getByTestId("record-me"));
    expect(lesson.calls.at(-1)).toEqual(["setRecorded", false, undefined]);
    act(() => lesson.self.set({ ...lesson.self.get(), unrecorded: { by_self: true, by_leader: false } }));
    expect(screen.getByTestId("recording-of-you").textContent).toContain("Nothing of you is recorded");
    fireEvent.click(screen.getByTestId("record-me"));
    expect(lesson.calls.at(-1)).toEqual(["setRecorded", true, undefined]);
    act(() => lesson.self.set({ ...lesson.self.get(), unrecorded: { by_self: true, by_leader: true } }));
    expect(screen.queryByTestId("record-me")).toBeNull(); // the teacher's word is not theirs to undo
  });

  it("says what is recorded of a student as the lesson allows it", () => {
    const lesson = student();
    lesson.recording.set({ ...ON, students: ["microphone", "camera"] });
    open(lesson);
    const rules = lesson.lesson.get();
    act(() => lesson.lesson.set(rules && { ...rules, recordable: ["camera"] }));
    expect(screen.getByTestId("recording-of-you").textContent).toContain("Your camera is recorded.");
  });

  it("offers a leader only what the lesson allows, and says how many are never recorded", () => {
    const lesson = teacher();
    const rules = lesson.lesson.get();
    lesson.lesson.set(rules && { ...rules, recordable: ["microphone"] });
    lesson.people.set([...lesson.people.get(), person("x", { unrecorded: { by_self: true, by_leader: false } })]);
    open(lesson);
    fireEvent.click(screen.getByTestId("record"));
    expect(screen.getByTestId<HTMLInputElement>("record-cameras").disabled).toBe(true);
    expect(screen.getByTestId<HTMLInputElement>("record-voices").disabled).toBe(false);
    expect(screen.getByTestId("record-unrecorded").textContent).toContain("1 student");
  });

  it("gives a student no button", () => {
    const lesson = student();
    lesson.recording.set(off("failed"));
    open(lesson);
    expect(screen.queryByTestId("record")).toBeNull();
    expect(screen.queryByTestId("record-again")).toBeNull();
  });

  it("shows from the start to the stop what is recorded, with one sound each", () => {
    const lesson = student();
    open(lesson);
    expect(screen.queryByTestId("banner-recording")).toBeNull();
    act(() => lesson.recording.set(STARTING));
    expect(screen.getByTestId("banner-recording").textContent).toContain("Recording starts");
    expect(screen.getByTestId("spoken").textContent).toContain("You are not recorded");
    act(() => lesson.recording.set(ON));
    expect(screen.getByTestId("recording-time").textContent).toBe("1:05");
    expect(screen.getByTestId("spoken").textContent).toContain("is being recorded");
    act(() => lesson.recording.set(off("stopped")));
    expect(screen.queryByTestId("banner-recording")).toBeNull();
    expect(screen.getByTestId("banner-recording-stopped")).toBeTruthy();
    expect(screen.getByTestId("spoken").textContent).toBe("The recording has stopped.");
    expect(chimes(lesson)).toEqual(["start", "stop"]);
  });

  it("tells somebody who comes in the middle, once", () => {
    const lesson = student();
    lesson.recording.set(ON);
    open(lesson);
    expect(screen.getByTestId("banner-recording").dataset["state"]).toBe("on");
    expect(screen.getByTestId("spoken").textContent).toContain("is being recorded");
    act(() => lesson.recording.set({ ...ON }));
    expect(chimes(lesson)).toEqual(["start"]);
  });

  it("tells nobody who comes in after it", () => {
    const lesson = student();
    lesson.recording.set(off("stopped"));
    open(lesson);
    expect(screen.queryByTestId("banner-recording-stopped")).toBeNull();
    expect(chimes(lesson)).toEqual([]);
  });

  it.each([
    [[], "You are not recorded: only the teacher"],
    [["microphone"], "Your voice is recorded."],
    [["microphone", "camera"], "Your voice and camera are recorded."],
    [["microphone", "camera", "screen", "screen_sound"], "Your voice, camera, and screen are recorded."],
  ] as const)("says to a student what %j means", (students, sentence) => {
    const lesson = student();
    lesson.recording.set({ ...ON, students });
    open(lesson);
    expect(screen.getByTestId("recording-of-you").textContent).toContain(sentence);
  });

  it("says to a leader what of students is recorded", () => {
    const lesson = teacher();
    lesson.recording.set({ ...ON, students: ["microphone"] });
    open(lesson);
    expect(screen.getByTestId("recording-of-you").textContent).toContain("You and what you show are recorded; of students: voice.");
  });

  it.each([
    ["no_recorder", "no recorder is free"],
    ["disk_full", "no room left"],
    ["failed", "an error on the server"],
  ] as const)("says why it stopped by itself (%s), and leaders may try again", (reason, sentence) => {
    const lesson = teacher();
    lesson.recording.set({ ...ON, students: ["camera"] });
    open(lesson);
    act(() => lesson.recording.set(off(reason)));
    expect(screen.getByTestId("banner-recording-failed").textContent).toContain(sentence);
    fireEvent.click(screen.getByTestId("record-again"));
    expect(asked(lesson)).toEqual([["record", true, ["camera"]]]);
    act(() => lesson.recording.set({ ...STARTING, part: 2 }));
    expect(screen.queryByTestId("banner-recording-failed")).toBeNull();
  });

  it("tells a student only that it stopped, without the server's matters", () => {
    const lesson = student();
    lesson.recording.set(ON);
    open(lesson);
    act(() => lesson.recording.set(off("disk_full")));
    expect(screen.getByTestId("banner-recording-stopped").textContent).toContain("has stopped");
    expect(screen.queryByTestId("banner-recording-failed")).toBeNull();
  });

  it("keeps a closed failure closed, until the next one", () => {
    const lesson = teacher();
    lesson.recording.set(off("failed"));
    open(lesson);
    fireEvent.click(within(screen.getByTestId("banner-recording-failed")).getByLabelText("Close this notice"));
    expect(screen.queryByTestId("banner-recording-failed")).toBeNull();
    act(() => lesson.recording.set({ ...off("failed"), part: 2 }));
    expect(screen.getByTestId("banner-recording-failed")).toBeTruthy();
  });

  it.each([
    ["the teacher", teacher, 0, 1, true, false],
    ["who came late", student, 0, 1, true, true],
    ["who was there when it began", student, -65_000, 1, false, false],
    ["who came for the second part", student, -65_000, 2, true, true],
  ] as const)("leads %s to its beginning", (_, who, cameMs, part, shown, late) => {
    const lesson = who();
    lesson.recording.set({ ...ON, part });
    lesson.serverNowMs = () => cameMs;
    open(lesson, "AZ492KE3R7T31");
    lesson.serverNowMs = () => 0;
    act(() => lesson.recording.set({ ...ON, part, students: ["camera"] }));
    const link = screen.queryByTestId("from-beginning");
    expect(link !== null).toBe(shown);
    expect(screen.getByTestId("banner-recording").textContent.includes("later than the recording")).toBe(late);
    if (link !== null) expect([link.getAttribute("href"), link.getAttribute("target")]).toEqual(["/watch/AZ492KE3R7T31", "_blank"]);
  });

  it("leads nobody to a recording of which there is hardly anything yet", () => {
    const lesson = teacher();
    lesson.recording.set({ ...ON, since_ms: -50_000 });
    open(lesson, "AZ492KE3R7T31");
    expect(screen.queryByTestId("from-beginning")).toBeNull();
  });

  it("says why it did not start", async () => {
    const lesson = teacher();
    open(lesson);
    lesson.refuse = new Failed("recording_unavailable");
    fireEvent.click(screen.getByTestId("record"));
    fireEvent.click(screen.getByTestId("record-start"));
    await waitFor(() => {
      expect(screen.getByTestId("banner-failed").textContent).toContain("has no recorder");
    });
  });
});
