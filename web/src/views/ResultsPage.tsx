import { useEffect, useState } from "react";

import * as api from "../core/api";
import type { QuizAnswerField, QuizKeyField, QuizResult, QuizResultQuestion, QuizResults } from "../generated/wire";
import { codeOfError, ProblemPage, waitOfError } from "./problems";
import { questionWords, QuestionResult, shownNumber } from "./lesson/quiz/parts";
import { useText } from "./text";
import { Busy, Link, Page } from "./widgets";

type State =
  | { at: "loading" }
  | { at: "failed"; code: string; waitS: number | null }
  | { at: "ready"; results: QuizResults };

/** `/lesson/<id>/results`, for the teacher of the lesson. */
export function ResultsPage({ lesson }: { lesson: string }) {
  const text = useText();
  const [state, setState] = useState<State>({ at: "loading" });
  const [attempt, setAttempt] = useState(0);
  useEffect(() => {
    let here = true;
    api.results(lesson).then(
      (results) => {
        if (here) setState({ at: "ready", results });
      },
      (error: unknown) => {
        if (here) setState({ at: "failed", code: codeOfError(error), waitS: waitOfError(error) });
      },
    );
    return () => {
      here = false;
    };
  }, [lesson, attempt]);
  const again = () => {
    setAttempt(attempt + 1);
  };
  if (state.at === "failed") return <ProblemPage code={state.code} waitS={state.waitS} onAgain={again} />;
  return (
    <Page title={text.quiz.results} wide>
      {state.at === "loading" ? (
        <Busy label={text.common.loading} />
      ) : (
        <>
          <div className="lesson-head">
            <h1>{text.quiz.results}</h1>
            <p className="note">{state.results.title}</p>
          </div>
          <div className="buttons">
            <a className="button primary" href={api.resultsCsv(lesson)} download data-testid="results-csv">
              {text.attendance.csv}
            </a>
            <button type="button" className="button" onClick={again}>
              {text.attendance.refresh}
            </button>
            <Link to="/teacher" className="button quiet">
              {text.attendance.back}
            </Link>
          </div>
          {state.results.quizzes.length === 0 && <p className="note">{text.quiz.resultsNone}</p>}
          {state.results.quizzes.map((quiz) => (
            <section key={quiz.quiz} className="card quiz-results" data-testid="results-quiz">
              <h2>{quiz.title}</h2>
              {quiz.anonymous ? <Anonymous quiz={quiz} /> : <Named quiz={quiz} />}
            </section>
          ))}
        </>
      )}
    </Page>
  );
}

function Named({ quiz }: { quiz: QuizResult }) {
  const text = useText();
  const keyed = quiz.questions.filter(({ key }) => isKeyed(key)).length;
  return (
    <>
      {/* A wide table scrolls by itself, so it must be reachable by keyboard. */}
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
      <div className="table-box" tabIndex={0} role="region" aria-label={text.quiz.resultsTable(quiz.title)}>
        <table className="table">
          <thead>
            <tr>
              <th scope="col">{text.quiz.mapName}</th>
              {quiz.questions.map((question, place) => (
                <th key={place} scope="col" title={question.key.text}>
                  {text.quiz.question(place + 1)}
                </th>
              ))}
              {keyed > 0 && <th scope="col">{text.quiz.resultsRight}</th>}
            </tr>
          </thead>
          <tbody>
            {quiz.rows.map((row) => (
              <tr key={row.participant}>
                <td>{row.name}</td>
                {row.answers.map((answer, place) => {
                  const mark = row.marks[place] ?? null;
                  const question = quiz.questions[place];
                  return (
                    <td key={place} data-mark={mark}>
                      {mark !== null && <span aria-hidden="true">{mark ? "✓ " : "✕ "}</span>}
                      {answer === null || question === undefined ? "–" : answerWords(question.key, answer)}
                      {mark !== null && <span className="hidden"> ({mark ? text.quiz.cells.right : text.quiz.cells.wrong})</span>}
                    </td>
                  );
                })}
                {keyed > 0 && (
                  <td>
                    {row.marks.filter((mark) => mark === true).length} / {keyed}
                  </td>
                )}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <Questions questions={quiz.questions} />
    </>
  );
}

function Anonymous({ quiz }: { quiz: QuizResult }) {
  const text = useText();
  return (
    <>
      <p className="note">{text.quiz.resultsAnonymous}</p>
      <Questions questions={quiz.questions} />
    </>
  );
}

function Questions({ questions }: { questions: readonly QuizResultQuestion[] }) {
  const text = useText();
  return (
    <ol className="quiz-review">
      {questions.map(({ key, tally, said }, place) => (
        <li key={place}>
          <p className="quiz-asked">
            {place + 1}. {questionWords(key, text)}
          </p>
          <p className="note">{text.quiz.answered(tally.answered)}</p>
          {tally.withheld ? (
            <p className="note">{text.quiz.withheldFew}</p>
          ) : (
            <QuestionResult question={{ ...key, place, open: false, key, revealed: true, tally }} tally={tally} given={null} />
          )}
          {said.length > 0 && (
            <ul className="quiz-said" aria-label={text.quiz.said}>
              {said.map((each, index) => (
                <li key={index}>{each}</li>
              ))}
            </ul>
          )}
        </li>
      ))}
    </ol>
  );
}

function isKeyed(key: QuizKeyField): boolean {
  return key.right.length > 0 || key.number !== null || key.texts.length > 0;
}

function answerWords(key: QuizKeyField, answer: QuizAnswerField): string {
  if (answer.text !== null) return answer.text;
  if (answer.number !== null) return shownNumber(answer.number);
  return answer.choices.map((place) => key.options[place] ?? "").join("; ");
}
