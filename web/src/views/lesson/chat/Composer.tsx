import { useEffect, useRef, useState, type ReactNode } from "react";

import { lengthOf } from "../../../core/chat";
import { Failed } from "../../../core/types";
import { MAX_CHAT } from "../../../generated/wire";
import { knownRefusal } from "../../../i18n/refusals";
import { Send } from "../../icons";
import { useText } from "../../text";

const NEAR_LIMIT = 200;

interface Props {
  label: string;
  /** Rejects when it was not taken: what was written stays then. */
  send: (text: string) => Promise<void>;
  /** Why nothing can be sent just now; what is written stays. */
  wait: string | null;
  /** What is sent when nothing is written; empty: nothing is. */
  instead?: string;
  /** Above the input. */
  children?: ReactNode;
}

/** Where a message is written. It is told before sending when it is too long, and why it was not taken. */
export function Composer({ label, send, wait, instead = "", children }: Props) {
  const text = useText();
  const [draft, setDraft] = useState("");
  const [sending, setSending] = useState(false);
  const [failure, setFailure] = useState<string | null>(null);
  const input = useRef<HTMLTextAreaElement>(null);
  const words = draft.trim() || instead;
  const left = MAX_CHAT - lengthOf(words);
  const ready = words !== "" && !sending && left >= 0 && wait === null;

  useEffect(() => {
    input.current?.focus();
  }, []);

  const submit = async () => {
    if (!ready) return;
    setSending(true);
    setFailure(null);
    try {
      await send(words);
      setDraft("");
    } catch (error) {
      // the draft stays, so that nothing written is lost
      setFailure(text.refusals[knownRefusal(error instanceof Failed ? error.code : "internal")]);
    }
    setSending(false);
    input.current?.focus();
  };

  return (
    <div className="chat-compose">
      {children}
      {failure !== null && (
        <p className="field-note wrong" role="alert" data-testid="chat-failure">
          {failure}
        </p>
      )}
      {wait !== null && (
        <p className="field-note" data-testid="chat-wait">
          {wait}
        </p>
      )}
      <form
        className="chat-form"
        onSubmit={(event) => {
          event.preventDefault();
          void submit();
        }}
      >
        <label className="hidden" htmlFor="chat-input">
          {label}
        </label>
        <textarea
          ref={input}
          id="chat-input"
          rows={2}
          placeholder={label}
          aria-invalid={left < 0}
          aria-describedby="chat-length"
          data-testid="chat-input"
          value={draft}
          onChange={(event) => {
            setDraft(event.target.value);
            setFailure(null);
          }}
          onKeyDown={(event) => {
            // isComposing: Enter that ends a word of an input method sends nothing
            if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing) return;
            event.preventDefault();
            void submit();
          }}
        />
        <button
          type="submit"
          className="icon-button accent"
          aria-label={text.chat.send}
          title={text.chat.send}
          data-testid="chat-send"
          disabled={!ready}
        >
          <Send />
        </button>
      </form>
      <p id="chat-length" className={left < 0 ? "field-note wrong" : "field-note"} role={left < 0 ? "alert" : undefined} data-testid="chat-length">
        {left < 0 ? text.chat.over(-left, MAX_CHAT) : left < NEAR_LIMIT ? text.chat.left(left) : ""}
      </p>
    </div>
  );
}
