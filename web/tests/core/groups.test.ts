import { describe, expect, it } from "vitest";

import { groupChat, groupOf, readGroups, readList, suggested, together } from "../../src/core/groups";
import { NO_FLAGS, type Fields } from "../../src/core/store";
import type { Person } from "../../src/core/types";

function person(id: string, change: Partial<Person>): Person {
  return {
    id, name: id, label: "", role: "student", leads: change.role === "teacher", self: false, order: 0,
    on: NO_FLAGS, may: NO_FLAGS, ownMay: false, hand: false, handPlace: null, line: "good", fault: null, silent: false,
    unrecorded: null, ...change,
  };
}

const teacher = person("t", { name: "Maria", role: "teacher" });
const ann = person("ann", { name: "Анна Петрова" });
const bob = person("bob", { name: "Семён Котов" });
const eve = person("eve", { name: "Ева Котова" });
const two = person("two", { name: "Ева Котова", label: "2" });
const people = [teacher, ann, bob, eve];

function fields(state: "prepared" | "open", more: Record<string, unknown> = {}): Fields {
  return new Map<string, unknown>(
    Object.entries({
      groups: { state, ends_at_ms: 60_000, choose: false },
      "group/2": { name: "Reds", order: 2 },
      "group/1": { name: "", order: 1 },
      "in/ann": "1",
      "in/bob": "2",
      ...more,
    }),
  );
}

describe("groups", () => {
  it("says who is where once they are open, and keeps everybody together before", () => {
    expect(readGroups(new Map(), people, "ann")).toBeNull();
    const before = readGroups(fields("prepared"), people, "ann");
    expect(before?.mine).toBeNull();
    expect(together(fields("prepared"), people, "ann")).toBe(people);
    const open = readGroups(fields("open", { "in/t": "2", "speech/t": 1 }), people, "ann");
    expect(open?.mine?.id).toBe("1");
    expect(open?.list.map(({ order, students, leaders }) => [order, students.length, leaders.length])).toEqual([[1, 1, 0], [2, 1, 1]]);
    expect(open?.without).toEqual([eve]);
    expect(open?.speech).toEqual(["t"]);
  });

  it("draws nobody of another group", () => {
    const now = fields("open", { "in/t": "2" });
    expect(together(now, people, "ann")).toEqual([ann]);
    expect(together(now, people, "bob")).toEqual([teacher, bob]);
    expect(together(now, people, "eve")).toEqual([eve]);
    expect(groupOf(now, "eve")).toBeNull();
  });

  it("reads a group's own words only", () => {
    const said = (text: string, participant: string) => ({ participant, name: participant, text, at_ms: 1 });
    const now = fields("open", { "group_chat/1/b": said("two", "bob"), "group_chat/1/a": said("one", "ann"), "group_chat/11/a": said("no", "x") });
    expect(groupChat(now, "1", "ann").map(({ text, own }) => [text, own])).toEqual([["one", true], ["two", false]]);
  });

  it("suggests four in a group", () => {
    expect([0, 3, 8, 30, 500].map((count) => suggested(count, 20))).toEqual([2, 2, 2, 8, 20]);
  });
});

describe("a pasted list", () => {
  const students = [ann, bob, eve];
  const cases: [string, string, (string | string[])[][], string[]][] = [
    ["a group a line", "Красные: Анна Петрова, Котов Семен\nСиние: Ева Котова", [["Красные", ["ann", "bob"]], ["Синие", ["eve"]]], []],
    ["a name a line", "1. анна петрова\n2. СЕМЁН КОТОВ\n\n1) Ева", [["", ["ann", "bob"]], ["", ["eve"]]], []],
    ["who is not here is said", "A: Анна, Игорь Новый", [["A", ["ann"]]], ["Игорь Новый"]],
    ["nobody twice", "A: Анна\nB: Анна", [["A", ["ann"]], ["B", []]], ["Анна"]],
    ["nothing", " \n\n ", [], []],
    ["Windows lines", "Анна\r\n\r\nСемён", [["", ["ann"]], ["", ["bob"]]], []],
  ];
  it.each(cases)("%s", (_, list, groups, unknown) => {
    const pasted = readList(list, students);
    expect(pasted.groups.map(({ name, people: who }) => [name, who])).toEqual(groups);
    expect(pasted.unknown).toEqual(unknown);
  });

  it("does not guess between two of one name", () => {
    const pasted = readList("A: Ева Котова, Ева Котова 2", [...students, two]);
    expect(pasted.groups[0]?.people).toEqual(["eve", "two"]);
    expect(readList("A: Ева", [...students, two]).unknown).toEqual(["Ева"]);
  });
});
