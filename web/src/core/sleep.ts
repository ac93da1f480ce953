/** Tells when the page comes back from a sleep of the machine: its timers stood. */

const BEAT_MS = 1_000;
export const ASLEEP_MS = 3_000;

/** Hidden pages have slow timers too: only what is seen, heard or connected beats each second. Returns the end. */
export function onWake(wake: () => void, nowMs: () => number = Date.now): () => void {
  let beatMs = nowMs();
  const timer = setInterval(() => {
    const since = nowMs() - beatMs;
    beatMs += since;
    if (since > BEAT_MS + ASLEEP_MS) wake();
  }, BEAT_MS);
  return () => clearInterval(timer);
}
