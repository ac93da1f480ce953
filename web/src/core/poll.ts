/** Asking again until something is ready, ever more seldom: a whole class asks at the end of a lesson. */

const FIRST_MS = 1_500;
const GROWTH = 1.5;
const LONGEST_MS = 20_000;

/** How long to wait after `asked` answers that were not it; `random` (0..1) spreads a class that asks at once. */
export function pollDelayMs(asked: number, random: number): number {
  const whole = Math.min(LONGEST_MS, FIRST_MS * GROWTH ** Math.min(asked, 20));
  return whole * (0.75 + random / 2);
}
