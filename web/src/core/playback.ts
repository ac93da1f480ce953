/** The elements that play the slots. They live as long as the lesson; views borrow the video ones. */

import { FIRST_TILE, SCREEN_VIDEO, STAGE_VIDEO } from "./store";
import { Value, type Readable } from "./value";

/** Slots whose sound plays with their picture, for lip sync. */
const SOUND_OF: ReadonlyMap<number, number> = new Map([
  [STAGE_VIDEO, STAGE_VIDEO + 1],
  [SCREEN_VIDEO, SCREEN_VIDEO + 1],
]);
/** Sound alone: the teacher and the three loudest. */
const SOUND_SLOTS = [4, 5, 6, 7];

/** Calling rule: `attach` with each new connection; `close` at the end. */
export class Playback {
  readonly #host: HTMLElement;
  readonly #elements = new Map<number, HTMLMediaElement>();
  readonly #refused = new Value(false);
  readonly #stop = new AbortController();
  #speaker: string | null = null;
  #playing = false;

  /** The browser wants a click before it plays sound. */
  readonly refused: Readable<boolean> = this.#refused;

  /** `host` holds the elements that no view shows; it is put into the page here. */
  constructor(host: HTMLElement = document.createElement("div")) {
    this.#host = host;
    host.hidden = true;
    host.dataset["zvonok"] = "playback";
    document.body.append(host);
    // any click will do, not only the button
    for (const type of ["pointerup", "keyup"] as const)
      document.addEventListener(type, () => this.#refused.get() && void this.turnOn(), { signal: this.#stop.signal });
    document.addEventListener("visibilitychange", () => this.#resume(), { signal: this.#stop.signal });
  }

  /** Shows the tracks of another connection; `track` gives a slot's. null: none any more. */
  attach(tiles: number, track: ((slot: number) => MediaStreamTrack | null) | null): void {
    this.#playing = track !== null;
    const videos = [STAGE_VIDEO, SCREEN_VIDEO, ...Array.from({ length: tiles }, (_, index) => FIRST_TILE + index)];
    for (const slot of [...videos, ...SOUND_SLOTS]) {
      const element = this.#element(slot);
      const sound = SOUND_OF.get(slot);
      const tracks = [slot, ...(sound === undefined ? [] : [sound])].map((index) => track?.(index) ?? null);
      const found = tracks.filter((one) => one !== null);
      element.srcObject = found.length === 0 ? null : new MediaStream(found);
      if (found.length > 0) void this.#play(element);
    }
  }

  /** Moves a video slot's element into `container`; gives back how to take it out, which parks it. */
  mount(slot: number, container: HTMLElement): () => void {
    const element = this.#element(slot);
    container.append(element);
    void this.#play(element);
    return () => {
      if (element.parentElement !== container) return; // another container has it now
      this.#host.append(element);
      void this.#play(element);
    };
  }

  /** From a click: plays with sound. */
  async turnOn(): Promise<void> {
    this.#refused.set(false);
    await Promise.all(
      [...this.#elements].map(([slot, element]) => {
        element.muted = isSilent(slot);
        return this.#play(element);
      }),
    );
  }

  /** Where sound comes out; null: the system's choice. */
  async setSpeaker(id: string | null): Promise<void> {
    this.#speaker = id;
    await Promise.all([...this.#elements.values()].map((element) => this.#direct(element)));
  }

  close(): void {
    this.#stop.abort();
    this.#playing = false;
    for (const element of this.#elements.values()) {
      element.srcObject = null;
      element.remove();
    }
    this.#elements.clear();
    this.#host.remove();
  }

  #element(slot: number): HTMLMediaElement {
    const known = this.#elements.get(slot);
    if (known !== undefined) return known;
    const element = SOUND_SLOTS.includes(slot) ? new Audio() : document.createElement("video");
    element.dataset["slot"] = String(slot);
    element.autoplay = true;
    element.muted = isSilent(slot) || this.#refused.get();
    if (element instanceof HTMLVideoElement) {
      element.playsInline = true;
      element.disablePictureInPicture = slot >= FIRST_TILE;
      element.tabIndex = -1;
    }
    // phones stop elements for a call, browsers for other reasons: nobody but us may
    element.addEventListener("pause", () => setTimeout(() => this.#resume(), 0));
    this.#elements.set(slot, element);
    this.#host.append(element);
    if (!isSilent(slot)) void this.#direct(element);
    return element;
  }

  #resume(): void {
    if (!this.#playing || document.visibilityState !== "visible") return;
    for (const element of this.#elements.values()) if (element.paused) void this.#play(element);
  }

  async #play(element: HTMLMediaElement): Promise<void> {
    if (element.srcObject === null) return;
    try {
      await element.play();
    } catch (error) {
      if (!(error instanceof DOMException) || error.name !== "NotAllowedError" || element.muted) return;
      this.#refused.set(true);
      element.muted = true; // the picture at least
      await element.play().catch(() => undefined);
    }
  }

  async #direct(element: HTMLMediaElement): Promise<void> {
    if (typeof element.setSinkId !== "function") return;
    const id = this.#speaker ?? "";
    if (element.sinkId === id) return;
    await element.setSinkId(id).catch(() => undefined); // it went away: the system's choice stays
  }
}

/** Tiles have no sound of their own. */
function isSilent(slot: number): boolean {
  return slot >= FIRST_TILE;
}
