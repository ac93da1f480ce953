import { useEffect, useState } from "react";

import { isMuted, rulesOf, threads, waitMs } from "../../../core/chat";
import type { LessonSurface } from "../../../core/lesson";
import { useReadable } from "../../readable";
import { useText } from "../../text";
import { ClassChat } from "./ClassChat";
import { isUnread, lookedAt } from "./looked";
import { ChatRules } from "./Rules";
import { ThreadList, ThreadView } from "./Threads";

interface Props {
  lesson: LessonSurface;
  onFailed: (error: unknown) => void;
}

/** What was written to the class, and between one student and the teachers. */
export function ChatPanel({ lesson, onFailed }: Props) {
  const text = useText();
  const self = useReadable(lesson.self);
  const fields = useReadable(lesson.fields);
  const looked = useReadable(lookedAt(lesson));
  const [view, setView] = useState<"all" | "notes">("all");
  const [thread, setThread] = useState<string | null>(null);
  const all = threads(fields, self.id);
  const unread = all.filter((each) => isUnread(each, looked, self.leads)).length;
  const rules = rulesOf(fields);
  // Nobody is offered what is off, unless there is something to read.
  const offered = rules.notes || all.length > 0;
  const notes = view === "notes" && offered;
  const wait = useWait(lesson);
  const tab = (name: "all" | "notes", label: string, count: number) => (
    <button
      type="button"
      aria-pressed={notes === (name === "notes")}
      data-testid={`chat-view-${name}`}
      onClick={() => {
        setView(name);
        setThread(null);
      }}
    >
      {label}
      {count > 0 && (
        <span className="badge">
          <span className="hidden">{text.chat.unread(count)}</span>
          <span aria-hidden="true">{count}</span>
        </span>
      )}
    </button>
  );

  return (
    <div className="chat">
      {offered && (
        <div className="chat-views" role="group" aria-label={text.chat.views}>
          {tab("all", text.chat.toAll, 0)}
          {tab("notes", self.leads ? text.chat.fromStudents : text.chat.toTeachers, unread)}
        </div>
      )}
      {self.leads && !notes && <ChatRules lesson={lesson} onFailed={onFailed} />}
      {!notes ? (
        <ClassChat lesson={lesson} wait={wait} onFailed={onFailed} />
      ) : !self.leads ? (
        <ThreadView lesson={lesson} student={self.id} wait={wait} onFailed={onFailed} />
      ) : thread === null ? (
        <ThreadList lesson={lesson} onOpen={setThread} />
      ) : (
        <ThreadView
          key={thread}
          lesson={lesson}
          student={thread}
          wait={null}
          onBack={() => {
            setThread(null);
          }}
          onFailed={onFailed}
        />
      )}
    </div>
  );
}

/** Why this student can't send just now; counts the seconds down. Null: nothing is in the way. */
function useWait(lesson: LessonSurface): string | null {
  const text = useText();
  const self = useReadable(lesson.self);
  const fields = useReadable(lesson.fields);
  const [, setTick] = useState(0);
  const left = self.leads ? 0 : waitMs(fields, self.id, lesson.serverNowMs());
  const waits = left > 0;
  useEffect(() => {
    if (!waits) return;
    const timer = setInterval(() => {
      setTick((before) => before + 1);
    }, 500);
    return () => {
      clearInterval(timer);
    };
  }, [waits]);
  if (self.leads) return null;
  if (isMuted(fields, self.id)) return text.chat.muted;
  return waits ? text.chat.slow(Math.ceil(left / 1000)) : null;
}
