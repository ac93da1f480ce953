import { useEffect, useState } from "react";

import type { LessonSurface } from "../../core/lesson";

/** Whether the space bar means something else where the focus is now. */
export function spaceIsTaken(target: EventTarget | null): boolean {
  if (!(target instanceof Element)) return false;
  return target.closest("button, input, textarea, select, summary, a[href], [contenteditable], dialog, [popover], [role='log']") !== null;
}

/**
 * Hold the space bar to talk: the microphone is on while it is held. Only when nothing that uses the
 * space bar has the focus, and only when the microphone was off.
 */
export function useTalkKey(lesson: LessonSurface, onFailed: (error: unknown) => void): boolean {
  const [talking, setTalking] = useState(false);
  useEffect(() => {
    let held = false;
    const release = () => {
      if (!held) return;
      held = false;
      setTalking(false);
      lesson.setSource("microphone", false).catch(onFailed);
    };
    const down = (event: KeyboardEvent) => {
      if (event.code !== "Space" || event.ctrlKey || event.altKey || event.metaKey) return;
      if (held) {
        event.preventDefault();
        return;
      }
      if (event.repeat || spaceIsTaken(event.target)) return;
      event.preventDefault();
      const { microphone } = lesson.sources.get();
      if (microphone.state !== "off" || !lesson.self.get().may.microphone) return;
      held = true;
      setTalking(true);
      lesson.setSource("microphone", true).catch(onFailed);
    };
    const up = (event: KeyboardEvent) => {
      if (event.code === "Space") release();
    };
    window.addEventListener("keydown", down);
    window.addEventListener("keyup", up);
    // A key let go in another window is never heard of.
    window.addEventListener("blur", release);
    return () => {
      window.removeEventListener("keydown", down);
      window.removeEventListener("keyup", up);
      window.removeEventListener("blur", release);
      release();
    };
  }, [lesson, onFailed]);
  return talking;
}
