import { describe, expect, it } from "vitest";

import { messageOf, partsOf, rulesOf, threads, waitMs, waiting } from "../../src/core/chat";
import type { Fields } from "../../src/core/store";

const said = (participant: string, at_ms = 1) => ({ participant, name: participant, text: "hi", at_ms, quote: null, removed: false, material: null });
const kinds = (text: string) => partsOf(text).map((part) => `${part.kind}:${part.text}`);

describe("the parts of a message", () => {
  it.each<[string, string[]]>([
    ["", []],
    ["plain", ["text:plain"]],
    ["$x^2$", ["formula:$x^2$"]],
    ["so $a$ and $$b$$.", ["text:so ", "formula:$a$", "text: and ", "formula:$$b$$", "text:."]],
    ["from $5 to $6", ["text:from $5 to $6"]],
    ["$ x $", ["text:$ x $"]],
    ["$a\nb$", ["text:$a\nb$"]],
    ["$a\\$b$", ["formula:$a\\$b$"]],
    ["$$", ["text:$$"]],
    [`$${"x".repeat(401)}$`, [`text:$${"x".repeat(401)}$`]],
    ["see https://a.example/x?y=(1).", ["text:see ", "link:https://a.example/x?y=(1)", "text:."]],
    ["(www.a.example)", ["text:(", "link:www.a.example", "text:)"]],
    ["https://", ["text:https://"]],
    ["https://user:word@a.example/", ["text:https://user:word@a.example/"]],
    ["javascript:alert(1) data:text/html,x", ["text:javascript:alert(1) data:text/html,x"]],
    ["awww.no", ["text:awww.no"]],
  ])("%s", (text, parts) => {
    expect(kinds(text)).toEqual(parts);
    expect(partsOf(text).map((part) => part.text).join("")).toBe(text);
  });

  it("are twenty formulas at most, and quickly found in anything", () => {
    expect(partsOf("$x$ ".repeat(30)).filter((part) => part.kind === "formula").length).toBe(20);
    for (const evil of ["$".repeat(1000), "$\\".repeat(500), "$a ".repeat(333), "www.".repeat(250), "http://".repeat(140)]) {
      const began = performance.now();
      partsOf(evil);
      expect(performance.now() - began).toBeLessThan(100);
    }
  });
});

describe("the chat's fields", () => {
  it("are messages only where they are some, and keep their objects", () => {
    const value = said("m");
    const message = messageOf("note/m/1", value, "m");
    expect(message).toMatchObject({ thread: "m", own: true, waits: null });
    expect(messageOf("note/m/1", value, "m")).toBe(message);
    expect(messageOf("note/m/1", value, "t")).toMatchObject({ own: false });
    for (const path of ["chat_rules", "person/m", "chat_next/m"]) expect(messageOf(path, {}, "m")).toBeNull();
  });

  it("tell threads, the latest first, what waits, and how long", () => {
    const fields: Fields = new Map<string, unknown>([
      ["note/a/1", said("a", 1)], ["note/b/2", said("b", 2)], ["note/a/3", said("t", 3)],
      ["held/a/4", { name: "A", text: "x", at_ms: 4, reason: "words", quote: null }],
      ["chat_rules", { ...rulesOf(new Map()), slow_s: 5 }], ["chat_next/a", 9000], ["chat_next/b", 90_000],
    ]);
    expect(threads(fields, "t").map(({ student, last }) => [student, last.id])).toEqual([["a", "3"], ["b", "2"]]);
    expect(waiting(fields, "t")).toMatchObject([{ id: "4", participant: "a", waits: "words", own: false }]);
    expect([waitMs(fields, "a", 5000), waitMs(fields, "a", 9000), waitMs(fields, "b", 5000)]).toEqual([4000, 0, 0]);
    expect(waitMs(fields, "a", 3900), "a clock that is a little behind").toBe(5000);
  });
});
