/** Between an editor's scene and the lesson: what is drawn here goes there, what others draw comes here. */

import { MAX_PUT, MAX_STROKE_POINTS, type ArrowHead, type BoardElementField, type ElementKind, type FillStyle, type LineStyle, type TextAlign } from "../../generated/wire";
import type { Request } from "../signalling";
import { Failed } from "../types";
import { compare, packPoints, supersedes, thin, unpackPoints, type BoardElement, type Point } from "./elements";

/** What of Excalidraw's elements (0.18) is used; its own type has more, by kind. */
export interface Drawn {
  readonly id: string;
  readonly type: string;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  readonly angle: number;
  readonly strokeColor: string;
  readonly backgroundColor: string;
  readonly fillStyle: string;
  readonly strokeWidth: number;
  readonly strokeStyle: string;
  readonly roughness: number;
  readonly opacity: number;
  readonly roundness: { readonly type: number } | null;
  readonly seed: number;
  readonly version: number;
  readonly versionNonce: number;
  readonly index: string | null;
  readonly isDeleted: boolean;
  readonly locked: boolean;
  readonly points?: readonly Point[];
  readonly pressures?: readonly number[];
  readonly startArrowhead?: string | null;
  readonly endArrowhead?: string | null;
  readonly text?: string;
  readonly fontSize?: number;
  readonly fontFamily?: number;
  readonly textAlign?: string;
  readonly lineHeight?: number;
}

const KINDS: ReadonlySet<string> = new Set<ElementKind>(["rectangle", "ellipse", "diamond", "line", "arrow", "freedraw", "text"]);
const HEADS: ReadonlySet<string> = new Set<ArrowHead>(["arrow", "bar", "dot", "circle", "triangle"]);

/** Whether boards have such elements; others (images, frames, pages of other sites) go as soon as they come. */
export function isKnown(type: string): boolean {
  return KINDS.has(type);
}

/** As it goes over the wire; null: there is nothing of it yet. */
export function toWire(drawn: Drawn): BoardElementField | null {
  const { type, text = "", points = [] } = drawn;
  if (!isKnown(type)) return null;
  const linear = type === "line" || type === "arrow" || type === "freedraw";
  if (type === "text" && text.trim() === "") return null;
  if (linear && points.length < (type === "freedraw" ? 1 : 2)) return null;
  const pressures = drawn.pressures?.length === points.length ? drawn.pressures : [];
  return {
    kind: type as ElementKind,
    x: cut(drawn.x),
    y: cut(drawn.y),
    width: cut(drawn.width),
    height: cut(drawn.height),
    version: drawn.version,
    nonce: drawn.versionNonce,
    order: drawn.index !== null && drawn.index.length <= 64 ? drawn.index : "",
    by: "",
    angle: drawn.angle,
    seed: drawn.seed,
    stroke: colourOf(drawn.strokeColor, "#1e1e1e"),
    fill: colourOf(drawn.backgroundColor, "transparent"),
    fill_style: drawn.fillStyle as FillStyle,
    thick: Math.min(100, drawn.strokeWidth),
    line: drawn.strokeStyle as LineStyle,
    rough: drawn.roughness,
    opacity: Math.round(drawn.opacity),
    round: drawn.roundness?.type ?? 0,
    points: packPoints(linear ? thin(points, MAX_STROKE_POINTS) : []),
    pressures: Uint8Array.from(linear ? thin(pressures, MAX_STROKE_POINTS) : [], (each) => Math.round(255 * each)),
    head: headOf(drawn.endArrowhead),
    tail: headOf(drawn.startArrowhead),
    text: type === "text" ? text.slice(0, 1000) : "",
    size: Math.min(500, drawn.fontSize ?? 20),
    font: drawn.fontFamily ?? 2,
    align: (drawn.textAlign ?? "left") as TextAlign,
    spacing: drawn.lineHeight ?? 1.25,
  };
}

/** `locked`: the editor lets it be neither marked nor erased. */
export function fromWire(element: BoardElement, locked: boolean): Drawn {
  const { kind } = element;
  const common = {
    id: element.id,
    type: kind,
    x: element.x,
    y: element.y,
    width: element.width,
    height: element.height,
    angle: element.angle,
    strokeColor: element.stroke,
    backgroundColor: element.fill,
    fillStyle: element.fill_style,
    strokeWidth: element.thick,
    strokeStyle: element.line,
    roughness: element.rough,
    opacity: element.opacity,
    roundness: element.round === 0 ? null : { type: element.round },
    seed: element.seed,
    version: element.version,
    versionNonce: element.nonce,
    index: element.order === "" ? null : element.order,
    isDeleted: false,
    locked,
    groupIds: [],
    frameId: null,
    boundElements: null,
    updated: 1,
    link: null,
  };
  if (kind === "text") {
    const { text } = element;
    return {
      ...common,
      text,
      ...{ originalText: text, verticalAlign: "top", containerId: null, autoResize: true },
      fontSize: element.size,
      fontFamily: element.font,
      textAlign: element.align,
      lineHeight: element.spacing,
    };
  }
  if (kind === "freedraw") {
    const pressures = Array.from(element.pressures, (pressure) => pressure / 255);
    return {
      ...common,
      points: unpackPoints(element.points),
      pressures,
      ...{ simulatePressure: pressures.length === 0, lastCommittedPoint: null },
    };
  }
  if (kind === "line" || kind === "arrow") {
    return {
      ...common,
      points: unpackPoints(element.points),
      startArrowhead: element.tail === "none" ? null : element.tail,
      endArrowhead: element.head === "none" ? null : element.head,
      ...{ startBinding: null, endBinding: null, lastCommittedPoint: null, elbowed: false },
    };
  }
  return common;
}

/** As this person gets it: students can neither mark nor erase what is another's. */
export function drawnFor(element: BoardElement, self: SceneOptions["self"]): Drawn {
  return fromWire(element, !self.leads && element.by !== self.id);
}

function cut(value: number): number {
  return Math.max(-100_000, Math.min(100_000, Math.round(value * 100) / 100));
}

/** The editor takes any word of CSS for a colour. */
function colourOf(written: string, otherwise: string): string {
  return /^(#[0-9a-f]{3,8}|transparent)$/i.test(written) ? written : otherwise;
}

function headOf(name: string | null | undefined): ArrowHead {
  if (name === null || name === undefined) return "none";
  return HEADS.has(name) ? (name as ArrowHead) : "arrow";
}

export interface SceneOptions {
  readonly board: string;
  readonly self: { readonly id: string; readonly leads: boolean };
  /** All elements of the editor, those that were taken away too. */
  readonly all: () => readonly Drawn[];
  /** Replaces them, without a step that could be undone. */
  readonly put: (elements: readonly Drawn[]) => void;
  /** Whether a hand is at work just now, and on which element that is not finished. */
  readonly working: () => { readonly holding: boolean; readonly unfinished: string | null };
  readonly request: (request: Request) => Promise<void>;
  readonly onFailed: (error: unknown) => void;
}

export const SOON_MS = 120;
export const AGAIN_MS = 1_000;
const PASSING: ReadonlySet<string> = new Set(["connection_lost", "rate_limited", "internal"]);

/**
 * Calling rule: `take` what the lesson has at each change of it, `changed` at each change of the scene, `close` at the
 * end (what is not sent yet goes out then). One request is on its way at a time.
 */
export class Scene {
  readonly #options: SceneOptions;
  /** What the lesson has, by id. */
  #there = new Map<string, BoardElement>();
  /** Versions that are on their way, or were refused. */
  readonly #sent = new Map<string, number>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #busy = false;
  #closed = false;

  constructor(options: SceneOptions, elements: readonly BoardElement[]) {
    this.#options = options;
    this.#there = byId(elements);
  }

  #draw(element: BoardElement): Drawn {
    return drawnFor(element, this.#options.self);
  }

  take(elements: readonly BoardElement[]): void {
    const before = this.#there;
    const there = (this.#there = byId(elements));
    if (before.size === there.size && [...there].every(([id, element]) => before.get(id) === element)) return;
    const { unfinished } = this.#options.working();
    let news = false;
    const known = new Set<string>();
    const next = this.#options.all().map((local): Drawn => {
      known.add(local.id);
      const remote = there.get(local.id);
      if (local.id === unfinished) return local;
      if (remote === undefined) {
        if (!before.has(local.id) || local.isDeleted) return local;
        news = true;
        return { ...local, isDeleted: true, version: local.version + 1 };
      }
      const back = local.isDeleted && !before.has(local.id);
      if (!back && !supersedes(remote, { version: local.version, nonce: local.versionNonce })) return local;
      news = true;
      return this.#draw(remote);
    });
    for (const element of elements) {
      if (known.has(element.id)) continue;
      news = true;
      next.push(this.#draw(element));
    }
    if (news) this.#options.put(next.sort(inOrder));
  }

  changed(): void {
    if (this.#timer === undefined && !this.#busy && !this.#closed) this.#later(SOON_MS);
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#closed = true;
    if (!this.#busy) void this.#flush();
  }

  #later(ms: number): void {
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      void this.#flush();
    }, ms);
  }

  async #flush(): Promise<void> {
    const last = this.#closed;
    const { holding, unfinished } = this.#options.working();
    if (holding && !last) {
      this.#later(SOON_MS);
      return;
    }
    const elements: Record<string, BoardElementField> = {};
    const gone: string[] = [];
    const foreign: string[] = [];
    let left = false;
    for (const local of this.#options.all()) {
      const remote = this.#there.get(local.id);
      if (this.#sent.get(local.id) === local.version || (local.id === unfinished && !last)) continue;
      if (local.isDeleted) {
        if (remote === undefined) continue;
        if (gone.length < 200) gone.push(local.id);
        else left = true;
      } else if (!isKnown(local.type)) {
        foreign.push(local.id);
        continue;
      } else if (remote === undefined || supersedes({ version: local.version, nonce: local.versionNonce }, remote)) {
        const wire = toWire(local);
        if (wire === null) continue;
        if (Object.keys(elements).length < MAX_PUT && sizeOf(elements) < MOST_BYTES) elements[local.id] = wire;
        else {
          left = true;
          continue;
        }
      } else continue;
      this.#sent.set(local.id, local.version);
    }
    if (foreign.length > 0) this.#undo(foreign);
    const ids = [...Object.keys(elements), ...gone];
    if (ids.length === 0) return;
    this.#busy = true;
    let again: number | null = left ? 0 : null;
    try {
      await this.#options.request({ t: "board_put", board: this.#options.board, elements, gone });
    } catch (error) {
      if (error instanceof Failed && PASSING.has(error.code)) {
        for (const id of ids) this.#sent.delete(id);
        again = AGAIN_MS;
      } else {
        this.#undo(ids);
        this.#options.onFailed(error);
      }
    }
    this.#busy = false;
    if (!this.#closed) this.#later(again ?? SOON_MS);
    else if (!last || again === 0) void this.#flush();
  }

  /** These are again as the lesson has them. */
  #undo(ids: readonly string[]): void {
    const next = this.#options.all().map((local): Drawn => {
      if (!ids.includes(local.id)) return local;
      const remote = this.#there.get(local.id);
      return remote === undefined ? { ...local, isDeleted: true, version: local.version + 1 } : this.#draw(remote);
    });
    this.#options.put(next);
  }
}

/** A request has 64 KiB at most. */
const MOST_BYTES = 40_000;

function sizeOf(elements: Readonly<Record<string, BoardElementField>>): number {
  return Object.values(elements).reduce((sum, { points, pressures, text }) => sum + points.length + pressures.length + 3 * text.length + 500, 0);
}

function byId(elements: readonly BoardElement[]): Map<string, BoardElement> {
  return new Map(elements.map((element) => [element.id, element]));
}

function inOrder(a: Drawn, b: Drawn): number {
  if (a.index === null || b.index === null) return a.index === b.index ? 0 : a.index === null ? 1 : -1;
  return compare(a.index, b.index) || compare(a.id, b.id);
}
