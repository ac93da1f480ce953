/** Notices a microphone that is on and gives nothing: a switch on the cable, a wrong device, a mute in the system. */

import type { Readable } from "./value";

/** Even a quiet room is heard within this time. */
export const SILENT_MS = 5_000;

/** Calling rule: `attach` the track that is heard now; null: none. Tells once a track. */
export class SilenceWatch {
  readonly #level: Readable<number>;
  readonly #onSilent: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #stop: (() => void) | null = null;

  constructor(level: Readable<number>, onSilent: () => void) {
    this.#level = level;
    this.#onSilent = onSilent;
  }

  attach(track: MediaStreamTrack | null): void {
    clearTimeout(this.#timer);
    this.#stop?.();
    this.#stop = null;
    if (track === null) return;
    const heard = (): void => {
      if (this.#level.get() > 0) this.attach(null);
    };
    this.#stop = this.#level.subscribe(heard);
    this.#timer = setTimeout(() => {
      // what the system has taken away is told in other words, and a page not clicked on yet measures nothing
      const told = track.enabled && !track.muted && track.readyState === "live" && navigator.userActivation.hasBeenActive;
      this.attach(null);
      if (told) this.#onSilent();
    }, SILENT_MS);
  }
}
