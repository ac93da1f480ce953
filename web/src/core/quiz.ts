/** Quizzes as the fields tell them, in a lesson and beside its recording. Pure. */

import type {
  PersonField,
  QuestionField,
  QuizAnswerField,
  QuizField,
  QuizKeyField,
  QuizMarksField,
  QuizPlanField,
  QuizTallyField,
} from "../generated/wire";
import { under, type Fields } from "./store";

export interface Question extends QuestionField {
  readonly place: number;
  /** It takes answers, as far as the server has said. */
  readonly open: boolean;
  /** What is right: for leaders always, for others once it is revealed. */
  readonly key: QuizKeyField | null;
  readonly revealed: boolean;
  /** What everybody is told of the answers. */
  readonly tally: QuizTallyField | null;
}

export interface Quiz extends QuizField {
  readonly id: string;
  /** Those that were asked so far. */
  readonly list: readonly Question[];
}

export interface Plan extends QuizPlanField {
  readonly id: string;
}

/** An answer as it is given, without when. */
export type Given = Pick<QuizAnswerField, "choices" | "number" | "text">;

/** What a cell of the heat map says. */
export type Cell = "right" | "wrong" | "answered" | "missing";

export interface HeatRow {
  readonly participant: string;
  readonly name: string;
  readonly here: boolean;
  readonly cells: readonly Cell[];
}

/** Every quiz that the class has had, oldest first. */
export function quizzesIn(fields: Fields): readonly Quiz[] {
  return under<QuizField>(fields, "quiz/")
    .sort(([, a], [, b]) => a.at_ms - b.at_ms)
    .map(([id, field]) => ({ ...field, id, list: questionsOf(fields, id, field) }));
}

/** The one that the class has before it, or had last; null: none yet. */
export function latestQuiz(fields: Fields): Quiz | null {
  const all = quizzesIn(fields);
  return all.find((quiz) => quiz.state === "open") ?? all.at(-1) ?? null;
}

/** Prepared and not started, oldest first; leaders only. */
export function plansIn(fields: Fields): readonly Plan[] {
  return under<QuizPlanField>(fields, "quiz_plan/")
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([id, plan]) => ({ ...plan, id }));
}

function questionsOf(fields: Fields, id: string, quiz: QuizField): readonly Question[] {
  const found: Question[] = [];
  for (let place = 0; place < quiz.asked; place++) {
    const question = fields.get(`quiz_question/${id}/${place}`) as QuestionField | undefined;
    if (question === undefined) continue;
    const right = fields.get(`quiz_right/${id}/${place}`) as QuizKeyField | undefined;
    const key = right ?? (fields.get(`quiz_key/${id}/${place}`) as QuizKeyField | undefined) ?? null;
    found.push({
      ...question,
      place,
      open: quiz.state === "open" && (quiz.question === null || quiz.question === place),
      key,
      revealed: right !== undefined,
      tally: (fields.get(`quiz_tally/${id}/${place}`) as QuizTallyField | undefined) ?? null,
    });
  }
  return found;
}

/** A student's answers by place, as the server has them; nothing of an anonymous quiz. */
export function answersOf(fields: Fields, participant: string, quiz: string): ReadonlyMap<number, Given> {
  return new Map(
    under<QuizAnswerField>(fields, `quiz_answer/${participant}/${quiz}/`).map(([place, given]) => [Number(place), given]),
  );
}

/** A student's own result; null while nothing was revealed. */
export function marksOf(fields: Fields, participant: string, quiz: string): readonly (boolean | null)[] | null {
  return (fields.get(`quiz_result/${participant}/${quiz}`) as QuizMarksField | undefined)?.marks ?? null;
}

/** For leaders: what every student did with every question that was asked, in the class's order. */
export function heatMap(fields: Fields, quiz: Quiz): readonly HeatRow[] {
  if (quiz.anonymous) return [];
  return under<PersonField>(fields, "person/")
    .filter(([, person]) => person.role === "student")
    .sort(([, a], [, b]) => a.order - b.order)
    .map(([participant, person]) => ({
      participant,
      name: person.label === "" ? person.name : `${person.name} (${person.label})`,
      here: person.here,
      cells: quiz.list.map((question) => cellOf(fields, participant, quiz.id, question.place)),
    }))
    .filter((row) => row.here || row.cells.some((cell) => cell !== "missing"));
}

function cellOf(fields: Fields, participant: string, quiz: string, place: number): Cell {
  if (!fields.has(`quiz_answer/${participant}/${quiz}/${place}`)) return "missing";
  const mark = fields.get(`quiz_mark/${participant}/${quiz}/${place}`) as boolean | undefined;
  return mark === undefined ? "answered" : mark ? "right" : "wrong";
}

/** For leaders: what came of a question so far; of an anonymous one as much as anybody may know. */
export function countsOf(fields: Fields, quiz: Quiz, question: Question): QuizTallyField {
  const nothing = { at_ms: 0, answered: 0, counts: [], numbers: [], right: null, withheld: quiz.anonymous };
  if (quiz.anonymous) return (fields.get(`quiz_count/${quiz.id}/${question.place}`) as QuizTallyField | undefined) ?? nothing;
  const end = `/${quiz.id}/${question.place}`;
  const given = under<QuizAnswerField>(fields, "quiz_answer/").filter(([path]) => path.endsWith(end));
  const marks = under<boolean>(fields, "quiz_mark/").filter(([path]) => path.endsWith(end));
  const counts = question.options.map((_, place) => given.filter(([, each]) => each.choices.includes(place)).length);
  const values = new Map<number, number>();
  for (const [, { number }] of given) if (number !== null) values.set(number, (values.get(number) ?? 0) + 1);
  const numbers = [...values].sort(([a, timesA], [b, timesB]) => timesB - timesA || a - b);
  return {
    ...nothing,
    answered: given.length,
    counts: question.kind === "number" ? numbers.map(([, times]) => times) : counts,
    numbers: question.kind === "number" ? numbers.map(([number]) => number) : [],
    right: marks.length > 0 ? marks.filter(([, mark]) => mark).length : null,
    withheld: false,
  };
}

/** For leaders: the texts that were answered, with names where the quiz has them. */
export function textsOf(fields: Fields, quiz: Quiz, place: number): readonly { readonly name: string; readonly text: string }[] {
  if (quiz.anonymous) {
    return under<string>(fields, `quiz_said/${quiz.id}/${place}/`)
      .sort(([a], [b]) => Number(a) - Number(b))
      .map(([, text]) => ({ name: "", text }));
  }
  const end = `/${quiz.id}/${place}`;
  return under<QuizAnswerField>(fields, "quiz_answer/")
    .filter(([path, each]) => path.endsWith(end) && each.text !== null)
    .sort(([, a], [, b]) => a.at_ms - b.at_ms)
    .map(([path, each]) => {
      const person = fields.get(`person/${path.slice(0, -end.length)}`) as PersonField | undefined;
      const label = person === undefined || person.label === "" ? "" : ` (${person.label})`;
      return { name: `${person?.name ?? ""}${label}`, text: each.text ?? "" };
    });
}

/** How many students could answer, and how many have answered everything that was asked. */
export function progress(rows: readonly HeatRow[]): { readonly all: number; readonly done: number } {
  return {
    all: rows.length,
    done: rows.filter((row) => row.cells.every((cell) => cell !== "missing")).length,
  };
}

/** The question with the smallest share of right answers, and that share; null where nothing is wrong. */
export function hardest(rows: readonly HeatRow[]): { readonly place: number; readonly share: number } | null {
  let found: { place: number; share: number } | null = null;
  for (let place = 0; place < (rows[0]?.cells.length ?? 0); place++) {
    const cells = rows.map((row) => row.cells[place]).filter((cell) => cell === "right" || cell === "wrong");
    if (cells.length === 0) continue;
    const share = cells.filter((cell) => cell === "right").length / cells.length;
    if (share < 1 && (found === null || share < found.share)) found = { place, share };
  }
  return found;
}
