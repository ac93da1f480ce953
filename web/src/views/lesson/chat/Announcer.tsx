import { useEffect, useRef, useState } from "react";

import type { LessonSurface } from "../../../core/lesson";
import type { ChatMessage } from "../../../core/types";
import type { Dictionary } from "../../../i18n";
import { useReadable } from "../../readable";
import { useText } from "../../text";
import type { ToolProps } from "../tools";

const EVERY_MS = 6000;
const SPOKEN = 160;

/** Says what is new in the chat to screen readers: one message with its words, several in a row by their number. */
export function ChatAnnouncer({ lesson }: ToolProps) {
  const text = useText();
  const { leads } = useReadable(lesson.self);
  const [spoken, setSpoken] = useState("");
  const came = useRef<ChatMessage[]>([]);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);

  useEffect(() => followed(lesson, came.current, timer, (messages) => {
    setSpoken(sentence(messages, leads, text));
  }), [lesson, leads, text]);
  useEffect(() => () => {
    clearTimeout(timer.current);
    timer.current = undefined;
  }, []);

  return (
    <p className="hidden" role="status" data-testid="chat-spoken">
      {spoken}
    </p>
  );
}

/** The first message at once, those of the next seconds together after them. */
function followed(
  lesson: LessonSurface,
  came: ChatMessage[],
  timer: { current: ReturnType<typeof setTimeout> | undefined },
  say: (messages: readonly ChatMessage[]) => void,
): () => void {
  const flush = () => {
    timer.current = undefined;
    if (came.length === 0) return;
    say(came.splice(0));
    timer.current = setTimeout(flush, EVERY_MS);
  };
  return lesson.onNotice((notice) => {
    if (notice.kind !== "chat" || notice.message.own) return;
    came.push(notice.message);
    if (timer.current === undefined) flush();
  });
}

function sentence(messages: readonly ChatMessage[], leads: boolean, text: Dictionary): string {
  const last = messages.at(-1);
  if (last === undefined) return "";
  if (messages.length > 1) return text.chat.newMessages(messages.length, last.name);
  if (last.waits !== null) return text.chat.newWaiting(last.name);
  if (last.thread !== null && leads) return text.chat.newNote(last.name);
  const words = last.text.length > SPOKEN ? `${last.text.slice(0, SPOKEN)}…` : last.text;
  return last.thread === null ? text.announce.chat(last.name, words) : text.chat.noteWrites(last.name, words);
}
