/** What an app in a frame says of its student. Pure: nothing of it is believed before it was looked at. */

import { MAX_POINTS, type ScoreField } from "../generated/wire";
import type { Fields } from "./store";

export interface Result {
  readonly points: number;
  readonly of: number;
}

/** The result in an app's message; null: it is none. */
export function resultIn(data: unknown): Result | null {
  if (typeof data !== "object" || data === null) return null;
  const { type, points, of } = data as Record<string, unknown>;
  if (type !== "zvonok.score" || typeof points !== "number" || typeof of !== "number") return null;
  return of > 0 && of <= MAX_POINTS && points >= 0 && points <= of ? { points, of } : null;
}

/** Results in an app that one may see, by participant. */
export function resultsOf(fields: Fields, app: string): readonly (ScoreField & { readonly participant: string })[] {
  const found: (ScoreField & { readonly participant: string })[] = [];
  for (const [path, value] of fields) {
    const [kind, participant = "", of] = path.split("/");
    if (kind === "score" && of === app) found.push({ ...(value as ScoreField), participant });
  }
  return found;
}
