import type { LessonSurface } from "../../src/core/lesson";
import type { Telling } from "../../src/core/surface";
import type {
  ChatMessage,
  Connection,
  LessonField,
  LobbyPerson,
  Mode,
  Notice,
  OwnSource,
  Person,
  Phase,
  Picture,
  RecordingField,
  Saving,
  Self,
  SourceName,
  StillImage,
  Traffic,
} from "../../src/core/types";
import type { Chime } from "../../src/core/chime";
import type { Request } from "../../src/core/signalling";
import type { Fields } from "../../src/core/store";
import type { ServerMessage } from "../../src/generated/wire";
import { Value } from "../../src/core/value";

const OFF: OwnSource = { state: "off", stream: null, failure: null };
const MAY = { microphone: true, camera: true, screen: false, screen_sound: false };
const NOTHING_ON = { microphone: false, camera: false, screen: false, screen_sound: false };

export function person(id: string, change: Partial<Person> = {}): Person {
  return {
    id,
    name: id,
    label: "",
    role: "student",
    leads: change.role === "teacher" || change.role === "co_teacher",
    self: false,
    order: 0,
    on: NOTHING_ON,
    may: MAY,
    ownMay: false,
    hand: false,
    handPlace: null,
    line: "good",
    fault: null,
    silent: false,
    unrecorded: null,
    ...change,
  };
}

/** A lesson whose state a test sets by hand and that keeps what it was asked to do. */
export class FakeLesson implements LessonSurface {
  readonly id = "lesson1";
  readonly calls: unknown[][] = [];
  /** What the next action rejects with. */
  refuse: Error | null = null;

  readonly phase = new Value<Phase>({ name: "live" });
  readonly connection = new Value<Connection>({ socket: "up", media: "connected", retryAtMs: null, failure: null });
  readonly fields = new Value<Fields>(new Map());
  readonly lesson = new Value<LessonField | null>({
    title: "Optics",
    subject: "Physics",
    grade: 8,
    state: "live",
    locked: false,
    may: ["microphone", "camera"],
    recordable: ["microphone", "camera", "screen", "screen_sound"],
    stage: null,
    started_at_ms: 1,
    ends_at_ms: null, teacher: "Anna Orlova",
  });
  readonly recording = new Value<RecordingField | null>(null);
  readonly self: Value<Self>;
  readonly people: Value<readonly Person[]>;
  readonly hands = new Value<readonly Person[]>([]);
  readonly chat = new Value<readonly ChatMessage[]>([]);
  readonly lobby = new Value<readonly LobbyPerson[]>([]);
  readonly speakers = new Value<readonly string[]>([]);
  readonly picture: Value<Picture>;
  readonly sources = new Value<Readonly<Record<SourceName, OwnSource>>>({
    microphone: OFF,
    camera: OFF,
    screen: OFF,
    screen_sound: OFF,
  });
  readonly level = new Value(0);
  readonly soundRefused = new Value(false);
  readonly saving = new Value<Saving>({ mode: "full", spared: "nothing", lite: false });
  readonly spare = new Value(0);
  readonly stills = new Value<readonly StillImage[]>([]);
  readonly traffic = new Value<Traffic>({ downBytes: 0, upBytes: 0, downBps: 0, upBps: 0 });
  readonly #listeners = new Set<(notice: Notice) => void>();

  constructor(self: Person, others: readonly Person[] = []) {
    const me = { ...self, self: true };
    this.self = new Value<Self>({
      id: me.id,
      name: me.name,
      role: me.role,
      leads: me.leads,
      may: me.may,
      hand: me.hand,
      unrecorded: me.unrecorded,
    });
    this.people = new Value<readonly Person[]>([me, ...others]);
    const slot = (index: number) => ({ index, participant: null, source: null, live: false });
    this.picture = new Value<Picture>({
      stage: slot(0),
      screen: slot(2),
      tiles: [8, 9, 10, 11].map(slot),
      page: 0,
      pages: 1,
      pin: null,
    });
  }

  readonly #passing = new Set<(message: ServerMessage) => void>();
  onPassing = (listener: (message: ServerMessage) => void) => {
    this.#passing.add(listener);
    return () => {
      this.#passing.delete(listener);
    };
  };
  pass(message: ServerMessage): void {
    for (const listener of this.#passing) listener(message);
  }

  notify(notice: Notice): void {
    for (const listener of this.#listeners) listener(notice);
  }

  #act(...call: unknown[]): Promise<void> {
    this.calls.push(call);
    const refusal = this.refuse;
    this.refuse = null;
    return refusal === null ? Promise.resolve() : Promise.reject(refusal);
  }

  nameOf = (id: string) => this.people.get().find((each) => each.id === id)?.name ?? "";
  serverNowMs = () => 0;
  onNotice = (listener: (notice: Notice) => void) => {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  };
  tell = (message: Telling) => void this.calls.push(["tell", message]);
  start = () => undefined;
  leave = () => this.#act("leave");
  close = () => undefined;
  comeBack = () => void this.#act("comeBack");
  retryNow = () => void this.#act("retryNow");
  reconnectMedia = () => void this.#act("reconnectMedia");
  setSource = (source: "microphone" | "camera" | "screen", on: boolean) => this.#act("setSource", source, on);
  turnSoundOn = () => this.#act("turnSoundOn");
  chime = (which: Chime) => void this.calls.push(["chime", which]);
  mount = (slot: number, container: HTMLElement) => {
    const video = document.createElement("video");
    video.dataset["slot"] = String(slot);
    container.append(video);
    this.calls.push(["mount", slot]);
    return () => {
      this.calls.push(["unmount", slot]);
      video.remove();
    };
  };
  setMode = (mode: Mode) => {
    this.calls.push(["setMode", mode]);
    this.saving.set({ ...this.saving.get(), mode });
  };
  setPage = (page: number) => void this.#act("setPage", page);
  setPin = (participant: string | null) => void this.#act("setPin", participant);
  request = (request: Request) => this.#act("request", request);
  setHand = (up: boolean) => this.#act("setHand", up);
  lowerHand = (participant: string) => this.#act("lowerHand", participant);
  lowerAllHands = () => this.#act("lowerAllHands");
  mute = (participant: string, source: SourceName = "microphone") => this.#act("mute", participant, source);
  muteAll = (source: SourceName = "microphone") => this.#act("muteAll", source);
  setMay = (may: readonly SourceName[]) => this.#act("setMay", may);
  setRecorded = (on: boolean, participant?: string) => this.#act("setRecorded", on, participant);
  setRecordable = (sources: readonly SourceName[]) => this.#act("setRecordable", sources);
  setPersonMay = (participant: string, may: readonly SourceName[] | null) => this.#act("setPersonMay", participant, may);
  setStage = (participant: string | null) => this.#act("setStage", participant);
  setLocked = (on: boolean) => this.#act("setLocked", on);
  remove = (participant: string) => this.#act("remove", participant);
  record = (on: boolean, students: readonly SourceName[] = []) => this.#act("record", on, students);
  end = () => this.#act("end");
}
