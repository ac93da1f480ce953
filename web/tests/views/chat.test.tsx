// @vitest-environment jsdom
import "./setup";

import { fireEvent, render, screen, waitFor } from "@testing-library/react";
import { describe, expect, it, vi } from "vitest";

import { Failed } from "../../src/core/types";
import { ChatPanel } from "../../src/views/lesson/ChatPanel";
import { Language } from "../../src/views/text";
import { FakeLesson, person } from "./fake";

function shown(lesson: FakeLesson, onFailed: (error: unknown) => void = () => undefined) {
  render(
    <Language initial="en">
      <ChatPanel lesson={lesson} onFailed={onFailed} />
    </Language>,
  );
  return screen.getByTestId<HTMLTextAreaElement>("chat-input");
}

describe("chat", () => {
  it("sends by Enter, makes a new line by Shift+Enter, and empties itself", async () => {
    const lesson = new FakeLesson(person("me"));
    const input = shown(lesson);
    fireEvent.change(input, { target: { value: " Hello " } });
    fireEvent.keyDown(input, { key: "Enter", shiftKey: true });
    expect(lesson.calls).toEqual([]);
    fireEvent.keyDown(input, { key: "Enter" });
    expect(lesson.calls).toEqual([["say", "Hello"]]);
    await waitFor(() => {
      expect(input.value).toBe("");
    });
  });

  it("sends nothing while an input method composes, and nothing empty", () => {
    const lesson = new FakeLesson(person("me"));
    const input = shown(lesson);
    fireEvent.change(input, { target: { value: "   " } });
    fireEvent.keyDown(input, { key: "Enter" });
    fireEvent.change(input, { target: { value: "word" } });
    fireEvent.keyDown(input, { key: "Enter", isComposing: true });
    expect(lesson.calls).toEqual([]);
  });

  it("keeps what was written when it was refused", async () => {
    const lesson = new FakeLesson(person("me"));
    const failed = vi.fn();
    const input = shown(lesson, failed);
    lesson.refuse = new Failed("rate_limited");
    fireEvent.change(input, { target: { value: "Hello" } });
    fireEvent.keyDown(input, { key: "Enter" });
    await waitFor(() => {
      expect(failed).toHaveBeenCalledWith(expect.objectContaining({ code: "rate_limited" }));
    });
    expect(input.value).toBe("Hello");
  });

  it("shows a message as text, whatever is in it", () => {
    const lesson = new FakeLesson(person("me"));
    const text = "<script>alert(1)</script> & <b>bold</b>";
    lesson.chat.set([{ id: "1", participant: "x", name: "<i>X</i>", text, atMs: 0, own: false }]);
    shown(lesson);
    expect(screen.getByTestId("chat-message").textContent).toContain(text);
    expect(document.querySelector("script, i")).toBeNull();
  });

  it("names the author once for messages in a row", () => {
    const lesson = new FakeLesson(person("me"));
    const message = (id: string, participant: string, atMs: number) => ({
      id, participant, name: participant, text: id, atMs, own: false,
    });
    lesson.chat.set([message("1", "ann", 0), message("2", "ann", 1000), message("3", "bob", 2000), message("4", "bob", 500_000)]);
    shown(lesson);
    const named = screen.getAllByTestId("chat-message").map((each) => each.querySelector("header") !== null);
    expect(named).toEqual([true, false, true, true]);
  });
});
