import { useState } from "react";

import { attachment, isMuted, rulesOf, waiting } from "../../../core/chat";
import type { LessonSurface } from "../../../core/lesson";
import type { ChatMessage } from "../../../core/types";
import { Check, Close, Delete, More } from "../../icons";
import { MenuItem, Popover } from "../../popover";
import { useReadable } from "../../readable";
import { useText } from "../../text";
import { Composer } from "./Composer";
import { ChatOff, Reply } from "./icons";
import { MaterialCard, MaterialChoice } from "./Material";
import { Messages, Quote } from "./Messages";
import { MessageText } from "./MessageText";

interface Props {
  lesson: LessonSurface;
  wait: string | null;
  onFailed: (error: unknown) => void;
}

/** The class's chat, with what waits for leaders, and where one writes to all. */
export function ClassChat({ lesson, wait, onFailed }: Props) {
  const text = useText();
  const self = useReadable(lesson.self);
  const fields = useReadable(lesson.fields);
  const said = useReadable(lesson.chat);
  const [quoted, setQuoted] = useState<ChatMessage | null>(null);
  const [material, setMaterial] = useState<string | null>(null);
  const carried = material === null ? null : attachment(fields, material);
  const held = waiting(fields, self.id);
  const rules = rulesOf(fields);
  const closed = !self.leads && rules.mode === "closed";
  const answered = said.find((message) => message.id === quoted?.id && !message.removed);

  const send = async (words: string) => {
    await lesson.request({ t: "chat", text: words, quote: answered?.id ?? null, material: carried?.id ?? null });
    setQuoted(null);
    setMaterial(null);
  };
  const answer = (message: ChatMessage) => {
    setQuoted(message);
    document.getElementById("chat-input")?.focus();
  };
  const actions = (message: ChatMessage) => {
    if (message.removed || message.waits !== null || closed) return null;
    if (self.leads) return <MessageMenu lesson={lesson} message={message} onAnswer={answer} onFailed={onFailed} />;
    return (
      <button
        type="button"
        className="icon-button quiet"
        aria-label={text.chat.replyTo(message.name)}
        title={text.chat.reply}
        data-testid="chat-reply"
        onClick={() => {
          answer(message);
        }}
      >
        <Reply />
      </button>
    );
  };

  return (
    <>
      <Messages
        label={text.chat.title}
        messages={self.leads ? said : [...said, ...held]}
        links={(message) => message.waits === null}
        actions={actions}
        material={(id) => <MaterialCard lesson={lesson} id={id} onFailed={onFailed} />}
        empty={text.chat.empty}
      />
      {self.leads && held.length > 0 && <Waiting lesson={lesson} held={held} onFailed={onFailed} />}
      {closed || (!self.leads && isMuted(fields, self.id)) ? (
        <p className="chat-closed" role="status" data-testid="chat-closed">
          {closed ? text.chat.closed : text.chat.muted}
        </p>
      ) : (
        <Composer label={text.chat.input} instead={carried?.name ?? ""} send={send} wait={wait}>
          {!self.leads && wait === null && rules.mode === "held" && <p className="field-note" data-testid="chat-held-note">{text.chat.heldMode}</p>}
          {!self.leads && wait === null && rules.slow_s > 0 && (
            <p className="field-note" data-testid="chat-slow-note">{text.chat.slowMode(rules.slow_s)}</p>
          )}
          {answered !== undefined && (
            <div className="replying" data-testid="chat-replying">
              <span className="hidden">{text.chat.replying(answered.name)}</span>
              <Quote of={answered} />
              <button
                type="button"
                className="icon-button"
                aria-label={text.chat.replyCancel}
                title={text.chat.replyCancel}
                data-testid="chat-reply-cancel"
                onClick={() => {
                  setQuoted(null);
                }}
              >
                <Close />
              </button>
            </div>
          )}
          <MaterialChoice lesson={lesson} chosen={material} onChoose={setMaterial} />
        </Composer>
      )}
    </>
  );
}

interface MenuProps {
  lesson: LessonSurface;
  message: ChatMessage;
  onAnswer: (message: ChatMessage) => void;
  onFailed: (error: unknown) => void;
}

/** What a leader does about a message. */
function MessageMenu({ lesson, message, onAnswer, onFailed }: MenuProps) {
  const text = useText();
  const fields = useReadable(lesson.fields);
  const who = message.participant;
  const muted = isMuted(fields, who);
  const student = (fields.get(`person/${who}`) as { readonly role: string } | undefined)?.role === "student";
  const run = (close: () => void, act: () => Promise<void>) => () => {
    close();
    act().catch(onFailed);
  };
  return (
    <Popover
      label={text.chat.menuOf(message.name)}
      title={text.chat.menuOf(message.name)}
      testId="chat-menu"
      className="icon-button quiet"
      face={<More />}
    >
      {(close) => (
        <div className="menu">
          <MenuItem
            testId="chat-reply"
            icon={<Reply />}
            label={text.chat.reply}
            onClick={() => {
              close();
              onAnswer(message);
            }}
          />
          <MenuItem
            testId="chat-remove"
            icon={<Delete />}
            label={text.chat.remove}
            onClick={run(close, () => lesson.request({ t: "remove_chat", message: message.id }))}
          />
          {student && (
            <>
              <MenuItem
                testId="chat-remove-all"
                icon={<Delete />}
                danger
                label={text.chat.removeAll(message.name)}
                onClick={run(close, () => lesson.request({ t: "remove_chat", participant: who }))}
              />
              <MenuItem
                testId="chat-mute"
                icon={<ChatOff />}
                label={muted ? text.chat.unmute : text.chat.mute}
                onClick={run(close, () => lesson.request({ t: "mute_chat", participant: who, on: !muted }))}
              />
            </>
          )}
        </div>
      )}
    </Popover>
  );
}

function Waiting({ lesson, held, onFailed }: { lesson: LessonSurface; held: readonly ChatMessage[]; onFailed: (error: unknown) => void }) {
  const text = useText();
  const why = { mode: text.chat.waitsMode, links: text.chat.waitsLinks, words: text.chat.waitsWords };
  const judge = (message: ChatMessage, approve: boolean) => {
    lesson
      .request({ t: "judge_chat", participant: message.participant, message: message.id, approve })
      .catch(onFailed);
  };
  return (
    <section className="chat-waiting" aria-labelledby="chat-waiting" data-testid="chat-waiting">
      <h3 id="chat-waiting">{text.chat.waiting(held.length)}</h3>
      <ul>
        {held.map((message) => (
          <li key={message.id} data-testid="chat-held">
            <p className="waiting-head">
              <b>{message.name}</b> <small>{message.waits === null ? "" : why[message.waits]}</small>
            </p>
            <MessageText text={message.text} links={false} />
            {message.material !== null && <MaterialCard lesson={lesson} id={message.material} onFailed={onFailed} />}
            <div className="waiting-buttons">
              <button
                type="button"
                className="button small"
                aria-label={text.chat.approveOf(message.name)}
                data-testid="chat-approve"
                onClick={() => {
                  judge(message, true);
                }}
              >
                <Check />
                {text.chat.approve}
              </button>
              <button
                type="button"
                className="button small quiet"
                aria-label={text.chat.declineOf(message.name)}
                data-testid="chat-decline"
                onClick={() => {
                  judge(message, false);
                }}
              >
                <Close />
                {text.chat.decline}
              </button>
            </div>
          </li>
        ))}
      </ul>
    </section>
  );
}
