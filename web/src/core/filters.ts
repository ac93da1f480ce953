/** What the library's list is filtered by, kept in the address so that a list can be passed on. Pure. */

export interface Filters {
  readonly subject: string | null;
  readonly grade: number | null;
  readonly teacher: string | null;
  /** Part of the title; empty for any. */
  readonly text: string;
}

export const ANYTHING: Filters = { subject: null, grade: null, teacher: null, text: "" };
const MOST_TEXT = 120;

/** From an address's query; what is not understood filters nothing. */
export function filtersOf(search: string): Filters {
  const query = new URLSearchParams(search);
  const grade = query.get("grade") ?? "";
  return {
    subject: cut(query.get("subject")) || null,
    grade: /^\d{1,3}$/.test(grade) ? Number(grade) : null,
    teacher: cut(query.get("teacher")) || null,
    text: cut(query.get("text")),
  };
}

/** The query of an address, with its question mark; empty when nothing is filtered. */
export function searchOf({ subject, grade, teacher, text }: Filters, after: string | null = null): string {
  const query = new URLSearchParams();
  if (subject !== null) query.set("subject", subject);
  if (grade !== null) query.set("grade", String(grade));
  if (teacher !== null) query.set("teacher", teacher);
  if (text.trim() !== "") query.set("text", text.trim());
  if (after !== null) query.set("after", after);
  const written = query.toString();
  return written === "" ? "" : `?${written}`;
}

export function filtersAnything(filters: Filters): boolean {
  return searchOf(filters) !== "";
}

function cut(value: string | null): string {
  return (value ?? "").slice(0, MOST_TEXT);
}
