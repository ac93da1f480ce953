import { useEffect, useRef, type ReactNode } from "react";

import type { ChatMessage } from "../../../core/types";
import { localeOf } from "../../../i18n";
import { useWords } from "../../text";
import { MessageText } from "./MessageText";

const NEAR_END_PX = 60;
const QUOTED = 120;

interface Props {
  label: string;
  messages: readonly ChatMessage[];
  /** Whether the links of this message may be followed. */
  links: (message: ChatMessage) => boolean;
  /** What can be done with a message, drawn beside it. */
  actions?: (message: ChatMessage) => ReactNode;
  /** What goes with a message, drawn under its text. */
  material?: (id: string) => ReactNode;
  /** What stands where there are no messages. */
  empty: string;
}

/** Messages, oldest first; follows the newest one unless one reads further up. */
export function Messages({ label, messages, links, actions, material, empty }: Props) {
  const { text, language } = useWords();
  const list = useRef<HTMLDivElement>(null);
  const atEnd = useRef(true);
  const time = new Intl.DateTimeFormat(localeOf(language), { hour: "2-digit", minute: "2-digit" });
  const byId = new Map(messages.map((message) => [message.id, message]));
  const last = messages.at(-1);

  useEffect(() => {
    const element = list.current;
    if (element !== null && (atEnd.current || last?.own === true)) element.scrollTop = element.scrollHeight;
  }, [messages, last]);

  return (
    // What is new is said by the announcer, a few seconds apart: as a live region this list would flood. Its own scroll
    // area must be reachable by keyboard.
    <div
      ref={list}
      className="chat-list"
      role="log"
      aria-live="off"
      aria-label={label}
      // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
      tabIndex={0}
      data-testid="chat-list"
      onScroll={(event) => {
        const { scrollTop, scrollHeight, clientHeight } = event.currentTarget;
        atEnd.current = scrollHeight - scrollTop - clientHeight < NEAR_END_PX;
      }}
    >
      {messages.length === 0 && <p className="note">{empty}</p>}
      {messages.map((message, index) => {
        const before = messages[index - 1];
        const follows =
          before?.participant === message.participant &&
          before.waits === message.waits &&
          message.atMs - before.atMs < 120_000;
        return (
          <article
            key={message.id}
            className={`message${message.own ? " own" : ""}${message.waits === null ? "" : " waits"}`}
            data-testid="chat-message"
            data-state={message.removed ? "removed" : message.waits === null ? "said" : "waits"}
          >
            {!follows && (
              <header>
                <b>{message.name}</b>
                <time dateTime={new Date(message.atMs).toISOString()}>{time.format(message.atMs)}</time>
              </header>
            )}
            <div className="message-line">
              <div className="bubble">
                {message.quote !== null && !message.removed && <Quote of={byId.get(message.quote)} />}
                {message.removed ? (
                  <p className="removed">{text.chat.removed}</p>
                ) : (
                  <MessageText text={message.text} links={links(message)} />
                )}
                {message.material !== null && material?.(message.material)}
              </div>
              {actions?.(message)}
            </div>
            {message.waits !== null && <small className="waits-note">{text.chat.waitsForTeacher}</small>}
          </article>
        );
      })}
    </div>
  );
}

/** The beginning of the message that is answered. */
export function Quote({ of }: { of: ChatMessage | undefined }) {
  const { text } = useWords();
  return (
    <blockquote className="quote" data-testid="chat-quote">
      {of === undefined ? (
        text.chat.quoteGone
      ) : (
        <>
          <b>{of.name}</b> {of.removed ? <i>{text.chat.removed}</i> : beginning(of.text)}
        </>
      )}
    </blockquote>
  );
}

function beginning(text: string): string {
  const characters = Array.from(text.replace(/\s+/gu, " "));
  return characters.length > QUOTED ? `${characters.slice(0, QUOTED).join("")}…` : characters.join("");
}
