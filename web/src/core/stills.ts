/** A picture a second in the place of a video: made of one's own camera or screen, and kept of others'. */

import { MAX_STILL, type PictureName, type Still } from "../generated/wire";
import type { StillImage } from "./types";
import { Value, type Readable } from "./value";

export const EVERY_MS = 1_000;
/** So that a second of sound and its picture stay within 64 kbit/s. */
export const AIM_BYTES = 1_500;
const LONG_SIDE_PX: Readonly<Record<PictureName, number>> = { camera: 192, screen: 480 };
const FIRST_QUALITY = 0.4;
const MOST_KEPT = 4;

/** The next quality for a picture that came out this large. */
export function nextQuality(quality: number, bytes: number): number {
  return Math.min(0.8, Math.max(0.02, quality * Math.sqrt(AIM_BYTES / Math.max(bytes, 1))));
}

export interface StillSenderOptions {
  /** What of this source is sent now. */
  readonly track: (source: PictureName) => MediaStreamTrack | null;
  readonly send: (source: PictureName, image: Uint8Array<ArrayBuffer>) => void;
}

/** Calling rule: `want` at each of the server's wishes, `close` at the end. */
export class StillSender {
  readonly #options: StillSenderOptions;
  readonly #video = document.createElement("video");
  readonly #canvas = document.createElement("canvas");
  #source: PictureName | null = null;
  #quality = FIRST_QUALITY;
  #timer: ReturnType<typeof setInterval> | undefined;
  #busy = false;

  constructor(options: StillSenderOptions) {
    this.#options = options;
    this.#video.muted = true;
    this.#video.playsInline = true;
  }

  /** Sends one a second of this source from now on; null: none. */
  want(source: PictureName | null): void {
    if (source !== this.#source) this.#quality = FIRST_QUALITY;
    this.#source = source;
    clearInterval(this.#timer);
    this.#timer = undefined;
    if (source === null) {
      this.#video.srcObject = null;
      return;
    }
    this.#timer = setInterval(() => void this.#take(), EVERY_MS);
    void this.#take();
  }

  close(): void {
    this.want(null);
  }

  async #take(): Promise<void> {
    const source = this.#source;
    const track = source === null ? null : this.#options.track(source);
    if (source === null || track === null || this.#busy) return;
    this.#busy = true;
    try {
      const image = await this.#picture(source, track);
      if (image !== null && source === this.#source && track === this.#options.track(source))
        this.#options.send(source, image);
    } catch {
      // a track that ends, a page that is put to sleep: the next second may do better
    } finally {
      this.#busy = false;
    }
  }

  async #picture(source: PictureName, track: MediaStreamTrack): Promise<Uint8Array<ArrayBuffer> | null> {
    const video = this.#video;
    if ((video.srcObject as MediaStream | null)?.getVideoTracks()[0] !== track) {
      video.srcObject = new MediaStream([track]);
      await video.play();
    }
    if (video.videoWidth === 0) return null;
    const scale = Math.min(1, LONG_SIDE_PX[source] / Math.max(video.videoWidth, video.videoHeight));
    this.#canvas.width = Math.max(1, Math.round(video.videoWidth * scale));
    this.#canvas.height = Math.max(1, Math.round(video.videoHeight * scale));
    this.#canvas.getContext("2d")?.drawImage(video, 0, 0, this.#canvas.width, this.#canvas.height);
    const blob = await this.#encode();
    if (blob === null) return null;
    this.#quality = nextQuality(this.#quality, blob.size);
    // one that is much too large would cost who saves most
    if (blob.size > 2 * AIM_BYTES || blob.size > MAX_STILL) return null;
    return new Uint8Array(await blob.arrayBuffer());
  }

  async #encode(): Promise<Blob | null> {
    const as = (type: string): Promise<Blob | null> =>
      new Promise((done) => {
        this.#canvas.toBlob(done, type, this.#quality);
      });
    const webp = await as("image/webp");
    // a browser that can't write WebP gives PNG
    return webp?.type === "image/webp" ? webp : await as("image/jpeg");
  }
}

/** Those that came, the newest of each source. */
export class Stills {
  readonly #all = new Value<readonly StillImage[]>([]);

  readonly all: Readable<readonly StillImage[]> = this.#all;

  add({ participant, source, image }: Still): void {
    const url = URL.createObjectURL(new Blob([new Uint8Array(image)]));
    const others = this.#all.get().filter((still) => still.participant !== participant || still.source !== source);
    const kept = [...others.slice(-(MOST_KEPT - 1)), { participant, source, url }];
    this.#replace(kept);
  }

  clear(): void {
    this.#replace([]);
  }

  #replace(kept: readonly StillImage[]): void {
    const before = this.#all.get();
    if (before.length === 0 && kept.length === 0) return;
    this.#all.set(kept);
    const urls = new Set(kept.map(({ url }) => url));
    for (const { url } of before) if (!urls.has(url)) URL.revokeObjectURL(url);
  }
}
