/** Groups as the lesson's fields tell them, and lists of names as people paste them. */

import type { AskField, ChatField, GroupField, GroupNoticeField, GroupsField } from "../generated/wire";
import { under, type Fields } from "./store";
import type { Person } from "./types";

export const MINUTE_MS = 60_000;

export interface Group {
  readonly id: string;
  readonly order: number;
  /** Empty: its number stands for it. */
  readonly name: string;
  /** Students who are here. */
  readonly students: readonly Person[];
  /** Leaders who visit it now. */
  readonly leaders: readonly Person[];
  /** Who asked for the teacher; null: nobody. */
  readonly asks: AskField | null;
}

export interface Groups {
  readonly open: boolean;
  /** Server time; null: until somebody closes them. */
  readonly endsAtMs: number | null;
  readonly choose: boolean;
  readonly list: readonly Group[];
  /** Students who are here and in none. */
  readonly without: readonly Person[];
  /** Where this person is: while groups are open. */
  readonly mine: Group | null;
  /** Ids of leaders who speak to all. */
  readonly speech: readonly string[];
  readonly notice: GroupNoticeField | null;
}

/** null: there are none. */
export function readGroups(fields: Fields, people: readonly Person[], self: string): Groups | null {
  const groups = fields.get("groups") as GroupsField | undefined;
  if (groups === undefined) return null;
  const open = groups.state === "open";
  const students = people.filter((person) => !person.leads);
  const at = (id: string) => fields.get(`in/${id}`);
  const list = under<GroupField>(fields, "group/")
    .map(([id, { name, order }]) => ({
      id,
      order,
      name,
      students: students.filter((person) => at(person.id) === id),
      leaders: open ? people.filter((person) => person.leads && at(person.id) === id) : [],
      asks: (fields.get(`ask/${id}`) as AskField | undefined) ?? null,
    }))
    .sort((a, b) => a.order - b.order);
  return {
    open,
    endsAtMs: groups.ends_at_ms,
    choose: groups.choose,
    list,
    without: students.filter((person) => at(person.id) === undefined),
    mine: open ? (list.find(({ id }) => id === at(self)) ?? null) : null,
    speech: under(fields, "speech/").map(([id]) => id),
    notice: (fields.get("group_notice") as GroupNoticeField | undefined) ?? null,
  };
}

/** The group that somebody is in now; null: the lesson itself. */
export function groupOf(fields: Fields, participant: string): string | null {
  const groups = fields.get("groups") as GroupsField | undefined;
  return groups?.state === "open" ? ((fields.get(`in/${participant}`) as string | undefined) ?? null) : null;
}

/** The board that somebody's group has before it now; null: what the class has. */
export function boardOfGroup(fields: Fields, participant: string): string | null {
  const groups = fields.get("groups") as GroupsField | undefined;
  const group = groups?.boards === true ? groupOf(fields, participant) : null;
  const board = group === null ? null : ((fields.get(`group/${group}`) as GroupField | undefined)?.board ?? null);
  return board !== null && fields.has(`board/${board}`) ? board : null;
}

/** Those of `people` who are where `self` is. The same list when groups are not open. */
export function together(fields: Fields, people: readonly Person[], self: string): readonly Person[] {
  const groups = fields.get("groups") as GroupsField | undefined;
  if (groups?.state !== "open") return people;
  const mine = groupOf(fields, self);
  return people.filter((person) => groupOf(fields, person.id) === mine);
}

export interface GroupMessage {
  readonly id: string;
  readonly name: string;
  readonly text: string;
  readonly own: boolean;
}

/** What was written to a group, oldest first. */
export function groupChat(fields: Fields, group: string, self: string): readonly GroupMessage[] {
  return under<ChatField>(fields, `group_chat/${group}/`)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([id, said]) => ({ id, name: said.name, text: said.text, own: said.participant === self }));
}

/** How many groups to suggest for a class: about four in each. */
export function suggested(students: number, most: number): number {
  return Math.min(most, Math.max(2, Math.round(students / 4)));
}

export interface Pasted {
  readonly groups: readonly { readonly name: string; readonly people: readonly string[] }[];
  /** As they were written: nobody here has this name, or more than one could be meant, or it came twice. */
  readonly unknown: readonly string[];
}

/**
 * Names as they come out of a table or a message: a group a line ("Reds: Ann, Bob"), or a name a line with an empty
 * line between groups. Order of words, case, "ё" and numbering do not matter; a part of a name is enough where it
 * fits one person only.
 */
export function readList(list: string, students: readonly Person[]): Pasted {
  const lines = list.replaceAll("\r", "").split("\n");
  const filled = lines.filter((line) => line.trim() !== "");
  const perLine = filled.some((line) => /[:;,]/u.test(line));
  const blocks = perLine
    ? filled
    : lines
        .join("\n")
        .split(/\n\s*\n/u)
        .filter((block) => block.trim() !== "");
  const used = new Set<string>();
  const unknown: string[] = [];
  const groups = blocks.map((block) => {
    const [, title = "", rest = block] = /^([^:\n]{1,80}):([\s\S]*)$/u.exec(block) ?? [];
    const people: string[] = [];
    for (const written of rest.split(/[\n,;]/u).map((each) => each.trim())) {
      if (written === "") continue;
      const found = meant(written, students);
      if (found === null || used.has(found)) unknown.push(written);
      else {
        used.add(found);
        people.push(found);
      }
    }
    return { name: title.trim(), people };
  });
  return { groups, unknown };
}

function meant(written: string, students: readonly Person[]): string | null {
  const wanted = words(written);
  if (wanted.length === 0) return null;
  const named = students.map((person) => ({
    id: person.id,
    words: words(person.label === "" ? person.name : `${person.name} ${person.label}`),
  }));
  const whole = named.filter((each) => each.words.length === wanted.length && wanted.every((word) => each.words.includes(word)));
  const found = whole.length > 0 ? whole : named.filter((each) => wanted.every((word) => each.words.includes(word)));
  return found.length === 1 ? (found[0]?.id ?? null) : null;
}

function words(name: string): string[] {
  return name
    .toLocaleLowerCase()
    .replaceAll("ё", "е")
    .replace(/^\s*(\d+[.)]|[-–•*])\s*/u, "")
    .split(/[^\p{L}\p{N}]+/u)
    .filter((word) => word !== "");
}
