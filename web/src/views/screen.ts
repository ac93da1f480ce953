import { useEffect, useState, type RefObject } from "react";

/** Gives the focus of a clicked button back to the page, so that keys do what they do everywhere on it. */
export function blurLater(target: Element): void {
  const button = target.closest("button");
  if (button?.closest("dialog, [popover], .panel") !== null) return; // undefined too: no button was clicked
  setTimeout(() => {
    if (document.activeElement === button) button.blur();
  });
}

/** Full screen of one element; null where the browser has none. */
export function useFullScreen(root: RefObject<HTMLElement | null>): { on: boolean; toggle: () => void } | null {
  const [on, setOn] = useState(false);
  useEffect(() => {
    const changed = () => {
      setOn(document.fullscreenElement !== null);
    };
    document.addEventListener("fullscreenchange", changed);
    return () => {
      document.removeEventListener("fullscreenchange", changed);
    };
  }, []);
  if (!document.fullscreenEnabled) return null;
  return {
    on,
    toggle: () => {
      // refused only where the page may not have it; then nothing changes
      if (document.fullscreenElement === null) root.current?.requestFullscreen().catch(() => undefined);
      else document.exitFullscreen().catch(() => undefined);
    },
  };
}

const IDLE_MS = 3500;

/** Nobody has moved, touched or pressed anything for a while; followed only while it matters. */
export function useIdle(watched: boolean): boolean {
  const [idle, setIdle] = useState(false);
  useEffect(() => {
    if (!watched) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const moved = () => {
      setIdle(false);
      clearTimeout(timer);
      timer = setTimeout(() => {
        setIdle(true);
      }, IDLE_MS);
    };
    moved();
    const events = ["pointermove", "pointerdown", "keydown"] as const;
    for (const event of events) window.addEventListener(event, moved);
    return () => {
      clearTimeout(timer);
      for (const event of events) window.removeEventListener(event, moved);
      setIdle(false);
    };
  }, [watched]);
  return idle;
}
