/** The lesson's state here: fields by path, changed by numbered events, and what is read from them. */

import type {
  CalmField,
  Event,
  LessonField,
  LineQuality,
  LobbyField,
  PersonField,
  RecordingField,
  RoleName,
  Slots,
  SourceName,
  Speakers,
  UnrecordedField,
  Welcome,
} from "../generated/wire";
import { keepChat } from "./chat";
import type { ChatMessage, LobbyPerson, Mode, Person, Picture, Saving, Self, Slot } from "./types";
import { derive, shallowEqual, Value, type Readable } from "./value";

export const SOURCES: readonly SourceName[] = ["microphone", "camera", "screen", "screen_sound"];
/** Slots before the tiles: stage and screen with their sound, the teacher's sound, three loudest. */
export const FIRST_TILE = 8;
export const STAGE_VIDEO = 0;
export const SCREEN_VIDEO = 2;

/** The lesson as the server tells it: path -> value. */
export type Fields = ReadonlyMap<string, unknown>;
export type Flags = Readonly<Record<SourceName, boolean>>;
export const NO_FLAGS: Flags = { microphone: false, camera: false, screen: false, screen_sound: false };
const ALL_FLAGS: Flags = { microphone: true, camera: true, screen: true, screen_sound: true };

/** What joining tells of oneself before the state has come. */
export interface Identity {
  readonly participant: string;
  readonly name: string;
  readonly role: RoleName;
}

export function leads(role: RoleName): boolean {
  return role !== "student";
}

/** Calling rule: `welcome` first, then each `event`; after "gap" resume from `number`. */
export class LessonStore {
  readonly #fields = new Value<Fields>(new Map());
  readonly #identity: Value<Identity>;
  readonly #speakers = new Value<readonly string[]>([], shallowEqual);
  readonly #lines = new Value<readonly LineQuality[]>([]);
  readonly #mode = new Value<Mode>("full");
  readonly #slots = new Value<Slots | null>(null);
  readonly #view = new Value<{ readonly page: number; readonly pin: string | null }>({ page: 0, pin: null }, shallowEqual);
  readonly #tiles: Value<number>;
  #number: number | null = null;

  readonly fields: Readable<Fields> = this.#fields;
  readonly identity: Readable<Identity>;
  readonly lesson: Readable<LessonField | null>;
  readonly recording: Readable<RecordingField | null>;
  readonly self: Readable<Self>;
  readonly everybody: Readable<ReadonlyMap<string, Person>>;
  readonly people: Readable<readonly Person[]>;
  readonly hands: Readable<readonly Person[]>;
  readonly chat: Readable<readonly ChatMessage[]>;
  readonly lobby: Readable<readonly LobbyPerson[]>;
  readonly speakers: Readable<readonly string[]> = this.#speakers;
  readonly picture: Readable<Picture>;
  readonly saving: Readable<Saving>;

  constructor(identity: Identity, tiles: number) {
    this.#identity = new Value(identity, shallowEqual);
    this.#tiles = new Value(tiles);
    this.identity = this.#identity;
    this.lesson = derive([this.#fields], (fields) => (fields.get("lesson") as LessonField | undefined) ?? null);
    this.recording = derive([this.#fields], (fields) => (fields.get("recording") as RecordingField | undefined) ?? null);
    this.everybody = derive([this.#fields, this.#lines, this.#identity], readEverybody);
    this.people = derive([this.everybody, this.#fields], (all, fields) =>
      [...all.values()].filter((person) => here(fields, person.id)).sort((a, b) => a.order - b.order),
    );
    this.hands = derive([this.people], (people) =>
      people.filter((person) => person.handPlace !== null).sort((a, b) => (a.handPlace ?? 0) - (b.handPlace ?? 0)),
    );
    this.self = derive([this.everybody, this.#identity], readSelf);
    this.chat = keepChat(this.#fields, this.#identity);
    this.lobby = derive([this.#fields], readLobby);
    this.saving = derive([this.#slots, this.#mode], (slots, mode) => ({
      mode,
      spared: slots?.spared ?? "nothing",
      lite: slots?.lite ?? mode === "lite",
    }));
    this.picture = derive([this.#slots, this.#view, this.#tiles], readPicture);
  }

  /** The last event applied; null before the first state. */
  get number(): number | null {
    return this.#number;
  }

  field(path: string): unknown {
    return this.#fields.get().get(path);
  }

  /** Whether the server holds this own source for on. */
  published(source: SourceName): boolean {
    return this.field(`on/${this.#identity.get().participant}/${source}`) === true;
  }

  /** Takes over a whole state, or catches up with those events that were not applied yet. */
  welcome(message: Welcome): void {
    this.#identity.set({ ...this.#identity.get(), participant: message.participant, role: message.role });
    if (message.fields !== null) {
      this.#number = message.number;
      this.#fields.set(new Map(Object.entries(message.fields)));
      return;
    }
    const known = this.#number ?? 0;
    this.#apply(message.events.filter((event) => event.number > known));
    this.#number = message.number;
  }

  /** "old": seen before. "gap": events are missing, nothing was applied. */
  event(event: Event): "applied" | "old" | "gap" {
    const number = this.#number;
    if (number === null) return "gap";
    if (event.number <= number) return "old";
    if (event.number !== number + 1) return "gap";
    this.#apply([event]);
    this.#number = event.number;
    return "applied";
  }

  setSpeakers(message: Speakers): void {
    this.#speakers.set(message.speakers.map(([participant]) => participant));
  }

  setQuality(lines: readonly LineQuality[]): void {
    this.#lines.set(lines);
  }

  /** Older connections and versions are ignored; null: there is no connection. */
  setSlots(message: Slots | null): void {
    const before = this.#slots.get();
    const late =
      before !== null &&
      message !== null &&
      (before.connection > message.connection ||
        (before.connection === message.connection && before.version > message.version));
    if (!late) this.#slots.set(message);
  }

  setIdentity(identity: Identity, tiles: number): void {
    this.#identity.set(identity);
    this.#tiles.set(tiles);
  }

  setMode(mode: Mode): void {
    this.#mode.set(mode);
  }

  setView(page: number, pin: string | null): void {
    this.#view.set({ page, pin });
  }

  /** Forgets all (coming back as after a new join). */
  clear(): void {
    this.#number = null;
    this.#fields.set(new Map());
    this.#speakers.set([]);
    this.#lines.set([]);
    this.#slots.set(null);
  }

  #apply(events: readonly Event[]): void {
    if (events.length === 0) return;
    const fields = new Map(this.#fields.get());
    for (const event of events) {
      for (const path of event.delete) fields.delete(path);
      for (const [path, value] of Object.entries(event.set)) fields.set(path, value);
    }
    this.#fields.set(fields);
  }
}

/** What stands under a prefix: the rest of each path with its value. */
export function under<T>(fields: Fields, prefix: string): (readonly [string, T])[] {
  const found: (readonly [string, T])[] = [];
  for (const [path, value] of fields) if (path.startsWith(prefix)) found.push([path.slice(prefix.length), value as T]);
  return found;
}

function here(fields: Fields, id: string): boolean {
  return (fields.get(`person/${id}`) as PersonField | undefined)?.here === true;
}

function readEverybody(
  fields: Fields,
  lines: readonly LineQuality[],
  identity: Identity,
): ReadonlyMap<string, Person> {
  const lesson = fields.get("lesson") as LessonField | undefined;
  const calm = (fields.get("calm") as CalmField | undefined)?.on === true;
  const raised = under<number>(fields, "hand/").sort(([a, atA], [b, atB]) => atA - atB || (a < b ? -1 : 1));
  const places = new Map(raised.map(([id], index) => [id, index + 1]));
  const quality = new Map(lines.map((line) => [line.participant, line]));
  const people = new Map<string, Person>();
  for (const [id, person] of under<PersonField>(fields, "person/")) {
    const line = quality.get(id);
    const place = places.get(id) ?? null;
    people.set(id, {
      id,
      name: person.name,
      label: person.label,
      role: person.role,
      leads: leads(person.role),
      self: id === identity.participant,
      order: person.order,
      on: flags((source) => fields.get(`on/${id}/${source}`) === true),
      may: leads(person.role) ? ALL_FLAGS : calm ? NO_FLAGS : flags((source) => (person.may ?? lesson?.may ?? []).includes(source)),
      ownMay: person.may !== null,
      hand: place !== null,
      handPlace: place,
      line: line?.line ?? "good",
      fault: line?.fault ?? null,
      silent: line?.silent ?? false,
      unrecorded: (fields.get(`unrecorded/${id}`) as UnrecordedField | undefined) ?? null,
    });
  }
  return people;
}

function flags(read: (source: SourceName) => boolean): Flags {
  return {
    microphone: read("microphone"),
    camera: read("camera"),
    screen: read("screen"),
    screen_sound: read("screen_sound"),
  };
}

function readSelf(everybody: ReadonlyMap<string, Person>, identity: Identity): Self {
  const person = everybody.get(identity.participant);
  return {
    id: identity.participant,
    name: person?.name ?? identity.name,
    role: identity.role,
    leads: leads(identity.role),
    may: person?.may ?? (leads(identity.role) ? ALL_FLAGS : NO_FLAGS),
    hand: person?.hand ?? false,
    unrecorded: person?.unrecorded ?? null,
  };
}

function readLobby(fields: Fields): readonly LobbyPerson[] {
  return under<LobbyField>(fields, "lobby/")
    .map(([id, { name, at_ms }]) => ({ id, name, atMs: at_ms }))
    .sort((a, b) => a.atMs - b.atMs);
}

function readPicture(
  slots: Slots | null,
  view: { readonly page: number; readonly pin: string | null },
  tiles: number,
): Picture {
  const content = new Map(slots?.slots.map((slot) => [slot.index, slot]));
  const slot = (index: number): Slot =>
    content.get(index) ?? { index, participant: null, source: null, live: false };
  return {
    stage: slot(STAGE_VIDEO),
    screen: slot(SCREEN_VIDEO),
    tiles: Array.from({ length: tiles }, (_, index) => slot(FIRST_TILE + index)),
    page: view.page,
    pages: Math.max(1, slots?.pages ?? 1),
    pin: view.pin,
  };
}
