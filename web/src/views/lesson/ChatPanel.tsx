import { useEffect, useRef, useState } from "react";

import type { LessonSurface } from "../../core/lesson";
import { MAX_CHAT } from "../../generated/wire";
import { localeOf } from "../../i18n";
import { Send } from "../icons";
import { useReadable } from "../readable";
import { useWords } from "../text";

const NEAR_END_PX = 60;

/** What was written to the class; follows the newest message unless one reads further up. */
export function ChatPanel({ lesson, onFailed }: { lesson: LessonSurface; onFailed: (error: unknown) => void }) {
  const { text, language } = useWords();
  const messages = useReadable(lesson.chat);
  const [draft, setDraft] = useState("");
  const [sending, setSending] = useState(false);
  const list = useRef<HTMLDivElement>(null);
  const input = useRef<HTMLTextAreaElement>(null);
  const atEnd = useRef(true);
  const time = new Intl.DateTimeFormat(localeOf(language), { hour: "2-digit", minute: "2-digit" });

  useEffect(() => {
    const element = list.current;
    if (element !== null && atEnd.current) element.scrollTop = element.scrollHeight;
  }, [messages]);
  useEffect(() => {
    input.current?.focus();
  }, []);

  const send = async () => {
    const said = draft.trim();
    if (said === "" || sending) return;
    setSending(true);
    atEnd.current = true;
    try {
      await lesson.say(said);
      setDraft("");
    } catch (error) {
      onFailed(error); // the draft stays, so that nothing written is lost
    }
    setSending(false);
    input.current?.focus();
  };

  return (
    <div className="chat">
      {/* Its own scroll area must be reachable by keyboard. */}
      <div
        ref={list}
        className="chat-list"
        role="log"
        aria-label={text.chat.title}
        // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
        tabIndex={0}
        data-testid="chat-list"
        onScroll={(event) => {
          const { scrollTop, scrollHeight, clientHeight } = event.currentTarget;
          atEnd.current = scrollHeight - scrollTop - clientHeight < NEAR_END_PX;
        }}
      >
        {messages.length === 0 && <p className="note">{text.chat.empty}</p>}
        {messages.map((message, index) => {
          const before = messages[index - 1];
          const follows = before?.participant === message.participant && message.atMs - before.atMs < 120_000;
          return (
            <article key={message.id} className={message.own ? "message own" : "message"} data-testid="chat-message">
              {!follows && (
                <header>
                  <b>{message.name}</b>
                  <time dateTime={new Date(message.atMs).toISOString()}>{time.format(message.atMs)}</time>
                </header>
              )}
              <p>{message.text}</p>
            </article>
          );
        })}
      </div>
      <form
        className="chat-form"
        onSubmit={(event) => {
          event.preventDefault();
          void send();
        }}
      >
        <label className="hidden" htmlFor="chat-input">
          {text.chat.input}
        </label>
        <textarea
          ref={input}
          id="chat-input"
          rows={2}
          maxLength={MAX_CHAT}
          placeholder={text.chat.input}
          data-testid="chat-input"
          value={draft}
          onChange={(event) => {
            setDraft(event.target.value);
          }}
          onKeyDown={(event) => {
            // isComposing: Enter that ends a word of an input method sends nothing
            if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing) return;
            event.preventDefault();
            void send();
          }}
        />
        <button
          type="submit"
          className="icon-button accent"
          aria-label={text.chat.send}
          title={text.chat.send}
          data-testid="chat-send"
          disabled={draft.trim() === "" || sending}
        >
          <Send />
        </button>
      </form>
      {draft.length >= MAX_CHAT && (
        <p className="field-note" role="status">
          {text.chat.tooLong(MAX_CHAT)}
        </p>
      )}
    </div>
  );
}
