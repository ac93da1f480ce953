import { useState } from "react";

import { lengthOf, rulesOf, wordsOf } from "../../../core/chat";
import type { LessonSurface } from "../../../core/lesson";
import { MAX_WORD, MAX_WORDS, type ChatRulesField } from "../../../generated/wire";
import { useReadable } from "../../readable";
import { useText } from "../../text";
import { Toggle } from "../../widgets";

const SLOW_S = [0, 10, 30, 60, 300];

interface Props {
  lesson: LessonSurface;
  onFailed: (error: unknown) => void;
}

/** For leaders: what students may write. Each choice holds at once. */
export function ChatRules({ lesson, onFailed }: Props) {
  const text = useText();
  const fields = useReadable(lesson.fields);
  const rules = rulesOf(fields);
  const change = (part: Partial<ChatRulesField>) => {
    lesson.request({ t: "set_chat", ...rules, ...part }).catch(onFailed);
  };
  const slow = (seconds: number) =>
    seconds === 0
      ? text.chat.slowOff
      : seconds < 60
        ? text.chat.slowSeconds(seconds)
        : text.chat.slowMinutes(seconds / 60);
  return (
    <details className="rules chat-rules" data-testid="chat-rules">
      <summary>{text.chat.rules}</summary>
      <Choice
        label={text.chat.mode}
        testId="chat-mode"
        value={rules.mode}
        options={[
          ["open", text.chat.modeOpen],
          ["held", text.chat.modeHeld],
          ["closed", text.chat.modeClosed],
        ]}
        onChange={(mode) => {
          change({ mode });
        }}
      />
      <Choice
        label={text.chat.slowRule}
        testId="chat-slow"
        value={String(rules.slow_s)}
        options={[...new Set([...SLOW_S, rules.slow_s])].map((seconds) => [String(seconds), slow(seconds)] as const)}
        onChange={(seconds) => {
          change({ slow_s: Number(seconds) });
        }}
      />
      <Choice
        label={text.chat.links}
        testId="chat-links"
        value={rules.links}
        options={[
          ["allowed", text.chat.linksAllowed],
          ["held", text.chat.linksHeld],
          ["refused", text.chat.linksRefused],
        ]}
        onChange={(links) => {
          change({ links });
        }}
      />
      <Choice
        label={text.chat.words}
        testId="chat-words"
        value={rules.words}
        options={[
          ["refused", text.chat.wordsRefused],
          ["held", text.chat.wordsHeld],
        ]}
        onChange={(words) => {
          change({ words });
        }}
      />
      <Toggle
        checked={rules.notes}
        label={text.chat.notes}
        testId="chat-notes"
        onChange={(notes) => {
          change({ notes });
        }}
      />
      <OwnWords lesson={lesson} onFailed={onFailed} />
    </details>
  );
}

function Choice<T extends string>(props: {
  label: string;
  testId: string;
  value: T;
  options: readonly (readonly [T, string])[];
  onChange: (value: T) => void;
}) {
  return (
    <label className="chat-choice">
      <span>{props.label}</span>
      <select
        className="select"
        data-testid={props.testId}
        value={props.value}
        onChange={(event) => {
          const chosen = props.options.find(([value]) => value === event.target.value);
          if (chosen !== undefined) props.onChange(chosen[0]);
        }}
      >
        {props.options.map(([value, label]) => (
          <option key={value} value={value}>
            {label}
          </option>
        ))}
      </select>
    </label>
  );
}

function OwnWords({ lesson, onFailed }: Props) {
  const text = useText();
  const kept = wordsOf(useReadable(lesson.fields)).join("\n");
  /** Null: nothing was changed here. */
  const [changed, setChanged] = useState<string | null>(null);
  const [saved, setSaved] = useState(false);
  const draft = changed ?? kept;
  const words = draft.split("\n").map((word) => word.trim()).filter((word) => word !== "");
  const tooMany = words.length > MAX_WORDS || words.some((word) => lengthOf(word) > MAX_WORD);
  return (
    <form
      className="chat-choice"
      onSubmit={(event) => {
        event.preventDefault();
        lesson.request({ t: "set_chat_words", words }).then(() => {
          setChanged(null);
          setSaved(true);
        }, onFailed);
      }}
    >
      <label htmlFor="chat-own-words">{text.chat.ownWords}</label>
      <textarea
        id="chat-own-words"
        rows={3}
        className="select"
        aria-describedby="chat-own-words-help"
        data-testid="chat-own-words"
        value={draft}
        onChange={(event) => {
          setChanged(event.target.value);
          setSaved(false);
        }}
      />
      <small id="chat-own-words-help" className="field-note">
        {text.chat.ownWordsHelp}
      </small>
      {tooMany && (
        <p className="field-note wrong" role="alert">
          {text.chat.tooManyWords(MAX_WORDS, MAX_WORD)}
        </p>
      )}
      <span className="chat-save">
        <button type="submit" className="button small" data-testid="chat-save-words" disabled={tooMany || draft === kept}>
          {text.chat.saveWords}
        </button>
        <span role="status">{saved ? text.chat.wordsSaved : ""}</span>
      </span>
    </form>
  );
}
