// @vitest-environment jsdom
import "./setup";

import { act, fireEvent, render, screen, waitFor } from "@testing-library/react";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { Failed } from "../../src/core/types";
import { DICTIONARIES } from "../../src/i18n";
import { CalmButton } from "../../src/views/lesson/leading/calm";
import { CallButton, CallItem } from "../../src/views/lesson/leading/calling";
import { LeadingCards } from "../../src/views/lesson/leading/LeadingCards";
import { PICKER_TOOL } from "../../src/views/lesson/leading/picker";
import { ReactionsRule, ReactItems } from "../../src/views/lesson/leading/reactions";
import { TIMER_TOOL } from "../../src/views/lesson/leading/timer";
import { Language } from "../../src/views/text";
import { FakeLesson, person } from "./fake";

const EN = DICTIONARIES.en;
const teacher = person("t", { name: "Maria", role: "teacher" });
const ann = person("a", { name: "Ann", hand: true, handPlace: 1 });
const failed = vi.fn();

function led(): FakeLesson {
  return new FakeLesson(teacher, [ann, person("b", { name: "Ben" })]);
}

function attended(change = {}): FakeLesson {
  return new FakeLesson({ ...ann, ...change }, [teacher]);
}

function draw(lesson: FakeLesson, view: React.ReactNode = <LeadingCards lesson={lesson} onFailed={failed} />) {
  render(<Language initial="en">{view}</Language>);
}

function tell(lesson: FakeLesson, fields: Record<string, unknown>) {
  act(() => {
    lesson.fields.set(new Map(Object.entries(fields)));
  });
}

function press(mark: string) {
  fireEvent.click(screen.getByTestId(mark));
}

const requests = (lesson: FakeLesson) => lesson.calls.filter(([name]) => name === "request").map(([, request]) => request);
const chimes = (lesson: FakeLesson) => lesson.calls.filter(([name]) => name === "chime").map(([, which]) => which);

beforeEach(() => {
  localStorage.clear();
  failed.mockClear();
});

afterEach(() => {
  vi.useRealTimers();
});

describe("calling to the board", () => {
  it("is one press on a hand, and on a person", () => {
    const lesson = led();
    draw(
      lesson,
      <>
        <CallButton lesson={lesson} person={ann} onFailed={failed} />
        <CallItem lesson={lesson} person={ann} close={() => undefined} onFailed={failed} />
      </>,
    );
    press("call-hand-a");
    press("call-a");
    expect(requests(lesson)).toEqual([{ t: "call", participant: "a" }, { t: "call", participant: "a", on: true }]);
    tell(lesson, { "called/a": { by: "t", at_ms: 1, answer: "none" } });
    expect(screen.getByTestId<HTMLButtonElement>("call-hand-a").disabled).toBe(true);
    press("call-a");
    tell(lesson, { "at_board/a": { at_ms: 1 } });
    press("seat-a");
    expect(requests(lesson).slice(2)).toEqual([
      { t: "call", participant: "a", on: false },
      { t: "seat", participant: "a" },
    ]);
  });

  it("asks the student with a sound; going turns the microphone on, in that order", async () => {
    const lesson = attended();
    draw(lesson);
    tell(lesson, { "called/a": { by: "t", at_ms: 7, answer: "none" } });
    expect(screen.getByRole("group", { name: EN.calling.question })).toBeTruthy();
    tell(lesson, { "called/a": { by: "t", at_ms: 7, answer: "none" }, other: 1 });
    expect(screen.getByRole("alert").textContent).toContain(EN.calling.questionHelp);
    expect(chimes(lesson)).toEqual(["ask"]);
    press("call-go");
    await waitFor(() => {
      expect(lesson.calls.slice(-2)).toEqual([
        ["request", { t: "answer_call", go: true }],
        ["setSource", "microphone", true],
      ]);
    });
  });

  it("says why it did not work, and the microphone stays off", async () => {
    const lesson = attended();
    draw(lesson);
    tell(lesson, { "called/a": { by: "t", at_ms: 7, answer: "none" } });
    lesson.refuse = new Failed("not_found");
    press("call-go");
    await waitFor(() => {
      expect(failed).toHaveBeenCalledWith(expect.objectContaining({ code: "not_found" }));
    });
    expect(lesson.calls.some(([name]) => name === "setSource")).toBe(false);
  });

  it("keeps a way to go after “not now”, and one back to the seat", () => {
    const lesson = attended();
    draw(lesson);
    tell(lesson, { "called/a": { by: "t", at_ms: 7, answer: "not_now" } });
    expect(screen.queryByTestId("call-later")).toBeNull();
    expect(screen.getByTestId("call-go")).toBeTruthy();
    tell(lesson, { "at_board/a": { at_ms: 8 } });
    press("own-seat");
    expect(requests(lesson)).toEqual([{ t: "seat" }]);
  });

  it("shows leaders who has not answered, who said not now, and who is there", () => {
    const lesson = led();
    draw(lesson);
    tell(lesson, {
      "called/a": { by: "t", at_ms: 0, answer: "none" },
      "called/b": { by: "t", at_ms: 0, answer: "not_now" },
      "at_board/c": { at_ms: 1 },
    });
    expect(screen.getByTestId("asked-a").textContent).toContain(EN.calling.asked("Ann"));
    expect(screen.getByTestId("asked-b").textContent).toContain(EN.calling.notNow("Ben"));
    press("ask-again-b");
    press("uncall-a");
    press("send-back-c");
    expect(requests(lesson)).toEqual([
      { t: "call", participant: "b", on: true },
      { t: "call", participant: "a", on: false },
      { t: "seat", participant: "c" },
    ]);
  });
});

describe("the timer", () => {
  it("is set by one press, by other minutes, held and put away", () => {
    const lesson = led();
    draw(lesson, <TIMER_TOOL.Panel lesson={lesson} onFailed={failed} onClose={() => undefined} />);
    press("timer-5");
    fireEvent.change(screen.getByTestId("timer-own"), { target: { value: "0" } });
    expect(screen.getByTestId<HTMLButtonElement>("timer-start").disabled).toBe(true);
    fireEvent.change(screen.getByTestId("timer-own"), { target: { value: "12" } });
    press("timer-start");
    tell(lesson, { timer: { by: "t", total_ms: 90_000, ends_at_ms: 90_000, left_ms: 0 } });
    expect(screen.getByTestId("timer-left").textContent).toBe("1:30");
    press("timer-hold");
    press("timer-add");
    tell(lesson, { timer: { by: "t", total_ms: 90_000, ends_at_ms: null, left_ms: 5_000 } });
    press("timer-go-on");
    press("timer-stop");
    expect(requests(lesson)).toEqual([
      { t: "set_timer", do: "start", seconds: 300 },
      { t: "set_timer", do: "start", seconds: 720 },
      { t: "set_timer", do: "hold", seconds: 60 },
      { t: "set_timer", do: "add", seconds: 60 },
      { t: "set_timer", do: "go_on", seconds: 60 },
      { t: "set_timer", do: "stop", seconds: 60 },
    ]);
  });

  it("ends for who waited with a sound and a sentence, once, and goes away", () => {
    vi.useFakeTimers();
    const lesson = attended();
    let nowMs = 0;
    lesson.serverNowMs = () => nowMs;
    draw(lesson);
    tell(lesson, { timer: { by: "t", total_ms: 61_000, ends_at_ms: 61_000, left_ms: 0 } });
    const pass = (ms: number) => {
      nowMs += ms;
      act(() => {
        vi.advanceTimersByTime(500);
      });
    };
    pass(2_000);
    expect(screen.getByTestId("timer").textContent).toContain(EN.timer.oneMinute);
    pass(59_000);
    expect(screen.getByTestId("timer").textContent).toContain(EN.timer.over);
    pass(1_000);
    expect(chimes(lesson)).toEqual(["time"]);
    pass(30_000);
    expect(screen.queryByTestId("timer")).toBeNull();
  });

  it("makes no sound for who comes after it", () => {
    const lesson = attended();
    lesson.serverNowMs = () => 65_000;
    draw(lesson);
    tell(lesson, { timer: { by: "t", total_ms: 60_000, ends_at_ms: 60_000, left_ms: 0 } });
    expect(screen.getByTestId("timer").dataset["over"]).toBe("true");
    expect(chimes(lesson)).toEqual([]);
  });
});

describe("the picker", () => {
  it("draws, tells all or not, remembers and calls to the board", () => {
    const lesson = led();
    draw(lesson, <PICKER_TOOL.Panel lesson={lesson} onFailed={failed} onClose={() => undefined} />);
    press("pick");
    press("pick-tell-all");
    press("pick");
    tell(lesson, { drawn: { participant: "a", by: "t", at_ms: 1 }, "picker/a": { round: 1, excluded: false } });
    expect(screen.getByTestId("picked-panel").textContent).toContain(EN.picker.quiet);
    expect(screen.getByTestId("pickable-a").dataset["had"]).toBe("true");
    expect(screen.getByTestId("pickable-b").dataset["had"]).toBe("false");
    press("pick-call");
    press("pickable-toggle-b");
    expect(requests(lesson)).toEqual([
      { t: "pick", public: true },
      { t: "pick", public: false },
      { t: "call", participant: "a" },
      { t: "set_pickable", participant: "b", on: false },
    ]);
  });

  it("tells the one who was picked, and only for a while", () => {
    const lesson = attended();
    lesson.serverNowMs = () => 5_000;
    draw(lesson);
    tell(lesson, { picked: { participant: "a", by: "t", at_ms: 1_000 } });
    expect(screen.getByTestId("picked").textContent).toBe(EN.picker.you);
    tell(lesson, { picked: { participant: "t", by: "t", at_ms: 1_500 } });
    expect(screen.getByTestId("picked").textContent).toBe(EN.picker.chosen("Maria"));
    lesson.serverNowMs = () => 90_000;
    tell(lesson, { picked: { participant: "t", by: "t", at_ms: 2_000 } });
    expect(screen.queryByTestId("picked")).toBeNull();
  });
});

describe("reactions", () => {
  const NONE = { thumbs_up: 0, clap: 0, slower: 0, faster: 0, lost: 0 };

  it("are one counter each, told in words", () => {
    const lesson = led();
    draw(lesson);
    act(() => {
      lesson.pass({ t: "reactions", ...NONE, thumbs_up: 30, lost: 2 });
    });
    expect(screen.getByRole("img", { name: EN.reactions.count(EN.reactions.thumbs_up, 30) })).toBeTruthy();
    expect(screen.getByTestId("reactions-lost").textContent).toBe(EN.reactions.lostCount(2));
    act(() => {
      lesson.pass({ t: "reactions", ...NONE });
    });
    expect(screen.queryByTestId("reactions-thumbs_up")).toBeNull();
  });

  it("are sent by a student, and gone while the teacher wants none", () => {
    const lesson = attended();
    draw(lesson, <ReactItems lesson={lesson} onFailed={failed} close={() => undefined} />);
    press("react-lost");
    expect(requests(lesson)).toEqual([{ t: "react", reaction: "lost" }]);
    tell(lesson, { no_reactions: true });
    expect(screen.queryByTestId("react-lost")).toBeNull();
    tell(lesson, { calm: { on: true } });
    expect(screen.queryByTestId("react-lost")).toBeNull();
  });

  it("are turned off and on by leaders", () => {
    const lesson = led();
    draw(lesson, <ReactionsRule lesson={lesson} onFailed={failed} />);
    press("reactions-rule");
    tell(lesson, { no_reactions: true });
    press("reactions-rule");
    expect(requests(lesson)).toEqual([{ t: "set_reactions", on: false }, { t: "set_reactions", on: true }]);
  });
});

describe("calm", () => {
  const CALM = { on: true, by: "t", at_ms: 100, sealed_from_ms: 40 };

  it("is one press, and one press releases it", () => {
    const lesson = led();
    draw(lesson, <CalmButton lesson={lesson} onFailed={failed} />);
    press("calm");
    tell(lesson, { calm: CALM });
    expect(screen.getByTestId("calm").getAttribute("aria-pressed")).toBe("true");
    press("calm");
    expect(requests(lesson)).toEqual([{ t: "calm", on: true }, { t: "calm", on: false }]);
  });

  it("shows leaders the minute before, deleted or not, until they put it away", () => {
    const lesson = led();
    draw(lesson);
    tell(lesson, { calm: CALM });
    press("calm-sealed");
    expect(requests(lesson)).toEqual([{ t: "read_sealed" }]);
    act(() => {
      const message = { participant: "a", name: "Ann", text: "<b>no</b>", at_ms: 50, kept: false };
      lesson.pass({ t: "sealed", from_ms: 40, to_ms: 100, messages: [message] });
    });
    const said = screen.getByTestId("sealed-message").textContent;
    expect(said).toContain("<b>no</b>");
    expect(said).toContain(EN.calm.deleted);
    tell(lesson, { calm: { ...CALM, on: false } });
    fireEvent.click(screen.getByRole("button", { name: EN.banner.dismiss }));
    expect(screen.queryByTestId("calm-card")).toBeNull();
    tell(lesson, { calm: { ...CALM, at_ms: 200 } });
    expect(screen.getByTestId("calm-release")).toBeTruthy();
  });

  it("turns on nothing by itself when it is over, but offers the camera that was on", () => {
    const lesson = attended({ on: { microphone: true, camera: true, screen: false, screen_sound: false } });
    draw(lesson);
    act(() => {
      lesson.fields.set(new Map([["calm", CALM]]));
      lesson.people.set([{ ...ann, self: true }, teacher]);
    });
    expect(screen.getByTestId("calm-card").textContent).toContain(EN.calm.students);
    tell(lesson, { calm: { ...CALM, on: false } });
    expect(lesson.calls).toEqual([]);
    press("calm-camera");
    expect(lesson.calls).toEqual([["setSource", "camera", true]]);
    expect(screen.queryByTestId("calm-over")).toBeNull();
  });

  it("says nothing to who comes after it", () => {
    const lesson = attended();
    lesson.fields.set(new Map([["calm", { ...CALM, on: false }]]));
    draw(lesson);
    expect(screen.queryByTestId("calm-over")).toBeNull();
  });
});
