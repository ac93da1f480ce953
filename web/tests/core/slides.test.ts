import { describe, expect, it } from "vitest";

import { fitted, formOf, headingOf, lessonPage, partFor, slidesIn, slidesOf } from "../../src/core/slides";
import { slidesField } from "./slides-field";

describe("slides", () => {
  it("are listed oldest first", () => {
    const fields = new Map<string, unknown>([
      ["slides/b", slidesField({ at_ms: 2 })],
      ["slides/a", slidesField({ at_ms: 3 })],
      ["slidesx/c", slidesField({ at_ms: 1 })],
    ]);
    expect(slidesIn(fields).map(({ id }) => id)).toEqual(["b", "a"]);
    expect(slidesOf(fields, "c")).toBeNull();
  });

  it.each([
    [1, 16, 9],
    [3, 16, 9],
    [4, 3, 4],
    [5, 3, 4],
    [6, 4, 3],
  ])("page %i has the form %i:%i", (page, width, height) => {
    const slides = { ...slidesField({ forms: [[3, 16, 9], [2, 3, 4]] }), id: "s" };
    expect(formOf(slides, page)).toEqual({ width, height });
  });

  it.each([
    [{ width: 16, height: 9 }, { width: 800, height: 800 }, { width: 800, height: 450 }],
    [{ width: 2835, height: 142 }, { width: 360, height: 300 }, { width: 360, height: 18 }],
    [{ width: 3, height: 4 }, { width: 800, height: 400 }, { width: 300, height: 400 }],
    [{ width: 3, height: 4 }, { width: 0, height: 0 }, { width: 1, height: 1 }],
  ])("a page of %o fits into %o", (form, into, drawn) => {
    expect(fitted(form, into)).toEqual(drawn);
  });

  it("are drawn from a picture that is sharp enough", () => {
    expect(partFor({ width: 366, height: 206 }, 2)).toBe("small.webp");
    expect(partFor({ width: 366, height: 206 }, 3.5)).toBe("large.webp");
    expect(partFor({ width: 1100, height: 620 }, 1)).toBe("small.webp");
    expect(partFor({ width: 1100, height: 620 }, 2)).toBe("large.webp");
  });

  it("have addresses and headings", () => {
    expect(lessonPage("l1/s1", 3, "small.webp")).toBe("/api/lessons/l1/slides/s1/3-small.webp");
    expect(headingOf("Light\nand shadow")).toBe("Light");
    expect(headingOf("")).toBe("");
  });
});
