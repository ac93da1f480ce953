import { describe, expect, it } from "vitest";

import { answersOf, countsOf, hardest, heatMap, latestQuiz, plansIn, progress, quizzesIn, textsOf } from "../../src/core/quiz";
import { jsonOf, numberOf, quizFrom, type NewQuiz } from "../../src/core/quizText";
import type { Fields } from "../../src/core/store";
import { MAX_QUESTIONS, type QuizField } from "../../src/generated/wire";

const FIELD: QuizField = {
  title: "Q", questions: 2, anonymous: false, pace: "own", may_change: true, seconds: null, keyed: true, at_ms: 1, by: "t",
  state: "open", asked: 2, question: null, ends_at_ms: null, shown: false, revealed: false,
};
const person = (name: string, order: number, label = "") => ({ name, role: "student", here: true, order, label, may: null });
const answer = (value: object) => ({ at_ms: 1, choices: [], number: null, text: null, ...value });

function fieldsOf(more: Record<string, unknown> = {}, field: Partial<QuizField> = {}): Fields {
  return new Map<string, unknown>(
    Object.entries({
      "quiz/q": { ...FIELD, ...field },
      "quiz_question/q/0": { kind: "single", text: "2 + 2?", options: ["3", "4"] },
      "quiz_question/q/1": { kind: "text", text: "Why?", options: [] },
      "person/t": { ...person("Anna", 1), role: "teacher" },
      "person/b": person("Masha", 3, "2"),
      "person/a": person("Masha", 2),
      ...more,
    }),
  );
}

describe("what fields tell of a quiz", () => {
  it("knows no right answer that was not told", () => {
    const [question] = latestQuiz(fieldsOf())?.list ?? [];
    expect(question).toMatchObject({ key: null, revealed: false, tally: null, open: true });
  });

  it("takes answers to the question that is asked, while it is open", () => {
    const open = (field: Partial<QuizField>) => latestQuiz(fieldsOf({}, field))?.list.map((each) => each.open);
    expect(open({})).toEqual([true, true]);
    expect(open({ question: 1 })).toEqual([false, true]);
    expect(open({ state: "closed" })).toEqual([false, false]);
  });

  it("has the open one before the class, else the last one started", () => {
    const later = { "quiz/r": { ...FIELD, at_ms: 9, state: "closed" } };
    expect(latestQuiz(fieldsOf(later))?.id).toBe("q");
    expect(latestQuiz(fieldsOf(later, { state: "closed" }))?.id).toBe("r");
    expect(quizzesIn(fieldsOf(later)).map(({ id }) => id)).toEqual(["q", "r"]);
    expect(latestQuiz(new Map())).toBeNull();
    expect(plansIn(new Map([["quiz_plan/p", { title: "P" }]]))).toEqual([{ title: "P", id: "p" }]);
  });

  it("maps names by questions, tells two of one name apart, and says what was hardest", () => {
    const fields = fieldsOf({
      "quiz_answer/a/q/0": answer({ choices: [1] }), "quiz_mark/a/q/0": true, "quiz_answer/a/q/1": answer({ text: "so" }),
      "quiz_answer/b/q/0": answer({ choices: [0] }), "quiz_mark/b/q/0": false,
    });
    const quiz = latestQuiz(fields);
    if (quiz === null) throw new Error("no quiz");
    const rows = heatMap(fields, quiz);
    expect(rows.map(({ name, cells }) => [name, cells])).toEqual([
      ["Masha", ["right", "answered"]],
      ["Masha (2)", ["wrong", "missing"]],
    ]);
    expect(progress(rows)).toEqual({ all: 2, done: 1 });
    expect(hardest(rows)).toEqual({ place: 0, share: 0.5 });
    const [choice, text] = quiz.list;
    if (choice === undefined || text === undefined) throw new Error("no questions");
    expect(countsOf(fields, quiz, choice)).toMatchObject({ answered: 2, counts: [1, 1], right: 1 });
    expect(countsOf(fields, quiz, text)).toMatchObject({ answered: 1, right: null });
    expect(textsOf(fields, quiz, 1)).toEqual([{ name: "Masha", text: "so" }]);
    expect([...answersOf(fields, "b", "q").keys()]).toEqual([0]);
  });

  it("has no names of an anonymous one", () => {
    const fields = fieldsOf({ "quiz_said/q/1/0": "x", "quiz_count/q/0": { answered: 4, withheld: true } }, { anonymous: true });
    const quiz = latestQuiz(fields);
    const [choice] = quiz?.list ?? [];
    if (quiz === null || choice === undefined) throw new Error("no quiz");
    expect(heatMap(fields, quiz)).toEqual([]);
    expect(countsOf(fields, quiz, choice)).toMatchObject({ answered: 4, withheld: true });
    expect(textsOf(fields, quiz, 1)).toEqual([{ name: "", text: "x" }]);
  });

  it("leaves out who neither is here nor answered", () => {
    const gone = { "person/b": { ...person("Masha", 3, "2"), here: false } };
    const fields = fieldsOf(gone);
    const quiz = latestQuiz(fields);
    expect(quiz !== null && heatMap(fields, quiz).map(({ participant }) => participant)).toEqual(["a"]);
  });
});

describe("a quiz from text", () => {
  const read = (text: string): NewQuiz => {
    const found = quizFrom(text, "Quiz");
    if ("problem" in found) throw new Error(found.problem);
    return found;
  };

  it("reads questions as teachers write them", () => {
    const { questions } = read("2 + 2?\r\n- 3\r\n+ 4\r\n\r\nEven?\n+ 2\n- 3\n+ 4\n\ng?\n= 9,8 ± 0,1\n\nCapital?\n= Москва\n\n\nWhy?");
    expect(questions.map(({ kind }) => kind)).toEqual(["single", "multiple", "number", "text", "text"]);
    expect(questions[0]).toMatchObject({ text: "2 + 2?", options: ["3", "4"], right: [1] });
    expect(questions[1]).toMatchObject({ right: [0, 2] });
    expect(questions[2]).toMatchObject({ number: 9.8, tolerance: 0.1 });
    expect(questions[3]).toMatchObject({ texts: ["Москва"] });
  });

  it.each([
    ["", "empty", 1],
    ["{", "json", 1],
    ["[]", "empty", 1],
    ["a?\n+ 1\n- 2\n\nb?\n- 1", "options", 5],
    ['[{"options": ["a", "b"], "right": [2]}]', "options", 1],
    ["a?\n\n".repeat(MAX_QUESTIONS + 1), "many", 1],
  ])("says what is wrong with %j", (text, problem, line) => {
    expect(quizFrom(text, "Quiz")).toEqual({ problem, line });
  });

  it("reads what it wrote, and right answers by their words", () => {
    const quiz = { ...read("2 + 2?\n- 3\n+ 4\n\ng?\n= 9.8"), title: "T", anonymous: true, pace: "step" as const, seconds: 30 };
    expect(quizFrom(jsonOf(quiz), "Other")).toEqual(quiz);
    expect(read('[{"text": "?", "options": ["a", "b"], "right": ["b"]}]').questions[0]).toMatchObject({ right: [1] });
  });

  it.each([["3,5", 3.5], [" -2 ", -2], ["−2", -2], ["1e3", 1000], ["x", null], ["", null], ["1 000", null], ["Infinity", null]])(
    "reads %j as a number",
    (text, number) => {
      expect(numberOf(text)).toBe(number);
    },
  );
});
