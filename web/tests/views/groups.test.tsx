// @vitest-environment jsdom
import "./setup";

import { act, fireEvent, render, screen, waitFor } from "@testing-library/react";
import { describe, expect, it, vi } from "vitest";

import { Failed } from "../../src/core/types";
import { GroupsCard } from "../../src/views/lesson/groups/GroupsCard";
import { GroupsPanel } from "../../src/views/lesson/groups/GroupsPanel";
import { shownTo } from "../../src/views/lesson/shown";
import { Language } from "../../src/views/text";
import { FakeLesson, person } from "./fake";

const teacher = person("t", { name: "Maria", role: "teacher" });
const ann = person("ann", { name: "Ann" });
const bob = person("bob", { name: "Bob" });

function fields(state: "prepared" | "open", more: Record<string, unknown> = {}) {
  return new Map<string, unknown>(
    Object.entries({
      groups: { state, ends_at_ms: state === "open" ? 150_000 : null, choose: false },
      "group/1": { name: "", order: 1 },
      "group/2": { name: "Reds", order: 2 },
      "in/ann": "1",
      "in/bob": "2",
      ...more,
    }),
  );
}

describe("a group with a board", () => {
  it("has it before itself instead of what the class has", () => {
    const klass = { kind: "board", thing: "b", by: "t" };
    const boards = {
      groups: { state: "open", ends_at_ms: null, choose: false, boards: true },
      "group/1": { name: "", order: 1, board: "g1" },
      "board/g1": {},
      "board/b": {},
      shown: klass,
    };
    expect(shownTo(fields("open", boards), "ann")).toMatchObject({ kind: "board", thing: "g1" });
    expect(shownTo(fields("open", boards), "bob")).toEqual(klass);
    expect(shownTo(fields("open", boards), "t")).toEqual(klass);
    expect(shownTo(fields("open", { ...boards, groups: { ...boards.groups, state: "prepared" } }), "ann")).toEqual(klass);
  });
});

function panel(lesson: FakeLesson, onFailed: (error: unknown) => void = () => undefined) {
  render(
    <Language initial="en">
      <GroupsPanel lesson={lesson} onFailed={onFailed} />
    </Language>,
  );
}

function card(lesson: FakeLesson) {
  return render(
    <Language initial="en">
      <GroupsCard lesson={lesson} onFailed={() => undefined} />
    </Language>,
  );
}

describe("making groups", () => {
  it("draws as many as were chosen", () => {
    const lesson = new FakeLesson(teacher, [ann, bob]);
    panel(lesson);
    fireEvent.change(screen.getByTestId("groups-count"), { target: { value: "3" } });
    fireEvent.click(screen.getByTestId("groups-draw"));
    const none = { name: "", people: [] };
    expect(lesson.calls).toEqual([["request", { t: "make_groups", groups: [none, none, none], draw: true }]]);
  });

  it("takes a list and says who was not found", () => {
    const lesson = new FakeLesson(teacher, [ann, bob]);
    panel(lesson);
    fireEvent.click(screen.getByTestId("groups-list-make"));
    expect(screen.getByRole("alert").textContent).toContain("no name");
    fireEvent.change(screen.getByTestId("groups-list"), { target: { value: "Reds: Ann, Zoe" } });
    fireEvent.click(screen.getByTestId("groups-list-make"));
    expect(lesson.calls).toEqual([["request", { t: "make_groups", groups: [{ name: "Reds", people: ["ann"] }], draw: false }]]);
    act(() => {
      lesson.fields.set(fields("prepared"));
    });
    expect(screen.getByTestId("groups-unknown").textContent).toContain("Zoe");
  });

  it("moves a person by the choice beside the name, and by dragging", () => {
    const lesson = new FakeLesson(teacher, [ann, bob, person("eve", { name: "Eve" })]);
    lesson.fields.set(fields("prepared"));
    panel(lesson);
    fireEvent.change(screen.getByLabelText("Group of Ann"), { target: { value: "2" } });
    fireEvent.change(screen.getByLabelText("Group of Bob"), { target: { value: "" } });
    const data = new Map<string, string>();
    const dataTransfer = {
      types: ["application/x-zvonok-person"],
      setData: (kind: string, value: string) => data.set(kind, value),
      getData: (kind: string) => data.get(kind) ?? "",
    };
    fireEvent.dragStart(screen.getByTestId("group-person-eve"), { dataTransfer });
    fireEvent.dragOver(screen.getByTestId("group-1"), { dataTransfer });
    fireEvent.drop(screen.getByTestId("group-1"), { dataTransfer });
    fireEvent.click(screen.getByTestId("groups-spread"));
    fireEvent.change(screen.getByTestId("groups-minutes"), { target: { value: "0" } });
    fireEvent.click(screen.getByTestId("groups-choose"));
    fireEvent.click(screen.getByTestId("groups-open"));
    expect(lesson.calls.map(([, request]) => request)).toEqual([
      { t: "go_to_group", group: "2", participant: "ann" },
      { t: "go_to_group", group: null, participant: "bob" },
      { t: "go_to_group", group: "1", participant: "eve" },
      { t: "spread_groups" },
      { t: "open_groups", minutes: null, choose: true, boards: false },
    ]);
  });
});

describe("leading open groups", () => {
  it("goes in, gives time, brings back; says who speaks and who asks", () => {
    const lesson = new FakeLesson(teacher, [ann, bob]);
    lesson.fields.set(fields("open", { "ask/2": { participant: "bob", at_ms: 1 } }));
    lesson.speakers.set(["bob"]);
    panel(lesson);
    expect(screen.getByTestId("groups-left").textContent).toBe("2:30 left");
    expect(screen.getByTestId("group-speaks-2").textContent).toContain("Bob");
    expect(screen.getByTestId("group-2").className).toContain("asks");
    fireEvent.click(screen.getByLabelText("Go into Reds"));
    fireEvent.click(screen.getByTestId("groups-more-5"));
    fireEvent.click(screen.getByTestId("groups-close"));
    expect(lesson.calls.map(([, request]) => request)).toEqual([
      { t: "go_to_group", group: "2" },
      { t: "extend_groups", minutes: 5 },
      { t: "close_groups" },
    ]);
  });

  it("turns the microphone on to speak to all, and off again", async () => {
    const lesson = new FakeLesson(teacher, [ann]);
    lesson.fields.set(fields("open"));
    panel(lesson);
    fireEvent.click(screen.getByTestId("groups-speak"));
    await waitFor(() => {
      expect(lesson.calls).toEqual([["setSource", "microphone", true], ["request", { t: "speak_to_all", on: true }]]);
    });
    act(() => {
      lesson.fields.set(fields("open", { "speech/t": 1 }));
    });
    expect(screen.getByTestId("groups-speak").getAttribute("aria-pressed")).toBe("true");
    fireEvent.click(screen.getByTestId("groups-speak"));
    await waitFor(() => {
      expect(lesson.calls.slice(2)).toEqual([["request", { t: "speak_to_all", on: false }], ["setSource", "microphone", false]]);
    });
  });

  it("keeps what was written when it could not be sent", async () => {
    const lesson = new FakeLesson(teacher, [ann]);
    lesson.fields.set(fields("open"));
    const failed = vi.fn();
    panel(lesson, failed);
    lesson.refuse = new Failed("groups_closed");
    const input = screen.getByTestId<HTMLInputElement>("groups-notice");
    fireEvent.change(input, { target: { value: "Five minutes" } });
    fireEvent.click(screen.getByTestId("groups-notice-send"));
    await waitFor(() => {
      expect(failed).toHaveBeenCalled();
    });
    expect(input.value).toBe("Five minutes");
  });
});

describe("the strip", () => {
  it("is not there before groups are open", () => {
    const lesson = new FakeLesson(ann, [teacher, bob]);
    lesson.fields.set(fields("prepared"));
    expect(card(lesson).container.innerHTML).toBe("");
  });

  it("tells a student where they are, asks the teacher, and says when it is over", () => {
    const lesson = new FakeLesson(ann, [teacher, bob]);
    lesson.fields.set(fields("open"));
    card(lesson);
    expect(screen.getByTestId("groups-where").textContent).toBe("You are in Group 1. Nobody else is there yet.");
    expect(screen.getByTestId("groups-clock").textContent).toBe("2:30 left");
    expect(screen.queryByTestId("groups-back")).toBeNull();
    fireEvent.click(screen.getByTestId("groups-ask"));
    expect(lesson.calls).toEqual([["request", { t: "ask_in", on: true }]]);
    act(() => {
      lesson.fields.set(fields("open", { "in/t": "1", "in/bob": "1" }));
    });
    expect(screen.getByTestId("groups-where").textContent).toBe("You are in Group 1 with Maria, Bob.");
    expect(screen.getByRole("status").textContent).toContain("with Maria, Bob");
    expect(screen.queryByTestId("groups-ask"), "the teacher is there").toBeNull();
    act(() => {
      lesson.fields.set(fields("prepared"));
    });
    expect(screen.getByTestId("groups-over").textContent).toContain("together again");
  });

  it("warns in the last minute, and shows what is said to all", () => {
    const lesson = new FakeLesson(ann, [teacher, bob]);
    const notice = { participant: "t", name: "Maria", text: "Write it down", at_ms: 7 };
    lesson.fields.set(
      fields("open", { groups: { state: "open", ends_at_ms: 60_000, choose: true }, "speech/t": 1, group_notice: notice }),
    );
    card(lesson);
    expect(screen.getByTestId("groups-last").textContent).toContain("One minute");
    expect(screen.getByTestId("groups-speech").textContent).toContain("Maria speaks");
    expect(screen.getByTestId("groups-told").textContent).toContain("Write it down");
    fireEvent.click(screen.getByLabelText("Close the message"));
    expect(screen.queryByTestId("groups-told")).toBeNull();
    fireEvent.change(screen.getByTestId("groups-change"), { target: { value: "2" } });
    expect(lesson.calls).toEqual([["request", { t: "go_to_group", group: "2" }]]);
  });

  it("writes to the group and keeps the draft when it is refused", async () => {
    const lesson = new FakeLesson(ann, [teacher, bob]);
    const said = { participant: "bob", name: "Bob", text: "Hello group", at_ms: 7 };
    lesson.fields.set(fields("open", { "group_chat/1/a": said }));
    card(lesson);
    fireEvent.click(screen.getByTestId("groups-chat"));
    expect(screen.getByTestId("groups-said").textContent).toContain("Hello group");
    const input = screen.getByTestId<HTMLInputElement>("groups-write");
    lesson.refuse = new Failed("network");
    fireEvent.change(input, { target: { value: "Hi" } });
    fireEvent.click(screen.getByTestId("groups-send"));
    await waitFor(() => {
      expect(lesson.calls).toEqual([["request", { t: "group_chat", text: "Hi" }]]);
    });
    expect(input.value).toBe("Hi");
  });

  it("brings a group's question before a leader wherever they are", () => {
    const lesson = new FakeLesson(teacher, [ann, bob]);
    lesson.fields.set(fields("open", { "in/t": "1", "ask/2": { participant: "bob", at_ms: 1 } }));
    card(lesson);
    expect(screen.getByTestId("groups-asked-2").textContent).toContain("Reds asks for you.");
    fireEvent.click(screen.getByTestId("groups-answer-2"));
    fireEvent.click(screen.getByTestId("groups-back"));
    expect(lesson.calls.map(([, request]) => request)).toEqual([
      { t: "go_to_group", group: "2" },
      { t: "go_to_group", group: null },
    ]);
  });
});
