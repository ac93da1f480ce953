import { useEffect, useEffectEvent, useMemo, useRef, useState } from "react";

import { answersOf, latestQuiz, marksOf, type Given, type Question, type Quiz } from "../../../core/quiz";
import { useReadable } from "../../readable";
import { useText } from "../../text";
import type { ToolProps } from "../tools";
import { Answering, readDraft } from "./Answering";
import { Fold, QuizIcon } from "./icons";
import { useKept } from "./kept";
import { Mark, questionWords, QuestionResult, TimeLeft, useLeft } from "./parts";

/** What the teacher asks, over the pictures of whoever is to answer it. */
export function QuizCard({ lesson, onFailed }: ToolProps) {
  const text = useText();
  const fields = useReadable(lesson.fields);
  const self = useReadable(lesson.self);
  const quiz = useMemo(() => (self.leads ? null : latestQuiz(fields)), [fields, self.leads]);
  if (self.leads) return null;
  const asked = quiz?.list.at(quiz.question ?? 0);
  return (
    <>
      {/* It is there before there is anything to say: else it would not be read out. */}
      <p className="hidden" role="status" data-testid="quiz-spoken">
        {quiz?.state === "open" && asked !== undefined ? `${text.quiz.cardOpened} ${quiz.title}. ${asked.text}` : ""}
      </p>
      {quiz !== null && <StudentCard key={quiz.id} quiz={quiz} lesson={lesson} onFailed={onFailed} />}
    </>
  );
}

function StudentCard({ quiz, lesson, onFailed }: ToolProps & { quiz: Quiz }) {
  const text = useText();
  const fields = useReadable(lesson.fields);
  const self = useReadable(lesson.self);
  const [kept, keep] = useKept(quiz.id);
  const [folded, setFolded] = useState("");
  const [sending, setSending] = useState<number | null>(null);
  const left = useLeft(lesson, quiz.state === "open" ? quiz.ends_at_ms : null);
  const answers = quiz.anonymous
    ? new Map(Object.entries(kept.sent).map(([place, given]) => [Number(place), given]))
    : answersOf(fields, self.id, quiz.id);
  const marks = marksOf(fields, self.id, quiz.id);
  const open = quiz.state === "open";
  const stage = [quiz.state, quiz.question, quiz.shown, quiz.revealed].join("/");
  const done = quiz.list.filter((question) => answers.has(question.place)).length;

  const give = async (question: Question, given: Given) => {
    setSending(question.place);
    try {
      await lesson.request({ t: "quiz_answer", quiz: quiz.id, question: question.place, ...given });
      keep((before) => ({ sent: { ...before.sent, [question.place]: given }, drafts: without(before.drafts, question.place) }));
    } catch (error) {
      onFailed(error); // the draft stays, so that nothing written is lost
    }
    setSending(null);
  };

  // What was written in time is not lost for want of a press.
  const timeUp = useEffectEvent(() => {
    for (const question of quiz.list) {
      const draft = kept.drafts[question.place];
      const given = draft === undefined || !question.open ? null : readDraft(question, draft);
      if (given !== null && (quiz.may_change || !answers.has(question.place))) void give(question, given);
    }
  });
  const over = open && left === 0;
  useEffect(() => {
    if (!over) return;
    const timer = setTimeout(timeUp);
    return () => {
      clearTimeout(timer);
    };
  }, [over]);

  if (!open && (kept.dismissed === stage || (done === 0 && !quiz.shown && !quiz.revealed))) return null;
  if (open && folded === stage) {
    return (
      <button
        type="button"
        className="quiz-folded"
        data-testid="quiz-unfold"
        aria-label={`${text.quiz.unfold}. ${text.quiz.folded(done, quiz.list.length)}`}
        onClick={() => {
          setFolded("");
        }}
      >
        <QuizIcon />
        {text.quiz.folded(done, quiz.list.length)}
        <TimeLeft left={left} />
      </button>
    );
  }
  return (
    <section className="quiz-card" aria-label={text.quiz.card} data-testid="quiz-card" data-state={quiz.state} data-quiz={quiz.id}>
      <header>
        <QuizIcon />
        <h2>{quiz.title}</h2>
        <TimeLeft left={left} />
        {open && (
          <button
            type="button"
            className="icon-button"
            aria-label={text.quiz.fold}
            title={text.quiz.fold}
            data-testid="quiz-fold"
            onClick={() => {
              setFolded(stage);
            }}
          >
            <Fold />
          </button>
        )}
      </header>
      {quiz.anonymous && <p className="note">{text.quiz.cardAnonymous}</p>}
      {open ? (
        <Open
          key={String(quiz.question)}
          quiz={quiz}
          answers={answers}
          drafts={kept.drafts}
          over={over}
          sending={sending}
          onDraft={(place, draft) => {
            keep((before) => ({ drafts: { ...before.drafts, [place]: draft } }));
          }}
          onGive={(question, given) => void give(question, given)}
        />
      ) : (
        <>
          <p role="status">{done === 0 ? text.quiz.overNone : text.quiz.over}</p>
          {marks !== null && (
            <p className="quiz-score" data-testid="quiz-score">
              {text.quiz.score(marks.filter((mark) => mark === true).length, quiz.list.filter(isKeyed).length)}
            </p>
          )}
          <ol className="quiz-review">
            {quiz.list.map((question) => (
              <li key={question.place} data-testid={`quiz-review-${question.place}`}>
                <p className="quiz-asked">
                  {questionWords(question, text)} {question.revealed && <Mark mark={marks?.[question.place] ?? null} />}
                </p>
                <QuestionResult question={question} tally={question.tally} given={answers.get(question.place) ?? null} />
                {question.tally?.withheld === true && <p className="note">{text.quiz.withheldFew}</p>}
              </li>
            ))}
          </ol>
          <button
            type="button"
            className="button"
            data-testid="quiz-dismiss"
            onClick={() => {
              keep(() => ({ dismissed: stage }));
            }}
          >
            {text.quiz.dismiss}
          </button>
        </>
      )}
    </section>
  );
}

interface OpenProps {
  readonly quiz: Quiz;
  readonly answers: ReadonlyMap<number, Given>;
  readonly drafts: Readonly<Record<number, string>>;
  /** Its time is over by the clock. */
  readonly over: boolean;
  readonly sending: number | null;
  readonly onDraft: (place: number, draft: string) => void;
  readonly onGive: (question: Question, given: Given) => void;
}

/** One question at a time; at their own pace students go back and forth. */
function Open({ quiz, answers, drafts, over, sending, onDraft, onGive }: OpenProps) {
  const text = useText();
  const heading = useRef<HTMLHeadingElement>(null);
  const [at, setAt] = useState(() => Math.max(0, quiz.list.findIndex((each) => !answers.has(each.place))));
  const question = quiz.list[quiz.question ?? at];
  if (question === undefined) return null;
  const given = answers.get(question.place) ?? null;
  const many = quiz.question === null && quiz.list.length > 1;
  const all = quiz.list.every((each) => answers.has(each.place));
  const go = (place: number) => {
    setAt(place);
    heading.current?.focus();
  };
  return (
    <>
      <h3 ref={heading} tabIndex={-1}>
        {quiz.questions > 1 && <small>{text.quiz.place(question.place + 1, quiz.questions)}</small>}
        {questionWords(question, text)}
      </h3>
      {question.tally !== null && <QuestionResult question={question} tally={question.tally} given={given} />}
      <Answering
        key={question.place}
        question={question}
        given={given}
        draft={drafts[question.place]}
        mayChange={quiz.may_change}
        disabled={over}
        sending={sending === question.place}
        onDraft={(draft) => {
          onDraft(question.place, draft);
        }}
        onGive={(next) => {
          onGive(question, next);
        }}
      />
      <p role="status" className={given === null ? "quiz-state" : "quiz-state in"} data-testid="quiz-state" data-in={given !== null}>
        {over
          ? text.quiz.timeOver
          : sending === question.place
            ? text.quiz.saving
            : given === null
              ? ""
              : [many && all ? text.quiz.savedAll : text.quiz.saved, quiz.may_change ? text.quiz.mayChangeNote : ""].join(" ")}
      </p>
      {many && (
        <div className="buttons">
          <button
            type="button"
            className="button"
            disabled={at === 0}
            onClick={() => {
              go(at - 1);
            }}
          >
            {text.quiz.previous}
          </button>
          <button
            type="button"
            className={given !== null && at + 1 < quiz.list.length ? "button primary" : "button"}
            data-testid="quiz-following"
            disabled={at + 1 >= quiz.list.length}
            onClick={() => {
              go(at + 1);
            }}
          >
            {text.quiz.following}
          </button>
        </div>
      )}
    </>
  );
}

function isKeyed({ key }: Question): boolean {
  return key !== null && (key.right.length > 0 || key.number !== null || key.texts.length > 0);
}

function without(drafts: Readonly<Record<number, string>>, place: number): Readonly<Record<number, string>> {
  return Object.fromEntries(Object.entries(drafts).filter(([each]) => Number(each) !== place));
}
