import { useId } from "react";

import type { Given, Question } from "../../../core/quiz";
import { numberOf } from "../../../core/quizText";
import { MAX_QUIZ_ANSWER } from "../../../generated/wire";
import { Check } from "../../icons";
import { useText } from "../../text";

interface Props {
  readonly question: Question;
  /** What was sent; null: nothing yet. */
  readonly given: Given | null;
  /** What was chosen or written and not sent: places with commas, or as it was typed. */
  readonly draft: string | undefined;
  readonly mayChange: boolean;
  readonly disabled: boolean;
  readonly sending: boolean;
  readonly onDraft: (draft: string) => void;
  readonly onGive: (given: Given) => void;
}

/** Where a student answers one question. One choice that may be changed is sent by one press. */
export function Answering(props: Props) {
  const { question, given, draft } = props;
  const text = useText();
  const id = useId();
  const final = given !== null && !props.mayChange;
  const disabled = props.disabled || final;
  const now = draft ?? writtenOf(question, given);
  const ready = readDraft(question, now);
  const chooses = question.kind === "single" || question.kind === "multiple";
  const atOnce = question.kind === "single" && props.mayChange;
  const send = (
    <button
      type="submit"
      className="button primary"
      data-testid="quiz-send"
      disabled={disabled || props.sending || ready === null || sameGiven(ready, given)}
    >
      {props.sending ? text.quiz.saving : given === null ? text.quiz.answer : text.quiz.change}
    </button>
  );
  return (
    <form
      className="quiz-answering"
      onSubmit={(event) => {
        event.preventDefault();
        if (ready !== null && !disabled) props.onGive(ready);
      }}
    >
      {chooses && (
        <fieldset aria-label={question.kind === "single" ? text.quiz.chooseOne : text.quiz.chooseSeveral}>
          <p className="note">{question.kind === "single" ? text.quiz.chooseOne : text.quiz.chooseSeveral}</p>
          <div className={question.options.every((option) => option.length <= 3) ? "quiz-options short" : "quiz-options"}>
            {question.options.map((option, place) => {
              const chosen = placesOf(now).includes(place);
              return (
                <button
                  key={place}
                  type="button"
                  className="quiz-option"
                  aria-pressed={chosen}
                  disabled={disabled}
                  data-testid={`quiz-option-${place}`}
                  onClick={() => {
                    const next = question.kind === "single" ? [place] : toggled(placesOf(now), place);
                    props.onDraft(next.join(","));
                    if (atOnce) props.onGive({ choices: next, number: null, text: null });
                  }}
                >
                  <span className={question.kind === "single" ? "quiz-tick round" : "quiz-tick"}>{chosen && <Check />}</span>
                  <span>{option}</span>
                </button>
              );
            })}
          </div>
        </fieldset>
      )}
      {question.kind === "number" && (
        <div className="field">
          <label htmlFor={id}>{text.quiz.yourNumber}</label>
          <input
            id={id}
            inputMode="decimal"
            autoComplete="off"
            value={now}
            disabled={disabled}
            data-testid="quiz-number"
            aria-invalid={now.trim() !== "" && ready === null ? true : undefined}
            aria-describedby={`${id}-note`}
            onChange={(event) => {
              props.onDraft(event.target.value);
            }}
          />
          <p id={`${id}-note`} className="field-note">
            {now.trim() !== "" && ready === null ? text.quiz.notNumber : ""}
          </p>
        </div>
      )}
      {question.kind === "text" && (
        <div className="field">
          <label htmlFor={id}>{text.quiz.yourText}</label>
          <textarea
            id={id}
            rows={2}
            maxLength={MAX_QUIZ_ANSWER}
            value={now}
            disabled={disabled}
            data-testid="quiz-text"
            onChange={(event) => {
              props.onDraft(event.target.value);
            }}
          />
        </div>
      )}
      {!atOnce && send}
    </form>
  );
}

/** The draft as an answer; null while it is none. */
export function readDraft(question: Question, draft: string): Given | null {
  switch (question.kind) {
    case "number": {
      const number = numberOf(draft);
      return number === null ? null : { choices: [], number, text: null };
    }
    case "text":
      return draft.trim() === "" ? null : { choices: [], number: null, text: draft.trim() };
    default: {
      const choices = placesOf(draft);
      return choices.length === 0 ? null : { choices, number: null, text: null };
    }
  }
}

function writtenOf(question: Question, given: Given | null): string {
  if (given === null) return "";
  if (question.kind === "number") return given.number === null ? "" : String(given.number);
  return question.kind === "text" ? (given.text ?? "") : given.choices.join(",");
}

function placesOf(draft: string): number[] {
  return draft === "" ? [] : draft.split(",").map(Number);
}

function toggled(places: readonly number[], place: number): number[] {
  return places.includes(place) ? places.filter((each) => each !== place) : [...places, place].sort((a, b) => a - b);
}

function sameGiven(a: Given, b: Given | null): boolean {
  return b !== null && a.number === b.number && a.text === b.text && a.choices.join() === b.choices.join();
}
