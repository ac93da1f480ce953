/** The name under which the browser keeps it, for all tabs. */
export function storedAs(key: string): string {
  return `zvonok.${key}`;
}

/** What this browser keeps between visits; a forbidden storage reads as empty and keeps nothing. */
export function remembered(key: string): string | null {
  try {
    return localStorage.getItem(storedAs(key));
  } catch {
    return null;
  }
}

export function remember(key: string, value: string): void {
  try {
    localStorage.setItem(storedAs(key), value);
  } catch {
    return;
  }
}
