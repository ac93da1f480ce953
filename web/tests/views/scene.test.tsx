// @vitest-environment jsdom
import "./setup";

import { act, fireEvent, render, screen } from "@testing-library/react";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import type { Picture, Slot } from "../../src/core/types";
import { SceneView } from "../../src/views/lesson/SceneView";
import type { Layout } from "../../src/views/lesson/arrange";
import { Language } from "../../src/views/text";
import { FakeLesson, person } from "./fake";

const CAMERA = { microphone: false, camera: true, screen: false, screen_sound: false };
const teacher = person("t", { name: "Maria", role: "teacher", on: CAMERA });
const me = person("me", { name: "Me" });
const ann = person("ann", { name: "Ann", on: CAMERA });
const bob = person("bob", { name: "Bob" });

function slot(index: number, participant: string | null, live = true): Slot {
  return { index, participant, source: participant === null ? null : "camera", live: participant !== null && live };
}

function picture(change: Partial<Picture>): Picture {
  return {
    stage: slot(0, "t"),
    screen: slot(2, null),
    tiles: [slot(8, "ann"), slot(9, null), slot(10, null), slot(11, null)],
    page: 0,
    pages: 1,
    pin: null,
    ...change,
  };
}

function View({ lesson, layout }: { lesson: FakeLesson; layout: Layout }) {
  return (
    <Language initial="en">
      <SceneView lesson={lesson} layout={layout} onPin={lesson.setPin} onFailed={() => undefined} alone={<p>alone</p>} />
    </Language>
  );
}

function visible(id: string): boolean {
  const element = screen.queryByTestId(id);
  return element !== null && !element.hidden;
}

describe("scene", () => {
  beforeEach(() => {
    vi.spyOn(HTMLElement.prototype, "clientWidth", "get").mockReturnValue(1350);
    vi.spyOn(HTMLElement.prototype, "clientHeight", "get").mockReturnValue(676);
  });
  afterEach(() => {
    vi.restoreAllMocks();
  });

  it("mounts every video slot once and never takes one out, whatever the layout and whoever is shown", () => {
    const lesson = new FakeLesson(me, [teacher, ann, bob]);
    lesson.picture.set(picture({}));
    const { rerender } = render(<View lesson={lesson} layout="speaker" />);
    const before = [...document.querySelectorAll("video[data-slot]")];
    for (const layout of ["gallery", "focus", "speaker"] as const) {
      rerender(<View lesson={lesson} layout={layout} />);
      act(() => lesson.picture.set(picture({ screen: slot(2, "t"), pin: "ann", stage: slot(0, "ann") })));
      act(() => lesson.picture.set(picture({ tiles: [8, 9, 10, 11].map((index) => slot(index, null)) })));
      act(() => lesson.connection.set({ socket: "down", media: "restoring", retryAtMs: null, failure: null }));
      act(() => lesson.connection.set({ socket: "up", media: "connected", retryAtMs: null, failure: null }));
    }
    expect([...document.querySelectorAll("video[data-slot]")]).toEqual(before);
    expect(lesson.calls.filter(([name]) => name === "mount").map(([, index]) => index)).toEqual([0, 2, 8, 9, 10, 11]);
    expect(lesson.calls.filter(([name]) => name === "unmount")).toEqual([]);
  });

  it("shows the teacher large, a camera in a tile and the others by their initials", () => {
    const lesson = new FakeLesson(me, [teacher, ann, bob]);
    lesson.picture.set(picture({}));
    render(<View lesson={lesson} layout="speaker" />);
    expect(screen.getByTestId("stage").dataset["participant"]).toBe("t");
    for (const id of ["stage", "tile-me", "tile-ann", "tile-bob"]) expect(visible(id), id).toBe(true);
    expect(visible("screen")).toBe(false);
    expect(screen.queryByTestId("tile-t")).toBeNull();
    expect(screen.getByTestId("tile-bob").textContent).toContain("B");
  });

  it("draws no stage in the gallery, where the teacher has a tile", () => {
    const lesson = new FakeLesson(me, [teacher, ann]);
    lesson.picture.set(picture({ tiles: [slot(8, "t"), slot(9, "ann"), slot(10, null), slot(11, null)] }));
    render(<View lesson={lesson} layout="gallery" />);
    expect(visible("stage")).toBe(false);
    expect(visible("tile-t")).toBe(true);
  });

  it("gives the large place to a shared screen, and to a pinned person above it", () => {
    const lesson = new FakeLesson(me, [teacher, ann]);
    lesson.picture.set(picture({ screen: slot(2, "t") }));
    render(<View lesson={lesson} layout="speaker" />);
    expect(screen.getByTestId("screen").className).toContain("large");
    expect(screen.getByTestId("stage").className).toContain("small");
    act(() => lesson.picture.set(picture({ screen: slot(2, "t"), stage: slot(0, "ann"), pin: "ann" })));
    expect(screen.getByTestId("screen").className).toContain("small");
    expect(screen.getByTestId("stage").className).toContain("large");
  });

  it("shows a name until the picture flows", () => {
    const lesson = new FakeLesson(me, [teacher]);
    lesson.picture.set(picture({ stage: slot(0, "t", false) }));
    render(<View lesson={lesson} layout="speaker" />);
    expect(screen.getByTestId("stage").querySelector(".avatar")).not.toBeNull();
    expect(screen.getByTestId("slot-box-0").dataset["live"]).toBe("false");
    act(() => lesson.picture.set(picture({})));
    expect(screen.getByTestId("stage").querySelector(".avatar")).toBeNull();
  });

  it("hides nobody while the server has not told who is where", () => {
    const lesson = new FakeLesson(me, [teacher, ann]);
    render(<View lesson={lesson} layout="speaker" />);
    expect(visible("tile-t")).toBe(true);
    expect(visible("tile-ann")).toBe(true);
  });

  it("hides nobody when media cannot be connected", () => {
    const lesson = new FakeLesson(me, [teacher, ann]);
    lesson.picture.set(picture({}));
    lesson.connection.set({ socket: "up", media: "failed", retryAtMs: null, failure: "media_failed" });
    render(<View lesson={lesson} layout="gallery" />);
    expect(visible("tile-t")).toBe(true);
    expect(visible("tile-ann")).toBe(true);
  });

  it("marks who speaks", () => {
    const lesson = new FakeLesson(me, [teacher, ann]);
    lesson.picture.set(picture({}));
    render(<View lesson={lesson} layout="speaker" />);
    act(() => lesson.speakers.set(["ann"]));
    expect(screen.getByTestId("tile-ann").className).toContain("speaking");
    expect(screen.getByTestId("stage").className).not.toContain("speaking");
  });

  it("pins and unpins", () => {
    const lesson = new FakeLesson(me, [teacher, ann]);
    lesson.picture.set(picture({}));
    render(<View lesson={lesson} layout="gallery" />);
    fireEvent.click(screen.getByTestId("pin-ann"));
    expect(lesson.calls.at(-1)).toEqual(["setPin", "ann"]);
    act(() => lesson.picture.set(picture({ stage: slot(0, "ann"), pin: "ann" })));
    expect(screen.getByTestId("scene").dataset["layout"]).toBe("speaker"); // a pin is to be seen large
    fireEvent.click(screen.getByTestId("pin-ann"));
    expect(lesson.calls.at(-1)).toEqual(["setPin", null]);
  });

  it("pages through people without cameras and asks the server for camera pages only", () => {
    const many = Array.from("abcdef", (letter) => person(letter));
    const lesson = new FakeLesson(me, [teacher, ann, ...many]);
    lesson.picture.set(picture({}));
    render(<View lesson={lesson} layout="speaker" />);
    expect(screen.getByTestId("page").textContent).toBe("1 of 2");
    expect(visible("tile-c")).toBe(true);
    expect(visible("tile-d")).toBe(false);
    fireEvent.click(screen.getByTestId("page-next"));
    expect(visible("tile-d")).toBe(true);
    expect(visible("tile-ann")).toBe(false);
    expect(lesson.calls.filter(([name]) => name === "setPage").map(([, page]) => page)).toEqual([0]);
  });

  it("says so when nobody else is here", () => {
    render(<View lesson={new FakeLesson(me)} layout="speaker" />);
    expect(screen.getByText("alone")).toBeTruthy();
  });
});
