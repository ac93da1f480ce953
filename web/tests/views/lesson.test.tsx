// @vitest-environment jsdom
import "./setup";

import { act, cleanup, fireEvent, render, screen, waitFor } from "@testing-library/react";
import { beforeEach, describe, expect, it, vi } from "vitest";

import { Devices } from "../../src/core/devices";
import { Failed } from "../../src/core/types";
import { LessonView } from "../../src/views/lesson/LessonView";
import { Language } from "../../src/views/text";
import { FakeLesson, person } from "./fake";

const LINKS = { student: "https://lessons.example/l/AZ492KE3R7T31", coTeacher: "https://lessons.example/l/0000000000000" };

function open(lesson: FakeLesson, links: typeof LINKS | null = null) {
  render(
    <Language initial="en">
      <LessonView lesson={lesson} devices={new Devices()} links={links} />
    </Language>,
  );
}

const student = () => new FakeLesson(person("me", { name: "Ann" }), [person("t", { name: "Maria", role: "teacher" })]);
const teacher = () => new FakeLesson(person("t", { name: "Maria", role: "teacher" }), [person("ann", { name: "Ann" })]);

describe("lesson", () => {
  beforeEach(() => {
    localStorage.clear();
    vi.stubGlobal("RTCPeerConnection", () => undefined);
    vi.stubGlobal("isSecureContext", true);
    vi.stubGlobal("navigator", Object.create(navigator, { mediaDevices: { value: {} }, onLine: { value: true }, languages: { value: ["en-US"] } }));
  });

  it("talks while the space bar is held, and not with the focus in the chat", () => {
    const lesson = student();
    open(lesson);
    fireEvent.keyDown(document.body, { code: "Space" });
    fireEvent.keyDown(document.body, { code: "Space", repeat: true });
    fireEvent.keyUp(document.body, { code: "Space" });
    expect(lesson.calls.filter(([name]) => name === "setSource")).toEqual([
      ["setSource", "microphone", true],
      ["setSource", "microphone", false],
    ]);
    fireEvent.click(screen.getByTestId("chat"));
    const input = screen.getByTestId("chat-input");
    fireEvent.keyDown(input, { code: "Space" });
    fireEvent.keyUp(input, { code: "Space" });
    expect(lesson.calls.filter(([name]) => name === "setSource")).toHaveLength(2);
  });

  it("leaves a microphone that is on alone when the space bar is pressed", () => {
    const lesson = student();
    lesson.sources.set({ ...lesson.sources.get(), microphone: { state: "on", stream: null, failure: null } });
    open(lesson);
    fireEvent.keyDown(document.body, { code: "Space" });
    fireEvent.keyUp(document.body, { code: "Space" });
    expect(lesson.calls.filter(([name]) => name === "setSource")).toEqual([]);
  });

  it("stops talking when the window loses the keyboard", () => {
    const lesson = student();
    open(lesson);
    fireEvent.keyDown(document.body, { code: "Space" });
    fireEvent.blur(window);
    expect(lesson.calls.at(-1)).toEqual(["setSource", "microphone", false]);
  });

  it("offers to turn the sound on only while the browser refuses it", () => {
    const lesson = student();
    open(lesson);
    expect(screen.queryByTestId("turn-sound-on")).toBeNull();
    act(() => lesson.soundRefused.set(true));
    fireEvent.click(screen.getByTestId("turn-sound-on"));
    expect(lesson.calls.at(-1)).toEqual(["turnSoundOn"]);
    act(() => lesson.soundRefused.set(false));
    expect(screen.queryByTestId("turn-sound-on")).toBeNull();
  });

  it("says by whom one was muted and turns the microphone on again by a button", () => {
    const lesson = student();
    open(lesson);
    act(() => lesson.notify({ kind: "muted", source: "microphone", by: "t" }));
    expect(screen.getByTestId("banner-muted-microphone").textContent).toContain("Maria");
    fireEvent.click(screen.getByTestId("unmute"));
    expect(lesson.calls.at(-1)).toEqual(["setSource", "microphone", true]);
    expect(screen.queryByTestId("banner-muted-microphone")).toBeNull();
  });

  it("offers no way to unmute to a student who may not speak", () => {
    const may = { microphone: false, camera: true, screen: false, screen_sound: false };
    const lesson = new FakeLesson(person("me", { may }));
    open(lesson);
    act(() => lesson.notify({ kind: "muted", source: "microphone", by: null }));
    expect(screen.getByTestId("banner-muted-microphone").textContent).toContain("The teacher has muted");
    expect(screen.queryByTestId("unmute")).toBeNull();
  });

  it("says why a student may not speak instead of trying", () => {
    const lesson = student();
    lesson.self.set({ ...lesson.self.get(), may: { microphone: false, camera: true, screen: false, screen_sound: false } });
    open(lesson);
    fireEvent.click(screen.getByTestId("toggle-microphone"));
    expect(screen.getByTestId("banner-may").textContent).toContain("turned microphones off");
    expect(lesson.calls.filter(([name]) => name === "setSource")).toEqual([]);
  });

  it("shows why a camera did not start, with a button that tries again", async () => {
    const lesson = student();
    open(lesson);
    lesson.refuse = new Failed("camera_denied");
    fireEvent.click(screen.getByTestId("toggle-camera"));
    await waitFor(() => {
      expect(screen.getByTestId("banner-failed").textContent).toContain("does not allow the camera");
    });
    fireEvent.click(screen.getByTestId("try-again"));
    expect(lesson.calls.at(-1)).toEqual(["setSource", "camera", true]);
    expect(screen.queryByTestId("banner-failed")).toBeNull();
  });

  it("shows a lost connection with a button and takes it away again", () => {
    const lesson = student();
    open(lesson);
    act(() => lesson.connection.set({ socket: "down", media: "connected", retryAtMs: 1, failure: null }));
    fireEvent.click(screen.getByTestId("retry-now"));
    expect(lesson.calls.at(-1)).toEqual(["retryNow"]);
    act(() => lesson.connection.set({ socket: "up", media: "connected", retryAtMs: null, failure: null }));
    expect(screen.queryByTestId("banner-reconnecting")).toBeNull();
    expect(screen.getByTestId("banner-resumed")).toBeTruthy();
  });

  it("closes a panel by Escape and gives the focus back to its button", () => {
    open(student());
    fireEvent.click(screen.getByTestId("chat"));
    fireEvent.keyDown(screen.getByTestId("chat-input"), { key: "Escape" });
    expect(screen.queryByTestId("chat-panel")).toBeNull();
    expect(document.activeElement).toBe(screen.getByTestId("chat"));
  });

  it("counts unread messages until the chat is opened, and speaks them meanwhile", () => {
    const lesson = student();
    open(lesson);
    const message = {
      id: "1", participant: "t", name: "Maria", text: "Page 42", atMs: 0, own: false, thread: null, quote: null, removed: false, waits: null, material: null,
    };
    act(() => lesson.notify({ kind: "chat", message }));
    act(() => lesson.notify({ kind: "chat", message: { ...message, id: "2", own: true } }));
    expect(screen.getByTestId("chat").getAttribute("aria-label")).toBe("Chat, unread: 1");
    expect(screen.getByTestId("chat-spoken").textContent).toBe("Maria writes: Page 42");
    fireEvent.click(screen.getByTestId("chat"));
    expect(screen.getByTestId("chat").getAttribute("aria-label")).toBe("Chat");
  });

  it("tells a leader of a raised hand, and a student only by speech", () => {
    const hand = { kind: "hand_up", participant: "ann", name: "Ann" } as const;
    const leads = teacher();
    open(leads);
    act(() => leads.notify(hand));
    expect(screen.getByTestId("banner-hand").textContent).toContain("Ann");
    cleanup();
    const lesson = student();
    open(lesson);
    act(() => lesson.notify(hand));
    expect(screen.queryByTestId("banner-hand")).toBeNull();
    expect(screen.getByTestId("spoken").textContent).toBe("Ann raises a hand");
  });

  it("raises and lowers the hand of a student; leaders have none", () => {
    const lesson = student();
    open(lesson);
    fireEvent.click(screen.getByTestId("raise-hand"));
    expect(lesson.calls.at(-1)).toEqual(["setHand", true]);
  });

  it("asks the teacher whether to leave or to end, a student only once", () => {
    const lesson = teacher();
    open(lesson, LINKS);
    expect(screen.queryByTestId("raise-hand")).toBeNull();
    fireEvent.click(screen.getByTestId("leave-or-end"));
    expect(lesson.calls.filter(([name]) => name === "end")).toEqual([]);
    fireEvent.click(screen.getByTestId("end-lesson"));
    expect(lesson.calls.at(-1)).toEqual(["end"]);
  });

  it("gives a student no way to end for all", () => {
    open(student());
    fireEvent.click(screen.getByTestId("leave"));
    expect(screen.queryByTestId("end-lesson")).toBeNull();
    expect(screen.getByTestId("leave-confirm")).toBeTruthy();
  });

  it("shows the links and the code to the teacher only", () => {
    open(teacher(), LINKS);
    fireEvent.click(screen.getByTestId("invite"));
    expect(screen.getByTestId("student-link").textContent).toBe(LINKS.student);
    expect(screen.getByTestId("co-teacher-link").textContent).toBe(LINKS.coTeacher);
    expect(screen.getByTestId("qr").querySelector("path")?.getAttribute("d")).toMatch(/^M3 3h1v1h-1z/);
  });

  it("keeps the chosen view for the next lesson", () => {
    open(student());
    fireEvent.click(screen.getByTestId("layout"));
    fireEvent.click(screen.getByTestId("layout-gallery"));
    expect(localStorage.getItem("zvonok.layout")).toBe("gallery");
    expect(screen.getByTestId("scene").dataset["layout"]).toBe("gallery");
  });
});
