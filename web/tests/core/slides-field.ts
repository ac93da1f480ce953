import type { SlidesField } from "../../src/generated/wire";

/** Slides of twelve pages that are ready. */
export function slidesField(change: Partial<SlidesField> = {}): SlidesField {
  return {
    name: "Optics.pdf",
    by: "t",
    at_ms: 1,
    state: "ready",
    pages: 12,
    done: 12,
    page: 3,
    browse: false,
    replaced: false,
    failure: null,
    folder: "l1/s1",
    forms: [[12, 16, 9]],
    ...change,
  };
}
