/** Keeps the screen on while a lesson runs. */

/** Asks now and whenever the page becomes visible again; gives back how to stop. */
export function keepAwake(): () => void {
  const wakeLock = (navigator as { wakeLock?: WakeLock }).wakeLock;
  if (wakeLock === undefined) return () => undefined;
  let held: WakeLockSentinel | null = null;
  let stopped = false;
  const ask = async (): Promise<void> => {
    if (document.visibilityState !== "visible" || (held !== null && !held.released)) return;
    try {
      const lock = await wakeLock.request("screen");
      if (isStopped()) await lock.release();
      else held = lock;
    } catch {
      // low battery, or forbidden: the lesson goes on without
    }
  };
  const isStopped = (): boolean => stopped;
  const visible = (): void => void ask();
  document.addEventListener("visibilitychange", visible);
  void ask();
  return () => {
    stopped = true;
    document.removeEventListener("visibilitychange", visible);
    void held?.release().catch(() => undefined);
  };
}
