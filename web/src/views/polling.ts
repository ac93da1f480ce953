import { useEffect, useEffectEvent } from "react";

import { pollDelayMs } from "../core/poll";
import { Failed } from "../core/types";

const MOST = 80;

/**
 * Asks again, ever more seldom, while `active`; a hidden page waits until it is seen. What `ask` rejects with
 * changes nothing but how long the server wants to be left alone.
 */
export function usePolling(active: boolean, ask: () => Promise<void>): void {
  const askNow = useEffectEvent(ask);
  useEffect(() => {
    if (!active) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let asked = 0;
    let due = false;
    let here = true;
    const next = (atLeastMs: number) => {
      if (!here || asked >= MOST) return;
      timer = setTimeout(() => {
        due = true;
        look();
      }, Math.max(atLeastMs, pollDelayMs(asked, Math.random())));
    };
    const look = () => {
      if (!due || document.visibilityState === "hidden") return;
      due = false;
      asked += 1;
      askNow().then(
        () => {
          next(0);
        },
        (error: unknown) => {
          next(1000 * (error instanceof Failed ? (error.retryAfterS ?? 0) : 0));
        },
      );
    };
    next(0);
    document.addEventListener("visibilitychange", look);
    return () => {
      here = false;
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", look);
    };
  }, [active]);
}
