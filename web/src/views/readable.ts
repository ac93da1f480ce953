import { useEffect, useRef, useState, useSyncExternalStore } from "react";

import type { Readable } from "../core/value";

/** The value of a core readable; the view is drawn again when it changes. */
export function useReadable<T>(readable: Readable<T>): T {
  return useSyncExternalStore(readable.subscribe, readable.get);
}

/** Whether the browser says that there is a network at all. */
export function useOnline(): boolean {
  return useSyncExternalStore(
    (listener) => {
      window.addEventListener("online", listener);
      window.addEventListener("offline", listener);
      return () => {
        window.removeEventListener("online", listener);
        window.removeEventListener("offline", listener);
      };
    },
    () => navigator.onLine,
  );
}

/** Whether a media query holds now. */
export function useMedia(query: string): boolean {
  const [list] = useState(() => matchMedia(query));
  return useSyncExternalStore(
    (listener) => {
      list.addEventListener("change", listener);
      return () => {
        list.removeEventListener("change", listener);
      };
    },
    () => list.matches,
  );
}

/** Size of an element in CSS pixels, followed while it is there. */
export function useSize<E extends HTMLElement>() {
  const ref = useRef<E>(null);
  const [size, setSize] = useState({ width: 0, height: 0 });
  useEffect(() => {
    const element = ref.current;
    if (element === null) return;
    const measure = () => {
      const { clientWidth: width, clientHeight: height } = element;
      setSize((before) => (before.width === width && before.height === height ? before : { width, height }));
    };
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => {
      observer.disconnect();
    };
  }, []);
  return [ref, size] as const;
}

/** A loudness readable drawn straight into an element, without drawing the view again 15 times a second. */
export function useLevel<E extends HTMLElement>(level: Readable<number>, axis: "x" | "y") {
  const ref = useRef<E>(null);
  useEffect(() => {
    const draw = () => {
      const value = level.get().toFixed(2);
      if (ref.current !== null) ref.current.style.transform = axis === "x" ? `scaleX(${value})` : `scaleY(${value})`;
    };
    draw();
    return level.subscribe(draw);
  }, [level, axis]);
  return ref;
}
