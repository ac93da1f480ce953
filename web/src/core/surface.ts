/** What the views may use of a lesson: types only. */

import type { Chime } from "./chime";
import type { JoinReply, SendInk, ServerMessage } from "../generated/wire";
import type { Devices } from "./devices";
import type { Request } from "./signalling";
import type { Fields } from "./store";
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
} from "./types";
import type { Readable } from "./value";

export interface LessonOptions {
  /** The join link's code, and the name as typed: a fresh ticket is asked for with them. */
  readonly code: string;
  readonly name: string;
  /** What `api.join` gave: the join page calls it, so that refusals show there. */
  readonly joined: JoinReply;
  readonly devices: Devices;
}

export type Telling = SendInk;

/**
 * Calling rule: make one, `start()` it, use it, `leave()` or `close()` it. Readables may be read from the start.
 * Actions give a promise that rejects with `Failed` (code) when they were refused; nothing was changed then.
 */
export interface LessonSurface {
  /** The lesson's id, for addresses. */
  readonly id: string;
  readonly phase: Readable<Phase>;
  readonly connection: Readable<Connection>;
  /** null until the first state has come. */
  readonly lesson: Readable<LessonField | null>;
  /** null: nobody has pressed record yet. */
  readonly recording: Readable<RecordingField | null>;
  readonly self: Readable<Self>;
  /** Who is here, in the class's order (oneself too). */
  readonly people: Readable<readonly Person[]>;
  /** Raised hands, first raised first. */
  readonly hands: Readable<readonly Person[]>;
  readonly chat: Readable<readonly ChatMessage[]>;
  /** Seen by leaders only. */
  readonly lobby: Readable<readonly LobbyPerson[]>;
  /** Ids of who speaks, loudest first. */
  readonly speakers: Readable<readonly string[]>;
  readonly picture: Readable<Picture>;
  readonly saving: Readable<Saving>;
  /** Pictures that stand for videos while `saving` is lite. */
  readonly stills: Readable<readonly StillImage[]>;
  /** How far this computer is spared: 0 not at all, 1 fewer tiles, 2 no tiles, 3 one small picture. */
  readonly spare: Readable<number>;
  readonly traffic: Readable<Traffic>;
  readonly sources: Readable<Readonly<Record<SourceName, OwnSource>>>;
  /** Own microphone, 0..1, about 15 times a second while it is on; 0 otherwise. */
  readonly level: Readable<number>;
  /** The browser refused to play sound: show "Turn sound on", which calls `turnSoundOn()`. */
  readonly soundRefused: Readable<boolean>;
  /** All that the server tells of the lesson: what a capability reads its own from. */
  readonly fields: Readable<Fields>;
  /** Name of anybody ever seen in this lesson, with the label; "" when unknown. */
  nameOf(participant: string): string;
  /** Server time now, for clocks such as `lesson.ends_at_ms`. */
  serverNowMs(): number;
  /** Messages of capabilities that pass and are in no field. */
  onPassing(listener: (message: ServerMessage) => void): () => void;
  onNotice(listener: (notice: Notice) => void): () => void;

  start(): void;
  /** Goes away on purpose: no grace. */
  leave(): Promise<void>;
  /** Lets go of everything at once (page unmounted). */
  close(): void;
  /** After `closed` with `resumable`: joins again here (an older tab gives way). */
  comeBack(): void;
  /** Tries the socket now instead of waiting. */
  retryNow(): void;
  reconnectMedia(): void;

  /** Turns a source on or off; the last wish wins. Rejects with the reason when it stays off. */
  setSource(source: "microphone" | "camera" | "screen", on: boolean): Promise<void>;
  /** Must be called from a click. */
  turnSoundOn(): Promise<void>;
  /** A few notes for what must not be missed; nothing where the browser keeps the page silent. */
  chime(which: Chime): void;
  /**
   * Shows a video slot in `container`: the slot's one <video> element is moved into it, and its height is told
   * to the server (so a slot that is not mounted is not sent). Sound goes on when nothing is mounted. Style the
   * element as `video[data-slot]`. Gives back how to take it out again.
   */
  mount(slot: number, container: HTMLElement): () => void;
  setPage(page: number): void;
  setMode(mode: Mode): void;
  /** Large for oneself only; null: as the lesson says. */
  setPin(participant: string | null): void;

  /** Says what gets no answer and nobody keeps; lost without a line. */
  tell(message: Telling): void;
  /** What a capability asks of the server. */
  request(request: Request): Promise<void>;
  setHand(up: boolean): Promise<void>;
  /** Students about themselves, leaders about a student: whether anything of them is recorded. */
  setRecorded(on: boolean, participant?: string): Promise<void>;

  /** Leaders from here on. */
  lowerHand(participant: string): Promise<void>;
  lowerAllHands(): Promise<void>;
  mute(participant: string, source?: SourceName): Promise<void>;
  muteAll(source?: SourceName): Promise<void>;
  /** What students may publish. */
  setMay(may: readonly SourceName[]): Promise<void>;
  /** The same for one person; null: as the lesson says. */
  setPersonMay(participant: string, may: readonly SourceName[] | null): Promise<void>;
  /** What of students may be recorded at all. */
  setRecordable(sources: readonly SourceName[]): Promise<void>;
  setStage(participant: string | null): Promise<void>;
  setLocked(on: boolean): Promise<void>;
  remove(participant: string): Promise<void>;
  /** Starts the next part of the recording (`students`: what of students is recorded too), or stops this one. */
  record(on: boolean, students?: readonly SourceName[]): Promise<void>;
  /** The teacher: ends the lesson for all. */
  end(): Promise<void>;
}
