import { useEffect, useRef, useState } from "react";

/**
 * What is wanted, without flicker: nothing is shown before it was wanted for `afterMs`, and what is shown stays
 * for `leastMs`. `wanted`: null or a value that equals itself when it is the same.
 */
export function useSteady<T extends string | number | boolean>(
  wanted: T | null,
  { afterMs, leastMs }: { afterMs: number; leastMs: number },
): T | null {
  const [shown, setShown] = useState<T | null>(null);
  const sinceMs = useRef(0);
  useEffect(() => {
    if (wanted === shown) return;
    const waitMs = shown === null ? afterMs : Math.max(0, leastMs - (performance.now() - sinceMs.current));
    const timer = setTimeout(() => {
      sinceMs.current = performance.now();
      setShown(wanted);
    }, waitMs);
    return () => {
      clearTimeout(timer);
    };
  }, [wanted, shown, afterMs, leastMs]);
  return shown;
}
