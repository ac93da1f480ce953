/** Names for those parts of the editor that come without one. */

interface Words {
  readonly menu: string;
  readonly colours: string;
}

/** Keeps them named while the editor draws itself anew; gives back how to stop. */
export function nameParts(editor: HTMLElement, words: Words): () => void {
  const name = (): void => {
    for (const each of editor.querySelectorAll(".main-menu-trigger")) set(each, words.menu);
    for (const each of editor.querySelectorAll(".color-picker-container")) set(each, words.colours);
    // What is written on it, how large the board is drawn, is its name.
    for (const each of editor.querySelectorAll(".reset-zoom-button")) each.removeAttribute("aria-label");
  };
  name();
  const observer = new MutationObserver(name);
  observer.observe(editor, { subtree: true, childList: true });
  return () => {
    observer.disconnect();
  };
}

function set(part: Element, label: string): void {
  if (part.getAttribute("aria-label") !== label) part.setAttribute("aria-label", label);
}
