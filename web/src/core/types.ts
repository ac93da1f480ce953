/** What the views see of a lesson. All are read-only snapshots; a changed one is a new object. */

import type {
  ChatField,
  HeldField,
  Draw,
  LessonField,
  LineQuality,
  PictureName,
  RecordingField,
  RoleName,
  Slots,
  SourceName,
  UnrecordedField,
  VideoState,
} from "../generated/wire";

export type { ChatField, HeldField, LessonField, PictureName, RecordingField, RoleName, SourceName, UnrecordedField, VideoState };

/** Something was not done. `code` is a refusal code of the server or one of the client's own:
 * `network` (no answer), `connection_lost` (the answer never came), `media_failed` (the media connection cannot be
 * made), `camera_denied`, `camera_missing`, `camera_busy`, `microphone_denied`, `microphone_missing`,
 * `microphone_busy`, `screen_denied`, `screen_unsupported`, `in_app_browser`, `insecure_page`, `no_webrtc`. */
export class Failed extends Error {
  readonly code: string;
  readonly retryAfterS: number | null;
  /** With `door_queue`. */
  readonly turn: Turn | null;

  constructor(code: string, retryAfterS: number | null = null, turn: Turn | null = null) {
    super(code);
    this.name = "Failed";
    this.code = code;
    this.retryAfterS = retryAfterS;
    this.turn = turn;
  }
}

/** A place in the queue at the door, from 1 on, and the seconds after which it is about one's turn. */
export interface Turn {
  readonly place: number;
  readonly waitS: number;
}

/** Where this person is. `closed` is final: `resumable` says whether `Lesson.comeBack()` makes sense (a button). */
export type Phase =
  | { readonly name: "joining" }
  | { readonly name: "lobby"; readonly title: string }
  | { readonly name: "live" }
  | { readonly name: "closed"; readonly code: string; readonly resumable: boolean };

/** The two connections. `retryAtMs` (Date.now) is when the socket is tried again, while it is down. */
export interface Connection {
  readonly socket: "up" | "down";
  readonly media: "off" | "connecting" | "connected" | "restoring" | "failed";
  readonly retryAtMs: number | null;
  /** Why media is "failed": a refusal code or `media_failed`. `Lesson.reconnectMedia()` is the button. */
  readonly failure: string | null;
}

/** Somebody in the lesson. `may`: what they may publish, with the lesson's and their own rule in one. */
export interface Person {
  readonly id: string;
  readonly name: string;
  /** Tells two of one name apart: "2", "3"; empty for the first. */
  readonly label: string;
  readonly role: RoleName;
  readonly leads: boolean;
  readonly self: boolean;
  readonly order: number;
  readonly on: Readonly<Record<SourceName, boolean>>;
  readonly may: Readonly<Record<SourceName, boolean>>;
  /** Whether `may` is this person's own rule rather than the lesson's. */
  readonly ownMay: boolean;
  readonly hand: boolean;
  /** Place in the queue of hands from 1 on, null without a hand. */
  readonly handPlace: number | null;
  readonly line: "good" | "weak" | "lost";
  /** Of a line that is not good: what they send arrives badly, what they get does, or it is the server's doing. */
  readonly fault: LineQuality["fault"];
  /** The microphone is on but no sound arrives. */
  readonly silent: boolean;
  /** Who said that nothing of this student is recorded; null: nobody, or it is not ours to know. */
  readonly unrecorded: UnrecordedField | null;
}

/** Oneself. Null fields of the lesson's state are filled with what joining told. */
export interface Self {
  readonly id: string;
  readonly name: string;
  readonly role: RoleName;
  readonly leads: boolean;
  readonly may: Readonly<Record<SourceName, boolean>>;
  readonly hand: boolean;
  readonly unrecorded: UnrecordedField | null;
}

/** One's own microphone, camera or screen. */
export interface OwnSource {
  readonly state: "off" | "starting" | "on";
  /** What is sent, for one's own preview (camera, screen); null while off. */
  readonly stream: MediaStream | null;
  /** Why turning it on did not work, until the next try. */
  readonly failure: string | null;
}

export interface ChatMessage {
  /** Whose thread with the teachers it is in; null: it is said to the class. */
  readonly thread: string | null;
  readonly id: string;
  readonly participant: string;
  readonly name: string;
  readonly text: string;
  readonly atMs: number;
  readonly own: boolean;
  /** Id of the message that it answers. */
  readonly quote: string | null;
  /** Id of the file or link of the lesson that goes with it. */
  readonly material: string | null;
  /** A leader took its text away. */
  readonly removed: boolean;
  /** Why it waits for a leader; null: it does not. */
  readonly waits: HeldField["reason"] | null;
}

export interface LobbyPerson {
  readonly id: string;
  readonly name: string;
  readonly atMs: number;
}

/** Who is in a slot. `live`: the picture (or sound) flows; until then show the name. */
export interface Slot {
  readonly index: number;
  readonly participant: string | null;
  readonly source: SourceName | null;
  readonly live: boolean;
}

/** What the server shows this person. `tiles` has every tile slot, empty ones with participant null. */
export interface Picture {
  readonly stage: Slot;
  readonly screen: Slot;
  readonly tiles: readonly Slot[];
  /** The page shown, from 0, and how many there are (at least 1). */
  readonly page: number;
  readonly pages: number;
  /** Whom this person has pinned on their own stage. */
  readonly pin: string | null;
}

/** What a person wishes to get: all, no pictures, or the teacher's sound with a picture a second. */
export type Mode = NonNullable<Draw["mode"]>;

/** `spared`: what the line does not bear. `lite`: one sound and stills, by wish or by the line. */
export interface Saving {
  readonly mode: Mode;
  readonly spared: Slots["spared"];
  readonly lite: boolean;
}

/** Somebody's camera or screen as it was a moment ago. `url` is good for an <img> while it is listed. */
export interface StillImage {
  readonly participant: string;
  readonly source: PictureName;
  readonly url: string;
}

/** What this visit has cost so far, and costs now. */
export interface Traffic {
  readonly downBytes: number;
  readonly upBytes: number;
  readonly downBps: number;
  readonly upBps: number;
}

/** Something to tell the person once. */
export type Notice =
  /** A leader shut a source of ours. */
  | { readonly kind: "muted"; readonly source: SourceName; readonly by: string | null }
  /** We may not publish this any more, or again. */
  | { readonly kind: "may_not" | "may"; readonly source: SourceName }
  /** A leader lowered our hand. */
  | { readonly kind: "hand_lowered"; readonly by: string | null }
  /** Somebody else raised a hand, joined, left. */
  | { readonly kind: "hand_up" | "joined" | "left"; readonly participant: string; readonly name: string }
  | { readonly kind: "chat"; readonly message: ChatMessage }
  /** A device went away; another was taken (`to`: its label) or none was left (null). */
  | { readonly kind: "device_lost"; readonly source: SourceName; readonly to: string | null }
  /** The chosen device is back and used again. */
  | { readonly kind: "device_back"; readonly source: SourceName; readonly to: string }
  /** After a long break this source was not turned on again by itself. */
  | { readonly kind: "not_restored"; readonly source: SourceName }
  /** The microphone is on, and nothing but silence comes from it. */
  | { readonly kind: "microphone_silent" }
  /** The system has taken this device away for a while (a phone call). */
  | { readonly kind: "device_muted"; readonly source: SourceName }
  /** Screen sharing was ended from the browser's own bar. */
  | { readonly kind: "screen_ended" }
  /** Back after the lesson's media moved, or the connection was lost. */
  | { readonly kind: "media_back" };

export interface Device {
  readonly id: string;
  /** Empty until the browser has given leave to a device of that kind. */
  readonly label: string;
}

export type DeviceKind = "microphone" | "camera" | "speaker";

export interface DeviceList {
  readonly microphone: readonly Device[];
  readonly camera: readonly Device[];
  /** Empty where the browser cannot choose (then it is the system's choice). */
  readonly speaker: readonly Device[];
}

/** Chosen device ids; null: the system's. */
export type DeviceChoice = Readonly<Record<DeviceKind, string | null>>;
