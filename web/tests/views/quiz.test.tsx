// @vitest-environment jsdom
import "./setup";

import { act, fireEvent, render, screen, waitFor } from "@testing-library/react";
import { beforeEach, describe, expect, it, vi } from "vitest";

import { Failed } from "../../src/core/types";
import type { QuizField } from "../../src/generated/wire";
import { QuizCard } from "../../src/views/lesson/quiz/QuizCard";
import QuizPanel from "../../src/views/lesson/quiz/QuizPanel";
import { Language } from "../../src/views/text";
import { FakeLesson, person } from "./fake";

const FIELD: QuizField = {
  title: "Light", questions: 1, anonymous: false, pace: "own", may_change: true, seconds: null, keyed: true, at_ms: 1, by: "t",
  state: "open", asked: 1, question: null, ends_at_ms: null, shown: false, revealed: false,
};
const CHOICE = { kind: "single", text: "2 + 2?", options: ["3", "4"] };
const NUMBER = { kind: "number", text: "g?", options: [] };
const TEXT = { kind: "text", text: "Why?", options: [] };
const SENT = { t: "quiz_answer", quiz: "q", question: 0, choices: [], number: null, text: null };

function lessonWith(question: object, field: Partial<QuizField> = {}, more: Record<string, unknown> = {}, self = person("me")) {
  const lesson = new FakeLesson(self);
  put(lesson, { "quiz/q": { ...FIELD, ...field }, "quiz_question/q/0": question, ...more });
  return lesson;
}

function put(lesson: FakeLesson, more: Record<string, unknown>) {
  lesson.fields.set(new Map([...lesson.fields.get(), ...Object.entries(more)]));
}

function card(lesson: FakeLesson, onFailed: (error: unknown) => void = () => undefined) {
  return render(
    <Language initial="en">
      <QuizCard lesson={lesson} onFailed={onFailed} />
    </Language>,
  );
}

function panel(lesson: FakeLesson) {
  render(
    <Language initial="en">
      <QuizPanel lesson={lesson} onFailed={() => undefined} />
    </Language>,
  );
}

beforeEach(() => {
  sessionStorage.clear();
});

describe("the card of who answers", () => {
  it("sends one choice by one press and says when it is in", async () => {
    const lesson = lessonWith(CHOICE);
    card(lesson);
    expect(screen.getByTestId("quiz-spoken").textContent).toContain("2 + 2?");
    fireEvent.click(screen.getByTestId("quiz-option-1"));
    expect(lesson.calls).toEqual([["request", { ...SENT, choices: [1] }]]);
    act(() => {
      put(lesson, { "quiz_answer/me/q/0": { at_ms: 1, choices: [1], number: null, text: null } });
    });
    await waitFor(() => {
      expect(screen.getByTestId("quiz-state").textContent).toContain("Your answer is in.");
    });
    expect(screen.getByTestId("quiz-option-1").getAttribute("aria-pressed")).toBe("true");
  });

  it("asks for a press where an answer is final, and takes no other then", () => {
    const lesson = lessonWith(CHOICE, { may_change: false });
    card(lesson);
    fireEvent.click(screen.getByTestId("quiz-option-0"));
    expect(lesson.calls).toEqual([]);
    fireEvent.click(screen.getByTestId("quiz-send"));
    expect(lesson.calls).toHaveLength(1);
    act(() => {
      put(lesson, { "quiz_answer/me/q/0": { at_ms: 1, choices: [0], number: null, text: null } });
    });
    expect(screen.getByTestId<HTMLButtonElement>("quiz-option-1").disabled).toBe(true);
  });

  it("takes a number as it is written here, and nothing that is none", () => {
    const lesson = lessonWith(NUMBER);
    card(lesson);
    fireEvent.change(screen.getByTestId("quiz-number"), { target: { value: "nine" } });
    expect(screen.getByTestId<HTMLButtonElement>("quiz-send").disabled).toBe(true);
    fireEvent.change(screen.getByTestId("quiz-number"), { target: { value: "9,8" } });
    fireEvent.click(screen.getByTestId("quiz-send"));
    expect(lesson.calls).toEqual([["request", { ...SENT, number: 9.8 }]]);
  });

  it("keeps what was written when it was refused, and over a reload", async () => {
    const lesson = lessonWith(TEXT);
    const failed = vi.fn();
    lesson.refuse = new Failed("connection_lost");
    const { unmount } = card(lesson, failed);
    fireEvent.change(screen.getByTestId("quiz-text"), { target: { value: "because" } });
    fireEvent.click(screen.getByTestId("quiz-send"));
    await waitFor(() => {
      expect(failed).toHaveBeenCalled();
    });
    unmount();
    card(lesson);
    expect(screen.getByTestId<HTMLTextAreaElement>("quiz-text").value).toBe("because");
  });

  it("knows an anonymous answer by itself, over a reload", async () => {
    const lesson = lessonWith(CHOICE, { anonymous: true });
    const { unmount } = card(lesson);
    fireEvent.click(screen.getByTestId("quiz-option-0"));
    await waitFor(() => {
      expect(screen.getByTestId("quiz-state").dataset["in"]).toBe("true");
    });
    unmount();
    card(lesson);
    expect(screen.getByTestId("quiz-option-0").getAttribute("aria-pressed")).toBe("true");
  });

  it("sends what is written when the time is over", async () => {
    const lesson = lessonWith(TEXT, { ends_at_ms: 10_000 });
    card(lesson);
    fireEvent.change(screen.getByTestId("quiz-text"), { target: { value: "in time" } });
    lesson.serverNowMs = () => 10_000;
    await waitFor(() => {
      expect(lesson.calls).toEqual([["request", { ...SENT, text: "in time" }]]);
    });
    expect(screen.getByTestId<HTMLTextAreaElement>("quiz-text").disabled).toBe(true);
  });

  it("tells counts and what is right when it is revealed, and goes when it was read", () => {
    const lesson = lessonWith(CHOICE, { state: "closed", shown: true, revealed: true }, {
      "quiz_answer/me/q/0": { at_ms: 1, choices: [0], number: null, text: null },
      "quiz_result/me/q": { marks: [false] },
      "quiz_right/q/0": { ...CHOICE, right: [1], number: null, tolerance: 0, texts: [] },
      "quiz_tally/q/0": { at_ms: 1, answered: 4, counts: [1, 3], numbers: [], right: 3, withheld: false },
    });
    card(lesson);
    expect(screen.getByTestId("quiz-score").textContent).toBe("Right: 0 of 1");
    expect(screen.getByTestId("quiz-review-0").textContent).toContain("3 · 75 %");
    expect(screen.getByText("Not right")).toBeTruthy();
    fireEvent.click(screen.getByTestId("quiz-dismiss"));
    expect(screen.queryByTestId("quiz-card")).toBeNull();
  });

  it("can be made small, and is large again with the next question", () => {
    const lesson = lessonWith(CHOICE, { pace: "step", questions: 2, question: 0 });
    card(lesson);
    fireEvent.click(screen.getByTestId("quiz-fold"));
    expect(screen.getByTestId("quiz-unfold").textContent).toContain("0 of 1");
    act(() => {
      put(lesson, { "quiz/q": { ...FIELD, pace: "step", questions: 2, question: 1, asked: 2 }, "quiz_question/q/1": TEXT });
    });
    expect(screen.getByTestId("quiz-text")).toBeTruthy();
  });

  it("is not for leaders", () => {
    card(lessonWith(CHOICE, {}, {}, person("t", { role: "teacher" })));
    expect(screen.queryByTestId("quiz-card")).toBeNull();
  });
});

describe("the leaders' panel", () => {
  const teacher = person("t", { role: "teacher" });

  it("asks by one press, without names where that was chosen", () => {
    const lesson = new FakeLesson(teacher);
    panel(lesson);
    fireEvent.click(screen.getByTestId("quiz-anonymous"));
    fireEvent.click(screen.getByTestId("quiz-abcd"));
    expect(lesson.calls[0]?.[1]).toMatchObject({
      t: "make_quiz", start: true, anonymous: true, questions: [{ kind: "single", options: ["A", "B", "C", "D"], right: [] }],
    });
  });

  it("makes what was written, and not before it is whole", () => {
    const lesson = new FakeLesson(teacher);
    panel(lesson);
    fireEvent.click(screen.getByTestId("quiz-own"));
    expect(screen.getByTestId<HTMLButtonElement>("quiz-make").disabled).toBe(true);
    fireEvent.change(screen.getByTestId("quiz-question-text"), { target: { value: "2 + 2?" } });
    screen.getAllByTestId("quiz-edit-option").forEach((input, place) => {
      fireEvent.change(input, { target: { value: String(place + 3) } });
    });
    const [, second] = screen.getAllByTestId("quiz-edit-right");
    if (second !== undefined) fireEvent.click(second);
    fireEvent.click(screen.getByTestId("quiz-keep"));
    expect(lesson.calls[0]?.[1]).toMatchObject({
      t: "make_quiz", start: false, questions: [{ text: "2 + 2?", options: ["3", "4"], right: [1] }],
    });
  });

  it("shows the map while answers come in, with words for each cell", () => {
    const lesson = lessonWith(CHOICE, {}, {
      "person/m": { name: "Masha", role: "student", here: true, order: 2, label: "2", may: null },
      "quiz_answer/m/q/0": { at_ms: 1, choices: [1], number: null, text: null },
      "quiz_mark/m/q/0": true,
    }, teacher);
    panel(lesson);
    const row = screen.getByTestId("quiz-row-m");
    expect(row.textContent).toBe("Masha (2)✓right");
    fireEvent.click(screen.getByTestId("quiz-close"));
    expect(lesson.calls).toEqual([["request", { t: "set_quiz", quiz: "q", step: "close" }]]);
  });

  it("shows of an anonymous one only how many have answered", () => {
    const count = { at_ms: 1, answered: 5, counts: [], numbers: [], right: null, withheld: true };
    panel(lessonWith(CHOICE, { anonymous: true }, { "quiz_count/q/0": count }, teacher));
    expect(screen.getByTestId("quiz-answered").textContent).toContain("5");
    expect(screen.queryByTestId("quiz-map")).toBeNull();
  });

  it("says what is wrong with a text that is no quiz", () => {
    panel(new FakeLesson(teacher));
    fireEvent.click(screen.getByTestId("quiz-paste"));
    fireEvent.change(screen.getByTestId("quiz-pasted"), { target: { value: "Is it?\n- yes" } });
    fireEvent.click(screen.getByTestId("quiz-read"));
    expect(screen.getByRole("alert").textContent).toContain("line 1");
  });
});
