/** Loudness of one's own microphone, for the meter on its button. */

import { Value, type Readable } from "./value";

const EVERY_MS = 66;
/** Below this the meter shows nothing, at 0 dB it is full. */
const FLOOR_DB = -60;

/** Root mean square of samples -1..1 as 0..1 on a decibel scale. */
export function loudness(samples: Float32Array): number {
  let sum = 0;
  for (const sample of samples) sum += sample * sample;
  if (sum === 0) return 0;
  const db = 10 * Math.log10(sum / samples.length);
  return Math.min(1, Math.max(0, 1 - db / FLOOR_DB));
}

export class Meter {
  readonly #level = new Value(0);
  #context: AudioContext | null = null;
  #stop: (() => void) | null = null;

  readonly level: Readable<number> = this.#level;

  /** Measures this track from now on; null: nothing. The track is not owned. */
  attach(track: MediaStreamTrack | null): void {
    this.#stop?.();
    this.#stop = null;
    this.#level.set(0);
    if (track === null || typeof AudioContext !== "function") return;
    // One context for all tracks: browsers allow a few only. It may be suspended until the first click.
    this.#context ??= new AudioContext({ latencyHint: "interactive" });
    const context = this.#context;
    const resume = (): void => void context.resume().catch(() => undefined);
    resume();
    // without a click on the page so far it stays suspended until the first one
    document.addEventListener("pointerup", resume, { once: true });
    const source = context.createMediaStreamSource(new MediaStream([track]));
    const analyser = context.createAnalyser();
    analyser.fftSize = 1024;
    source.connect(analyser);
    const samples = new Float32Array(analyser.fftSize);
    const timer = setInterval(() => {
      analyser.getFloatTimeDomainData(samples);
      this.#level.set(track.enabled ? Math.round(loudness(samples) * 50) / 50 : 0);
    }, EVERY_MS);
    this.#stop = () => {
      clearInterval(timer);
      document.removeEventListener("pointerup", resume);
      source.disconnect();
    };
  }

  close(): void {
    this.attach(null);
    void this.#context?.close().catch(() => undefined);
    this.#context = null;
  }
}
