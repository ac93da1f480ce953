/** What is written in a lesson: messages to the class, threads with the teachers, what waits, the rules. Pure. */

import type { ChatField, ChatRulesField, HeldField } from "../generated/wire";
import { under, type Fields, type Identity } from "./store";
import type { ChatMessage } from "./types";
import { derive, shallowEqual, type Readable } from "./value";

/** How far this page's idea of the server's time may be off. */
const CLOCKS_MS = 2000;

/** The rules until a leader changes one. */
export const PLAIN_RULES: ChatRulesField = { mode: "open", slow_s: 0, notes: true, links: "held", words: "refused" };

/** A message keeps its object as long as its field does. */
const known = new WeakMap<object, ChatMessage>();

/** The message in a field of the lesson, for `self` to read; null: there is none in such a field. */
export function messageOf(path: string, value: unknown, self: string): ChatMessage | null {
  const [field = "", ...rest] = path.split("/");
  const id = rest.at(-1);
  if (id === undefined || !["chat", "note", "held"].includes(field)) return null;
  const said = value as ChatField | HeldField;
  const participant = "participant" in said ? said.participant : (rest[0] ?? "");
  const before = known.get(said);
  if (before?.id === id && before.own === (participant === self)) return before;
  const message: ChatMessage = {
    id,
    participant,
    thread: field === "note" ? (rest[0] ?? "") : null,
    name: said.name,
    text: said.text,
    atMs: said.at_ms,
    own: participant === self,
    quote: said.quote,
    material: said.material,
    removed: "removed" in said && said.removed,
    waits: "reason" in said ? said.reason : null,
  };
  known.set(said, message);
  return message;
}

function messages(fields: Fields, prefix: string, self: string): readonly ChatMessage[] {
  return under<unknown>(fields, prefix)
    .map(([rest, value]) => messageOf(`${prefix}${rest}`, value, self))
    .filter((message) => message !== null)
    .sort((a, b) => (a.id < b.id ? -1 : 1));
}

/** What was said to the class. The list stays the same unless a message came, went or changed. */
export function keepChat(fields: Readable<Fields>, identity: Readable<Identity>): Readable<readonly ChatMessage[]> {
  let kept: readonly ChatMessage[] = [];
  return derive([fields, identity], (now, { participant }) => {
    const said = messages(now, "chat/", participant);
    if (!shallowEqual(said, kept)) kept = said;
    return kept;
  });
}

/** What waits for a leader: everybody's for leaders, one's own for others. */
export function waiting(fields: Fields, self: string): readonly ChatMessage[] {
  return messages(fields, "held/", self);
}

/** What a student and the teachers wrote to each other. */
export function threadWith(fields: Fields, student: string, self: string): readonly ChatMessage[] {
  return messages(fields, `note/${student}/`, self);
}

export interface Thread {
  readonly student: string;
  readonly last: ChatMessage;
}

/** All threads that one may see, the latest first. */
export function threads(fields: Fields, self: string): readonly Thread[] {
  const last = new Map<string, ChatMessage>();
  for (const message of messages(fields, "note/", self)) if (message.thread !== null) last.set(message.thread, message);
  return [...last].map(([student, message]) => ({ student, last: message })).sort((a, b) => b.last.atMs - a.last.atMs);
}

/** What a message may carry: a file, link or app of the lesson. */
export interface Attachment {
  readonly id: string;
  readonly name: string;
  readonly kind: string;
  /** Of a link or an app. */
  readonly url: string;
}

export function attachment(fields: Fields, id: string): Attachment | null {
  const found = fields.get(`material/${id}`) as Attachment | undefined;
  return found === undefined ? null : { id, name: found.name, kind: found.kind, url: found.url };
}

export function attachments(fields: Fields): readonly Attachment[] {
  return under<Attachment>(fields, "material/").map(([id, { name, kind, url }]) => ({ id, name, kind, url }));
}

export function rulesOf(fields: Fields): ChatRulesField {
  return (fields.get("chat_rules") as ChatRulesField | undefined) ?? PLAIN_RULES;
}

/** The lesson's own words that no student writes; leaders see them. */
export function wordsOf(fields: Fields): readonly string[] {
  return (fields.get("chat_words") as readonly string[] | undefined) ?? [];
}

export function isMuted(fields: Fields, participant: string): boolean {
  return fields.get(`chat_muted/${participant}`) === true;
}

/** For how long a student may not write yet, in ms. */
export function waitMs(fields: Fields, self: string, nowMs: number): number {
  const most = rulesOf(fields).slow_s * 1000;
  const left = ((fields.get(`chat_next/${self}`) as number | undefined) ?? 0) - nowMs;
  // More than the rule is a wait from before it was made shorter, or clocks that differ a little.
  return left > most + CLOCKS_MS ? 0 : Math.max(0, Math.min(left, most));
}

/** Characters as the server counts them. */
export function lengthOf(text: string): number {
  return Array.from(text).length;
}

export type Part =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "link"; readonly text: string; readonly href: string }
  | { readonly kind: "formula"; readonly text: string; readonly tex: string };

const MAX_FORMULA = 400;
const MAX_FORMULAS = 20;
/** `$...$` or `$$...$$` on one line, without a space inside its ends and no number behind it ("$5 and $6"). */
const FORMULA = /(\${1,2})(?![\s$])((?:\\.|[^\\$\n])+?)(?<!\s)\1(?![\d$])/u;
const LINK = /(?:https?:\/\/|(?<![\p{L}\p{N}.-])www\.)[^\s<>"`]+/iu;

/** A message's text, cut where something else than letters is drawn. All parts together are the text. */
export function partsOf(text: string): readonly Part[] {
  const parts: Part[] = [];
  const plain = (piece: string) => {
    if (piece !== "") parts.push({ kind: "text", text: piece });
  };
  const either = new RegExp(`${FORMULA.source}|${LINK.source}`, "giu");
  let at = 0;
  let formulas = 0;
  for (const found of text.matchAll(either)) {
    const tex = found[2];
    if (tex !== undefined && (tex.length > MAX_FORMULA || ++formulas > MAX_FORMULAS)) continue;
    const whole = tex === undefined ? trimmed(found[0]) : found[0];
    const href = tex === undefined ? address(whole) : null;
    if (tex === undefined && href === null) continue;
    plain(text.slice(at, found.index));
    parts.push(href === null ? { kind: "formula", text: whole, tex: tex ?? "" } : { kind: "link", text: whole, href });
    at = found.index + whole.length;
  }
  plain(text.slice(at));
  return parts;
}

/** Signs at the end belong to the sentence; a bracket does unless it was opened inside. */
function trimmed(link: string): string {
  let end = link.length;
  while (end > 0) {
    const last = link.charAt(end - 1);
    const before = link.slice(0, end - 1);
    const opened = last === ")" && before.split("(").length > before.split(")").length;
    if (opened || !/[.,;:!?)\]}'»”…]/u.test(last)) break;
    end -= 1;
  }
  return link.slice(0, end);
}

function address(link: string): string | null {
  try {
    const url = new URL(/^www\./iu.test(link) ? `https://${link}` : link);
    return ["http:", "https:"].includes(url.protocol) && url.username === "" && url.password === "" ? url.href : null;
  } catch {
    return null;
  }
}
