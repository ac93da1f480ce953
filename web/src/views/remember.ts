/** What this browser keeps between visits; a forbidden storage reads as empty and keeps nothing. */
export function remembered(key: string): string | null {
  try {
    return localStorage.getItem(`zvonok.${key}`);
  } catch {
    return null;
  }
}

export function remember(key: string, value: string): void {
  try {
    localStorage.setItem(`zvonok.${key}`, value);
  } catch {
    return;
  }
}
