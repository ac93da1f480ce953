import { describe, expect, it } from "vitest";

import { LessonStore } from "../../src/core/store";
import type { Event, LessonField, PersonField, Welcome } from "../../src/generated/wire";

const LESSON: LessonField = {
  title: "Optics",
  subject: "physics",
  grade: 8,
  state: "live",
  locked: false,
  may: ["microphone", "camera"],
  recordable: ["microphone", "camera", "screen", "screen_sound"],
  stage: null,
  started_at_ms: 1,
  ends_at_ms: null, teacher: "Anna Orlova",
};

function person(name: string, order: number, more: Partial<PersonField> = {}): PersonField {
  return { name, role: "student", here: true, order, label: "", may: null, ...more };
}

function welcome(number: number, more: Partial<Welcome> = {}): Welcome {
  return {
    t: "welcome",
    participant: "me",
    role: "student",
    lesson: "l",
    number,
    lease: 1,
    now_ms: 0,
    fields: {
      lesson: LESSON,
      "person/me": person("Me", 3),
      "person/teacher": person("Anna", 1, { role: "teacher" }),
    },
    events: [],
    media_alive: false,
    ...more,
  };
}

function event(number: number, set: Record<string, unknown>, remove: string[] = [], kind = "x"): Event {
  return { t: "event", number, kind, at_ms: 0, by: null, set, delete: remove };
}

function store(): LessonStore {
  const made = new LessonStore({ participant: "me", name: "Me", role: "student" }, 2);
  made.welcome(welcome(10));
  return made;
}

describe("events", () => {
  it("are applied in the order of their numbers, sets and deletes", () => {
    const lesson = store();
    expect(lesson.event(event(11, { "person/b": person("Boris", 2), "on/b/camera": true }))).toBe("applied");
    expect(lesson.people.get().map(({ name }) => name)).toEqual(["Anna", "Boris", "Me"]);
    expect(lesson.people.get()[1]?.on).toEqual({ microphone: false, camera: true, screen: false, screen_sound: false });
    expect(lesson.event(event(12, { "person/b": person("Boris", 2, { here: false }) }, ["on/b/camera"]))).toBe("applied");
    expect(lesson.people.get().map(({ name }) => name)).toEqual(["Anna", "Me"]);
    expect(lesson.everybody.get().get("b")?.on.camera).toBe(false);
    expect(lesson.number).toBe(12);
  });

  it("seen before change nothing, a gap applies nothing", () => {
    const lesson = store();
    expect(lesson.event(event(10, {}, ["person/teacher"]))).toBe("old");
    expect(lesson.event(event(12, {}, ["person/teacher"]))).toBe("gap");
    expect(lesson.people.get()).toHaveLength(2);
    expect(lesson.number).toBe(10);
  });

  it("before the first state are a gap", () => {
    const lesson = new LessonStore({ participant: "me", name: "Me", role: "student" }, 2);
    expect(lesson.event(event(1, {}))).toBe("gap");
    expect(lesson.number).toBeNull();
  });
});

describe("welcome", () => {
  it("with events catches up without applying one twice", () => {
    const lesson = store();
    lesson.event(event(11, { "hand/me": 5 }));
    const events = [event(11, { "hand/teacher": 1 }), event(12, {}, ["hand/me"]), event(13, { "hand/teacher": 9 })];
    lesson.welcome(welcome(13, { fields: null, events }));
    expect(lesson.hands.get().map(({ id }) => id)).toEqual(["teacher"]);
    expect(lesson.event(event(14, {}))).toBe("applied");
  });

  it("with fields replaces everything", () => {
    const lesson = store();
    lesson.event(event(11, { "person/gone": person("Gone", 9) }));
    lesson.welcome(welcome(2000));
    expect(lesson.everybody.get().has("gone")).toBe(false);
    expect(lesson.number).toBe(2000);
  });
});

describe("what is read", () => {
  it("hands queue by the time they went up", () => {
    const lesson = store();
    lesson.event(event(11, { "hand/me": 30, "hand/teacher": 20 }));
    expect(lesson.hands.get().map(({ id, handPlace }) => [id, handPlace])).toEqual([
      ["teacher", 1],
      ["me", 2],
    ]);
    expect(lesson.self.get().hand).toBe(true);
  });

  it("may is the lesson's, one's own overrides it, leaders may all", () => {
    const lesson = store();
    const may = (id: string): unknown => lesson.everybody.get().get(id)?.may;
    expect(may("me")).toEqual({ microphone: true, camera: true, screen: false, screen_sound: false });
    expect(may("teacher")).toEqual({ microphone: true, camera: true, screen: true, screen_sound: true });
    lesson.event(event(11, { lesson: { ...LESSON, may: [] } }));
    expect(lesson.self.get().may.microphone).toBe(false);
    lesson.event(event(12, { "person/me": person("Me", 3, { may: ["screen"] }) }));
    expect(may("me")).toEqual({ microphone: false, camera: false, screen: true, screen_sound: false });
    expect(lesson.everybody.get().get("me")?.ownMay).toBe(true);
  });

  it("chat is sorted by id and keeps its list while other things change", () => {
    const lesson = store();
    const said = { participant: "me", name: "Me", text: "b", at_ms: 2 };
    lesson.event(event(11, { "chat/2-b": said, "chat/1-a": { ...said, participant: "x", text: "a" } }));
    const chat = lesson.chat.get();
    expect(chat.map(({ text, own }) => [text, own])).toEqual([
      ["a", false],
      ["b", true],
    ]);
    lesson.event(event(12, { "hand/me": 1 }));
    expect(lesson.chat.get()).toBe(chat);
    lesson.event(event(13, {}, ["chat/1-a"]));
    expect(lesson.chat.get().map(({ id }) => id)).toEqual(["2-b"]);
  });

  it("quality marks lines that are not good", () => {
    const lesson = store();
    lesson.setQuality([{ participant: "me", line: "weak", fault: "receiver", silent: true }]);
    expect(lesson.people.get().map(({ line, silent }) => [line, silent])).toEqual([
      ["good", false],
      ["weak", true],
    ]);
  });

  it("a snapshot is the same object until something changes", () => {
    const lesson = store();
    expect(lesson.people.get()).toBe(lesson.people.get());
    expect(lesson.picture.get()).toBe(lesson.picture.get());
    let calls = 0;
    const stop = lesson.people.subscribe(() => (calls += 1));
    lesson.event(event(11, { "hand/me": 1 }));
    expect(calls).toBeGreaterThan(0);
    stop();
    calls = 0;
    lesson.event(event(12, {}, ["hand/me"]));
    expect(calls).toBe(0);
  });
});

describe("slots", () => {
  const spared = { spared: "nothing", lite: false } as const;
  const content = (index: number, participant: string | null) =>
    ({ index, participant, source: participant === null ? null : "camera", live: true }) as const;

  it("are shown by index, absent ones empty", () => {
    const lesson = store();
    lesson.setSlots({ t: "slots", connection: 1, version: 1, pages: 3, slots: [content(0, "a"), content(9, "b")], ...spared });
    const { stage, screen, tiles, pages } = lesson.picture.get();
    expect([stage.participant, screen.participant, pages]).toEqual(["a", null, 3]);
    expect(tiles.map(({ index, participant }) => [index, participant])).toEqual([
      [8, null],
      [9, "b"],
    ]);
  });

  it("of an older version or connection are ignored", () => {
    const lesson = store();
    const slots = (connection: number, version: number, who: string) =>
      lesson.setSlots({ t: "slots", connection, version, pages: 1, slots: [content(0, who)], ...spared });
    slots(2, 5, "now");
    slots(2, 4, "late");
    slots(1, 9, "former");
    expect(lesson.picture.get().stage.participant).toBe("now");
    slots(3, 1, "next");
    expect(lesson.picture.get().stage.participant).toBe("next");
  });
});
