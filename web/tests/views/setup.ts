import { cleanup } from "@testing-library/react";
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
HTMLElement.prototype.showPopover = () => undefined;
HTMLElement.prototype.hidePopover = () => undefined;

afterEach(cleanup);
