/** What of the threads with the teachers was looked at on this page. */

import type { Thread } from "../../../core/chat";
import type { LessonSurface } from "../../../core/lesson";
import { Value } from "../../../core/value";

/** Student -> the last message that was seen. */
export type Looked = ReadonlyMap<string, string>;

const all = new WeakMap<LessonSurface, Value<Looked>>();

export function lookedAt(lesson: LessonSurface): Value<Looked> {
  let looked = all.get(lesson);
  if (looked === undefined) all.set(lesson, (looked = new Value<Looked>(new Map())));
  return looked;
}

/** Whether the last word is the other side's, and was not looked at. */
export function isUnread(thread: Thread, looked: Looked, leads: boolean): boolean {
  const theirs = leads ? thread.last.participant === thread.student : !thread.last.own;
  return theirs && !thread.last.removed && (looked.get(thread.student) ?? "") < thread.last.id;
}
