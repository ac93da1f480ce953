import { useEffect, useState } from "react";

import type { LessonSurface } from "../../../core/lesson";

const TICK_MS = 250;

/** Server time, drawn anew four times a second while it matters. */
export function useServerNow(lesson: LessonSurface, runs: boolean): number {
  const [nowMs, setNowMs] = useState(() => lesson.serverNowMs());
  useEffect(() => {
    const look = () => {
      setNowMs(lesson.serverNowMs());
    };
    look();
    if (!runs) return;
    const timer = setInterval(look, TICK_MS);
    return () => {
      clearInterval(timer);
    };
  }, [lesson, runs]);
  return nowMs;
}
