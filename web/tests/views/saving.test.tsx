// @vitest-environment jsdom
import "./setup";

import { act, fireEvent, render, screen, within } from "@testing-library/react";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { Devices } from "../../src/core/devices";
import type { Person, Saving } from "../../src/core/types";
import { DICTIONARIES } from "../../src/i18n";
import { wordsOfLine, wordsOfOwnLine } from "../../src/views/lesson/line";
import { LessonView } from "../../src/views/lesson/LessonView";
import { stillPlaces } from "../../src/views/lesson/Still";
import { Language } from "../../src/views/text";
import { FakeLesson, person } from "./fake";

const EN = DICTIONARIES.en;
const RU = DICTIONARIES.ru;
const CAMERA = { microphone: false, camera: true, screen: false, screen_sound: false };
const SCREEN = { microphone: false, camera: false, screen: true, screen_sound: false };
const maria = person("t", { name: "Maria", role: "teacher" });

function open(lesson: FakeLesson) {
  render(
    <Language initial="en">
      <LessonView lesson={lesson} devices={new Devices()} links={null} />
    </Language>,
  );
}

function ann(change: Partial<Person> = {}, teacher: Partial<Person> = {}) {
  return new FakeLesson(person("me", { name: "Ann", ...change }), [{ ...maria, ...teacher }]);
}

function spare(lesson: FakeLesson, saving: Partial<Saving>) {
  act(() => {
    lesson.saving.set({ ...lesson.saving.get(), ...saving });
  });
}

function pass(ms: number) {
  act(() => {
    vi.advanceTimersByTime(ms);
  });
}

const shown = (testId: string) => screen.queryByTestId(testId)?.textContent ?? null;

beforeEach(() => {
  localStorage.clear();
});
afterEach(() => {
  vi.restoreAllMocks();
});

describe("banners of what is spared", () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it.each([
    ["tiles", EN.saving.sparedTiles],
    ["pictures", EN.saving.sparedPictures],
    ["lite", EN.saving.sparedLite],
  ] as const)("say what is off for %s", (spared, sentence) => {
    const lesson = ann();
    open(lesson);
    spare(lesson, { spared });
    pass(2000);
    expect(shown("banner-spared")).toBe(sentence);
    expect(screen.getByTestId("banner-spared").getAttribute("role")).toBe("status");
  });

  it("come after two seconds and not for what is over before", () => {
    const lesson = ann();
    open(lesson);
    spare(lesson, { spared: "tiles" });
    pass(1900);
    expect(shown("banner-spared")).toBeNull();
    spare(lesson, { spared: "nothing" });
    pass(10_000);
    expect(shown("banner-spared")).toBeNull();
  });

  it("stay for four seconds, and through a short recovery", () => {
    const lesson = ann();
    open(lesson);
    spare(lesson, { spared: "tiles" });
    pass(2000);
    spare(lesson, { spared: "nothing" });
    pass(3900);
    expect(shown("banner-spared")).not.toBeNull();
    spare(lesson, { spared: "tiles" });
    pass(60_000);
    expect(shown("banner-spared")).not.toBeNull();
    spare(lesson, { spared: "nothing" });
    pass(0);
    expect(shown("banner-spared")).toBeNull();
  });

  it("say that the computer is spared, but only where nothing worse is said", () => {
    const lesson = ann();
    open(lesson);
    act(() => {
      lesson.spare.set(2);
    });
    pass(2000);
    expect(shown("banner-load")).toBe(EN.saving.load);
    spare(lesson, { spared: "pictures" });
    pass(2000);
    expect(shown("banner-load")).toBeNull();
    expect(shown("banner-spared")).toBe(EN.saving.sparedPictures);
  });

  it("give way to what one has chosen, with the way back", () => {
    const lesson = ann();
    open(lesson);
    spare(lesson, { mode: "lite", spared: "lite", lite: true });
    pass(10_000); // no longer than it is shown
    expect(shown("banner-spared")).toBeNull();
    expect(shown("banner-mode")).toContain(EN.saving.liteOn);
    fireEvent.click(screen.getByTestId("all-pictures"));
    expect(lesson.calls.at(-1)).toEqual(["setMode", "full"]);
  });

  it("go at once when one chooses the same oneself", () => {
    const lesson = ann();
    open(lesson);
    spare(lesson, { spared: "lite", lite: true });
    pass(2000);
    expect(shown("banner-spared")).toBe(EN.saving.sparedLite);
    spare(lesson, { mode: "lite" });
    expect(shown("banner-mode")).toContain(EN.saving.liteOn);
    expect(shown("banner-spared")).toBeNull();
    pass(60_000);
    expect(shown("banner-spared")).toBeNull();
  });

  it("stay closed until something else is spared", () => {
    const lesson = ann();
    open(lesson);
    spare(lesson, { spared: "tiles" });
    pass(2000);
    fireEvent.click(within(screen.getByTestId("banner-spared")).getByRole("button"));
    pass(10_000);
    expect(shown("banner-spared")).toBeNull();
    spare(lesson, { spared: "pictures" });
    pass(4000);
    expect(shown("banner-spared")).toBe(EN.saving.sparedPictures);
  });

  it("take the place of a weak way to here, not of a weak way from here", () => {
    const lesson = ann({ line: "weak", fault: "receiver" });
    open(lesson);
    expect(shown("banner-weak")).toBe(EN.line.ownReceiver);
    spare(lesson, { spared: "tiles" });
    pass(2000);
    expect(shown("banner-weak")).toBeNull();
    act(() => {
      lesson.people.set([person("me", { name: "Ann", self: true, line: "weak", fault: "sender" }), maria]);
    });
    expect(shown("banner-weak")).toBe(EN.line.ownSender);
  });
});

describe("choosing pictures", () => {
  it("asks for the mode, marks it, and counts megabytes", () => {
    const lesson = ann();
    lesson.traffic.set({ downBytes: 11_000_000, upBytes: 1_400_000, downBps: 40_000, upBps: 13_333 });
    open(lesson);
    fireEvent.click(screen.getByTestId("saving"));
    expect(screen.getByTestId("mode-full").getAttribute("aria-pressed")).toBe("true");
    expect(screen.getByTestId("traffic").textContent).toBe("12 MB this lesson, 0.4 MB a minute");
    fireEvent.click(screen.getByTestId("mode-audio"));
    expect(lesson.calls.at(-1)).toEqual(["setMode", "audio"]);
    fireEvent.click(screen.getByTestId("saving"));
    expect(screen.getByTestId("mode-audio").getAttribute("aria-pressed")).toBe("true");
  });

  it("never calls a line good that does not bear the pictures", () => {
    const lesson = ann();
    open(lesson);
    expect(screen.getByTestId("saving").title).toBe(EN.line.good);
    spare(lesson, { spared: "tiles" });
    expect(screen.getByTestId("saving").title).toBe(EN.line.ownReceiver);
  });

  it("counts in Russian megabytes", () => {
    expect(RU.saving.traffic(1_250_000, 350_000)).toMatch(/^1,3\sМБ за урок, 0,4\sМБ в минуту$/u);
  });
});

describe("lines in words", () => {
  const boris = (change: Partial<Person>) => person("b", { name: "Boris", line: "weak", fault: null, ...change });

  it("say nothing of a good one", () => {
    expect(wordsOfLine(boris({ line: "good" }), EN)).toBeNull();
  });

  it.each([EN, RU])("say whose fault a bad one is, each in its own words", (text) => {
    const faults = ["receiver", "sender", "server", null] as const;
    const said = faults.map((fault) => wordsOfLine(boris({ fault }), text));
    expect(new Set(said.map((words) => words?.short)).size).toBe(4);
    expect(new Set(said.map((words) => words?.sentence)).size).toBe(4);
    for (const words of said) expect(words?.sentence).toMatch(/^Boris: /);
    const own = faults.map((fault) => wordsOfOwnLine({ line: "weak", fault }, text, false));
    expect(new Set(own).size).toBe(4);
  });

  it("stand beside the name in the list and on the picture, with the fault for programs", () => {
    vi.spyOn(HTMLElement.prototype, "clientWidth", "get").mockReturnValue(1350);
    vi.spyOn(HTMLElement.prototype, "clientHeight", "get").mockReturnValue(760);
    const lesson = new FakeLesson(maria, [boris({ fault: "sender", on: CAMERA })]);
    open(lesson);
    const [onPicture] = screen.getAllByTestId("line-b");
    expect(onPicture?.dataset).toMatchObject({ line: "weak", fault: "sender" });
    expect(onPicture?.title).toBe("Boris: weak connection, can be heard and seen badly");
    fireEvent.click(screen.getByTestId("people"));
    const inList = within(screen.getByTestId("person-b")).getByTestId("line-b");
    expect(inList.textContent).toContain(EN.line.weakSender);
    expect(inList.textContent).toContain("Boris: weak connection, can be heard and seen badly");
  });

  it("offer to turn the camera off only where that helps", () => {
    const lesson = ann({ line: "weak", fault: "server" });
    lesson.sources.set({ ...lesson.sources.get(), camera: { state: "on", stream: null, failure: null } });
    open(lesson);
    expect(shown("banner-weak")).toBe(EN.line.ownServer);
    expect(screen.queryByTestId("weak-camera-off")).toBeNull();
    act(() => {
      lesson.people.set([person("me", { name: "Ann", self: true, line: "weak", fault: "sender" }), maria]);
    });
    fireEvent.click(screen.getByTestId("weak-camera-off"));
    expect(lesson.calls.at(-1)).toEqual(["setSource", "camera", false]);
  });
});

describe("connections", () => {
  it("tell a computer without a network from a lost server", () => {
    const lesson = ann();
    lesson.connection.set({ socket: "down", media: "restoring", retryAtMs: null, failure: null });
    open(lesson);
    expect(screen.getByTestId("banner-reconnecting").dataset["state"]).toBe("lost");
    const online = vi.spyOn(navigator, "onLine", "get").mockReturnValue(false);
    act(() => {
      window.dispatchEvent(new Event("offline"));
    });
    expect(screen.getByTestId("banner-reconnecting").dataset["state"]).toBe("offline");
    expect(screen.getByTestId("banner-reconnecting").textContent).toContain(EN.line.offline);
    online.mockRestore();
    act(() => {
      window.dispatchEvent(new Event("online"));
      lesson.connection.set({ socket: "up", media: "restoring", retryAtMs: null, failure: null });
    });
    expect(shown("banner-media-restoring")).toBe(EN.line.restoring);
    expect(shown("banner-reconnecting")).toBeNull();
  });
});

describe("microphones that are not heard", () => {
  const on = { state: "on", stream: null, failure: null } as const;

  it("are told with a way to another one, until they are off", () => {
    const lesson = ann();
    lesson.sources.set({ ...lesson.sources.get(), microphone: on });
    open(lesson);
    act(() => {
      lesson.notify({ kind: "microphone_silent" });
    });
    expect(shown("banner-microphone_silent")).toContain(EN.line.nothingHeard);
    fireEvent.click(within(screen.getByTestId("banner-microphone_silent")).getByTestId("choose-another"));
    expect(screen.getByTestId("devices-dialog")).toBeTruthy();
  });

  it("are told when the system has them, and no more once they are off", () => {
    const lesson = ann();
    lesson.sources.set({ ...lesson.sources.get(), microphone: on });
    open(lesson);
    act(() => {
      lesson.notify({ kind: "device_muted", source: "microphone" });
    });
    expect(shown("banner-device_muted-microphone")).toContain(EN.line.mutedMicrophone);
    act(() => {
      lesson.sources.set({ ...lesson.sources.get(), microphone: { ...on, state: "off" } });
    });
    expect(shown("banner-device_muted-microphone")).toBeNull();
  });
});

describe("lite", () => {
  const still = (participant: string, source: "camera" | "screen") => ({ participant, source, url: `blob:${source}` });

  it("shows the picture of the second with its words, or that it is to come", () => {
    const lesson = ann({}, { on: CAMERA });
    spare(lesson, { mode: "lite", lite: true });
    open(lesson);
    expect(shown("still-note")).toBe(EN.saving.noStill);
    act(() => {
      lesson.stills.set([still("t", "camera")]);
    });
    expect(shown("still-note")).toBe(EN.saving.still);
    expect(screen.getByTestId("still-camera").getAttribute("alt")).toBe("Picture of Maria, once a second");
    expect(screen.getByTestId("still-camera").getAttribute("src")).toBe("blob:camera");
  });

  it("shows the name alone of a teacher without a camera", () => {
    const lesson = ann();
    spare(lesson, { mode: "lite", lite: true });
    open(lesson);
    expect(screen.queryByTestId("still-note")).toBeNull();
    expect(within(screen.getByTestId("stage")).getByText("Maria")).toBeTruthy();
  });

  it("has the sharer's screen and the teacher in their places", () => {
    const bob = person("b", { name: "Bob", on: SCREEN });
    const places = stillPlaces([still("b", "screen")], [person("me", { self: true }), bob, maria]);
    expect(places.screen?.id).toBe("b");
    expect(places.stage?.id).toBe("t");
  });
});
