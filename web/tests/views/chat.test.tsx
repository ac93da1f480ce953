// @vitest-environment jsdom
import "./setup";

import { act, fireEvent, render, screen, waitFor } from "@testing-library/react";
import { afterEach, describe, expect, it, vi } from "vitest";

import { Failed, type ChatMessage } from "../../src/core/types";
import { ChatAnnouncer } from "../../src/views/lesson/chat/Announcer";
import { ChatPanel } from "../../src/views/lesson/chat/ChatPanel";
import { Language } from "../../src/views/text";
import { FakeLesson, person } from "./fake";

const MAX = 1000;
const asked = (lesson: FakeLesson) => lesson.calls.filter(([what]) => what === "request").map(([, request]) => request);
const teacher = () => new FakeLesson(person("t", { role: "teacher", name: "Anna" }), [person("m", { name: "Masha" })]);
const student = () => new FakeLesson(person("m", { name: "Masha" }));

function message(id: string, participant: string, more: Partial<ChatMessage> = {}): ChatMessage {
  return {
    id, participant, name: participant, text: id, atMs: 0, own: false, thread: null, quote: null, removed: false, waits: null, material: null,
    ...more,
  };
}

function note(participant: string, text: string, more = {}) {
  return { participant, name: participant, text, at_ms: 1, quote: null, removed: false, material: null, ...more };
}

function held(text: string, reason: "mode" | "links" | "words" = "links") {
  return { name: "Masha", text, at_ms: 1, reason, quote: null, material: null };
}

function shown(lesson: FakeLesson, onFailed: (error: unknown) => void = () => undefined) {
  render(
    <Language initial="en">
      <ChatPanel lesson={lesson} onFailed={onFailed} />
      <ChatAnnouncer lesson={lesson} onFailed={onFailed} />
    </Language>,
  );
  return screen.queryByTestId<HTMLTextAreaElement>("chat-input") ?? document.createElement("textarea");
}

afterEach(() => {
  vi.useRealTimers();
});

describe("writing", () => {
  it("sends by Enter, makes a new line by Shift+Enter, and empties itself", async () => {
    const lesson = student();
    const input = shown(lesson);
    fireEvent.change(input, { target: { value: " Hello " } });
    fireEvent.keyDown(input, { key: "Enter", shiftKey: true });
    expect(asked(lesson)).toEqual([]);
    fireEvent.keyDown(input, { key: "Enter" });
    expect(asked(lesson)).toEqual([{ t: "chat", text: "Hello", quote: null, material: null }]);
    await waitFor(() => {
      expect(input.value).toBe("");
    });
  });

  it("sends nothing while an input method composes, and nothing empty", () => {
    const lesson = student();
    const input = shown(lesson);
    fireEvent.change(input, { target: { value: "   " } });
    fireEvent.keyDown(input, { key: "Enter" });
    fireEvent.change(input, { target: { value: "word" } });
    fireEvent.keyDown(input, { key: "Enter", isComposing: true });
    expect(asked(lesson)).toEqual([]);
  });

  it("keeps what was written when it was refused, and says why beside it", async () => {
    const lesson = student();
    const input = shown(lesson);
    lesson.refuse = new Failed("chat_words");
    fireEvent.change(input, { target: { value: "Hello" } });
    fireEvent.keyDown(input, { key: "Enter" });
    await waitFor(() => {
      expect(screen.getByTestId("chat-failure").textContent).toContain("Write it another way");
    });
    expect(input.value).toBe("Hello");
  });

  it("says before sending that a pasted book is too long, counting emoji once", () => {
    const lesson = student();
    const input = shown(lesson);
    fireEvent.change(input, { target: { value: "🙂".repeat(MAX) } });
    expect(screen.getByTestId<HTMLButtonElement>("chat-send").disabled).toBe(false);
    fireEvent.change(input, { target: { value: "🙂".repeat(MAX + 7) } });
    expect(screen.getByRole("alert").textContent).toContain("Shorten it by 7");
    fireEvent.keyDown(input, { key: "Enter" });
    expect(asked(lesson)).toEqual([]);
  });

  it("counts down how long a student waits, and lets the draft be written meanwhile", () => {
    vi.useFakeTimers();
    const lesson = student();
    let now = 1000;
    lesson.serverNowMs = () => now;
    lesson.fields.set(new Map<string, unknown>([
      ["chat_rules", { mode: "open", slow_s: 30, notes: true, links: "held", words: "refused" }],
      ["chat_next/m", 4000],
    ]));
    const input = shown(lesson);
    fireEvent.change(input, { target: { value: "Hello" } });
    expect(screen.getByTestId("chat-wait").textContent).toContain("3 s");
    expect(screen.getByTestId<HTMLButtonElement>("chat-send").disabled).toBe(true);
    now = 4001;
    act(() => {
      vi.advanceTimersByTime(1000);
    });
    expect(screen.queryByTestId("chat-wait")).toBeNull();
    expect(screen.getByTestId<HTMLButtonElement>("chat-send").disabled).toBe(false);
  });

  it("says who writes where the chat is closed, or off for oneself", () => {
    const lesson = student();
    lesson.fields.set(new Map([["chat_rules", { mode: "closed", slow_s: 0, notes: true, links: "held", words: "refused" }]]));
    shown(lesson);
    expect(screen.queryByTestId("chat-input")).toBeNull();
    expect(screen.getByTestId("chat-closed").textContent).toContain("Only teachers write");
    act(() => {
      lesson.fields.set(new Map([["chat_muted/m", true]]));
    });
    expect(screen.getByTestId("chat-closed").textContent).toContain("turned off writing for you");
  });
});

describe("reading", () => {
  it("shows a message as text, whatever is in it", () => {
    const lesson = student();
    const text = "<script>alert(1)</script> & <b>bold</b>";
    lesson.chat.set([message("1", "x", { name: "<i>X</i>", text })]);
    shown(lesson);
    expect(screen.getByTestId("chat-message").textContent).toContain(text);
    expect(document.querySelector("script, i")).toBeNull();
  });

  it("names the author once for messages in a row", () => {
    const lesson = student();
    lesson.chat.set([
      message("1", "ann"), message("2", "ann", { atMs: 1000 }), message("3", "bob", { atMs: 2000 }), message("4", "bob", { atMs: 500_000 }),
    ]);
    shown(lesson);
    const named = screen.getAllByTestId("chat-message").map((each) => each.querySelector("header") !== null);
    expect(named).toEqual([true, false, true, true]);
  });

  it("makes links that may be followed, without a word to where they lead", () => {
    const lesson = student();
    lesson.chat.set([message("1", "t", { text: "see https://school.example/a." })]);
    shown(lesson);
    const link = screen.getByTestId<HTMLAnchorElement>("chat-link");
    expect(link.href).toBe("https://school.example/a");
    expect(link.rel).toBe("noopener noreferrer nofollow");
  });

  it("leaves a mark where a text was removed, also in what quotes it", () => {
    const lesson = student();
    lesson.chat.set([message("1", "x", { text: "", removed: true }), message("2", "y", { quote: "1" }), message("3", "y", { quote: "0" })]);
    shown(lesson);
    const seen = screen.getAllByTestId("chat-message").map((each) => each.textContent);
    expect(seen[0]).toContain("Removed by the teacher");
    expect(seen[1]).toContain("Removed by the teacher");
    expect(seen[2]).toContain("An earlier message");
  });

  it("answers a message with a quote", () => {
    const lesson = student();
    lesson.chat.set([message("1", "x", { text: "why?" })]);
    const input = shown(lesson);
    fireEvent.click(screen.getByTestId("chat-reply"));
    expect(screen.getByTestId("chat-replying").textContent).toContain("why?");
    fireEvent.change(input, { target: { value: "so" } });
    fireEvent.keyDown(input, { key: "Enter" });
    expect(asked(lesson)).toEqual([{ t: "chat", text: "so", quote: "1", material: null }]);
  });

  it("carries a material of the lesson, by its name where nothing is written, and opens it", () => {
    const lesson = student();
    lesson.fields.set(new Map([["material/f", { name: "roots.pdf", kind: "file", url: "" }], ["material/l", { name: "Site", kind: "link", url: "https://a.example/" }]]));
    lesson.chat.set([message("1", "t", { material: "l" }), message("2", "t", { material: "gone" })]);
    shown(lesson);
    expect(screen.getByTestId<HTMLAnchorElement>("chat-material").href).toBe("https://a.example/");
    expect(screen.getAllByTestId("chat-message")[1]?.textContent).toContain("not there any more");
    fireEvent.click(screen.getByTestId("chat-attach"));
    fireEvent.click(screen.getByTestId("chat-attach-f"));
    expect(screen.getByTestId("chat-attached").textContent).toContain("roots.pdf");
    fireEvent.click(screen.getByTestId("chat-send"));
    expect(asked(lesson)).toEqual([{ t: "chat", text: "roots.pdf", quote: null, material: "f" }]);
  });

  it("shows a student what of theirs waits", () => {
    const lesson = student();
    lesson.fields.set(new Map([["held/m/1", held("vk.com")]]));
    shown(lesson);
    const mine = screen.getByTestId("chat-message");
    expect(mine.dataset["state"]).toBe("waits");
    expect(mine.textContent).toContain("Waits for the teacher");
    expect(screen.queryByTestId("chat-waiting")).toBeNull();
  });
});

describe("a thread with the teachers", () => {
  it("is a student's own, and marked as new until it is looked at", () => {
    const lesson = student();
    lesson.fields.set(new Map([["note/m/1", note("t", "well done", { name: "Anna" })]]));
    shown(lesson);
    const tab = screen.getByTestId("chat-view-notes");
    expect(tab.textContent).toContain("new: 1");
    fireEvent.click(tab);
    expect(screen.getByTestId("chat-message").textContent).toContain("well done");
    expect(screen.getByTestId("chat-view-notes").textContent).not.toContain("new");
    const input = screen.getByTestId("chat-input");
    fireEvent.change(input, { target: { value: "thanks" } });
    fireEvent.keyDown(input, { key: "Enter" });
    expect(asked(lesson)).toEqual([{ t: "chat", text: "thanks", thread: "m" }]);
  });

  it("is answered by a leader in the same thread; a student's link there can't be followed", () => {
    const lesson = teacher();
    lesson.fields.set(new Map([["note/m/1", note("m", "help https://x.example")]]));
    shown(lesson);
    fireEvent.click(screen.getByTestId("chat-view-notes"));
    fireEvent.click(screen.getByTestId("thread-m"));
    expect(screen.queryByTestId("chat-link")).toBeNull();
    const input = screen.getByTestId("chat-input");
    fireEvent.change(input, { target: { value: "coming" } });
    fireEvent.keyDown(input, { key: "Enter" });
    fireEvent.click(screen.getByTestId("chat-remove"));
    expect(asked(lesson)).toEqual([
      { t: "chat", text: "coming", thread: "m" },
      { t: "remove_chat", message: "1", thread: "m" },
    ]);
  });

  it("is not offered where the teacher turned it off", () => {
    const lesson = student();
    lesson.fields.set(new Map([["chat_rules", { mode: "open", slow_s: 0, notes: false, links: "held", words: "refused" }]]));
    shown(lesson);
    expect(screen.queryByTestId("chat-view-notes")).toBeNull();
  });
});

describe("a leader", () => {
  it("lets waiting messages through or not", () => {
    const lesson = teacher();
    lesson.fields.set(new Map([["held/m/1", held("vk.com")], ["held/m/2", held("дурак", "words")]]));
    shown(lesson);
    const [approve, decline] = [screen.getAllByTestId("chat-approve"), screen.getAllByTestId("chat-decline")];
    for (const button of [...approve.slice(0, 1), ...decline.slice(1)]) fireEvent.click(button);
    expect(asked(lesson)).toEqual([
      { t: "judge_chat", participant: "m", message: "1", approve: true },
      { t: "judge_chat", participant: "m", message: "2", approve: false },
    ]);
  });

  it("changes one rule and keeps the others", () => {
    const lesson = teacher();
    lesson.fields.set(new Map([["chat_rules", { mode: "held", slow_s: 45, notes: false, links: "refused", words: "held" }]]));
    shown(lesson);
    expect(screen.getByTestId<HTMLSelectElement>("chat-slow").value).toBe("45");
    fireEvent.change(screen.getByTestId("chat-mode"), { target: { value: "closed" } });
    fireEvent.change(screen.getByTestId("chat-own-words"), { target: { value: " кит* \n\nосёл" } });
    fireEvent.click(screen.getByTestId("chat-save-words"));
    expect(asked(lesson)).toEqual([
      { t: "set_chat", mode: "closed", slow_s: 45, notes: false, links: "refused", words: "held" },
      { t: "set_chat_words", words: ["кит*", "осёл"] },
    ]);
  });
});

describe("what is said to screen readers", () => {
  it("is one message with its words, and many only by their number, seconds apart", () => {
    vi.useFakeTimers();
    const lesson = student();
    shown(lesson);
    const said = () => screen.getByTestId("chat-spoken").textContent;
    const come = (one: ChatMessage) => {
      act(() => {
        lesson.notify({ kind: "chat", message: one });
      });
    };
    come(message("1", "Anna", { text: "Page 42" }));
    expect(said()).toBe("Anna writes: Page 42");
    for (let n = 2; n < 50; n += 1) come(message(String(n), "Petya"));
    come(message("own", "m", { own: true }));
    expect(said()).toBe("Anna writes: Page 42");
    act(() => {
      vi.advanceTimersByTime(6000);
    });
    expect(said()).toBe("New messages in the chat: 48, the last one from Petya");
  });
});
