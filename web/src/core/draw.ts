/** Collects what the views draw and tells the server, at most a few times a second. */

import type { Draw } from "../generated/wire";
import { FIRST_TILE } from "./store";
import { slotKind } from "./peer";
import type { Mode } from "./types";

/** Layouts settle for this long before they are told. */
export const SETTLE_MS = 120;
/** A hidden page gets no pictures from then on. */
export const HIDDEN_MS = 4_000;
/** Heights of the lowest and the middle layer, and how many tiles a computer that is spared decodes. */
const LOW_PX = 180;
const MIDDLE_PX = 360;
const MOST_TILES_SPARED = 4;

/** Calling rule: setters at will; `again` when the server has forgotten (new connection, new socket). */
export class Drawing {
  readonly #send: (draw: Draw) => boolean;
  readonly #heights = new Map<number, number>();
  #tiles: number;
  #page = 0;
  #pin: string | null = null;
  #visible = true;
  #mode: Mode = "full";
  #spare = 0;
  #told = "";
  #timer: ReturnType<typeof setTimeout> | undefined;
  #hiding: ReturnType<typeof setTimeout> | undefined;

  /** `send` gives back whether it went out. */
  constructor(tiles: number, send: (draw: Draw) => boolean) {
    this.#tiles = tiles;
    this.#send = send;
  }

  /** Height in pixels of a video slot's picture; 0: not drawn. */
  set(slot: number, heightPx: number): void {
    this.#heights.set(slot, Math.max(0, Math.min(4320, Math.round(heightPx))));
    this.#soon();
  }

  setTiles(tiles: number): void {
    this.#tiles = tiles;
    this.#soon();
  }

  /** Told at once: somebody pressed a button. */
  setView(page: number, pin: string | null): void {
    this.#page = page;
    this.#pin = pin;
    this.flush();
  }

  setMode(mode: Mode): void {
    this.#mode = mode;
    this.flush();
  }

  /** How far the computer is to be spared; see LessonSurface.spare. */
  setSpare(level: number): void {
    this.#spare = level;
    this.flush();
  }

  setVisible(visible: boolean): void {
    clearTimeout(this.#hiding);
    if (visible) {
      this.#visible = true;
      this.flush();
    } else {
      this.#hiding = setTimeout(() => {
        this.#visible = false;
        this.flush();
      }, HIDDEN_MS);
    }
  }

  /** Tells all, whether it changed or not. */
  again(): void {
    this.#told = "";
    this.flush();
  }

  /** Tells what changed now. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const draw = this.#draw();
    const text = JSON.stringify(draw);
    if (text !== this.#told && this.#send(draw)) this.#told = text;
  }

  close(): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#hiding);
    this.#timer = undefined;
  }

  #soon(): void {
    this.#timer ??= setTimeout(() => this.flush(), SETTLE_MS);
  }

  #draw(): Draw {
    const tiles = Array.from({ length: this.#tiles }, (_, index) => FIRST_TILE + index);
    const kept = new Set(tiles.filter((slot) => this.#drawn(slot) > 0).slice(0, tilesKept(this.#spare, this.#tiles)));
    const heights = Array.from({ length: FIRST_TILE + this.#tiles }, (_, slot) => {
      if (slotKind(slot) === "audio") return 1; // sound is always wanted
      const height = this.#drawn(slot);
      if (slot >= FIRST_TILE) return kept.has(slot) ? Math.min(height, tileHeight(this.#spare)) : 0;
      return Math.min(height, stageHeight(this.#spare));
    });
    return { t: "draw", heights, page: this.#page, pin: this.#pin, mode: this.#mode };
  }

  #drawn(slot: number): number {
    return this.#visible ? (this.#heights.get(slot) ?? 0) : 0;
  }
}

/** How many tiles are drawn at a level of sparing. */
function tilesKept(level: number, tiles: number): number {
  if (level === 0) return tiles;
  return level === 1 ? Math.min(MOST_TILES_SPARED, Math.ceil(tiles / 2)) : 0;
}

function tileHeight(level: number): number {
  return level === 0 ? Infinity : LOW_PX;
}

function stageHeight(level: number): number {
  return [Infinity, Infinity, MIDDLE_PX, LOW_PX][level] ?? LOW_PX;
}

/** Pixels worth asking for: phones have many and small ones. */
export function wantedHeight(cssPx: number, devicePixelRatio: number, phone: boolean): number {
  return cssPx * (phone ? 1 : Math.min(Math.max(devicePixelRatio, 1), 2));
}
