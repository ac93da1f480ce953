import { useEffect, useState } from "react";

import type { LessonSurface } from "../../../core/lesson";

const TICK_MS = 250;

/** Server time, drawn anew four times a second until `untilMs` is over; null: it does not matter. */
export function useServerNow(lesson: LessonSurface, untilMs: number | null): number {
  const [nowMs, setNowMs] = useState(() => lesson.serverNowMs());
  useEffect(() => {
    const look = () => {
      const now = lesson.serverNowMs();
      setNowMs(now);
      if (untilMs === null || now > untilMs) clearInterval(timer);
    };
    const timer = setInterval(look, TICK_MS);
    look();
    return () => {
      clearInterval(timer);
    };
  }, [lesson, untilMs]);
  return nowMs;
}
