/** When the page of a video that still grows asks for more of it. Pure. */

import type { PlayerState } from "./player";

/** So near its end more is wanted. */
export const NEAR_MS = 6_000;
/** The server makes more each 5 s: near the end it is asked no more often. */
export const ASK_NEAR_MS = 5_000;
/** Elsewhere only the lesson's end is waited for. */
export const ASK_MS = 30_000;
/** "To the newest" leads so far before the end of what is there, so that it goes on without stopping. */
export const BEHIND_MS = 20_000;

type At = Pick<PlayerState, "timeMs" | "durationMs" | "playing" | "ended">;

/** Whether somebody is about to come to the end of what is there, or waits at it. */
export function nearEnd({ timeMs, durationMs, playing, ended }: At): boolean {
  return ended || (playing && durationMs - timeMs < NEAR_MS);
}

/** Whether the server is to be asked now; `sinceMs`: how long ago it answered. */
export function asksNow(at: At, sinceMs: number): boolean {
  return sinceMs >= (nearEnd(at) ? ASK_NEAR_MS : ASK_MS);
}

/** Where "to the newest" leads in a video of so many ms. */
export function newestMs(durationMs: number): number {
  return Math.max(0, durationMs - BEHIND_MS);
}
