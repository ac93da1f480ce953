// @vitest-environment jsdom
import "./setup";

import { fireEvent, render, screen, waitFor, within } from "@testing-library/react";
import { describe, expect, it, vi } from "vitest";

import { Failed } from "../../src/core/types";
import { Language } from "../../src/views/text";
import { PeoplePanel, withSource } from "../../src/views/lesson/PeoplePanel";
import { FakeLesson, person } from "./fake";

const MICROPHONE = { microphone: true, camera: false, screen: false, screen_sound: false };
const teacher = person("t", { name: "Maria", role: "teacher" });
const ann = person("ann", { name: "Ann", on: MICROPHONE });
const bob = person("bob", { name: "Bob", hand: true, handPlace: 2, line: "weak" });
const eve = person("eve", { name: "Eve", hand: true, handPlace: 1, silent: true, on: MICROPHONE });

function shown(lesson: FakeLesson, onFailed: (error: unknown) => void = () => undefined) {
  render(
    <Language initial="en">
      <PeoplePanel lesson={lesson} onInvite={null} onFailed={onFailed} />
    </Language>,
  );
}

describe("people list", () => {
  it("gives a student no leader's button", () => {
    const lesson = new FakeLesson(bob, [teacher, ann]);
    lesson.hands.set([bob]);
    shown(lesson);
    for (const id of ["mute-all", "quick-mute-ann", "person-menu-ann", "lower-hand-bob", "lower-all-hands", "rules"]) {
      expect(screen.queryByTestId(id), id).toBeNull();
    }
    expect(screen.getByTestId("person-ann")).toBeTruthy();
  });

  it("shows the hands in the order in which they went up", () => {
    const lesson = new FakeLesson(teacher, [ann, bob, eve]);
    lesson.hands.set([eve, bob]);
    shown(lesson);
    const names = within(screen.getByTestId("hands")).getAllByRole("listitem").map((item) => item.textContent);
    expect(names).toEqual(["1Eve", "2Bob"]);
  });

  it("lowers the hand of the very person", () => {
    const lesson = new FakeLesson(teacher, [bob, eve]);
    lesson.hands.set([eve, bob]);
    shown(lesson);
    fireEvent.click(screen.getByTestId("lower-hand-bob"));
    fireEvent.click(screen.getByTestId("lower-all-hands"));
    expect(lesson.calls).toEqual([["lowerHand", "bob"], ["lowerAllHands"]]);
  });

  it("mutes one and all", () => {
    const lesson = new FakeLesson(teacher, [ann, bob]);
    shown(lesson);
    expect(screen.queryByTestId("quick-mute-bob")).toBeNull(); // has no microphone on
    fireEvent.click(screen.getByTestId("quick-mute-ann"));
    fireEvent.click(screen.getByTestId("mute-all"));
    expect(lesson.calls).toEqual([["mute", "ann", "microphone"], ["muteAll", "microphone"]]);
  });

  it("says who has no sound or a bad line", () => {
    shown(new FakeLesson(teacher, [ann, bob, eve]));
    expect(screen.getByTestId("person-bob").textContent).toContain("Weak connection");
    expect(screen.getByTestId("person-eve").textContent).toContain("No sound arrives");
    expect(screen.getByTestId("person-ann").textContent).not.toMatch(/Weak|No sound/);
  });

  it("tells two people of one name apart", () => {
    shown(new FakeLesson(teacher, [ann, person("ann2", { name: "Ann", label: "2" })]));
    expect(screen.getByTestId("person-ann2").dataset["name"]).toBe("Ann (2)");
  });

  it("removes only after asking", () => {
    const lesson = new FakeLesson(teacher, [ann]);
    shown(lesson);
    fireEvent.click(screen.getByTestId("person-menu-ann"));
    fireEvent.click(screen.getByTestId("remove-ann"));
    expect(lesson.calls).toEqual([]);
    fireEvent.click(screen.getByTestId("remove-confirm"));
    expect(lesson.calls).toEqual([["remove", "ann"]]);
  });

  it("offers to remove students only", () => {
    const lesson = new FakeLesson(teacher, [person("co", { role: "co_teacher" })]);
    shown(lesson);
    fireEvent.click(screen.getByTestId("person-menu-co"));
    expect(screen.getByTestId("stage-co")).toBeTruthy();
    expect(screen.queryByTestId("remove-co")).toBeNull();
    expect(screen.queryByTestId("may-co")).toBeNull();
  });

  it("sets the rules from what holds now", () => {
    const lesson = new FakeLesson(teacher, [ann]);
    shown(lesson);
    fireEvent.click(screen.getByTestId("may-microphone"));
    fireEvent.click(screen.getByTestId("may-screen"));
    fireEvent.click(screen.getByTestId("lock"));
    expect(lesson.calls).toEqual([
      ["setMay", ["camera"]],
      ["setMay", ["microphone", "camera", "screen", "screen_sound"]],
      ["setLocked", true],
    ]);
  });

  it("shows leaders, and nobody else, who is not recorded", () => {
    const quiet = person("quiet", { name: "Quiet", unrecorded: { by_self: true, by_leader: false } });
    const barred = person("barred", { name: "Barred", unrecorded: { by_self: false, by_leader: true } });
    const lesson = new FakeLesson(teacher, [ann, quiet, barred]);
    shown(lesson);
    expect(screen.getByTestId("unrecorded-quiet").textContent).toBe("Asked not to be recorded");
    expect(screen.getByTestId("unrecorded-barred").textContent).toBe("Is not recorded");
    expect(screen.queryByTestId("unrecorded-ann")).toBeNull();
    for (const id of ["ann", "quiet", "barred"]) {
      fireEvent.click(screen.getByTestId(`person-menu-${id}`));
      fireEvent.click(screen.getByTestId(`recorded-${id}`));
    }
    expect(lesson.calls).toEqual([
      ["setRecorded", false, "ann"],
      ["setRecorded", false, "quiet"], // that there is no consent is said beside their own wish
      ["setRecorded", true, "barred"],
    ]);
  });

  it("says what of students may be recorded at all", () => {
    const lesson = new FakeLesson(teacher, [ann]);
    shown(lesson);
    fireEvent.click(screen.getByTestId("recordable-camera"));
    fireEvent.click(screen.getByTestId("recordable-screen"));
    expect(lesson.calls).toEqual([
      ["setRecordable", ["microphone", "screen", "screen_sound"]],
      ["setRecordable", ["microphone", "camera"]],
    ]);
  });

  it("hands a refusal on", async () => {
    const lesson = new FakeLesson(teacher, [ann]);
    const failed = vi.fn();
    shown(lesson, failed);
    lesson.refuse = new Failed("not_allowed");
    fireEvent.click(screen.getByTestId("mute-all"));
    await waitFor(() => {
      expect(failed).toHaveBeenCalledWith(expect.objectContaining({ code: "not_allowed" }));
    });
  });

  it("finds people by name in a full class", () => {
    const many = Array.from("abcdefghijklmno", (letter) => person(`p${letter}`, { name: `Name ${letter.toUpperCase()}` }));
    shown(new FakeLesson(teacher, many));
    fireEvent.change(screen.getByTestId("people-search"), { target: { value: "name c" } });
    expect(within(screen.getByTestId("students")).getAllByRole("listitem")).toHaveLength(1);
  });

  it("shows names as text, whatever is in them", () => {
    shown(new FakeLesson(teacher, [person("x", { name: "<img src=x onerror=alert(1)>" })]));
    expect(screen.getByTestId("person-x").textContent).toContain("<img src=x onerror=alert(1)>");
    expect(document.querySelector("img")).toBeNull();
  });
});

describe("withSource", () => {
  it("takes the screen's sound with the screen", () => {
    expect(withSource(["microphone"], "screen", true)).toEqual(["microphone", "screen", "screen_sound"]);
    expect(withSource(["microphone", "screen", "screen_sound"], "screen", false)).toEqual(["microphone"]);
  });
});
