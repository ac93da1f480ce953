// @vitest-environment jsdom
import "./setup";

import { act, fireEvent, render, screen } from "@testing-library/react";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import type { SlidesField } from "../../src/generated/wire";
import { en } from "../../src/i18n/en";
import { PageAddresses } from "../../src/views/lesson/slides/addresses";
import { SlidesPanel } from "../../src/views/lesson/slides/SlidesPanel";
import { SlidesView } from "../../src/views/lesson/slides/SlidesView";
import { useReadable } from "../../src/views/readable";
import { Language } from "../../src/views/text";
import { FakeLesson, person } from "./fake";
import { slidesField } from "../core/slides-field";

const teacher = person("t", { name: "Maria", role: "teacher" });
const ann = person("ann", { name: "Ann" });

function put(lesson: FakeLesson, change: Partial<SlidesField> = {}, shown = true): void {
  act(() => {
    lesson.fields.set(
      new Map<string, unknown>([
        ["slides/s1", slidesField(change)],
        ...(shown ? [["shown", { kind: "slides", thing: "s1", by: "t" }] as const] : []),
      ]),
    );
  });
}

function Live({ lesson }: { lesson: FakeLesson }) {
  return <SlidesView fields={useReadable(lesson.fields)} thing="s1" lesson={lesson} onFailed={() => undefined} />;
}

function shown(who: typeof teacher, change: Partial<SlidesField> = {}): FakeLesson {
  const lesson = new FakeLesson(who);
  put(lesson, change);
  render(
    <Language initial="en">
      <Live lesson={lesson} />
    </Language>,
  );
  return lesson;
}

const page = () => screen.getByTestId("slides").dataset["page"];
const picture = () => screen.getByTestId("slides-picture").getAttribute("src");

beforeEach(() => {
  vi.spyOn(HTMLElement.prototype, "clientWidth", "get").mockReturnValue(800);
  vi.spyOn(HTMLElement.prototype, "clientHeight", "get").mockReturnValue(600);
  vi.stubGlobal("fetch", vi.fn(() => Promise.resolve(new Response("Refraction\nof light"))));
  Element.prototype.scrollIntoView = () => undefined;
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
});

describe("slides before the class", () => {
  it("show the teacher's page in its form, with its words, and follow", async () => {
    const lesson = shown(ann);
    expect(picture()).toBe("/api/lessons/l1/slides/s1/3-small.webp");
    const box = screen.getByTestId("slides-page");
    expect([box.style.width, box.style.height, box.style.top, box.dataset["page"]]).toEqual(["800px", "450px", "75px", "3"]);
    expect((await screen.findByTestId("slides-text")).textContent).toBe("Refractionof light");
    expect(screen.getByTestId("slides-picture").getAttribute("alt")).toBe("Page 3 of 12, Optics.pdf: Refraction");
    put(lesson, { page: 4 });
    expect(page()).toBe("4");
    expect(screen.queryByTestId("slides-next")).toBeNull();
    fireEvent.keyDown(document.body, { key: "ArrowRight" });
    expect([page(), lesson.calls]).toEqual(["4", []]);
  });

  it("let a student look ahead by permission, and take them back when it ends", () => {
    const lesson = shown(ann, { browse: true });
    fireEvent.click(screen.getByTestId("slides-next"));
    expect(page()).toBe("4");
    put(lesson, { browse: true, page: 7 });
    expect(page()).toBe("4");
    fireEvent.click(screen.getByTestId("slides-back"));
    expect(page()).toBe("7");
    fireEvent.click(screen.getByTestId("slides-before"));
    put(lesson, { browse: false, page: 8 });
    expect(page()).toBe("8");
    expect(screen.queryByTestId("slides-back")).toBeNull();
    expect(lesson.calls).toEqual([]);
  });

  it.each([
    ["ArrowRight", 4],
    ["PageDown", 4],
    ["ArrowLeft", 2],
    ["PageUp", 2],
  ])("are turned by %s", (key, to) => {
    const lesson = shown(teacher);
    fireEvent.keyDown(document.body, { key });
    expect(lesson.calls).toEqual([["request", { t: "turn_page", slides: "s1", page: to }]]);
  });

  it("leave keys to who types, and stop at their ends", () => {
    const lesson = shown(teacher, { page: 12 });
    const input = document.body.appendChild(document.createElement("textarea"));
    fireEvent.keyDown(input, { key: "ArrowLeft" });
    fireEvent.keyDown(document.body, { key: "ArrowLeft", altKey: true });
    fireEvent.keyDown(document.body, { key: "ArrowRight" });
    input.remove();
    expect(lesson.calls).toEqual([]);
    expect(screen.getByTestId<HTMLButtonElement>("slides-next").disabled).toBe(true);
  });

  it("have all pages small for who leads", () => {
    const lesson = shown(teacher);
    fireEvent.click(screen.getByTestId("slides-strip"));
    expect(screen.getByTestId("slides-thumb-3").getAttribute("aria-current")).toBe("page");
    fireEvent.click(screen.getByTestId("slides-thumb-9"));
    expect(lesson.calls).toEqual([["request", { t: "turn_page", slides: "s1", page: 9 }]]);
  });

  it("let everybody see where who leads points, and that they do no more", () => {
    const lesson = shown(teacher);
    const box = screen.getByTestId("slides-page");
    vi.spyOn(box, "getBoundingClientRect").mockReturnValue(new DOMRect(100, 50, 800, 450));
    fireEvent.pointerMove(box, { clientX: 500, clientY: 275 });
    expect(lesson.calls).toEqual([]);
    fireEvent.click(screen.getByTestId("slides-pointer"));
    fireEvent.pointerMove(box, { clientX: 500, clientY: 275 });
    const [call] = lesson.calls;
    expect(call?.[0]).toBe("tell");
    expect(call?.[1]).toMatchObject({ t: "send_ink", board: "s1-3", tool: "pointer" });
    fireEvent.pointerLeave(box);
  });

  it("say what is missing while they are made, or when a page does not come", () => {
    const lesson = shown(ann, { state: "making", done: 2 });
    expect(screen.getByTestId("slides-wait").textContent).toContain("page 2 of 12");
    put(lesson, {});
    fireEvent.error(screen.getByTestId("slides-picture"));
    fireEvent.click(screen.getByTestId("slides-again"));
    expect(picture()).toBe("/api/lessons/l1/slides/s1/3-small.webp?again=1");
    fireEvent.load(screen.getByTestId("slides-picture"));
    expect(screen.queryByTestId("slides-again")).toBeNull();
  });

  it("stand beside a recording without a lesson, from where that says", () => {
    render(
      <Language initial="en">
        <PageAddresses.Provider value={(folder, number, part) => `/watch/${folder}/${number}-${part}`}>
          <SlidesView fields={new Map([["slides/s1", slidesField({ browse: true })]])} thing="s1" lesson={null} onFailed={() => undefined} />
        </PageAddresses.Provider>
      </Language>,
    );
    expect(picture()).toBe("/watch/l1/s1/3-small.webp");
    expect(screen.queryByTestId("slides-next")).toBeNull();
  });
});

describe("the panel of slides", () => {
  function panel(change: Partial<SlidesField>, before = false): FakeLesson {
    const lesson = new FakeLesson(teacher);
    put(lesson, change, before);
    render(
      <Language initial="en">
        <SlidesPanel lesson={lesson} onFailed={() => undefined} />
      </Language>,
    );
    return lesson;
  }

  it.each(Object.entries(en.slides.failures))("says %s in a sentence", (failure, sentence) => {
    panel({ state: "failed", failure: failure as SlidesField["failure"] });
    expect(screen.getByRole("alert").textContent).toBe(sentence);
    const hopeless = ["encrypted", "broken", "empty", "too_many_pages", "gone"].includes(failure);
    expect(screen.queryByTestId("slides-retry-s1") === null).toBe(hopeless);
  });

  it("shows, takes away, opens to students and removes after asking", () => {
    const lesson = panel({});
    fireEvent.click(screen.getByTestId("slides-show-s1"));
    put(lesson, {}, true);
    fireEvent.click(screen.getByTestId("slides-show-s1"));
    fireEvent.click(screen.getByTestId("slides-browse-s1"));
    fireEvent.click(screen.getByTestId("slides-remove-s1"));
    expect(lesson.calls).toHaveLength(3);
    fireEvent.click(screen.getByTestId("slides-remove-sure-s1"));
    expect(lesson.calls.map(([, request]) => request)).toEqual([
      { t: "show", kind: "slides", thing: "s1" },
      { t: "show" },
      { t: "set_browse", slides: "s1", browse: true },
      { t: "remove_slides", slides: "s1" },
    ]);
  });

  it("tries again what may succeed", () => {
    const lesson = panel({ state: "failed", failure: "interrupted" });
    fireEvent.click(screen.getByTestId("slides-retry-s1"));
    expect(lesson.calls).toEqual([["request", { t: "make_slides", slides: "s1" }]]);
  });
});
