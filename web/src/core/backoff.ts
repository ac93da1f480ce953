/** When to try again: doubling from `firstMs` to `maxMs`, each a random part between half and all of it. */
export interface Backoff {
  readonly firstMs: number;
  readonly maxMs: number;
  /** In the first `SOON_FOR_MS` of an outage no wait is longer: a home line that is back is used at once. */
  readonly soonMs: number;
}

/** A whole class comes back after an outage: the random part keeps it from coming at one moment. */
export const SOCKET_BACKOFF: Backoff = { firstMs: 400, maxMs: 10_000, soonMs: 1_000 };
export const MEDIA_BACKOFF: Backoff = { firstMs: 500, maxMs: 15_000, soonMs: 1_000 };
export const SOON_FOR_MS = 60_000;

/** `attempt` counts from 0, `random` is 0..1, `awayMs` is how long the outage lasts. */
export function delayMs(policy: Backoff, attempt: number, random: number, awayMs: number): number {
  // an outage of minutes is the server's: the waits grow with it
  const patience = policy.soonMs + Math.max(0, awayMs - SOON_FOR_MS) / 4;
  const ceiling = Math.min(policy.maxMs, patience, policy.firstMs * 2 ** Math.min(attempt, 20));
  return Math.round(ceiling * (0.5 + random / 2));
}
