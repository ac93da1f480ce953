import { useEffect } from "react";

import { rulesOf, threads, threadWith } from "../../../core/chat";
import type { LessonSurface } from "../../../core/lesson";
import type { ChatMessage } from "../../../core/types";
import { Back, Delete } from "../../icons";
import { useReadable } from "../../readable";
import { useText } from "../../text";
import { Composer } from "./Composer";
import { isUnread, lookedAt } from "./looked";
import { Messages } from "./Messages";

/** For leaders: who has written to them, the latest first. */
export function ThreadList({ lesson, onOpen }: { lesson: LessonSurface; onOpen: (student: string) => void }) {
  const text = useText();
  const self = useReadable(lesson.self);
  const fields = useReadable(lesson.fields);
  const looked = useReadable(lookedAt(lesson));
  const all = threads(fields, self.id);
  if (all.length === 0) return <p className="note chat-empty">{text.chat.threadsEmpty}</p>;
  return (
    <ul className="chat-threads" data-testid="chat-threads">
      {all.map((thread) => (
        <li key={thread.student}>
          <button
            type="button"
            className="thread"
            data-testid={`thread-${thread.student}`}
            data-unread={isUnread(thread, looked, true)}
            onClick={() => {
              onOpen(thread.student);
            }}
          >
            <b>{lesson.nameOf(thread.student)}</b>
            {isUnread(thread, looked, true) && <span className="badge">{text.chat.unread(1)}</span>}
            <span className="thread-last">{thread.last.removed ? text.chat.removed : thread.last.text}</span>
          </button>
        </li>
      ))}
    </ul>
  );
}

interface Props {
  lesson: LessonSurface;
  student: string;
  wait: string | null;
  onBack?: () => void;
  onFailed: (error: unknown) => void;
}

/** What one student and the teachers write to each other. */
export function ThreadView({ lesson, student, wait, onBack, onFailed }: Props) {
  const text = useText();
  const self = useReadable(lesson.self);
  const fields = useReadable(lesson.fields);
  const messages = threadWith(fields, student, self.id);
  const name = lesson.nameOf(student);
  const last = messages.at(-1)?.id;
  useEffect(() => {
    const looked = lookedAt(lesson);
    if (last !== undefined && looked.get().get(student) !== last) looked.set(new Map(looked.get()).set(student, last));
  }, [lesson, student, last]);

  const remove = (message: ChatMessage) =>
    self.leads && !message.removed ? (
      <button
        type="button"
        className="icon-button quiet"
        aria-label={`${text.chat.remove}: ${message.name}`}
        title={text.chat.remove}
        data-testid="chat-remove"
        onClick={() => {
          lesson.request({ t: "remove_chat", message: message.id, thread: student }).catch(onFailed);
        }}
      >
        <Delete />
      </button>
    ) : null;

  return (
    <>
      {onBack !== undefined && (
        <div className="thread-head">
          <button type="button" className="button small quiet" data-testid="thread-back" onClick={onBack}>
            <Back />
            {text.chat.allThreads}
          </button>
          <p className="field-note">{text.chat.threadHelp(name)}</p>
        </div>
      )}
      <Messages
        label={self.leads ? text.chat.threadWith(name) : text.chat.toTeachers}
        messages={messages}
        // What a student writes here has passed no filter.
        links={(message) => message.participant !== student}
        actions={remove}
        empty={text.chat.noteEmpty}
      />
      {self.leads || rulesOf(fields).notes ? (
        <Composer
          label={self.leads ? text.chat.answerInput(name) : text.chat.noteInput}
          send={(words) => lesson.request({ t: "chat", text: words, thread: student })}
          wait={wait}
        >
          {!self.leads && messages.length > 0 && <p className="field-note">{text.chat.noteEmpty}</p>}
        </Composer>
      ) : (
        <p className="chat-closed" role="status">
          {text.chat.notesOff}
        </p>
      )}
    </>
  );
}
