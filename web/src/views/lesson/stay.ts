/**
 * What a tab keeps so that reloading it leads back into the lesson without a question. It is the tab's own
 * memory (sessionStorage): a new tab starts at the join page. What was on, the server knows.
 */
const KEY = "zvonok.in";

interface Stay {
  code: string;
  name: string;
}

export function keepIn(code: string, name: string): void {
  try {
    sessionStorage.setItem(KEY, JSON.stringify({ code, name } satisfies Stay));
  } catch {
    return; // then a reload leads to the join page
  }
}

/** The name under which this tab is in the lesson of this link, else null. */
export function stayedIn(code: string): string | null {
  try {
    const kept: unknown = JSON.parse(sessionStorage.getItem(KEY) ?? "null");
    if (typeof kept !== "object" || kept === null) return null;
    const stay = kept as Partial<Stay>;
    return stay.code === code && typeof stay.name === "string" ? stay.name : null;
  } catch {
    return null;
  }
}

export function forget(code: string): void {
  try {
    if (stayedIn(code) !== null) sessionStorage.removeItem(KEY);
  } catch {
    return;
  }
}
