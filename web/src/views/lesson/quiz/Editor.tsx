import { useState } from "react";

import { EMPTY_QUESTION, jsonOf, numberOf, quizFrom, type NewQuiz, type NoQuiz } from "../../../core/quizText";
import {
  MAX_OPTION,
  MAX_OPTIONS,
  MAX_QUESTION,
  MAX_QUESTIONS,
  MAX_TITLE,
  type NewQuestion,
  type QuestionKind,
} from "../../../generated/wire";
import { Close, Delete } from "../../icons";
import { useText } from "../../text";
import { Field, Toggle } from "../../widgets";

const KINDS: readonly QuestionKind[] = ["single", "multiple", "number", "text"];
const TIMES: readonly (number | null)[] = [null, 15, 30, 60, 120, 300, 600, 1200];

interface Props {
  readonly quiz: NewQuiz;
  readonly onQuiz: (quiz: NewQuiz) => void;
  readonly onMake: (start: boolean) => void;
}

/** A quiz as it is written. */
export function Editor({ quiz, onQuiz, onMake }: Props) {
  const text = useText();
  const put = (place: number, question: NewQuestion) => {
    onQuiz({ ...quiz, questions: quiz.questions.map((each, at) => (at === place ? question : each)) });
  };
  const ready = quiz.title.trim() !== "" && quiz.questions.length > 0 && quiz.questions.every(isWhole);
  return (
    <form
      className="quiz-editor"
      data-testid="quiz-editor"
      onSubmit={(event) => {
        event.preventDefault();
        if (ready) onMake(true);
      }}
    >
      <Field label={text.quiz.title}>
        {(ids) => (
          <input
            {...ids}
            maxLength={MAX_TITLE}
            value={quiz.title}
            data-testid="quiz-title"
            onChange={(event) => {
              onQuiz({ ...quiz, title: event.target.value });
            }}
          />
        )}
      </Field>
      {quiz.questions.map((question, place) => (
        <fieldset key={place} className="quiz-edited">
          <legend>{text.quiz.question(place + 1)}</legend>
          {quiz.questions.length > 1 && (
            <button
              type="button"
              className="icon-button"
              aria-label={text.quiz.removeQuestion(place + 1)}
              title={text.quiz.removeQuestion(place + 1)}
              onClick={() => {
                onQuiz({ ...quiz, questions: quiz.questions.filter((_, at) => at !== place) });
              }}
            >
              <Delete />
            </button>
          )}
          <EditedQuestion
            question={question}
            onQuestion={(next) => {
              put(place, next);
            }}
          />
        </fieldset>
      ))}
      <button
        type="button"
        className="button"
        data-testid="quiz-add"
        disabled={quiz.questions.length >= MAX_QUESTIONS}
        onClick={() => {
          onQuiz({ ...quiz, questions: [...quiz.questions, { ...EMPTY_QUESTION, options: ["", ""] }] });
        }}
      >
        {text.quiz.addQuestion}
      </button>
      <Settings quiz={quiz} onQuiz={onQuiz} whole />
      <div className="quiz-steps">
        <button type="submit" className="button primary" data-testid="quiz-make" disabled={!ready}>
          {text.quiz.start}
        </button>
        <button
          type="button"
          className="button"
          data-testid="quiz-keep"
          disabled={!ready}
          onClick={() => {
            onMake(false);
          }}
        >
          {text.quiz.keep}
        </button>
        <button
          type="button"
          className="button quiet"
          disabled={!ready}
          onClick={() => {
            saveAs(`${quiz.title.trim()}.json`, jsonOf(quiz));
          }}
        >
          {text.quiz.keepFile}
        </button>
      </div>
    </form>
  );
}

/** Names, time and order; `whole` also for what only a quiz of several questions has. */
export function Settings({ quiz, onQuiz, whole = false }: { quiz: NewQuiz; onQuiz: (quiz: NewQuiz) => void; whole?: boolean }) {
  const text = useText();
  return (
    <div className="quiz-settings">
      <Toggle
        checked={quiz.anonymous}
        label={text.quiz.anonymous}
        testId="quiz-anonymous"
        onChange={(anonymous) => {
          onQuiz({ ...quiz, anonymous });
        }}
      />
      {quiz.anonymous && <p className="note">{text.quiz.anonymousHelp}</p>}
      {whole && (
        <>
          <Toggle
            checked={quiz.may_change}
            label={text.quiz.mayChange}
            testId="quiz-may-change"
            onChange={(may_change) => {
              onQuiz({ ...quiz, may_change });
            }}
          />
          <Field label={text.quiz.pace}>
            {(ids) => (
              <select
                {...ids}
                value={quiz.pace}
                data-testid="quiz-pace"
                onChange={(event) => {
                  onQuiz({ ...quiz, pace: event.target.value === "step" ? "step" : "own" });
                }}
              >
                <option value="own">{text.quiz.paces.own}</option>
                <option value="step">{text.quiz.paces.step}</option>
              </select>
            )}
          </Field>
        </>
      )}
      <Field label={quiz.pace === "step" ? text.quiz.timeEach : text.quiz.time}>
        {(ids) => (
          <select
            {...ids}
            value={quiz.seconds ?? ""}
            data-testid="quiz-time"
            onChange={(event) => {
              onQuiz({ ...quiz, seconds: event.target.value === "" ? null : Number(event.target.value) });
            }}
          >
            {[...new Set([...TIMES, quiz.seconds])].map((seconds) => (
              <option key={seconds ?? ""} value={seconds ?? ""}>
                {seconds === null ? text.quiz.noTime : text.quiz.seconds(seconds)}
              </option>
            ))}
          </select>
        )}
      </Field>
    </div>
  );
}

function EditedQuestion({ question, onQuestion }: { question: NewQuestion; onQuestion: (question: NewQuestion) => void }) {
  const text = useText();
  const chooses = question.kind === "single" || question.kind === "multiple";
  return (
    <>
      <Field label={text.quiz.questionText}>
        {(ids) => (
          <textarea
            {...ids}
            rows={2}
            maxLength={MAX_QUESTION}
            value={question.text}
            data-testid="quiz-question-text"
            onChange={(event) => {
              onQuestion({ ...question, text: event.target.value });
            }}
          />
        )}
      </Field>
      <Field label={text.quiz.kind}>
        {(ids) => (
          <select
            {...ids}
            value={question.kind}
            data-testid="quiz-kind"
            onChange={(event) => {
              const kind = KINDS.find((each) => each === event.target.value) ?? "single";
              onQuestion(ofKind(question, kind));
            }}
          >
            {KINDS.map((kind) => (
              <option key={kind} value={kind}>
                {text.quiz.kinds[kind]}
              </option>
            ))}
          </select>
        )}
      </Field>
      {chooses && <Options question={question} onQuestion={onQuestion} />}
      {question.kind === "number" && <RightNumber question={question} onQuestion={onQuestion} />}
      {question.kind === "text" && (
        <Field label={text.quiz.texts}>
          {(ids) => (
            <textarea
              {...ids}
              rows={2}
              value={question.texts.join("\n")}
              onChange={(event) => {
                onQuestion({ ...question, texts: event.target.value.split("\n").slice(0, MAX_OPTIONS) });
              }}
            />
          )}
        </Field>
      )}
    </>
  );
}

function Options({ question, onQuestion }: { question: NewQuestion; onQuestion: (question: NewQuestion) => void }) {
  const text = useText();
  const single = question.kind === "single";
  return (
    <ul className="quiz-edited-options">
      {question.options.map((option, place) => (
        <li key={place}>
          <input
            className="select"
            aria-label={text.quiz.option(place + 1)}
            placeholder={text.quiz.option(place + 1)}
            maxLength={MAX_OPTION}
            value={option}
            data-testid="quiz-edit-option"
            onChange={(event) => {
              onQuestion({ ...question, options: question.options.map((each, at) => (at === place ? event.target.value : each)) });
            }}
          />
          <label className="quiz-tick-label">
            <input
              type="checkbox"
              checked={question.right.includes(place)}
              aria-label={text.quiz.rightOf(place + 1)}
              data-testid="quiz-edit-right"
              onChange={(event) => {
                const others = single ? [] : question.right.filter((each) => each !== place);
                onQuestion({ ...question, right: event.target.checked ? [...others, place].sort((a, b) => a - b) : others });
              }}
            />
            {text.quiz.right}
          </label>
          {question.options.length > 2 && (
            <button
              type="button"
              className="icon-button"
              aria-label={text.quiz.removeOption(place + 1)}
              title={text.quiz.removeOption(place + 1)}
              onClick={() => {
                onQuestion({
                  ...question,
                  options: question.options.filter((_, at) => at !== place),
                  right: question.right.filter((each) => each !== place).map((each) => (each > place ? each - 1 : each)),
                });
              }}
            >
              <Close />
            </button>
          )}
        </li>
      ))}
      {question.options.length < MAX_OPTIONS && (
        <li>
          <button
            type="button"
            className="button quiet"
            onClick={() => {
              onQuestion({ ...question, options: [...question.options, ""] });
            }}
          >
            {text.quiz.addOption}
          </button>
        </li>
      )}
    </ul>
  );
}

function RightNumber({ question, onQuestion }: { question: NewQuestion; onQuestion: (question: NewQuestion) => void }) {
  const text = useText();
  const [written, setWritten] = useState(question.number === null ? "" : String(question.number));
  const [spread, setSpread] = useState(question.tolerance === 0 ? "" : String(question.tolerance));
  return (
    <div className="quiz-line">
      <Field label={text.quiz.number} error={written.trim() !== "" && numberOf(written) === null ? text.quiz.notNumber : undefined}>
        {(ids) => (
          <input
            {...ids}
            inputMode="decimal"
            value={written}
            data-testid="quiz-edit-number"
            onChange={(event) => {
              setWritten(event.target.value);
              onQuestion({ ...question, number: numberOf(event.target.value) });
            }}
          />
        )}
      </Field>
      <Field label={text.quiz.tolerance}>
        {(ids) => (
          <input
            {...ids}
            inputMode="decimal"
            value={spread}
            onChange={(event) => {
              setSpread(event.target.value);
              onQuestion({ ...question, tolerance: Math.abs(numberOf(event.target.value) ?? 0) });
            }}
          />
        )}
      </Field>
    </div>
  );
}

/** Takes a quiz from text or a file. */
export function Paste({ onQuiz }: { onQuiz: (quiz: NewQuiz) => void }) {
  const text = useText();
  const [pasted, setPasted] = useState("");
  const [problem, setProblem] = useState<NoQuiz | null>(null);
  const take = (given: string) => {
    const found = quizFrom(given, text.quiz.titleExample);
    if ("problem" in found) setProblem(found);
    else onQuiz(found);
  };
  const sentence = problem === null ? undefined : text.quiz.problems[problem.problem];
  return (
    <form
      className="quiz-editor"
      onSubmit={(event) => {
        event.preventDefault();
        take(pasted);
      }}
    >
      <Field
        label={text.quiz.pasteTitle}
        help={text.quiz.pasteHelp}
        error={sentence !== undefined && problem?.problem === "options" ? text.quiz.problemAt(sentence, problem.line) : sentence}
      >
        {(ids) => (
          <textarea
            {...ids}
            rows={10}
            placeholder={text.quiz.pasteExample}
            value={pasted}
            data-testid="quiz-pasted"
            onChange={(event) => {
              setPasted(event.target.value);
              setProblem(null);
            }}
          />
        )}
      </Field>
      <div className="quiz-steps">
        <button type="submit" className="button primary" data-testid="quiz-read">
          {text.quiz.pasteRead}
        </button>
        <label className="button">
          {text.quiz.pasteFile}
          <input
            type="file"
            className="hidden"
            accept=".json,.txt,application/json,text/plain"
            onChange={(event) => {
              const file = event.target.files?.[0];
              if (file !== undefined) void file.text().then(take);
            }}
          />
        </label>
      </div>
    </form>
  );
}

function ofKind(question: NewQuestion, kind: QuestionKind): NewQuestion {
  const chooses = kind === "single" || kind === "multiple";
  return {
    ...question,
    kind,
    options: chooses ? (question.options.length >= 2 ? question.options : ["", ""]) : [],
    right: chooses ? question.right.slice(0, kind === "single" ? 1 : MAX_OPTIONS) : [],
    number: kind === "number" ? question.number : null,
    texts: kind === "text" ? question.texts : [],
  };
}

function isWhole(question: NewQuestion): boolean {
  const chooses = question.kind === "single" || question.kind === "multiple";
  return !chooses || (question.options.length >= 2 && question.options.every((option) => option.trim() !== ""));
}

function saveAs(name: string, content: string): void {
  const address = URL.createObjectURL(new Blob([content], { type: "application/json" }));
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  URL.revokeObjectURL(address);
}
