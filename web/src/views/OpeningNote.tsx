import { useEffect, useState, type ReactNode } from "react";

import { opening } from "../core/opening";
import { localeOf } from "../i18n";
import { useWords } from "./text";

/** When an announced lesson opens, counting down; `children` once it is time. */
export function OpeningNote({ opensAtMs, children }: { opensAtMs: number; children: ReactNode }) {
  const { text, language } = useWords();
  const [nowMs, setNowMs] = useState(() => Date.now());
  const found = opening(opensAtMs, nowMs, localeOf(language));
  const over = found === null;
  useEffect(() => {
    if (over) return;
    const timer = setInterval(() => {
      setNowMs(Date.now());
    }, 1000);
    return () => {
      clearInterval(timer);
    };
  }, [over]);
  if (found === null) return children;
  const say = found.today ? text.join.opensToday : text.join.opensOn;
  return <span data-testid="opens-at">{say(found.when, found.left)}</span>;
}
