/** Collects what the views draw and tells the server, at most a few times a second. */

import type { Draw } from "../generated/wire";
import { FIRST_TILE } from "./store";
import { slotKind } from "./peer";

/** Layouts settle for this long before they are told. */
export const SETTLE_MS = 120;
/** A hidden page gets no pictures from then on. */
export const HIDDEN_MS = 4_000;

/** Calling rule: setters at will; `again` when the server has forgotten (new connection, new socket). */
export class Drawing {
  readonly #send: (draw: Draw) => boolean;
  readonly #heights = new Map<number, number>();
  #tiles: number;
  #page = 0;
  #pin: string | null = null;
  #visible = true;
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
    const heights = Array.from({ length: FIRST_TILE + this.#tiles }, (_, slot) => {
      if (slotKind(slot) === "audio") return 1; // sound is always wanted
      return this.#visible ? (this.#heights.get(slot) ?? 0) : 0;
    });
    return { t: "draw", heights, page: this.#page, pin: this.#pin };
  }
}

/** Pixels worth asking for: phones have many and small ones. */
export function wantedHeight(cssPx: number, devicePixelRatio: number, phone: boolean): number {
  return cssPx * (phone ? 1 : Math.min(Math.max(devicePixelRatio, 1), 2));
}
