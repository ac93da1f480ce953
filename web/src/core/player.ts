/** Plays a video lesson and keeps it playing: its addresses run out, connections break. Knows no views. */

import type { VideoPage } from "../generated/wire";
import { Renewal } from "./renewal";
import { Failed } from "./types";
import { shallowEqual, Value, type Readable } from "./value";

export const RATES: readonly number[] = [0.75, 1, 1.25, 1.5, 1.75, 2];
const EVENTS = [
  "timeupdate", "progress", "durationchange", "loadedmetadata", "play", "pause", "playing", "waiting", "canplay",
  "seeking", "seeked", "ended", "ratechange", "volumechange", "suspend",
] as const;
/** `MediaError.code`. */
const ABORTED = 1;
const DECODE = 3;
/** `HTMLMediaElement.readyState`: the next frame is there too. */
const HAVE_FUTURE_DATA = 3;
/** Answers that another try does not change. */
const TEMPORARY: ReadonlySet<string> = new Set(["network", "rate_limited", "shutting_down", "internal"]);

export interface PlayerState {
  readonly timeMs: number;
  readonly durationMs: number;
  readonly playing: boolean;
  readonly ended: boolean;
  /** It should play or has been moved, but the picture has not come yet. */
  readonly waiting: boolean;
  readonly rate: number;
  readonly volume: number;
  readonly muted: boolean;
}

/** Loaded stretches of the video, ms. */
export type Stretches = readonly (readonly [number, number])[];

/** Where somebody is in a video, and whether it should play there. */
export interface Place {
  readonly timeMs: number;
  readonly playing: boolean;
}

export interface PlayerOptions {
  readonly page: VideoPage;
  /** Asks for new addresses. */
  readonly renew: () => Promise<VideoPage>;
  /** Where another player of the same video was; from its beginning without. */
  readonly from?: Place | null;
  readonly nowMs?: () => number;
  readonly wait?: (ms: number) => Promise<void>;
}

/** Calling rule: make one a video, `attach` it to its element, use it, then call what `attach` gave. */
export class Player {
  readonly #options: PlayerOptions;
  readonly #nowMs: () => number;
  readonly #wait: (ms: number) => Promise<void>;
  readonly #renewal: Renewal;
  readonly #page: Value<VideoPage>;
  readonly #state: Value<PlayerState>;
  readonly #loaded = new Value<Stretches>([], (a, b) => JSON.stringify(a) === JSON.stringify(b));
  readonly #trouble = new Value<string | null>(null);
  #video: HTMLVideoElement | null = null;
  /** What the person wants, whatever the element does in between. */
  #wantsPlay = false;
  /** Where to go on once the element has its new address; null: it has it. */
  #resumeAtMs: number | null = null;
  #rescue: Promise<void> | null = null;
  /** What the person's volume is multiplied by, so that lessons are equally loud. */
  #loudness = 1;
  #stall: ReturnType<typeof setTimeout> | null = null;

  readonly state: Readable<PlayerState>;
  readonly loaded: Readable<Stretches> = this.#loaded;
  /** With the newest addresses. */
  readonly page: Readable<VideoPage>;
  /** Why it does not go on by itself: a refusal code, `unplayable` when this browser cannot show it. */
  readonly trouble: Readable<string | null> = this.#trouble;

  constructor(options: PlayerOptions) {
    this.#options = options;
    this.#nowMs = options.nowMs ?? Date.now;
    this.#wait = options.wait ?? ((ms) => new Promise((resolve) => setTimeout(resolve, ms)));
    this.#renewal = new Renewal(this.#nowMs());
    this.#page = new Value(options.page);
    this.page = this.#page;
    this.#state = new Value<PlayerState>(
      {
        timeMs: 0,
        durationMs: options.page.video.duration_ms,
        playing: false,
        ended: false,
        waiting: false,
        rate: 1,
        volume: 1,
        muted: false,
      },
      shallowEqual,
    );
    this.state = this.#state;
    const { from = null } = options;
    if (from !== null) {
      this.#resumeAtMs = from.timeMs;
      this.#wantsPlay = from.playing;
    }
  }

  /** Begins to load; gives back how to let go of the element. */
  attach(video: HTMLVideoElement): () => void {
    this.#video = video;
    const stop = new AbortController();
    const { signal } = stop;
    const read = (): void => this.#read();
    for (const event of EVENTS) video.addEventListener(event, read);
    // pressed elsewhere: media keys, the browser's own picture-in-picture
    video.addEventListener("play", () => (this.#wantsPlay = true), { signal });
    video.addEventListener("pause", () => this.#resumeAtMs === null && (this.#wantsPlay = false), { signal });
    video.addEventListener("loadedmetadata", () => this.#arrive(), { signal });
    video.addEventListener("error", () => this.#broke(), { signal });
    video.src = this.#page.get().video_url ?? "";
    this.#read();
    return () => {
      stop.abort();
      for (const event of EVENTS) video.removeEventListener(event, read);
      this.#calm();
      this.#video = null;
      video.removeAttribute("src");
      video.load(); // else the browser keeps on loading
    };
  }

  toggle(): void {
    if (this.#state.get().playing) this.pause();
    else this.play();
  }

  play(): void {
    this.#wantsPlay = true;
    if (this.#trouble.get() !== null) this.again();
    else if (this.#resumeAtMs === null) this.#start();
    this.#read();
  }

  pause(): void {
    this.#wantsPlay = false;
    this.#video?.pause();
    this.#read();
  }

  /** To a time of the video, within it. */
  seek(ms: number): void {
    const { durationMs } = this.#state.get();
    const to = Math.max(0, durationMs > 0 ? Math.min(ms, durationMs) : ms);
    if (this.#resumeAtMs !== null) {
      this.#resumeAtMs = to;
    } else if (this.old && !this.#has(to)) {
      this.#save(to);
    } else if (this.#video !== null) {
      this.#video.currentTime = to / 1000;
    }
    this.#read();
  }

  /** Forth (or back) by so many ms. */
  by(ms: number): void {
    this.seek(this.#state.get().timeMs + ms);
  }

  setRate(rate: number): void {
    if (this.#video === null) return;
    this.#video.defaultPlaybackRate = rate; // a new address begins with that one
    this.#video.playbackRate = rate;
  }

  /** 0..1; anything above 0 is heard again. */
  setVolume(volume: number): void {
    if (this.#video === null) return;
    this.#video.volume = Math.max(0, Math.min(1, volume)) * this.#loudness;
    this.#video.muted = this.#video.volume === 0;
  }

  /** 0..1: how much a loud lesson is turned down; the person's own volume stays as it was. */
  setLoudness(factor: number): void {
    const before = this.#loudness;
    this.#loudness = Math.max(0.01, Math.min(1, factor));
    if (this.#video !== null) this.#video.volume = Math.min(1, (this.#video.volume / before) * this.#loudness);
    this.#read();
  }

  toggleMute(): void {
    if (this.#video === null) return;
    if (this.#video.volume === 0) this.setVolume(0.5);
    else this.#video.muted = !this.#video.muted;
  }

  /** The server may refuse the page's addresses by now. */
  get old(): boolean {
    return this.#renewal.old(this.#nowMs());
  }

  /** An address for downloading that is good now. Rejects with `Failed`. */
  async downloadUrl(file: "download_url" | "mp4_url" = "download_url"): Promise<string> {
    if (this.old) this.#got(await this.#options.renew());
    const url = this.#page.get()[file];
    if (url === null) throw new Failed("not_found");
    return url;
  }

  get place(): Place {
    const { timeMs, ended } = this.#state.get();
    return { timeMs, playing: this.#wantsPlay || ended };
  }

  /** More of the same video: on from `timeMs`, as it was; what stood at its former end plays on. */
  extend(page: VideoPage, timeMs = this.#state.get().timeMs): void {
    if (this.#rescue !== null || this.#video === null || page.video_url === null) return;
    this.#wantsPlay = this.place.playing;
    this.#got(page);
    this.#resumeAtMs = timeMs;
    this.#video.src = page.video_url;
    this.#read();
  }

  /** After `trouble`: tries once more where it stopped. */
  again(): void {
    this.#renewal.again();
    this.#trouble.set(null);
    this.#save(this.#state.get().timeMs);
  }

  #start(): void {
    // refused without a click, or overtaken by a new address: what the element does then, `#read` sees
    void this.#video?.play().catch(() => this.#read());
  }

  #read(): void {
    const video = this.#video;
    if (video === null) return;
    const before = this.#state.get();
    const moving = this.#resumeAtMs;
    const timeMs = moving ?? video.currentTime * 1000;
    const known = Number.isFinite(video.duration) && video.duration > 0;
    const ended = moving === null && video.ended;
    const stuck = video.seeking || (this.#wantsPlay && !ended && video.readyState < HAVE_FUTURE_DATA);
    const waiting = this.#trouble.get() === null && (moving !== null || stuck);
    this.#state.set({
      timeMs,
      durationMs: known ? video.duration * 1000 : before.durationMs,
      playing: moving === null ? !video.paused && !ended : this.#wantsPlay && this.#trouble.get() === null,
      ended,
      waiting,
      rate: video.playbackRate,
      volume: Math.min(1, video.volume / this.#loudness),
      muted: video.muted,
    });
    this.#loaded.set(stretches(video.buffered));
    if (!waiting || this.#rescue !== null) this.#calm();
    else this.#stall ??= setTimeout(() => this.#stalled(), this.#renewal.patienceMs(this.#nowMs()));
  }

  #calm(): void {
    if (this.#stall !== null) clearTimeout(this.#stall);
    this.#stall = null;
  }

  #stalled(): void {
    this.#stall = null;
    if (this.#state.get().waiting) this.#save(this.#state.get().timeMs);
  }

  #has(ms: number): boolean {
    return this.#loaded.get().some(([from, to]) => from <= ms && ms < to);
  }

  #broke(): void {
    const code = this.#video?.error?.code;
    if (code === undefined || code === ABORTED) return;
    if (code === DECODE) this.#renewal.failed(this.#nowMs()); // hardly the connection: fewer tries
    this.#save(this.#resumeAtMs ?? this.#state.get().timeMs);
  }

  /** New addresses, then on from this time as it was: playing or not. */
  #save(atMs: number): void {
    this.#resumeAtMs = atMs;
    this.#rescue ??= this.#saving().finally(() => {
      this.#rescue = null;
      this.#read();
    });
    this.#read();
  }

  async #saving(): Promise<void> {
    let reason = "unplayable";
    for (;;) {
      const delay = this.#renewal.failed(this.#nowMs());
      if (delay === null) break;
      if (delay > 0) await this.#wait(delay);
      try {
        this.#got(await this.#options.renew());
      } catch (error) {
        reason = error instanceof Failed ? error.code : "internal";
        if (TEMPORARY.has(reason)) continue;
        break;
      }
      const url = this.#page.get().video_url;
      if (url === null) {
        reason = "not_found"; // made anew, or taken back
        break;
      }
      if (this.#video !== null) this.#video.src = url;
      return;
    }
    this.#trouble.set(reason);
  }

  #got(page: VideoPage): void {
    this.#renewal.got(this.#nowMs());
    this.#page.set(page);
  }

  /** The new address works: on from where it stopped. */
  #arrive(): void {
    const at = this.#resumeAtMs;
    if (at === null || this.#rescue !== null || this.#video === null) return;
    this.#resumeAtMs = null;
    this.#video.currentTime = at / 1000;
    if (this.#wantsPlay) this.#start();
    this.#read();
  }
}

function stretches(ranges: TimeRanges): Stretches {
  return Array.from({ length: ranges.length }, (_, index) => [ranges.start(index) * 1000, ranges.end(index) * 1000]);
}
