/** Where a film is for all, and how one's own player gets there. Pure. */

import type { FilmField } from "../generated/wire";

/** Up to here a player is in step. */
const NEAR_MS = 40;
/** From here on it jumps; below it plays a little faster or slower, which nobody hears. */
const FAR_MS = 220;
const RATE = 0.06;

/** Ms from its beginning at this server time; never beyond `durationMs` where that is known. */
export function positionOf(film: FilmField, nowMs: number, durationMs = Infinity): number {
  const gone = film.state === "playing" ? Math.max(0, nowMs - film.at_ms) : 0;
  return Math.min(film.position_ms + gone, durationMs);
}

export type Step = { readonly kind: "rate"; readonly rate: number } | { readonly kind: "seek" };

/** What brings a playing player from `isMs` to `shouldMs`. */
export function stepTo(isMs: number, shouldMs: number): Step {
  const behindMs = shouldMs - isMs;
  if (Math.abs(behindMs) > FAR_MS) return { kind: "seek" };
  if (Math.abs(behindMs) <= NEAR_MS) return { kind: "rate", rate: 1 };
  return { kind: "rate", rate: behindMs > 0 ? 1 + RATE : 1 - RATE };
}
