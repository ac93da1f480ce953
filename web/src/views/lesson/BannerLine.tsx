import type { ReactNode } from "react";

import { Close } from "../icons";
import { useText } from "../text";

/** One line above the pictures: a sentence, its button (children) and, with `onClose`, a cross. */
export function BannerLine(props: {
  testId: string;
  tone: "calm" | "warn" | "strong";
  sentence: string;
  state?: string;
  onClose?: () => void;
  children?: ReactNode;
}) {
  const text = useText();
  return (
    <div
      className={`banner ${props.tone}`}
      role={props.tone === "calm" ? "status" : "alert"}
      data-testid={props.testId}
      data-state={props.state}
    >
      <p>{props.sentence}</p>
      {props.children}
      {props.onClose !== undefined && (
        <button type="button" className="icon-button" aria-label={text.banner.dismiss} onClick={props.onClose}>
          <Close />
        </button>
      )}
    </div>
  );
}
