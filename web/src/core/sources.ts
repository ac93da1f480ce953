/** One's own microphone, camera and screen: from a wish to a track that is sent and published. */

import type { SourceName } from "../generated/wire";
import { openCamera, openMicrophone, openScreen, type CameraQuality } from "./capture";
import type { Devices } from "./devices";
import { Failed, type Notice, type OwnSource } from "./types";
import { Value, type Readable } from "./value";

export type Controllable = "microphone" | "camera" | "screen";
type Captured = "microphone" | "camera";
type All = Readonly<Record<SourceName, OwnSource>>;

/** A muted microphone stays open this long, so that short words are not cut at their start. */
export const KEEP_MICROPHONE_MS = 15_000;
/** A device that the system takes away for less is not spoken of. */
export const MUTED_MS = 2_000;
const OFF: OwnSource = { state: "off", stream: null, failure: null };

export interface SourcesOptions {
  readonly devices: Devices;
  readonly cameraQuality: CameraQuality;
  /** Puts a track into the section of the connection. */
  readonly send: (source: SourceName, track: MediaStreamTrack | null) => Promise<void>;
  /** Tells the server; rejects with `Failed`. */
  readonly publish: (source: SourceName, on: boolean) => Promise<unknown>;
  readonly notice: (notice: Notice) => void;
  /** The microphone that is heard now, for the meter. */
  readonly onMicrophone: (track: MediaStreamTrack | null) => void;
  readonly capture?: {
    readonly openMicrophone: typeof openMicrophone;
    readonly openCamera: typeof openCamera;
    readonly openScreen: typeof openScreen;
  };
}

/** Calling rule: wishes by `set`; `forced` when the server turned something off; `close` at the end. */
export class Sources {
  readonly #options: SourcesOptions;
  readonly #capture: NonNullable<SourcesOptions["capture"]>;
  readonly #state = new Value<All>({ microphone: OFF, camera: OFF, screen: OFF, screen_sound: OFF });
  readonly #tracks = new Map<SourceName, MediaStreamTrack>();
  readonly #wish: Record<Controllable, boolean> = { microphone: false, camera: false, screen: false };
  /** The change under way for each: wishes are carried out one after the other. */
  readonly #work: Record<Controllable, Promise<void>> = {
    microphone: Promise.resolve(),
    camera: Promise.resolve(),
    screen: Promise.resolve(),
  };
  readonly #stops: (() => void)[];
  /** Devices in use by id, as chosen when they were opened. */
  readonly #used = new Map<Captured, string | null>();
  #spare: { readonly track: MediaStreamTrack; readonly device: string | null } | null = null;
  #spareTimer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  readonly state: Readable<All> = this.#state;

  constructor(options: SourcesOptions) {
    this.#options = options;
    this.#capture = options.capture ?? { openMicrophone, openCamera, openScreen };
    const follow = (): void => {
      for (const source of ["microphone", "camera"] as const) this.#follow(source);
    };
    this.#stops = [options.devices.chosen.subscribe(follow), options.devices.list.subscribe(follow)];
  }

  /** The last wish wins; rejects with why it is not as wished. */
  set(source: Controllable, on: boolean): Promise<void> {
    this.#wish[source] = on;
    const before = this.#work[source].catch(() => undefined);
    // getDisplayMedia wants the click's own task: with nothing to wait for, start at once
    const work =
      source === "screen" && on && this.#state.get().screen.state === "off"
        ? this.#carryOut(source)
        : before.then(() => this.#carryOut(source));
    this.#work[source] = work;
    return work;
  }

  /** The server turned it off: nothing is told back. */
  forced(source: SourceName): void {
    const main = source === "screen_sound" ? null : source;
    if (main !== null) this.#wish[main] = false;
    if (main === "screen") void this.#release("screen_sound");
    void this.#release(source);
  }

  /** Says again that this is on, after the server has forgotten it; lets go of it when that is refused. */
  async restore(source: SourceName): Promise<void> {
    try {
      await this.#options.publish(source, true);
    } catch (error) {
      if (isLost(error)) return; // the next welcome restores
      this.forced(source);
      this.#options.notice({ kind: "not_restored", source });
    }
  }

  /** What of this source is sent now. Not to be kept. */
  track(source: SourceName): MediaStreamTrack | null {
    return this.#tracks.get(source) ?? null;
  }

  /** Whether a track of this source is sent now. */
  sends(source: SourceName): boolean {
    return this.#tracks.has(source);
  }

  close(): void {
    this.#closed = true;
    for (const stop of this.#stops) stop();
    for (const source of [...this.#tracks.keys()]) void this.#release(source);
    this.#dropSpare();
  }

  async #carryOut(source: Controllable): Promise<void> {
    const on = this.#wish[source];
    if (on === (this.#state.get()[source].state === "on")) return;
    if (!on) return this.#turnOff(source);
    this.#set(source, { state: "starting", stream: null, failure: null });
    try {
      await (source === "screen" ? this.#startScreen() : this.#start(source));
      if (!this.#tracks.has(source)) this.#set(source, OFF); // another wish came meanwhile
    } catch (error) {
      const code = error instanceof Failed ? error.code : `${source}_busy`;
      this.#wish[source] = false;
      await this.#release(source);
      if (source === "screen") await this.#release("screen_sound");
      this.#set(source, { ...OFF, failure: code });
      throw new Failed(code);
    }
  }

  async #start(source: Captured): Promise<void> {
    const device = this.#options.devices.present(source);
    const track = await this.#open(source, device);
    if (!this.#wanted(source)) { track.stop(); return; }
    this.#take(source, track, device);
    await this.#options.send(source, track);
    await this.#publish(source);
    if (this.#tracks.get(source) === track) this.#on(source, track);
    void this.#options.devices.refresh(); // labels are there now
  }

  async #startScreen(): Promise<void> {
    const { video, sound } = await this.#capture.openScreen();
    if (!this.#wanted("screen")) {
      video.stop();
      sound?.stop();
      return;
    }
    this.#hold("screen", video);
    video.addEventListener("ended", () => {
      if (this.#tracks.get("screen") !== video) return;
      this.#options.notice({ kind: "screen_ended" });
      void this.set("screen", false).catch(() => undefined);
    });
    await this.#options.send("screen", video);
    await this.#publish("screen");
    if (this.#tracks.get("screen") !== video) return sound?.stop();
    this.#on("screen", video);
    if (sound === null) return;
    this.#hold("screen_sound", sound);
    await this.#options.send("screen_sound", sound);
    try {
      await this.#options.publish("screen_sound", true);
      this.#on("screen_sound", sound);
    } catch {
      await this.#release("screen_sound"); // the picture without its sound is still worth having
    }
  }

  /** Without a line it counts as done: what is on is said again after the next welcome. */
  async #publish(source: SourceName): Promise<void> {
    await this.#options.publish(source, true).catch((error: unknown) => {
      if (!isLost(error)) throw error;
    });
  }

  async #turnOff(source: Controllable): Promise<void> {
    const sources: readonly SourceName[] = source === "screen" ? ["screen_sound", "screen"] : [source];
    for (const one of sources) {
      const wasOn = this.#tracks.has(one);
      await this.#release(one); // silent at once, whatever becomes of the message
      if (!wasOn) continue;
      await this.#options.publish(one, false).catch((error: unknown) => {
        if (!isLost(error)) throw error; // after a lost line, what is on is compared anew
      });
    }
  }

  /** Chosen device changed, went or came back while in use. */
  #follow(source: Captured): void {
    const track = this.#tracks.get(source);
    if (track === undefined || this.#state.get()[source].state !== "on") return;
    const wanted = this.#options.devices.present(source);
    const used = this.#used.get(source) ?? null;
    if (wanted === used || wanted === null) return;
    const back = this.#options.devices.chosen.get()[source] === wanted && used === null;
    this.#queue(source, async () => {
      if (this.#tracks.get(source) !== track) return;
      const next = await this.#replace(source, wanted);
      if (next !== null && back) this.#options.notice({ kind: "device_back", source, to: next.label });
    });
  }

  /** The device in use went away: another is taken at once. */
  #ended(source: Captured, track: MediaStreamTrack): void {
    if (this.#tracks.get(source) !== track) return;
    this.#queue(source, async () => {
      if (this.#tracks.get(source) !== track) return;
      await this.#options.devices.refresh();
      const next = await this.#replace(source, this.#options.devices.present(source)).catch(() => null);
      this.#options.notice({ kind: "device_lost", source, to: next?.label ?? null });
      if (next !== null) return;
      this.#wish[source] = false;
      await this.#turnOff(source);
      this.#set(source, { ...OFF, failure: `${source}_missing` });
    });
  }

  async #replace(source: Captured, device: string | null): Promise<MediaStreamTrack | null> {
    const former = this.#tracks.get(source);
    // phones give the camera to one at a time
    if (source === "camera") former?.stop();
    const track = await this.#open(source, device);
    if (!this.#wanted(source) || this.#tracks.get(source) !== former) {
      track.stop();
      return null;
    }
    this.#take(source, track, device);
    former?.stop();
    await this.#options.send(source, track);
    this.#on(source, track);
    return track;
  }

  async #open(source: Captured, device: string | null): Promise<MediaStreamTrack> {
    if (source === "microphone") {
      const spare = this.#spare;
      if (spare?.device === device && spare.track.readyState === "live") {
        this.#spare = null;
        clearTimeout(this.#spareTimer);
        spare.track.enabled = true;
        return spare.track;
      }
      this.#dropSpare();
    }
    const open = (id: string | null): Promise<MediaStreamTrack> =>
      source === "microphone"
        ? this.#capture.openMicrophone(id)
        : this.#capture.openCamera(id, this.#options.cameraQuality);
    try {
      return await open(device);
    } catch (error) {
      // the chosen one may be broken or taken by another program: any other is better than none
      if (device === null || (error instanceof Failed && error.code.endsWith("_denied"))) throw error;
      return await open(null);
    }
  }

  #take(source: Captured, track: MediaStreamTrack, device: string | null): void {
    this.#hold(source, track);
    this.#used.set(source, device);
    track.addEventListener("ended", () => this.#ended(source, track));
    track.addEventListener("mute", () => this.#mutedBySystem(source, track));
  }

  /** A phone call takes microphone and camera away; afterwards they come back by themselves, or not at all. */
  #mutedBySystem(source: Captured, track: MediaStreamTrack): void {
    setTimeout(() => {
      if (!track.muted || this.#tracks.get(source) !== track || this.#closed) return;
      this.#options.notice({ kind: "device_muted", source });
      const again = (): void => {
        stop.abort();
        if (track.muted && this.#tracks.get(source) === track)
          this.#queue(source, async () => {
            await this.#replace(source, this.#used.get(source) ?? null);
          });
      };
      const stop = new AbortController();
      const { signal } = stop;
      track.addEventListener("unmute", () => { stop.abort(); }, { signal });
      document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && again(), { signal });
    }, MUTED_MS);
  }

  #hold(source: SourceName, track: MediaStreamTrack): void {
    this.#tracks.set(source, track);
    if (source === "microphone") this.#options.onMicrophone(track);
  }

  #on(source: SourceName, track: MediaStreamTrack): void {
    this.#set(source, { state: "on", stream: new MediaStream([track]), failure: null });
  }

  async #release(source: SourceName): Promise<void> {
    const track = this.#tracks.get(source);
    this.#tracks.delete(source);
    this.#set(source, OFF);
    if (track === undefined) return;
    if (source === "microphone") {
      this.#options.onMicrophone(null);
      this.#keepSpare(track, this.#used.get("microphone") ?? null);
    } else {
      track.stop();
    }
    await this.#options.send(source, null).catch(() => undefined);
  }

  #keepSpare(track: MediaStreamTrack, device: string | null): void {
    this.#dropSpare();
    if (this.#closed) return track.stop();
    track.enabled = false;
    this.#spare = { track, device };
    this.#spareTimer = setTimeout(() => this.#dropSpare(), KEEP_MICROPHONE_MS);
  }

  #dropSpare(): void {
    clearTimeout(this.#spareTimer);
    this.#spare?.track.stop();
    this.#spare = null;
  }

  #queue(source: Captured, work: () => Promise<void>): void {
    this.#work[source] = this.#work[source].catch(() => undefined).then(work).catch(() => undefined);
  }

  #wanted(source: Controllable): boolean {
    return this.#wish[source] && !this.#closed;
  }

  #set(source: SourceName, state: OwnSource): void {
    this.#state.set({ ...this.#state.get(), [source]: state });
  }
}

function isLost(error: unknown): boolean {
  return error instanceof Failed && error.code === "connection_lost";
}
