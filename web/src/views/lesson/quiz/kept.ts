import { useState } from "react";

import type { Given } from "../../../core/quiz";

const KEY = "zvonok.quiz";

interface Kept {
  readonly quiz: string;
  /** What was sent, by place: the server tells nobody, not even its author, whose an anonymous answer is. */
  readonly sent: Readonly<Record<number, Given>>;
  /** What was written and not sent. */
  readonly drafts: Readonly<Record<number, string>>;
  readonly dismissed: string;
}

/** What this tab knows of its own answers to one quiz; it outlives a reload, not the tab. */
export function useKept(quiz: string): readonly [Kept, (change: (before: Kept) => Partial<Omit<Kept, "quiz">>) => void] {
  const [kept, setKept] = useState(() => read(quiz));
  const now = kept.quiz === quiz ? kept : read(quiz);
  return [
    now,
    (change) => {
      const before = read(quiz);
      const next = { ...before, ...change(before) };
      try {
        sessionStorage.setItem(KEY, JSON.stringify(next));
      } catch {
        // Then it is kept for as long as the page is.
      }
      setKept(next);
    },
  ];
}

function read(quiz: string): Kept {
  const nothing: Kept = { quiz, sent: {}, drafts: {}, dismissed: "" };
  try {
    const found = JSON.parse(sessionStorage.getItem(KEY) ?? "null") as Kept | null;
    return found?.quiz === quiz ? { ...nothing, ...found } : nothing;
  } catch {
    return nothing;
  }
}
