/** When to try again: doubling from `firstMs` to `maxMs`, each a random part between half and all of it. */
export interface Backoff {
  readonly firstMs: number;
  readonly maxMs: number;
}

/** A whole class comes back after an outage: the random part keeps it from coming at one moment. */
export const SOCKET_BACKOFF: Backoff = { firstMs: 400, maxMs: 10_000 };
export const MEDIA_BACKOFF: Backoff = { firstMs: 500, maxMs: 15_000 };

/** `attempt` counts from 0, `random` is 0..1. */
export function delayMs(policy: Backoff, attempt: number, random: number): number {
  const ceiling = Math.min(policy.maxMs, policy.firstMs * 2 ** Math.min(attempt, 20));
  return Math.round(ceiling * (0.5 + random / 2));
}
