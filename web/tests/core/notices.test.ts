import { describe, expect, it } from "vitest";

import { noticesOf } from "../../src/core/notices";
import { LessonStore } from "../../src/core/store";
import type { Event, PersonField } from "../../src/generated/wire";

const person = (name: string, more: Partial<PersonField> = {}): PersonField => ({
  name,
  role: "student",
  here: true,
  order: 1,
  label: "",
  may: null,
  ...more,
});
const LESSON = { title: "", subject: "", grade: 7, state: "live", locked: false, may: ["microphone"], stage: null };

/** What one event after this start tells "me". */
function told(event: Pick<Event, "kind" | "by"> & Partial<Event>) {
  const store = new LessonStore({ participant: "me", name: "Me", role: "student" }, 1);
  store.welcome({
    t: "welcome",
    participant: "me",
    role: "student",
    lesson: "l",
    number: 1,
    lease: 1,
    now_ms: 0,
    fields: {
      lesson: LESSON,
      "person/me": person("Me"),
      "person/t": person("Anna", { role: "teacher" }),
      "person/b": person("Boris"),
      "person/away": person("Vera", { here: false }),
      "on/me/microphone": true,
      "hand/me": 1,
    },
    events: [],
    media_alive: true,
  });
  const before = store.everybody.get();
  const whole: Event = { t: "event", number: 2, at_ms: 0, set: {}, delete: [], ...event };
  expect(store.event(whole)).toBe("applied");
  return noticesOf(whole, "me", before, { people: store.everybody.get() });
}

describe("an event", () => {
  it.each<[string, Pick<Event, "kind" | "by"> & Partial<Event>, unknown[]]>([
    [
      "mutes me",
      { kind: "muted", by: "t", delete: ["on/me/microphone"] },
      [{ kind: "muted", source: "microphone", by: "Anna" }],
    ],
    ["mutes another", { kind: "muted", by: "t", delete: ["on/b/microphone"] }, []],
    ["is my own turning off", { kind: "unpublished", by: "me", delete: ["on/me/microphone"] }, []],
    [
      "takes a permission from all",
      { kind: "may", by: "t", set: { lesson: { ...LESSON, may: [] } }, delete: ["on/me/microphone"] },
      [{ kind: "may_not", source: "microphone" }],
    ],
    [
      "gives me one",
      { kind: "may", by: "t", set: { "person/me": person("Me", { may: ["microphone", "screen"] }) } },
      [{ kind: "may", source: "screen" }],
    ],
    [
      "lowers my hand",
      { kind: "hands_down", by: "t", delete: ["hand/me"] },
      [{ kind: "hand_lowered", by: "Anna" }],
    ],
    ["is my own lowering", { kind: "hand_down", by: "me", delete: ["hand/me"] }, []],
    ["raises another's hand", { kind: "hand_up", by: "b", set: { "hand/b": 2 } }, [
      { kind: "hand_up", participant: "b", name: "Boris" },
    ]],
    ["brings somebody back", { kind: "joined", by: "away", set: { "person/away": person("Vera") } }, [
      { kind: "joined", participant: "away", name: "Vera" },
    ]],
    ["takes somebody away", { kind: "left", by: null, set: { "person/b": person("Boris", { here: false }) } }, [
      { kind: "left", participant: "b", name: "Boris" },
    ]],
    ["changes another's permission", { kind: "may", by: "t", set: { "person/b": person("Boris", { may: [] }) } }, []],
  ])("%s", (_, event, expected) => {
    expect(told(event)).toEqual(expected);
  });

  it("with a message of another tells the message, one's own tells nothing", () => {
    const said = { participant: "b", name: "Boris", text: "hi", at_ms: 5 };
    expect(told({ kind: "chat", by: "b", set: { "chat/1": said } })).toMatchObject([
      { kind: "chat", message: { id: "1", text: "hi", own: false } },
    ]);
    expect(told({ kind: "chat", by: "me", set: { "chat/1": { ...said, participant: "me" } } })).toEqual([]);
  });
});
