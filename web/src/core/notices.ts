/** What an event means for the person in front of the screen. Pure. */

import type { Event } from "../generated/wire";
import { messageOf } from "./chat";
import { SOURCES } from "./store";
import type { Notice, Person } from "./types";

type People = ReadonlyMap<string, Person>;

/** `before` and `after`: what was known of people around the event. `self`: one's own id. */
export function noticesOf(
  event: Event,
  self: string,
  before: People,
  after: { readonly people: People },
): readonly Notice[] {
  const notices: Notice[] = [];
  const { by } = event;
  const byName = by === null || by === self ? null : (after.people.get(by)?.name ?? null);
  const me = after.people.get(self);
  const was = before.get(self);
  if (event.kind === "muted" && by !== self)
    for (const source of SOURCES)
      if (event.delete.includes(`on/${self}/${source}`)) notices.push({ kind: "muted", source, by: byName });
  if (event.kind === "may" && me !== undefined && was !== undefined)
    for (const source of SOURCES)
      if (me.may[source] !== was.may[source]) notices.push({ kind: me.may[source] ? "may" : "may_not", source });
  if (event.delete.includes(`hand/${self}`) && by !== self && (event.kind === "hand_down" || event.kind === "hands_down"))
    notices.push({ kind: "hand_lowered", by: byName });
  for (const [path, value] of Object.entries(event.set)) {
    const [field, id] = path.split("/");
    if (id === undefined) continue;
    const person = after.people.get(id);
    if (field === "hand" && id !== self && person !== undefined)
      notices.push({ kind: "hand_up", participant: id, name: person.name });
    if (field === "person" && id !== self && person !== undefined) {
      const isHere = (value as { readonly here?: boolean }).here === true;
      if (isHere && event.kind !== "may" && event.kind !== "renamed")
        notices.push({ kind: "joined", participant: id, name: person.name });
      else if (!isHere && before.has(id)) notices.push({ kind: "left", participant: id, name: person.name });
    }
    const message = by === self || event.kind === "chat_removed" ? null : messageOf(path, value, self);
    if (message !== null) notices.push({ kind: "chat", message });
  }
  return notices;
}
