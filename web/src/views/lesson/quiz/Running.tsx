import { useState } from "react";

import type { LessonSurface } from "../../../core/lesson";
import { countsOf, textsOf, type Question, type Quiz } from "../../../core/quiz";
import type { Fields } from "../../../core/store";
import type { QuizStep } from "../../../generated/wire";
import { useReadable } from "../../readable";
import { useText } from "../../text";
import { Dialog } from "../../widgets";
import { HeatMap } from "./HeatMap";
import { Larger } from "./icons";
import { QuestionResult, TimeLeft, useLeft } from "./parts";

interface Props {
  readonly lesson: LessonSurface;
  readonly quiz: Quiz;
  readonly fields: Fields;
  readonly onFailed: (error: unknown) => void;
}

/** For leaders: a quiz that the class has or had, what came of it, and what can be done next. */
export function Running({ lesson, quiz, fields, onFailed }: Props) {
  const text = useText();
  const people = useReadable(lesson.people);
  const [large, setLarge] = useState(false);
  const open = quiz.state === "open";
  const left = useLeft(lesson, open ? quiz.ends_at_ms : null);
  const step = (what: QuizStep) => {
    lesson.request({ t: "set_quiz", quiz: quiz.id, step: what }).catch(onFailed);
  };
  const students = people.filter((person) => !person.leads).length;
  const more = quiz.question !== null && quiz.question + 1 < quiz.questions;
  const current = quiz.list.filter((question) => quiz.question === null || question.place === quiz.question);
  const answered = Math.max(0, ...current.map((question) => countsOf(fields, quiz, question).answered));
  const button = (what: QuizStep, label: string, primary = false) => (
    <button
      type="button"
      className={primary ? "button primary" : "button"}
      data-testid={`quiz-${what}`}
      onClick={() => {
        step(what);
      }}
    >
      {label}
    </button>
  );
  const questions = (
    <ol className="quiz-review">
      {quiz.list.map((question) => (
        <QuestionLine key={question.place} quiz={quiz} question={question} fields={fields} />
      ))}
    </ol>
  );

  return (
    <div className="quiz-running" data-testid="quiz-running" data-state={quiz.state} data-quiz={quiz.id}>
      <h3>{quiz.title}</h3>
      <p className="quiz-line">
        <span className={open ? "quiz-live on" : "quiz-live"} role="status">
          {open ? text.quiz.running : text.quiz.closed}
        </span>
        <TimeLeft left={left} />
      </p>
      <p className="quiz-answered" data-testid="quiz-answered">
        {open ? text.quiz.answeredOf(answered, Math.max(students, answered)) : text.quiz.answered(answered)}
      </p>
      <div className="quiz-steps">
        {open && button("close", text.quiz.close, !more)}
        {more && button("next", text.quiz.next, true)}
        {!quiz.revealed && quiz.keyed && button("reveal", text.quiz.reveal, !open && !more)}
        {button(quiz.shown ? "hide" : "show", quiz.shown ? text.quiz.hide : text.quiz.show, !open && !more && !quiz.keyed && !quiz.shown)}
        {!open && !quiz.anonymous && !quiz.revealed && button("start", text.quiz.again)}
      </div>
      {(quiz.shown || quiz.revealed) && (
        <p className="note">
          {quiz.shown && text.quiz.shown} {quiz.revealed && text.quiz.revealed}
        </p>
      )}
      {quiz.anonymous && <p className="note">{open ? text.quiz.withheld : text.quiz.cardAnonymous}</p>}
      {quiz.questions === 1 && questions}
      {!quiz.anonymous && (
        <section aria-label={text.quiz.map}>
          <div className="quiz-line">
            <h4>{text.quiz.map}</h4>
            <button
              type="button"
              className="icon-button"
              aria-label={text.quiz.larger}
              title={text.quiz.larger}
              data-testid="quiz-larger"
              onClick={() => {
                setLarge(true);
              }}
            >
              <Larger />
            </button>
          </div>
          <HeatMap fields={fields} quiz={quiz} />
        </section>
      )}
      {quiz.questions > 1 && questions}
      {large && (
        <Dialog
          title={`${quiz.title}: ${text.quiz.map}`}
          testId="quiz-map-dialog"
          onClose={() => {
            setLarge(false);
          }}
        >
          <div className="quiz-large">
            <HeatMap fields={fields} quiz={quiz} />
          </div>
        </Dialog>
      )}
    </div>
  );
}

function QuestionLine({ quiz, question, fields }: { quiz: Quiz; question: Question; fields: Fields }) {
  const text = useText();
  const counts = countsOf(fields, quiz, question);
  const texts = question.kind === "text" ? textsOf(fields, quiz, question.place) : [];
  return (
    <li data-testid={`quiz-question-${question.place}`}>
      {question.text !== "" && <p className="quiz-asked">{question.text}</p>}
      {counts.withheld ? (
        !question.open && <p className="note">{text.quiz.withheldFew}</p>
      ) : (
        <QuestionResult question={question} tally={counts} given={null} />
      )}
      {texts.length > 0 && (
        <ul className="quiz-said" aria-label={text.quiz.said}>
          {texts.map((each, index) => (
            <li key={index}>
              {each.name !== "" && <b>{each.name}: </b>}
              {each.text}
            </li>
          ))}
        </ul>
      )}
    </li>
  );
}
