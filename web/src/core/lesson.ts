/** A person's part in one lesson: the only door from the views to signalling, media and devices. */

import type { Event, JoinReply, ServerMessage, Welcome } from "../generated/wire";
import * as api from "./api";
import { isPhone } from "./capture";
import { chime, type Chime } from "./chime";
import { Drawing, wantedHeight } from "./draw";
import { Media } from "./media";
import { Meter } from "./meter";
import { noticesOf } from "./notices";
import { Playback } from "./playback";
import { Signalling, type Request } from "./signalling";
import { SilenceWatch } from "./silence";
import { onWake } from "./sleep";
import { Sources, type Controllable } from "./sources";
import { leads, LessonStore, SOURCES, type Fields } from "./store";
import { Stills, StillSender } from "./stills";
import type { LessonOptions, LessonSurface, Telling } from "./surface";
import {
  Failed,
  type ChatMessage,
  type Connection,
  type LessonField,
  type LobbyPerson,
  type Mode,
  type Notice,
  type OwnSource,
  type Person,
  type Phase,
  type Picture,
  type RecordingField,
  type Saving,
  type Self,
  type SourceName,
  type StillImage,
  type Traffic,
} from "./types";
import { derive, Value, type Readable } from "./value";
import { Vitals } from "./vitals";
import { keepAwake } from "./wakelock";

export type { LessonOptions, LessonSurface };

const PHONE_TILES = 4;
/** A ticket lives two minutes; an older one than this is not tried. */
const TICKET_USABLE_MS = 90_000;
const TELL_BACK_AFTER_MS = 3_000;
/** `closed` codes after which coming back by a button makes no sense. */
const FINAL: ReadonlySet<string> = new Set([
  "ended",
  "lesson_ended",
  "removed",
  "link_unknown",
  "link_expired",
  "not_your_lesson",
  "version_mismatch",
]);

/** See LessonSurface. A closed one stays closed. */
export class Lesson implements LessonSurface {
  readonly #options: LessonOptions;
  readonly #phone = isPhone(navigator.userAgent, Math.min(screen.width, screen.height));
  readonly #phase = new Value<Phase>({ name: "joining" });
  readonly #listeners = new Set<(notice: Notice) => void>();
  readonly #passing = new Set<(message: ServerMessage) => void>();
  readonly #stops: (() => void)[] = [];
  readonly #mounts = new Map<number, object>();
  readonly #store: LessonStore;
  readonly #signalling: Signalling;
  readonly #media: Media;
  readonly #sources: Sources;
  readonly #playback = new Playback();
  readonly #drawing: Drawing;
  readonly #meter = new Meter();
  readonly #silence: SilenceWatch;
  readonly #stills = new Stills();
  readonly #stillSender: StillSender;
  readonly #vitals: Vitals;
  #joined: JoinReply;
  #ticketAtMs: number;
  #clockAheadMs = 0;
  /** No state of this stay has come yet: what the server holds for on is of an earlier page. */
  #fresh = true;
  #awake: (() => void) | null = null;

  readonly id: string;
  readonly phase: Readable<Phase> = this.#phase;
  readonly connection: Readable<Connection>;
  readonly fields: Readable<Fields>;
  readonly lesson: Readable<LessonField | null>;
  readonly recording: Readable<RecordingField | null>;
  readonly self: Readable<Self>;
  readonly people: Readable<readonly Person[]>;
  readonly hands: Readable<readonly Person[]>;
  readonly chat: Readable<readonly ChatMessage[]>;
  readonly lobby: Readable<readonly LobbyPerson[]>;
  readonly speakers: Readable<readonly string[]>;
  readonly picture: Readable<Picture>;
  readonly sources: Readable<Readonly<Record<SourceName, OwnSource>>>;
  readonly saving: Readable<Saving>;
  readonly stills: Readable<readonly StillImage[]> = this.#stills.all;
  readonly spare: Readable<number>;
  readonly traffic: Readable<Traffic>;
  readonly level: Readable<number> = this.#meter.level;
  readonly soundRefused: Readable<boolean> = this.#playback.refused;

  constructor(options: LessonOptions) {
    this.#options = options;
    this.id = options.joined.lesson;
    this.#joined = options.joined;
    this.#ticketAtMs = Date.now();
    const { participant, name, role } = options.joined;
    this.#store = new LessonStore({ participant, name, role }, this.#tiles);
    this.#signalling = new Signalling({
      ticket: (fresh) => this.#ticket(fresh),
      resume: () => ({ after: this.#store.number, lease: this.#media.current?.lease ?? null }),
      onMessage: (message) => this.#receive(message),
      onClosed: (code) => this.#closedFor(code),
      probe: () => this.#harmless(),
    });
    this.#media = new Media({
      negotiate: async (offer) => {
        const reply = await this.#signalling.request({ t: "offer", ...offer });
        if (reply.t !== "answer") throw new Failed("media_failed");
        return reply;
      },
      online: () => this.#signalling.state.get().socket === "up" && this.#phase.get().name === "live",
      expects: () => this.people.get().some(({ id, role, on }) => on.microphone && leads(role) && id !== this.self.get().id),
      onFlow: (flows) => {
        if (flows) this.#signalling.retryNow();
        else this.#signalling.probe();
      },
      onPeer: (peer) => {
        this.#playback.attach(this.#tiles, peer === null ? null : (slot) => peer.track(slot));
        if (peer !== null) this.#drawing.again();
      },
    });
    this.#drawing = new Drawing(this.#tiles, (draw) => this.#phase.get().name === "live" && this.#signalling.send(draw));
    this.#sources = new Sources({
      devices: options.devices,
      cameraQuality: this.#phone ? "360p" : "720p",
      send: (source, track) => this.#media.send(source, track),
      publish: (source, on) => this.#signalling.request({ t: "publish", source, on }),
      notice: (notice) => this.#tell(notice),
      onMicrophone: (track) => {
        this.#meter.attach(track);
        this.#silence.attach(track);
      },
    });
    this.#silence = new SilenceWatch(this.#meter.level, () => this.#tell({ kind: "microphone_silent" }));
    this.#stillSender = new StillSender({
      track: (source) => this.#sources.track(source),
      send: (source, image) => this.#signalling.send({ t: "send_still", source, image }),
    });
    this.#vitals = new Vitals({
      totals: () => this.#media.totals(),
      onSpare: (level) => this.#drawing.setSpare(level),
    });
    this.spare = this.#vitals.spare;
    this.traffic = this.#vitals.traffic;
    this.connection = derive([this.#signalling.state, this.#media.state], (signalling, media) => ({
      ...signalling,
      ...media,
    }));
    this.fields = this.#store.fields;
    this.lesson = this.#store.lesson;
    this.recording = this.#store.recording;
    this.self = this.#store.self;
    this.people = this.#store.people;
    this.hands = this.#store.hands;
    this.chat = this.#store.chat;
    this.lobby = this.#store.lobby;
    this.speakers = this.#store.speakers;
    this.picture = this.#store.picture;
    this.saving = this.#store.saving;
    this.sources = this.#sources.state;
  }

  nameOf(participant: string): string {
    const person = this.#store.everybody.get().get(participant);
    if (person === undefined) return "";
    return person.label === "" ? person.name : `${person.name} (${person.label})`;
  }

  serverNowMs(): number {
    return Date.now() + this.#clockAheadMs;
  }

  onPassing(listener: (message: ServerMessage) => void): () => void {
    this.#passing.add(listener);
    return () => this.#passing.delete(listener);
  }

  onNotice(listener: (notice: Notice) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  tell(message: Telling): void {
    if (this.#phase.get().name === "live") this.#signalling.send(message);
  }

  start(): void {
    const { devices } = this.#options;
    const speaker = (): void => void this.#playback.setSpeaker(devices.present("speaker"));
    this.#stops.push(
      devices.watch(),
      devices.chosen.subscribe(speaker),
      devices.list.subscribe(speaker),
      this.#followPage(),
      this.#followMedia(),
      this.#showState(),
      this.saving.subscribe(() => {
        if (!this.saving.get().lite) this.#stills.clear();
      }),
    );
    this.#vitals.start();
    speaker();
    this.#enter();
  }

  leave(): Promise<void> {
    this.#signalling.send({ t: "leave" });
    this.#signalling.close(); // what was sent still goes out
    this.#closedFor("left");
    return Promise.resolve();
  }

  close(): void {
    for (const stop of this.#stops.splice(0)) stop();
    this.#signalling.close();
    this.#letGo();
    this.#sources.close();
    this.#playback.close();
    this.#drawing.close();
    this.#silence.attach(null);
    this.#meter.close();
    this.#stillSender.close();
    this.#stills.clear();
    this.#vitals.close();
    this.#listeners.clear();
    this.#passing.clear();
  }

  comeBack(): void {
    if (this.#phase.get().name !== "closed") return;
    this.#store.clear();
    this.#ticketAtMs = 0;
    this.#phase.set({ name: "joining" });
    this.#enter();
  }

  retryNow(): void {
    this.#signalling.retryNow();
  }

  reconnectMedia(): void {
    this.#media.renew();
  }

  setSource(source: Controllable, on: boolean): Promise<void> {
    // known before the browser asks for a device or a screen
    if (on && this.lesson.get() !== null && !this.self.get().may[source]) return Promise.reject(new Failed("not_allowed"));
    return this.#sources.set(source, on);
  }

  turnSoundOn(): Promise<void> {
    return this.#playback.turnOn();
  }

  chime(which: Chime): void {
    if (!this.soundRefused.get()) void chime(which, this.#options.devices.present("speaker"));
  }

  mount(slot: number, container: HTMLElement): () => void {
    const mine = {};
    this.#mounts.set(slot, mine);
    const unmount = this.#playback.mount(slot, container);
    const measure = (): void => {
      if (this.#mounts.get(slot) !== mine) return;
      this.#drawing.set(slot, wantedHeight(container.clientHeight, devicePixelRatio, this.#phone));
    };
    const observer = new ResizeObserver(measure);
    observer.observe(container);
    measure();
    return () => {
      observer.disconnect();
      unmount();
      if (this.#mounts.get(slot) !== mine) return;
      this.#mounts.delete(slot);
      this.#drawing.set(slot, 0);
    };
  }

  setMode(mode: Mode): void {
    this.#store.setMode(mode);
    this.#drawing.setMode(mode);
  }

  setPage(page: number): void {
    this.#setView(page, this.picture.get().pin);
  }

  setPin(participant: string | null): void {
    this.#setView(this.picture.get().page, participant);
  }

  async request(request: Request): Promise<void> {
    await this.#signalling.request(request);
  }

  setHand(up: boolean): Promise<void> {
    return this.request({ t: "hand", up });
  }

  lowerHand(participant: string): Promise<void> {
    return this.request({ t: "hand", up: false, participant });
  }

  lowerAllHands(): Promise<void> {
    return this.request({ t: "hand", up: false, all: true });
  }

  mute(participant: string, source: SourceName = "microphone"): Promise<void> {
    return this.request({ t: "mute", participant, source });
  }

  muteAll(source: SourceName = "microphone"): Promise<void> {
    return this.request({ t: "mute", source });
  }

  setMay(may: readonly SourceName[]): Promise<void> {
    return this.request({ t: "set_may", may });
  }

  setPersonMay(participant: string, may: readonly SourceName[] | null): Promise<void> {
    return this.request({ t: "set_may", participant, may });
  }

  setRecorded(on: boolean, participant?: string): Promise<void> {
    return this.request({ t: "set_recorded", on, ...(participant === undefined ? {} : { participant }) });
  }

  setRecordable(sources: readonly SourceName[]): Promise<void> {
    return this.request({ t: "set_recordable", sources });
  }

  setStage(participant: string | null): Promise<void> {
    return this.request({ t: "set_stage", participant });
  }

  setLocked(on: boolean): Promise<void> {
    return this.request({ t: "lock", on });
  }

  remove(participant: string): Promise<void> {
    return this.request({ t: "remove", participant });
  }

  record(on: boolean, students: readonly SourceName[] = []): Promise<void> {
    return this.request({ t: "record", on, students });
  }

  end(): Promise<void> {
    return this.request({ t: "end" }).catch((error: unknown) => {
      const phase = this.#phase.get(); // the end may come before the reply
      if (phase.name !== "closed" || phase.code !== "ended") throw error;
    });
  }

  get #tiles(): number {
    return this.#phone ? Math.min(PHONE_TILES, this.#joined.tiles) : this.#joined.tiles;
  }

  #enter(): void {
    this.#fresh = true;
    this.#media.configure(this.#tiles, this.#joined.ice_servers);
    this.#drawing.setTiles(this.#tiles);
    this.#awake ??= keepAwake();
    this.#signalling.start();
  }

  async #ticket(fresh: boolean): Promise<string> {
    if (fresh || Date.now() - this.#ticketAtMs > TICKET_USABLE_MS) {
      this.#joined = await api.join(this.#options.code, this.#options.name);
      this.#ticketAtMs = Date.now();
      this.#media.configure(this.#tiles, this.#joined.ice_servers);
    }
    return this.#joined.ticket;
  }

  #receive(message: ServerMessage): void {
    switch (message.t) {
      case "welcome":
        return this.#welcome(message);
      case "waiting":
        return this.#phase.set({ name: "lobby", title: message.title });
      case "event":
        if (this.#event(message, true) === "gap") this.#signalling.resume();
        return;
      case "slots":
        return this.#store.setSlots(message);
      case "watched":
        return this.#media.watched(message);
      case "still_wanted":
        return this.#stillSender.want(message.source);
      case "still":
        return this.saving.get().lite ? this.#stills.add(message) : undefined;
      case "speakers":
        return this.#store.setSpeakers(message);
      case "quality":
        return this.#store.setQuality(message.lines);
      case "media_lost":
        return this.#media.lost(message);
      case "moved":
        return this.#media.moved(message);
      default:
        for (const listener of [...this.#passing]) listener(message);
    }
  }

  #welcome(message: Welcome): void {
    const fresh = this.#fresh;
    this.#fresh = false;
    this.#clockAheadMs = message.now_ms - Date.now();
    if (message.fields === null) for (const event of message.events) this.#event(event, false);
    this.#store.welcome(message);
    if (this.#phase.get().name !== "live") this.#phase.set({ name: "live" });
    this.#media.welcome(message);
    this.#drawing.again();
    for (const source of SOURCES) {
      const on = this.#store.published(source);
      const sends = this.#sources.sends(source);
      if (on && !sends) this.#takeUp(source, fresh);
      else if (!on && sends) this.#restore(source, message.fields !== null);
    }
  }

  /** The server holds for on what this page does not send: after a reload it goes on, else it is off now. */
  #takeUp(source: SourceName, fresh: boolean): void {
    const off = (): void => void this.request({ t: "publish", source, on: false }).catch(() => undefined);
    if (fresh && (source === "microphone" || source === "camera")) void this.#sources.set(source, true).catch(off);
    else off();
  }

  /** The server forgot during a break what this page sends. A student's microphone may have been muted in that time,
   * when the events are not known: it stays off. */
  #restore(source: SourceName, unknown: boolean): void {
    if (unknown && source === "microphone" && !this.self.get().leads) {
      this.#sources.forced(source);
      this.#tell({ kind: "not_restored", source });
    } else {
      void this.#sources.restore(source);
    }
  }

  #event(event: Event, live: boolean): "applied" | "old" | "gap" {
    const before = this.#store.everybody.get();
    const self = this.self.get();
    const outcome = this.#store.event(event);
    if (outcome !== "applied") return outcome;
    const own = `on/${self.id}/`;
    const ownWord = event.by === self.id && event.kind === "unpublished";
    if (!ownWord && event.kind !== "left")
      for (const path of event.delete)
        if (path.startsWith(own)) this.#sources.forced(path.slice(own.length) as SourceName);
    const after = { people: this.#store.everybody.get() };
    for (const notice of noticesOf(event, self.id, before, after))
      if (live || notice.kind === "muted" || notice.kind === "may_not") this.#tell(notice);
    return outcome;
  }

  /** One's own source that is off, turned off: nothing changes, but an answer must come. */
  #harmless(): Request | null {
    if (this.#phase.get().name !== "live") return null;
    const source = SOURCES.find((one) => !this.#sources.sends(one) && !this.#store.published(one));
    return source === undefined ? null : { t: "publish", source, on: false };
  }

  #setView(page: number, pin: string | null): void {
    this.#store.setView(page, pin);
    this.#drawing.setView(page, pin);
  }

  #closedFor(code: string): void {
    this.#letGo();
    this.#phase.set({ name: "closed", code, resumable: !FINAL.has(code) });
  }

  #letGo(): void {
    for (const source of SOURCES) this.#sources.forced(source);
    this.#media.close();
    this.#stillSender.want(null);
    this.#store.setSlots(null);
    this.#store.setSpeakers({ t: "speakers", speakers: [] });
    this.#awake?.();
    this.#awake = null;
  }

  #tell(notice: Notice): void {
    for (const listener of [...this.#listeners]) listener(notice);
  }

  #followPage(): () => void {
    const stop = new AbortController();
    const { signal } = stop;
    document.addEventListener(
      "visibilitychange",
      () => this.#drawing.setVisible(document.visibilityState === "visible" || document.pictureInPictureElement !== null),
      { signal },
    );
    const changed = (): void => {
      this.#signalling.retryNow();
      this.#signalling.probe();
      this.#media.check();
    };
    addEventListener("online", changed, { signal });
    addEventListener("pageshow", (event) => event.persisted && changed(), { signal });
    const stopWake = onWake(changed);
    return () => {
      stopWake();
      stop.abort();
    };
  }

  /** A short restart is nobody's business. */
  #followMedia(): () => void {
    let lostAtMs: number | null = null;
    return this.#media.state.subscribe(() => {
      const { media } = this.#media.state.get();
      if (media === "restoring" || media === "failed") {
        lostAtMs ??= Date.now();
      } else if (media === "connected" || media === "off") {
        if (media === "connected" && lostAtMs !== null && Date.now() - lostAtMs > TELL_BACK_AFTER_MS)
          this.#tell({ kind: "media_back" });
        lostAtMs = null;
      }
    });
  }

  /** Says on <html> how it stands, for tests and support: data-phase, data-socket, data-media. */
  #showState(): () => void {
    const show = (): void => {
      const { dataset } = document.documentElement;
      dataset["phase"] = this.#phase.get().name;
      dataset["socket"] = this.#signalling.state.get().socket;
      dataset["media"] = this.#media.state.get().media;
    };
    show();
    const stops = [this.#phase, this.#signalling.state, this.#media.state].map((value) => value.subscribe(show));
    return () => {
      for (const stop of stops) stop();
      for (const name of ["phase", "socket", "media"]) Reflect.deleteProperty(document.documentElement.dataset, name);
    };
  }
}
