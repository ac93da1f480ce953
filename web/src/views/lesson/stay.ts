/**
 * What a tab keeps so that reloading it leads back into the lesson without a question, in the same state.
 * It is the tab's own memory (sessionStorage): a new tab starts at the join page.
 */
export interface Stay {
  code: string;
  name: string;
  camera: boolean;
  microphone: boolean;
}

const KEY = "zvonok.in";

export function keepIn(stay: Stay): void {
  try {
    sessionStorage.setItem(KEY, JSON.stringify(stay));
  } catch {
    return; // then a reload leads to the join page
  }
}

export function stayedIn(code: string): Stay | null {
  try {
    const kept: unknown = JSON.parse(sessionStorage.getItem(KEY) ?? "null");
    if (typeof kept !== "object" || kept === null) return null;
    const { code: keptCode, name, camera, microphone } = kept as Partial<Stay>;
    if (keptCode !== code || typeof name !== "string") return null;
    return { code, name, camera: camera === true, microphone: microphone === true };
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
