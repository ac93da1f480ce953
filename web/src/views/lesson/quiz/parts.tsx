/** What a quiz looks like to whoever looks at it: time left, and what came of a question. */

import { useEffect, useState } from "react";

import type { LessonSurface } from "../../../core/lesson";
import type { Given, Question } from "../../../core/quiz";
import type { QuizTallyField } from "../../../generated/wire";
import type { Dictionary } from "../../../i18n";
import { Check, Clock, Close } from "../../icons";
import { useText } from "../../text";

const LOOK_MS = 250;

/** Whole seconds until then by the server's clock, never below 0; null: there is no end. */
export function useLeft(lesson: LessonSurface, endsAtMs: number | null): number | null {
  const [nowMs, setNowMs] = useState(() => lesson.serverNowMs());
  useEffect(() => {
    if (endsAtMs === null) return;
    const look = () => {
      setNowMs(lesson.serverNowMs());
    };
    const first = setTimeout(look);
    const timer = setInterval(look, LOOK_MS);
    return () => {
      clearTimeout(first);
      clearInterval(timer);
    };
  }, [lesson, endsAtMs]);
  return endsAtMs === null ? null : Math.max(0, Math.ceil((endsAtMs - nowMs) / 1000));
}

export function TimeLeft({ left }: { left: number | null }) {
  const text = useText();
  if (left === null) return null;
  return (
    <span className={left <= 10 ? "quiz-time soon" : "quiz-time"} role="timer" aria-label={text.quiz.left} data-testid="quiz-left">
      <Clock />
      {`${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`}
    </span>
  );
}

interface ResultProps {
  readonly question: Question;
  /** null: nothing is told of the others. */
  readonly tally: QuizTallyField | null;
  /** One's own answer; null: none, or it is somebody who gives none. */
  readonly given: Given | null;
}

/** What came of a question. It needs fields only, so that it can stand beside a recording. */
export function QuestionResult({ question, tally, given }: ResultProps) {
  const text = useText();
  const { key } = question;
  const counts = tally !== null && !tally.withheld ? tally : null;
  const chooses = question.kind === "single" || question.kind === "multiple";
  const keyed = key !== null && key.right.length > 0;
  return (
    <div className="quiz-result">
      {chooses && (
        <ul>
          {question.options.map((option, place) => {
            const mine = given?.choices.includes(place) === true;
            const right = keyed && key.right.includes(place);
            const names = ["quiz-bar", right ? "right" : "", mine && keyed && !right ? "wrong" : ""];
            const count = counts?.counts[place] ?? 0;
            return (
              <li key={place} className={names.filter((name) => name !== "").join(" ")}>
                {counts !== null && <i style={{ width: `${share(count, counts.answered)}%` }} />}
                <span className="quiz-bar-text">
                  {right && <Check />}
                  <span>
                    {option} {right && <small>{text.quiz.right}</small>} {mine && <small>{text.quiz.yours}</small>}
                  </span>
                </span>
                {counts !== null && (
                  <b>
                    {count} · {share(count, counts.answered)} %
                  </b>
                )}
              </li>
            );
          })}
        </ul>
      )}
      {question.kind === "number" && counts !== null && (
        <ul>
          {counts.numbers.map((number, place) => (
            <li key={number} className="quiz-bar">
              <i style={{ width: `${share(counts.counts[place] ?? 0, counts.answered)}%` }} />
              <span className="quiz-bar-text">{shownNumber(number)}</span>
              <b>{counts.counts[place] ?? 0}</b>
            </li>
          ))}
        </ul>
      )}
      {!chooses && given !== null && (
        <p>
          {text.quiz.yourText}: <b>{given.text ?? (given.number === null ? "" : shownNumber(given.number))}</b>
        </p>
      )}
      {!chooses && rightWords(question) !== "" && <p className="quiz-right">{text.quiz.rightIs(rightWords(question))}</p>}
      {typeof counts?.right === "number" && (
        <p className="note">{text.quiz.rightShare(counts.right, counts.answered)}</p>
      )}
    </div>
  );
}

/** Right or not, in a word and a sign. */
export function Mark({ mark }: { mark: boolean | null }) {
  const text = useText();
  if (mark === null) return null;
  return (
    <span className={mark ? "quiz-mark right" : "quiz-mark wrong"}>
      {mark ? <Check /> : <Close />}
      {mark ? text.quiz.markRight : text.quiz.markWrong}
    </span>
  );
}

export function questionWords(question: { readonly text: string }, text: Dictionary): string {
  return question.text === "" ? text.quiz.spoken : question.text;
}

function rightWords({ key }: Question): string {
  if (key === null) return "";
  if (key.number !== null) return `${shownNumber(key.number)}${key.tolerance > 0 ? ` ± ${shownNumber(key.tolerance)}` : ""}`;
  return key.texts.join(", ");
}

export function shownNumber(number: number): string {
  return String(Number(number.toPrecision(12)));
}

function share(count: number, all: number): number {
  return all === 0 ? 0 : Math.round((100 * count) / all);
}
