import { describe, expect, it, vi } from "vitest";

import { boardsOf, elementsOf, mayDraw, packPoints, supersedes, thin, unpackPoints, type BoardElement } from "../../src/core/board/elements";
import { pdfOf } from "../../src/core/board/pdf";
import { LASER_MS, Pens, PenSender, POINTER_MS, STROKE_MS } from "../../src/core/board/pens";
import { AGAIN_MS, drawnFor, fromWire, Scene, SOON_MS, toWire, type Drawn } from "../../src/core/board/scene";
import { boundsOf, headsOf, pathOf, union } from "../../src/core/board/shapes";
import { Failed } from "../../src/core/types";
import type { Ink, SendInk } from "../../src/generated/wire";

const FIELDS = new Map<string, unknown>([
  ["board/b", { name: "Forces", at_ms: 2, by: "t", over: null }],
  ["board/a", { name: "Light", at_ms: 1, by: "t", over: null }],
  ["board/s-1", { name: "", at_ms: 1, by: "t", over: "s" }],
  ["board/b/e/two", { kind: "ellipse", x: 1, y: 2, width: 3, height: 4, version: 1, nonce: 1, order: "a2", by: "p" }],
  ["board/b/e/one", { kind: "freedraw", x: 10, y: 20, width: 8, height: 4, version: 2, nonce: 7, order: "a1", by: "t", points: packPoints([[0, 0], [8, 4]]) }],
  ["board/ba/e/other", { kind: "ellipse", x: 1, y: 2, width: 3, height: 4, version: 1, nonce: 1 }],
]);

describe("boards in the fields", () => {
  it("are listed oldest first, without those over slides", () => {
    expect(boardsOf(FIELDS).map(({ id }) => id)).toEqual(["a", "b"]);
  });
  it("have their elements from back to front, whole, and the same ones again", () => {
    const elements = elementsOf(FIELDS, "b");
    expect(elements.map(({ id, stroke, opacity }) => [id, stroke, opacity])).toEqual([["one", "#1e1e1e", 100], ["two", "#1e1e1e", 100]]);
    expect(elementsOf(FIELDS, "b")[0]).toBe(elements[0]);
  });
  it("tell who may draw, and what a group has before it", () => {
    const self = { id: "p", leads: false };
    expect(mayDraw(FIELDS, self, "b")).toBe(false);
    expect(mayDraw(FIELDS, { id: "t", leads: true }, "b")).toBe(true);
    expect(mayDraw(new Map([["ink/p", true]]), self, "b")).toBe(true);
    expect(mayDraw(new Map([["ink/*", true]]), self, "b")).toBe(true);
    const inGroup = new Map<string, unknown>([
      ["groups", { state: "open", ends_at_ms: null, choose: false, boards: true }],
      ["group/1", { name: "", order: 1, board: "g1" }],
      ["in/p", "1"],
      ["board/g1", { name: "№ 1", at_ms: 1, by: "t", over: null }],
    ]);
    expect([mayDraw(inGroup, self, "g1"), mayDraw(inGroup, self, "b")]).toEqual([true, false]);
    inGroup.set("calm", { on: true });
    expect(mayDraw(inGroup, self, "g1")).toBe(false);
  });
  it("keep points in quarters of a unit, at the edge what lies too far", () => {
    expect(unpackPoints(packPoints([[0, 0.3], [-1.26, 99_999]]))).toEqual([[0, 0.25], [-1.25, 8000]]);
    expect(thin([1, 2, 3, 4, 5], 3)).toEqual([1, 3, 5]);
    expect(supersedes({ version: 1, nonce: 2 }, { version: 1, nonce: 3 })).toBe(true);
    expect(supersedes({ version: 1, nonce: 3 }, { version: 1, nonce: 3 })).toBe(false);
  });
});

describe("shapes", () => {
  const [stroke, ellipse] = elementsOf(FIELDS, "b") as [BoardElement, BoardElement];
  it("are paths, and take their bounds", () => {
    expect(pathOf(ellipse)).toBe("M0 2A1.5 2 0 1 0 3 2A1.5 2 0 1 0 0 2Z");
    expect(pathOf(stroke)).toMatch(/^M[-\d. ]+Q.*Z$/);
    expect(boundsOf([stroke])).toEqual({ x: 8, y: 18, width: 12, height: 8 });
    expect(boundsOf([])).toBeNull();
    expect(union({ x: 0, y: 0, width: 10, height: 10 }, { x: 5, y: -5, width: 10, height: 5 })).toEqual({ x: 0, y: -5, width: 15, height: 15 });
  });
  it("have heads only where an arrow has them", () => {
    const arrow: BoardElement = { ...stroke, kind: "arrow", head: "arrow" };
    expect(headsOf(arrow)).toMatch(/^M.*L8 4L/);
    expect(headsOf(stroke)).toBe("");
  });
  it("come through the editor's form and back the same", () => {
    for (const element of [stroke, ellipse, { ...stroke, kind: "arrow", head: "arrow" } as BoardElement]) {
      expect({ ...toWire(fromWire(element, false)), by: element.by, id: element.id }).toEqual(element);
    }
    expect(toWire({ ...fromWire(ellipse, false), type: "embeddable" })).toBeNull();
    expect(toWire({ ...fromWire(ellipse, false), strokeColor: "rgb(1, 2, 3)", backgroundColor: "#FFF" })).toMatchObject({ stroke: "#1e1e1e", fill: "#FFF" });
    expect(toWire({ ...fromWire(ellipse, false), type: "text", text: "F", fontSize: 900 })?.size).toBe(500);
    expect(toWire({ ...fromWire(ellipse, false), type: "text", text: " " })).toBeNull();
    expect(drawnFor(ellipse, { id: "p", leads: false }).locked).toBe(false);
    expect(drawnFor(ellipse, { id: "q", leads: false }).locked).toBe(true);
    expect(drawnFor(ellipse, { id: "t", leads: true }).locked).toBe(false);
  });
});

function ellipseOf(): BoardElement {
  const found = elementsOf(FIELDS, "b").find(({ kind }) => kind === "ellipse");
  if (found === undefined) throw new Error("no ellipse");
  return found;
}

describe("a scene", () => {
  const box = (id: string, version = 1, change: Partial<Drawn> = {}): Drawn => ({
    ...fromWire({ ...ellipseOf(), id, version }, false),
    ...change,
  });
  const there = (drawn: Drawn, by = "t"): BoardElement => ({ ...ellipseOf(), ...toWire(drawn), id: drawn.id, by });
  const made = (first: readonly Drawn[] = []) => {
    vi.useFakeTimers();
    const held = { elements: first, holding: false, unfinished: null as string | null };
    const request = vi.fn<(request: unknown) => Promise<void>>(() => Promise.resolve());
    const onFailed = vi.fn();
    const scene = new Scene(
      {
        board: "b",
        self: { id: "t", leads: true },
        all: () => held.elements,
        put: (elements) => { held.elements = elements; },
        working: () => held,
        request,
        onFailed,
      },
      first.map((drawn) => there(drawn)),
    );
    return { held, request, onFailed, scene, sent: () => request.mock.calls.map(([one]) => one as { elements: Record<string, unknown>; gone: string[] }) };
  };

  it("sends what is finished, once, when the hand rests", async () => {
    const { held, scene, sent } = made();
    held.elements = [box("a"), box("b")];
    held.holding = true;
    held.unfinished = "b";
    scene.changed();
    await vi.advanceTimersByTimeAsync(3 * SOON_MS);
    expect(sent()).toEqual([]);
    held.holding = false;
    await vi.advanceTimersByTimeAsync(5 * SOON_MS);
    expect(sent().map(({ elements }) => Object.keys(elements))).toEqual([["a"]]);
    held.unfinished = null;
    scene.changed();
    await vi.advanceTimersByTimeAsync(5 * SOON_MS);
    expect(sent().map(({ elements }) => Object.keys(elements))).toEqual([["a"], ["b"]]);
  });
  it("sends many by turns, and what was taken away", async () => {
    const { held, scene, sent } = made([box("gone")]);
    held.elements = [box("gone", 2, { isDeleted: true }), ...Array.from({ length: 20 }, (_, index) => box(`n${String(index)}`))];
    scene.changed();
    await vi.advanceTimersByTimeAsync(5 * SOON_MS);
    expect(sent().map(({ elements, gone }) => [Object.keys(elements).length, gone])).toEqual([[16, ["gone"]], [4, []]]);
  });
  it("takes what others did, unless its own is newer", () => {
    const { held, scene } = made([box("a", 1), box("b", 5), box("c", 1)]);
    held.elements = [box("a", 1), box("b", 5), box("c", 1), box("mine", 1)];
    scene.take([there(box("a", 2, { x: 50 })), there(box("b", 4)), there(box("new"))]);
    expect(held.elements.map(({ id, x, version, isDeleted }) => [id, x, version, isDeleted]).sort()).toEqual([
      ["a", 50, 2, false],
      ["b", 1, 5, false],
      ["c", 1, 2, true],
      ["mine", 1, 1, false],
      ["new", 1, 1, false],
    ]);
  });
  it("takes back what was refused, and says so", async () => {
    const { held, request, onFailed, scene } = made([box("a", 1)]);
    request.mockRejectedValueOnce(new Failed("board_full"));
    held.elements = [box("a", 2, { x: 9 }), box("n")];
    scene.changed();
    await vi.advanceTimersByTimeAsync(5 * SOON_MS);
    expect(onFailed).toHaveBeenCalledOnce();
    expect(held.elements.map(({ id, x, isDeleted }) => [id, x, isDeleted])).toEqual([["a", 1, false], ["n", 1, true]]);
    expect(request).toHaveBeenCalledOnce();
  });
  it("tries again when the line was away", async () => {
    const { held, request, scene } = made();
    request.mockRejectedValueOnce(new Failed("connection_lost"));
    held.elements = [box("n")];
    scene.changed();
    await vi.advanceTimersByTimeAsync(AGAIN_MS + 3 * SOON_MS);
    expect(request).toHaveBeenCalledTimes(2);
  });
  it("throws out what boards have not", async () => {
    const { held, request, scene } = made();
    held.elements = [box("page", 1, { type: "embeddable" })];
    scene.changed();
    await vi.advanceTimersByTimeAsync(5 * SOON_MS);
    expect(held.elements[0]?.isDeleted).toBe(true);
    expect(request).not.toHaveBeenCalled();
  });
  it("sends the rest when it closes", async () => {
    const { held, scene, sent } = made();
    held.elements = [box("last")];
    held.holding = true;
    scene.changed();
    scene.close();
    await vi.advanceTimersByTimeAsync(0);
    expect(sent().length).toBe(1);
  });
});

describe("pens", () => {
  const ink = (change: Partial<Ink> = {}): Ink => ({
    t: "ink", participant: "p", board: "b", tool: "pen", x: 10, y: 10, points: packPoints([[0, 0], [1, 1]]), element: "e", stroke: "#000", thick: 2, ...change,
  });
  it("put strokes together and let go of them when their element is there, or never comes", () => {
    const pens = new Pens("b");
    pens.add(ink({ board: "other" }), 0);
    expect(pens.pens.get()).toEqual([]);
    pens.add(ink(), 0);
    pens.add(ink({ x: 12, points: packPoints([[0, 0]]) }), 50);
    expect(pens.pens.get()[0]?.strokes[0]?.points).toEqual([[10, 10], [11, 11], [12, 10]]);
    expect(pens.pens.get()[0]?.at).toEqual([12, 10]);
    pens.tidy(60, (element) => element === "e");
    expect(pens.pens.get()[0]?.strokes).toEqual([]);
    pens.tidy(60 + POINTER_MS, () => false);
    expect(pens.pens.get()).toEqual([]);
    pens.add(ink({ tool: "laser" }), 0);
    pens.tidy(LASER_MS, () => false);
    expect(pens.pens.get()[0]?.strokes).toEqual([]);
    pens.add(ink(), 0);
    pens.tidy(STROKE_MS, () => false);
    expect(pens.pens.get()).toEqual([]);
    pens.add(ink(), 0);
    pens.add(ink({ tool: "away" }), 0);
    expect(pens.pens.get()).toEqual([]);
  });
  it("send at most one in a while, with all that came between", () => {
    const sent: SendInk[] = [];
    const later: (() => void)[] = [];
    const sender = new PenSender("b", (message) => sent.push(message), (work) => later.push(work));
    for (let at = 0; at < 5; at += 1) sender.move({ tool: "pen", element: "e", points: [[at, 0]], stroke: "#000", thick: 2 });
    expect(sent.length).toBe(1);
    later.shift()?.();
    expect(sent.length).toBe(2);
    expect(sent[1]?.x).toBe(1);
    expect(unpackPoints(sent[1]?.points ?? new Uint8Array())).toEqual([[0, 0], [1, 0], [2, 0], [3, 0]]);
    later.shift()?.();
    expect(sent.length).toBe(2);
    sender.move({ tool: "pointer", x: 1, y: 1, element: null });
    expect(sent.length).toBe(3);
  });
});

describe("a PDF", () => {
  it("has a page a picture, and a table that points at its objects", () => {
    const bytes = pdfOf([{ jpeg: new Uint8Array([255, 216, 255]), width: 200, height: 100 }, { jpeg: new Uint8Array(5), width: 100, height: 100 }]);
    const text = new TextDecoder("latin1").decode(bytes);
    expect(text.startsWith("%PDF-1.4\n")).toBe(true);
    expect(text).toContain("/Count 2 /Kids [3 0 R 6 0 R]");
    expect(text).toContain("/MediaBox [0 0 842 421]");
    const offsets = [...text.matchAll(/^(\d{10}) 00000 n/gm)].map(([, offset]) => Number(offset));
    expect(offsets.length).toBe(8);
    offsets.forEach((offset, index) => { expect(text.slice(offset)).toMatch(new RegExp(`^${String(index + 1)} 0 obj`)); });
    expect(Number(/startxref\n(\d+)/.exec(text)?.[1])).toBe(text.indexOf("xref\n0 9"));
  });
});
