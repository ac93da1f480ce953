// @vitest-environment jsdom
import "./setup";

import { act, fireEvent, render, screen } from "@testing-library/react";
import type { ReactNode } from "react";
import { describe, expect, it } from "vitest";

import { packPoints } from "../../src/core/board/elements";
import { BoardsPanel } from "../../src/views/lesson/board/BoardsPanel";
import { BoardView } from "../../src/views/lesson/board/BoardView";
import { Ink, PageInk } from "../../src/views/lesson/board/Ink";
import { shownIn } from "../../src/views/lesson/shown";
import { Language } from "../../src/views/text";
import { FakeLesson, person } from "./fake";

const FIELDS: ReadonlyMap<string, unknown> = new Map<string, unknown>([
  ["board/b1", { name: "Forces", at_ms: 1, by: "t", over: null }],
  ["board/b2", { name: "Light", at_ms: 2, by: "t", over: null }],
  ["board/b1/e/line", { kind: "arrow", x: 0, y: 0, width: 10, height: 10, version: 1, nonce: 1, points: packPoints([[0, 0], [10, 10]]), head: "arrow" }],
  ["board/b1/e/word", { kind: "text", x: 0, y: 0, width: 10, height: 10, version: 1, nonce: 1, text: "<b>F</b> = ma" }],
  ["shown", { kind: "board", thing: "b1", by: "t" }],
]);
const never = () => { throw new Error("failed"); };

function show(view: ReactNode, language: "en" | "ru" = "en") {
  return render(<Language initial={language}>{view}</Language>);
}

describe("the boards' panel", () => {
  const panel = (fields = FIELDS) => {
    const lesson = new FakeLesson(person("t", { role: "teacher", leads: true }), [person("p"), person("q")]);
    lesson.fields.set(fields);
    show(<BoardsPanel lesson={lesson} onFailed={never} />);
    return lesson;
  };
  it("makes one that is shown at once, under the next number", () => {
    const lesson = panel();
    fireEvent.click(screen.getByTestId("board-new"));
    expect(lesson.calls).toEqual([["request", expect.objectContaining({ t: "board_make", name: "Board 3", show: true })]]);
    const made = lesson.calls[0]?.[1] as { board: string };
    expect(made.board).toMatch(/^b[a-z0-9]{1,39}$/);
  });
  it("shows, hides, names, clears and removes them, the last two not by one press", () => {
    const lesson = panel();
    fireEvent.click(screen.getByTestId("board-hide"));
    fireEvent.click(screen.getByTestId("board-show"));
    fireEvent.click(screen.getByLabelText("Rename: Light"));
    fireEvent.change(screen.getByTestId("board-name-input"), { target: { value: "Optics" } });
    fireEvent.click(screen.getByTestId("board-name-save"));
    fireEvent.click(screen.getByLabelText("Remove: Forces"));
    expect(lesson.calls.length).toBe(3);
    fireEvent.click(screen.getByTestId("board-clear"));
    fireEvent.click(screen.getByLabelText("Remove: Forces"));
    fireEvent.click(screen.getByTestId("board-remove-yes"));
    expect(lesson.calls.map(([, request]) => request)).toEqual([
      { t: "show" },
      { t: "show", kind: "board", thing: "b2" },
      { t: "board_name", board: "b2", name: "Optics" },
      { t: "board_clear", board: "b1" },
      { t: "board_remove", board: "b1" },
    ]);
  });
  it("says who draws: one, or all", () => {
    const lesson = panel(new Map([...FIELDS, ["ink/q", true]]));
    expect(screen.getByTestId<HTMLInputElement>("ink-q").checked).toBe(true);
    fireEvent.click(screen.getByTestId("ink-p"));
    fireEvent.click(screen.getByTestId("ink-all"));
    expect(lesson.calls.map(([, request]) => request)).toEqual([
      { t: "set_ink", on: true, participant: "p" },
      { t: "set_ink", on: true },
    ]);
    act(() => { lesson.fields.set(new Map([["ink/*", true]])); });
    expect(screen.queryByTestId("ink-p")).toBeNull();
    expect(screen.getByText("There is no board yet. A new one appears before everybody at once.")).toBeTruthy();
  });
});

describe("a board before the class", () => {
  it("is drawn from the fields alone, with words for who does not see it", () => {
    expect(shownIn(FIELDS)?.thing).toBe("b1");
    const { container } = show(<BoardView fields={FIELDS} thing="b1" lesson={null} onFailed={never} />, "ru");
    expect(screen.getByLabelText("Forces: 2 элемента. Написано: <b>F</b> = ma")).toBeTruthy();
    expect(container.querySelectorAll("g[data-element]").length).toBe(2);
    expect(container.querySelector("text")?.textContent).toBe("<b>F</b> = ma");
    expect(container.querySelector("[style]")).toBeNull();
  });
  it("shows a student others' pens until what they draw is there", () => {
    const lesson = new FakeLesson(person("p"), [person("t", { role: "teacher", leads: true, name: "Anna" })]);
    const view = (fields: ReadonlyMap<string, unknown>) => (
      <Language initial="en">
        <BoardView fields={fields} thing="b1" lesson={lesson} onFailed={never} />
      </Language>
    );
    const { container, rerender } = render(view(FIELDS));
    const points = packPoints([[0, 0], [5, 5]]);
    act(() => { lesson.pass({ t: "ink", participant: "t", board: "b1", tool: "pen", x: 1, y: 1, points, element: "new", stroke: "#111111", thick: 2 }); });
    expect(container.querySelector("[data-stroke=new]")).not.toBeNull();
    expect(screen.getByTestId("pen-t").textContent).toBe("Anna");
    rerender(view(new Map([...FIELDS, ["board/b1/e/new", { kind: "freedraw", x: 1, y: 1, width: 5, height: 5, version: 1, nonce: 1, points }]])));
    expect(container.querySelector("[data-stroke=new]")).toBeNull();
    expect(container.querySelector("[data-element=new]")).not.toBeNull();
  });
  it("comes nearer by buttons and keys, and whole again", () => {
    show(<BoardView fields={FIELDS} thing="b1" lesson={null} onFailed={never} />);
    const whole = screen.getByTestId<HTMLButtonElement>("board-whole");
    expect(whole.disabled).toBe(true);
    fireEvent.click(screen.getByTestId("board-larger"));
    expect(whole.disabled).toBe(false);
    fireEvent.keyDown(screen.getByLabelText(/^Forces/), { key: "0" });
    expect(whole.disabled).toBe(true);
  });
});

describe("ink over a page", () => {
  it("offers drawing to who may, and only looks otherwise", () => {
    const student = new FakeLesson(person("p"));
    const { unmount } = show(<Ink fields={FIELDS} thing="b1" lesson={student} onFailed={never} />);
    expect(screen.queryByTestId("board-ink-on")).toBeNull();
    expect(screen.getByLabelText("Drawn on the page: 2 marks")).toBeTruthy();
    unmount();
    const teacher = new FakeLesson(person("t", { role: "teacher", leads: true }));
    show(<PageInk fields={FIELDS} page="s1-3" lesson={teacher} onFailed={never} />);
    expect(screen.queryByLabelText(/^Drawn/)).toBeNull();
    expect(screen.getByTestId("board-ink-on").getAttribute("aria-pressed")).toBe("false");
  });
});
