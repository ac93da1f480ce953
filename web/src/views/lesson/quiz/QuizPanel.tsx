import { useState } from "react";

import { latestQuiz, plansIn, quizzesIn } from "../../../core/quiz";
import { EMPTY_QUESTION, quizOf, type NewQuiz } from "../../../core/quizText";
import { Back, Delete } from "../../icons";
import { useReadable } from "../../readable";
import { useText } from "../../text";
import type { ToolProps } from "../tools";
import { Editor, Paste, Settings } from "./Editor";
import { Running } from "./Running";

type Place = "list" | "edit" | "paste" | "latest" | { readonly quiz: string };

/** For leaders: ask the class, and see what it answers. */
export default function QuizPanel({ lesson, onFailed }: ToolProps) {
  const text = useText();
  const fields = useReadable(lesson.fields);
  const latest = latestQuiz(fields);
  const [place, setPlace] = useState<Place>(latest?.state === "open" ? "latest" : "list");
  const [draft, setDraft] = useState<NewQuiz>(() => emptyQuiz(text.quiz.titleExample));
  const [settings, setSettings] = useState<NewQuiz>(() => quizOf("", []));
  const picked = typeof place === "object" ? place.quiz : null;
  const quiz = place === "latest" ? latest : (quizzesIn(fields).find((each) => each.id === picked) ?? null);

  const make = (made: NewQuiz, start: boolean) => {
    const texts = made.questions.map((each) => ({ ...each, texts: each.texts.filter((one) => one.trim() !== "") }));
    lesson.request({ t: "make_quiz", ...made, questions: texts, start }).then(() => {
      setPlace(start ? "latest" : "list");
      setDraft(emptyQuiz(text.quiz.titleExample));
    }, onFailed);
  };
  const ask = (title: string, options: readonly string[]) => {
    const questions = [{ ...EMPTY_QUESTION, options }];
    make({ ...settings, title, questions }, true);
  };

  return (
    <div className="quiz" data-testid="quiz-place" data-place={typeof place === "string" ? place : "quiz"}>
      {place !== "list" && (
        <button
          type="button"
          className="button quiet quiz-back"
          data-testid="quiz-back"
          onClick={() => {
            setPlace("list");
          }}
        >
          <Back />
          {text.quiz.back}
        </button>
      )}
      {place === "edit" && (
        <Editor
          quiz={draft}
          onQuiz={setDraft}
          onMake={(start) => {
            make(draft, start);
          }}
        />
      )}
      {place === "paste" && (
        <Paste
          onQuiz={(read) => {
            setDraft(read);
            setPlace("edit");
          }}
        />
      )}
      {quiz !== null && (
        <Running key={quiz.id} lesson={lesson} quiz={quiz} fields={fields} onFailed={onFailed} />
      )}
      {place === "list" && (
        <>
          <section aria-labelledby="quiz-quick">
            <h3 id="quiz-quick">{text.quiz.quick}</h3>
            <div className="quiz-quick">
              <button
                type="button"
                className="button primary large"
                data-testid="quiz-abcd"
                onClick={() => {
                  ask(text.quiz.abcdTitle, text.quiz.abcd.split(" "));
                }}
              >
                {text.quiz.abcd}
              </button>
              <button
                type="button"
                className="button primary large"
                data-testid="quiz-yes-no"
                onClick={() => {
                  ask(text.quiz.yesNoTitle, [text.quiz.yes, text.quiz.no]);
                }}
              >
                {text.quiz.yesNo}
              </button>
              <button
                type="button"
                className="button"
                data-testid="quiz-exit"
                onClick={() => {
                  const questions = [text.quiz.exitClear, text.quiz.exitUnclear].map((asked) => ({
                    ...EMPTY_QUESTION,
                    kind: "text" as const,
                    text: asked,
                  }));
                  make({ ...settings, title: text.quiz.exit, questions }, true);
                }}
              >
                {text.quiz.exit}
              </button>
            </div>
            <Settings quiz={settings} onQuiz={setSettings} />
          </section>
          <div className="quiz-quick">
            <button
              type="button"
              className="button"
              data-testid="quiz-own"
              onClick={() => {
                setPlace("edit");
              }}
            >
              {text.quiz.own}
            </button>
            <button
              type="button"
              className="button"
              data-testid="quiz-paste"
              onClick={() => {
                setPlace("paste");
              }}
            >
              {text.quiz.paste}
            </button>
          </div>
          <Lists
            fields={fields}
            onStart={(plan) => {
              lesson.request({ t: "set_quiz", quiz: plan, step: "start" }).then(() => {
                setPlace({ quiz: plan });
              }, onFailed);
            }}
            onRemove={(plan) => {
              lesson.request({ t: "set_quiz", quiz: plan, step: "remove" }).catch(onFailed);
            }}
            onOpen={(former) => {
              setPlace({ quiz: former });
            }}
          />
        </>
      )}
    </div>
  );
}

interface ListsProps {
  readonly fields: Parameters<typeof plansIn>[0];
  readonly onStart: (quiz: string) => void;
  readonly onRemove: (quiz: string) => void;
  readonly onOpen: (quiz: string) => void;
}

function Lists({ fields, onStart, onRemove, onOpen }: ListsProps) {
  const text = useText();
  const plans = plansIn(fields);
  const former = [...quizzesIn(fields)].reverse();
  return (
    <>
      {plans.length > 0 && (
        <section aria-labelledby="quiz-plans">
          <h3 id="quiz-plans">{text.quiz.prepared}</h3>
          <ul className="quiz-list">
            {plans.map((plan) => (
              <li key={plan.id} data-testid="quiz-plan" data-quiz={plan.id}>
                <span>
                  {plan.title}
                  <small>{text.quiz.count(plan.questions)}</small>
                </span>
                <button
                  type="button"
                  className="button"
                  aria-label={text.quiz.startOf(plan.title)}
                  data-testid="quiz-start-plan"
                  onClick={() => {
                    onStart(plan.id);
                  }}
                >
                  {text.quiz.start}
                </button>
                <button
                  type="button"
                  className="icon-button"
                  aria-label={text.quiz.remove(plan.title)}
                  title={text.quiz.remove(plan.title)}
                  onClick={() => {
                    onRemove(plan.id);
                  }}
                >
                  <Delete />
                </button>
              </li>
            ))}
          </ul>
        </section>
      )}
      {former.length > 0 && (
        <section aria-labelledby="quiz-former">
          <h3 id="quiz-former">{text.quiz.former}</h3>
          <ul className="quiz-list">
            {former.map((each) => (
              <li key={each.id}>
                <button
                  type="button"
                  className="menu-item"
                  aria-label={text.quiz.open(each.title)}
                  data-testid="quiz-former"
                  onClick={() => {
                    onOpen(each.id);
                  }}
                >
                  <span>
                    {each.title}
                    <small>
                      {text.quiz.count(each.questions)}
                      {each.state === "open" ? ` · ${text.quiz.running}` : ""}
                    </small>
                  </span>
                </button>
              </li>
            ))}
          </ul>
        </section>
      )}
    </>
  );
}

function emptyQuiz(title: string): NewQuiz {
  return quizOf(title, [{ ...EMPTY_QUESTION, options: ["", ""] }]);
}
