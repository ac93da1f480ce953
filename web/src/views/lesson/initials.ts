import type { Person } from "../../core/types";

/** Up to two letters that stand for a name: of its first and its last word. */
export function initials(name: string): string {
  const words = name.trim().split(/\s+/u).filter((word) => /\p{L}|\p{N}/u.test(word));
  const letters = [words[0], words.length > 1 ? words.at(-1) : undefined].map((word) => firstLetter(word ?? ""));
  return letters.join("").toLocaleUpperCase();
}

function firstLetter(word: string): string {
  return /[\p{L}\p{N}]/u.exec(word)?.[0] ?? "";
}

/** One of eight colours, the same for a person in every view. */
export function hueOf(id: string): number {
  let sum = 0;
  for (const letter of id) sum = (sum * 31 + (letter.codePointAt(0) ?? 0)) % 100_003;
  return sum % 8;
}

/** Name as shown: with the number that tells two of one name apart. */
export function fullName(person: Pick<Person, "name" | "label">): string {
  return person.label === "" ? person.name : `${person.name} (${person.label})`;
}
