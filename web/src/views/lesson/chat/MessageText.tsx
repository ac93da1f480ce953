import { lazy, Suspense } from "react";

import { partsOf } from "../../../core/chat";

const Formula = lazy(() => import("./Formula"));

/** A message with its formulas drawn and, where they may be followed, its links. */
export function MessageText({ text, links }: { text: string; links: boolean }) {
  return (
    <p>
      {partsOf(text).map((part, index) => {
        if (part.kind === "formula")
          return (
            <Suspense key={index} fallback={<code>{part.text}</code>}>
              <Formula tex={part.tex} source={part.text} />
            </Suspense>
          );
        if (part.kind === "link" && links)
          return (
            <a key={index} href={part.href} target="_blank" rel="noopener noreferrer nofollow" data-testid="chat-link">
              {part.text}
            </a>
          );
        return part.text;
      })}
    </p>
  );
}
