/** The WebSocket of one person in one lesson: says hello, comes back after losses, answers requests. */

import type { Answer, ClientMessage, Done, Hello, ServerMessage } from "../generated/wire";
import { WIRE_VERSION } from "../generated/wire";
import { delayMs, SOCKET_BACKOFF, SOON_FOR_MS, type Backoff } from "./backoff";
import { pack, unpack } from "./codec";
import { Failed } from "./types";
import { Value, type Readable } from "./value";

/** What of a WebSocket is used. */
export interface Socket {
  binaryType: BinaryType;
  onopen: ((event: Event) => void) | null;
  onmessage: ((event: MessageEvent) => void) | null;
  onclose: ((event: CloseEvent) => void) | null;
  send(data: Uint8Array<ArrayBuffer>): void;
  close(): void;
}

type Unnumbered<T> = T extends { readonly id: number } ? Omit<T, "id"> : never;
/** A message that gets a reply, without its number. */
export type Request = Unnumbered<ClientMessage>;

export interface SignallingState {
  readonly socket: "down" | "up";
  /** Date.now() of the next try while down and waiting. */
  readonly retryAtMs: number | null;
}

export interface SignallingOptions {
  /** A ticket; `fresh`: the last one was refused. Rejects with `Failed`. */
  readonly ticket: (fresh: boolean) => Promise<string>;
  /** Where to resume: the last event applied, and the lease of the running media connection. */
  readonly resume: () => Pick<Hello, "after" | "lease">;
  /** Every message but replies and `closed`, in order. */
  readonly onMessage: (message: ServerMessage) => void;
  /** For good: it does not come back by itself. */
  readonly onClosed: (code: string) => void;
  /** A request that changes nothing, to learn whether the line is alive; null: none just now. */
  readonly probe: () => Request | null;
  readonly open?: () => Socket;
  readonly backoff?: Backoff;
  readonly random?: () => number;
}

/** Refusals of `ticket` and reasons of `closed` after which trying again may help. */
const PASSING: ReadonlySet<string> = new Set(["network", "internal", "rate_limited", "door_queue", "no_worker", "worker_lost", "hello_timeout"]);
const TICKET: ReadonlySet<string> = new Set(["ticket_bad", "ticket_expired"]);
/** No `welcome` or `waiting` in this time: the try has failed. */
export const HELLO_TIMEOUT_MS = 10_000;
/** No open socket in this time while the outage is young: the try went into a dead network. */
export const OPEN_TIMEOUT_MS = 2_000;
export const REQUEST_TIMEOUT_MS = 12_000;
/** A probe in doubt, when media is away or the page slept, is answered in this time or the line is dead. */
export const DOUBT_MS = 2_000;
/** Silence after which the line is probed. */
export const QUIET_MS = 20_000;

interface Pending {
  readonly resolve: (reply: Answer | Done) => void;
  readonly reject: (error: Failed) => void;
  readonly timer: ReturnType<typeof setTimeout>;
}

/** Calling rule: `start()` once; `close()` or `onClosed` ends it, then `start()` may come again. */
export class Signalling {
  readonly #options: SignallingOptions;
  readonly #state = new Value<SignallingState>({ socket: "down", retryAtMs: null });
  readonly #pending = new Map<number, Pending>();
  #socket: Socket | null = null;
  #running = false;
  /** Grows with each try, so that what belongs to an older one is ignored. */
  #try = 0;
  #attempt = 0;
  /** Since when (Date.now()) there is no line; null: there is. */
  #awayAtMs: number | null = null;
  #doubting = false;
  #freshTicket = false;
  #number = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #quiet: ReturnType<typeof setTimeout> | undefined;

  readonly state: Readable<SignallingState> = this.#state;

  constructor(options: SignallingOptions) {
    this.#options = options;
  }

  start(): void {
    if (this.#running) return;
    this.#running = true;
    this.#attempt = 0;
    this.#awayAtMs = null;
    this.#freshTicket = false;
    void this.#connect();
  }

  /** Tries at once instead of waiting for the next try. */
  retryNow(): void {
    if (this.#running && this.#state.get().retryAtMs !== null) void this.#connect();
  }

  /** Drops the socket and resumes: a message was missed, or the network changed. */
  resume(): void {
    if (!this.#running || this.#socket === null) return;
    this.#drop();
    void this.#connect();
  }

  /** Asks for a sign of life now and waits for it shortly: the network may have changed under us. */
  probe(): void {
    if (this.#state.get().socket === "up" && !this.#doubting) this.#probe(DOUBT_MS);
  }

  /** Ends without a word; `send({t: "leave"})` first for going on purpose. */
  close(): void {
    this.#running = false;
    this.#try += 1;
    this.#drop();
    this.#state.set({ socket: "down", retryAtMs: null });
  }

  /** A message without reply; false when there is no line (nothing is kept for later). */
  send(message: Exclude<ClientMessage, { readonly id: number }>): boolean {
    if (this.#socket === null || this.#state.get().socket === "down") return false;
    this.#socket.send(pack(message));
    return true;
  }

  /** Rejects with the refusal's code, or `connection_lost` when the reply cannot come any more. */
  request(request: Request, timeoutMs = REQUEST_TIMEOUT_MS): Promise<Answer | Done> {
    const socket = this.#socket;
    if (socket === null || this.#state.get().socket === "down") return Promise.reject(new Failed("connection_lost"));
    this.#number = (this.#number % 2 ** 31) + 1;
    const id = this.#number;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#pending.delete(id);
        reject(new Failed("connection_lost"));
        if (this.#socket === socket) this.resume(); // a line that does not answer is dead
      }, timeoutMs);
      this.#pending.set(id, { resolve, reject, timer });
      socket.send(pack({ ...request, id }));
    });
  }

  async #connect(): Promise<void> {
    const attempt = ++this.#try;
    this.#awayAtMs ??= Date.now();
    this.#clear();
    this.#state.set({ socket: "down", retryAtMs: null });
    let ticket: string;
    try {
      ticket = await this.#options.ticket(this.#freshTicket);
    } catch (error) {
      if (attempt !== this.#try) return;
      const failed = error instanceof Failed ? error : new Failed("internal");
      if (PASSING.has(failed.code)) { this.#later((failed.retryAfterS ?? 0) * 1000); return; }
      this.#end(failed.code); return;
    }
    if (attempt !== this.#try) return;
    const socket = (this.#options.open ?? openSocket)();
    this.#socket = socket;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      if (attempt !== this.#try) return;
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#later(), HELLO_TIMEOUT_MS);
      socket.send(pack({ t: "hello", ticket, version: WIRE_VERSION, ...this.#options.resume() }));
    };
    socket.onmessage = ({ data }) => {
      if (attempt === this.#try && data instanceof ArrayBuffer) this.#receive(data);
    };
    socket.onclose = () => {
      if (attempt === this.#try) this.#later();
    };
    const young = this.#awayMs() < SOON_FOR_MS;
    this.#timer = setTimeout(() => this.#later(), young ? OPEN_TIMEOUT_MS : HELLO_TIMEOUT_MS);
  }

  #awayMs(): number {
    return this.#awayAtMs === null ? 0 : Date.now() - this.#awayAtMs;
  }

  #receive(data: ArrayBuffer): void {
    const message = unpack(data);
    if (message === null) return;
    this.#listen();
    switch (message.t) {
      case "answer":
      case "done":
      case "refused": {
        const pending = this.#pending.get(message.id);
        if (pending === undefined) return;
        this.#pending.delete(message.id);
        clearTimeout(pending.timer);
        if (message.t === "refused") pending.reject(new Failed(message.code));
        else pending.resolve(message);
        return;
      }
      case "closed":
        if (TICKET.has(message.code) && !this.#freshTicket) {
          this.#freshTicket = true; // one new ticket at once, then as with every other loss
          this.#drop();
          void this.#connect();
        } else if (message.retry || PASSING.has(message.code)) {
          this.#later();
        } else {
          this.#end(message.code);
        }
        return;
      case "welcome":
      case "waiting":
        clearTimeout(this.#timer);
        this.#attempt = 0;
        this.#awayAtMs = null;
        this.#freshTicket = false;
        this.#state.set({ socket: "up", retryAtMs: null });
        break;
      default:
        break;
    }
    this.#options.onMessage(message);
  }

  /** Each sign of life puts off the next probe. */
  #listen(): void {
    clearTimeout(this.#quiet);
    this.#quiet = setTimeout(() => this.#probe(), QUIET_MS);
  }

  #probe(timeoutMs = REQUEST_TIMEOUT_MS): void {
    const probe = this.#options.probe();
    if (probe === null) { this.#listen(); return; }
    this.#doubting = true;
    const done = (): void => void (this.#doubting = false);
    this.request(probe, timeoutMs).then(done, done); // its time-out resumes
  }

  #later(atLeastMs = 0): void {
    this.#drop();
    this.#try += 1;
    this.#awayAtMs ??= Date.now();
    const random = (this.#options.random ?? Math.random)();
    const wait = Math.max(atLeastMs, delayMs(this.#options.backoff ?? SOCKET_BACKOFF, this.#attempt, random, this.#awayMs()));
    this.#attempt += 1;
    this.#state.set({ socket: "down", retryAtMs: Date.now() + wait });
    this.#timer = setTimeout(() => void this.#connect(), wait);
  }

  #end(code: string): void {
    this.close();
    this.#options.onClosed(code);
  }

  #clear(): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#quiet);
  }

  #drop(): void {
    this.#clear();
    const socket = this.#socket;
    this.#socket = null;
    if (socket !== null) {
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close();
    }
    for (const pending of this.#pending.values()) {
      clearTimeout(pending.timer);
      pending.reject(new Failed("connection_lost"));
    }
    this.#pending.clear();
  }
}

function openSocket(): Socket {
  const url = new URL("/ws", location.href);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  return new WebSocket(url);
}
