import { useEffect, useRef, useState, type RefObject } from "react";

import type { Box } from "../../../core/board/shapes";

interface Sight {
  /** 1: the whole page fits. */
  readonly zoom: number;
  /** What of the page is in the middle. */
  readonly x: number;
  readonly y: number;
}

const MOST = 8;

/** What of a board is seen: `box` is what the whole takes. Fingers, mouse and wheel move it once it is larger. */
export function useSight(view: RefObject<SVGSVGElement | null>, box: Box, width: number, height: number) {
  const [sight, setSight] = useState<Sight | null>(null);
  const scale = Math.min(width / box.width, height / box.height) || 1;
  const middle = { x: box.x + box.width / 2, y: box.y + box.height / 2 };
  const { zoom, x, y } = sight ?? { zoom: 1, ...middle };
  const unit = 1 / (scale * zoom);
  const seen: Box = { x: x - (width * unit) / 2, y: y - (height * unit) / 2, width: width * unit, height: height * unit };

  const moved = (next: Sight): Sight | null => {
    const larger = Math.max(1, Math.min(MOST, next.zoom));
    if (larger === 1) return null;
    const clamp = (value: number, from: number, size: number) => Math.max(from, Math.min(from + size, value));
    return { zoom: larger, x: clamp(next.x, box.x, box.width), y: clamp(next.y, box.y, box.height) };
  };
  const zoomBy = (factor: number) => {
    setSight(moved({ zoom: zoom * factor, x, y }));
  };
  const move = (dx: number, dy: number) => {
    setSight(moved({ zoom, x: x - dx * unit, y: y - dy * unit }));
  };

  const touches = useRef(new Map<number, { x: number; y: number }>());
  const latest = useRef({ zoomBy, move });
  useEffect(() => {
    latest.current = { zoomBy, move };
  });
  useEffect(() => {
    const element = view.current;
    if (element === null) return;
    const stop = new AbortController();
    const held = touches.current;
    const on = (type: "pointerdown" | "pointermove" | "pointerup" | "pointercancel", work: (event: PointerEvent) => void) => {
      element.addEventListener(type, work, { signal: stop.signal });
    };
    const spread = () => {
      const [a, b] = [...held.values()];
      return a === undefined || b === undefined ? 0 : Math.hypot(a.x - b.x, a.y - b.y);
    };
    on("pointerdown", (event) => {
      held.set(event.pointerId, { x: event.clientX, y: event.clientY });
      element.setPointerCapture(event.pointerId);
    });
    on("pointermove", (event) => {
      const before = held.get(event.pointerId);
      if (before === undefined) return;
      const wide = spread();
      held.set(event.pointerId, { x: event.clientX, y: event.clientY });
      if (held.size === 1) latest.current.move(event.clientX - before.x, event.clientY - before.y);
      else if (wide > 0) latest.current.zoomBy(spread() / wide);
    });
    const up = (event: PointerEvent) => {
      held.delete(event.pointerId);
    };
    on("pointerup", up);
    on("pointercancel", up);
    element.addEventListener(
      "wheel",
      (event) => {
        event.preventDefault();
        latest.current.zoomBy(Math.exp(-event.deltaY / 400));
      },
      { signal: stop.signal, passive: false },
    );
    return () => {
      stop.abort();
      held.clear();
    };
  }, [view]);

  return {
    seen,
    unit,
    zoom,
    zoomBy,
    move,
    fit: () => {
      setSight(null);
    },
    largest: zoom >= MOST,
  };
}
