import { useEffect, useRef } from "react";

const STEPS: Readonly<Record<string, number>> = { ArrowRight: 1, PageDown: 1, ArrowLeft: -1, PageUp: -1 };

/** Arrows and Page keys turn pages, unless what has the focus has a use of its own for them. */
export function usePageKeys(page: number, turn: ((page: number) => void) | null): void {
  const latest = useRef({ page, turn });
  useEffect(() => {
    latest.current = { page, turn };
  });
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      const { turn: now, page: at } = latest.current;
      const step = STEPS[event.key];
      if (now === null || step === undefined || event.defaultPrevented) return;
      if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
      const target = event.target;
      if (!(target instanceof Element) || (target !== document.body && target.closest(".slides") === null)) return;
      if (target.closest(".slides-strip, input, textarea, select, [contenteditable]") !== null) return;
      event.preventDefault();
      now(at + step);
    };
    document.addEventListener("keydown", press);
    return () => {
      document.removeEventListener("keydown", press);
    };
  }, []);
}
