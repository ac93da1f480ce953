import { useEffect, useMemo, useRef, type PointerEvent } from "react";

import { PAGE } from "../../../core/board/elements";
import { PenSender } from "../../../core/board/pens";
import type { LessonSurface } from "../../../core/lesson";

/** A pointer that stands still is said again before others let go of it. */
const AGAIN_MS = 1000;

interface Handlers {
  onPointerMove?: (event: PointerEvent<HTMLElement>) => void;
  onPointerLeave?: () => void;
}

/** What the page needs so that everybody sees where one points on it; nothing while it is `on` for nobody. */
export function usePointer(lesson: LessonSurface | null, page: string, on: boolean): Handlers {
  const sender = useMemo(
    () => (lesson === null || !on ? null : new PenSender(page, (message) => {
      lesson.tell(message);
    })),
    [lesson, page, on],
  );
  const at = useRef<{ x: number; y: number } | null>(null);
  useEffect(() => {
    if (sender === null) return;
    const again = setInterval(() => {
      if (at.current !== null) sender.move({ tool: "pointer", ...at.current });
    }, AGAIN_MS);
    return () => {
      clearInterval(again);
      if (at.current !== null) sender.move({ tool: "away" });
      at.current = null;
    };
  }, [sender]);
  if (sender === null) return {};
  return {
    onPointerMove: (event) => {
      const box = event.currentTarget.getBoundingClientRect();
      const unit = PAGE.width / box.width;
      at.current = { x: (event.clientX - box.left) * unit, y: (event.clientY - box.top) * unit };
      sender.move({ tool: "pointer", ...at.current });
    },
    onPointerLeave: () => {
      at.current = null;
      sender.move({ tool: "away" });
    },
  };
}
