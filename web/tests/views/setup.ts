import { act, cleanup } from "@testing-library/react";
import { afterEach } from "vitest";

// Parts of the browser that jsdom lacks; each does the least that the views rely on. They are set for good, not
// stubbed, because stubs are taken away before each test.
Object.assign(globalThis, {
  ResizeObserver: class {
    observe = () => undefined;
    disconnect = () => undefined;
    unobserve = () => undefined;
  },
  matchMedia: (query: string) => ({
    matches: false,
    media: query,
    addEventListener: () => undefined,
    removeEventListener: () => undefined,
  }),
});
HTMLDialogElement.prototype.showModal = function showModal() {
  this.open = true;
};
HTMLDialogElement.prototype.close = function close() {
  this.open = false;
};
/** Says to the panel what a browser would say. */
function toggle(panel: HTMLElement, newState: "open" | "closed"): void {
  act(() => {
    for (const type of ["beforetoggle", "toggle"]) {
      panel.dispatchEvent(Object.assign(new Event(type), { newState, oldState: newState === "open" ? "closed" : "open" }));
    }
  });
}
HTMLElement.prototype.hidePopover = function hidePopover() {
  toggle(this, "closed");
};
document.addEventListener("click", (event) => {
  const button = (event.target as Element).closest("[popovertarget]");
  const panel = document.getElementById(button?.getAttribute("popovertarget") ?? "");
  if (panel !== null) toggle(panel, "open");
});

afterEach(cleanup);
