/** Chat, hands and what the class looked at beside a video, by the video's time. Pure. */

import { decode } from "@msgpack/msgpack";

import type { Timeline } from "../generated/wire";
import type { Fields } from "./store";

/** One line beside the picture; the list of them is sorted by time. */
export type ReplayLine =
  | { readonly kind: "chat"; readonly atMs: number; readonly name: string; readonly text: string }
  | { readonly kind: "hand"; readonly atMs: number; readonly name: string };

export interface RaisedHand {
  readonly participant: string;
  readonly name: string;
}

/** What was said and who raised a hand; hands that go down are no line of their own. */
export function linesOf(timeline: Timeline): readonly ReplayLine[] {
  const lines: ReplayLine[] = [
    ...timeline.chat.map(({ at_ms, name, text }) => ({ kind: "chat" as const, atMs: at_ms, name, text })),
    ...timeline.hands.filter((hand) => hand.up).map(({ at_ms, name }) => ({ kind: "hand" as const, atMs: at_ms, name })),
  ];
  return lines.sort((a, b) => a.atMs - b.atMs);
}

/** How many of the lines have come by `ms`. */
export function linesBy(lines: readonly { readonly atMs: number }[], ms: number): number {
  let [low, high] = [0, lines.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((lines[middle]?.atMs ?? Infinity) <= ms) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Whose hand is up at `ms`, first raised first. */
export function handsAt(timeline: Timeline, ms: number): readonly RaisedHand[] {
  const up = new Map<string, RaisedHand>();
  for (const { at_ms, participant, name, up: raised } of timeline.hands) {
    if (at_ms > ms) break;
    if (!raised) up.delete(participant);
    else if (!up.has(participant)) up.set(participant, { participant, name });
  }
  return [...up.values()];
}

/** Gives the lesson's fields, of those that are seen again, at a moment: the same map until one changes. Going on
 * in time costs only what came since. */
export function fieldsOf({ changes }: Timeline): (ms: number) => Fields {
  const start: Fields = new Map();
  let fields = start;
  let next = 0;
  return (ms) => {
    if (next > 0 && (changes[next - 1]?.at_ms ?? 0) > ms) [fields, next] = [start, 0];
    let now: Map<string, unknown> | null = null;
    for (let change = changes[next]; change !== undefined && change.at_ms <= ms; change = changes[next]) {
      now ??= new Map(fields);
      for (const path of change.delete) now.delete(path);
      for (const [path, value] of Object.entries(change.set)) now.set(path, opened(value));
      next += 1;
    }
    fields = now ?? fields;
    return fields;
  };
}

/** A value as a timeline holds it. */
function opened(sealed: string): unknown {
  return decode(Uint8Array.from(atob(sealed), (each) => each.charCodeAt(0)));
}

/** The part that is shown at `ms`, from 0. */
export function partAt(parts: Timeline["parts"], ms: number): number {
  return Math.max(0, parts.findLastIndex((part) => part.at_ms <= ms));
}
