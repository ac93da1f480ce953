/** Quizzes from text that a teacher pastes, or from JSON; and back. Pure. */

import { MAX_OPTIONS, MAX_QUESTIONS, type MakeQuiz, type NewQuestion, type QuestionKind } from "../generated/wire";

/** A quiz as it is asked for, without what the request adds. */
export type NewQuiz = Required<Omit<MakeQuiz, "t" | "id" | "start">>;

/** Why a text is no quiz; `line` from 1. */
export interface NoQuiz {
  readonly problem: "empty" | "json" | "options" | "many";
  readonly line: number;
}

export const EMPTY_QUESTION: NewQuestion = {
  kind: "single",
  text: "",
  options: [],
  right: [],
  number: null,
  tolerance: 0,
  texts: [],
};

const KINDS: readonly QuestionKind[] = ["single", "multiple", "number", "text"];

/**
 * A block for each question, blank lines between them: the question, then lines with "-" for an option and "+" for a
 * right one, or "= 9.8 ± 0.1" for a number, or "= word" for a text. JSON of the same is what begins with a brace.
 */
export function quizFrom(pasted: string, title: string): NewQuiz | NoQuiz {
  const text = pasted.replace(/\r\n?/g, "\n").trim();
  if (text === "") return { problem: "empty", line: 1 };
  if (text.startsWith("{") || text.startsWith("[")) return fromJson(text, title);
  const questions: NewQuestion[] = [];
  let line = 1;
  for (const block of text.split(/\n[ \t]*\n/)) {
    const question = questionFrom(block.split("\n"));
    if (question === null) return { problem: "options", line };
    if (question !== "nothing") questions.push(question);
    line += block.split("\n").length + 1;
  }
  if (questions.length > MAX_QUESTIONS) return { problem: "many", line: 1 };
  return quizOf(title, questions);
}

export function quizOf(title: string, questions: readonly NewQuestion[]): NewQuiz {
  return { title, questions, anonymous: false, pace: "own", may_change: true, seconds: null };
}

/** What `quizFrom` reads, for keeping it in a file. */
export function jsonOf(quiz: NewQuiz): string {
  return `${JSON.stringify(quiz, null, 2)}\n`;
}

function questionFrom(lines: readonly string[]): NewQuestion | null | "nothing" {
  const text: string[] = [];
  const options: string[] = [];
  const right: number[] = [];
  const texts: string[] = [];
  let number: number | null = null;
  let tolerance = 0;
  for (const raw of lines) {
    const line = raw.trim();
    const rest = line.slice(1).trim();
    if (/^[-–—+*]\s/.test(line)) {
      if (line.startsWith("+")) right.push(options.length);
      options.push(rest);
    } else if (line.startsWith("=")) {
      const [value, spread] = rest.split(/±|\+-|\+\/-/);
      const read = numberOf(value ?? "");
      if (read === null) texts.push(rest);
      else [number, tolerance] = [read, Math.abs(numberOf(spread ?? "") ?? 0)];
    } else if (line !== "") text.push(line);
  }
  const asked = { ...EMPTY_QUESTION, text: text.join("\n") };
  if (options.length > 0) {
    if (options.length < 2 || options.length > MAX_OPTIONS) return null;
    return { ...asked, kind: right.length > 1 ? "multiple" : "single", options, right };
  }
  if (number !== null) return { ...asked, kind: "number", number, tolerance };
  return text.length === 0 && texts.length === 0 ? "nothing" : { ...asked, kind: "text", texts };
}

/** "9,8" is how half of the world writes it. */
export function numberOf(text: string): number | null {
  const plain = text.trim().replace(",", ".").replace("−", "-");
  if (!/^-?\d*\.?\d+(e-?\d+)?$/i.test(plain)) return null;
  const value = Number(plain);
  return Number.isFinite(value) ? value : null;
}

function fromJson(text: string, title: string): NewQuiz | NoQuiz {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { problem: "json", line: 1 };
  }
  const whole: Readonly<Record<string, unknown>> = Array.isArray(value) ? { questions: value } : isMap(value) ? value : {};
  const given = whole["questions"];
  if (!Array.isArray(given) || given.length === 0) return { problem: "empty", line: 1 };
  if (given.length > MAX_QUESTIONS) return { problem: "many", line: 1 };
  const questions = given.map((each: unknown) => (isMap(each) ? questionOf(each) : null));
  if (questions.some((each) => each === null)) return { problem: "options", line: questions.indexOf(null) + 1 };
  const seconds = whole["seconds"];
  return {
    ...quizOf(typeof whole["title"] === "string" ? whole["title"] : title, questions as NewQuestion[]),
    anonymous: whole["anonymous"] === true,
    pace: whole["pace"] === "step" ? "step" : "own",
    may_change: whole["may_change"] !== false,
    seconds: typeof seconds === "number" ? seconds : null,
  };
}

function questionOf(map: Readonly<Record<string, unknown>>): NewQuestion | null {
  const strings = (name: string) => (Array.isArray(map[name]) ? map[name].filter((each) => typeof each === "string") : []);
  const options = strings("options");
  const right = Array.isArray(map["right"])
    ? map["right"].map((each: unknown) => (typeof each === "string" ? options.indexOf(each) : each))
    : [];
  const number = typeof map["number"] === "number" ? map["number"] : null;
  const fallback = options.length > 0 ? (right.length > 1 ? "multiple" : "single") : number !== null ? "number" : "text";
  const kind = KINDS.find((each) => each === map["kind"]) ?? fallback;
  const chooses = kind === "single" || kind === "multiple";
  const good = right.every((place) => typeof place === "number" && Number.isInteger(place) && place >= 0 && place < options.length);
  if (!good || (chooses && (options.length < 2 || options.length > MAX_OPTIONS))) return null;
  return {
    kind,
    text: typeof map["text"] === "string" ? map["text"] : "",
    options: chooses ? options : [],
    right: chooses ? (right as number[]) : [],
    number: kind === "number" ? number : null,
    tolerance: typeof map["tolerance"] === "number" ? Math.abs(map["tolerance"]) : 0,
    texts: kind === "text" ? strings("texts") : [],
  };
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
