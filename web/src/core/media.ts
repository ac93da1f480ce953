/** Keeps one media connection alive: makes it, restarts its ICE, makes a new one. Owns no device and no element. */

import type { IceServer, MediaLost, Moved, SourceName, Watched, Welcome } from "../generated/wire";
import { delayMs, MEDIA_BACKOFF } from "./backoff";
import { Peer, type Negotiate } from "./peer";
import { Failed, type Connection } from "./types";
import { Value, type Readable } from "./value";
import type { PeerTotals } from "./vitals";

export interface MediaState {
  readonly media: Connection["media"];
  /** Only with "failed". */
  readonly failure: string | null;
}

/** What of a Peer is used. */
export type PeerLike = Pick<Peer, "connection" | "lease" | "state" | "track" | "open" | "restart" | "send" | "watch" | "pulse" | "totals" | "close">;

export interface MediaOptions {
  readonly negotiate: Negotiate;
  /** Whether offers can be sent now. */
  readonly online: () => boolean;
  /** Another connection's tracks are to be shown from now on; null: none. */
  readonly onPeer: (peer: PeerLike | null) => void;
  /** Whether somebody sends to us without a pause, so that silence means a dead line (as it does while our
   * own microphone is on: the worker reports on it). */
  readonly expects: () => boolean;
  /** Media has stopped, or flows again: the socket may be dead, or can be had again. */
  readonly onFlow: (flows: boolean) => void;
  readonly makePeer?: (
    connection: number,
    tiles: number,
    iceServers: readonly IceServer[],
    negotiate: Negotiate,
    onState: (state: RTCPeerConnectionState) => void,
  ) => PeerLike;
  readonly nowMs?: () => number;
  readonly random?: () => number;
}

/** How often it is looked whether media flows, and after how long without any the line is taken for dead. */
export const PULSE_MS = 250;
export const STALL_MS = 1_000;
/** Restarts of ICE for a stall are spread over so much: a worker's hiccup stalls a whole class. */
export const STALL_SPREAD_MS = 300;
/** How long "disconnected" may last before ICE is restarted. */
export const DISCONNECTED_MS = 1_500;
/** How long a restarted ICE may take before a new connection is made. */
export const RESTART_MS = 6_000;
/** How long a new connection may take from its answer on. */
export const CONNECT_MS = 12_000;
/** Tries without success after which the person is told; it goes on trying. */
export const TELL_AFTER = 4;
/** Refusals that trying again does not change. */
const LASTING: ReadonlySet<string> = new Set([
  "offer_malformed",
  "offer_too_big",
  "offer_no_codec",
  "offer_sections",
  "not_allowed",
  "bad_request",
  "no_webrtc",
]);
const NUMBERS_FROM_MS = Date.UTC(2026, 0, 1);
const MS_A_NUMBER = 250;
const NUMBER_STEP = 1_000_000;

/** Calling rule: `welcome` with each of the server's, `close` at the end. */
export class Media {
  readonly #options: MediaOptions;
  readonly #state = new Value<MediaState>(
    { media: "off", failure: null },
    (a, b) => a.media === b.media && a.failure === b.failure,
  );
  readonly #tracks = new Map<SourceName, MediaStreamTrack>();
  #tiles = 0;
  #iceServers: readonly IceServer[] = [];
  #peer: PeerLike | null = null;
  /** Being made; `#peer` stays until its answer is there. */
  #next: PeerLike | null = null;
  #connection = 0;
  #attempt = 0;
  /** The restart that is under way (they are counted), 0: none. */
  #restarting = 0;
  #restarts = 0;
  /** The server said that this connection's worker is given up. */
  #moving = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #pulse = { peer: null as PeerLike | null, value: "", atMs: 0, stalled: false };
  #looking: ReturnType<typeof setInterval> | undefined;
  #lostAtMs: number | null = null;

  readonly state: Readable<MediaState> = this.#state;

  constructor(options: MediaOptions) {
    this.#options = options;
  }

  /** Number and lease of the connection in use. */
  get current(): { readonly connection: number; readonly lease: number | null } | null {
    return this.#peer;
  }

  /** What the connection in use carried so far; the key is its number. */
  async totals(): Promise<{ readonly key: number; readonly totals: PeerTotals } | null> {
    const peer = this.#peer;
    return peer === null ? null : { key: peer.connection, totals: await peer.totals() };
  }

  configure(tiles: number, iceServers: readonly IceServer[]): void {
    this.#tiles = tiles;
    this.#iceServers = iceServers;
  }

  /** The socket is up: goes on with a connection that the server still has, else makes one. */
  welcome(message: Pick<Welcome, "lease" | "media_alive">): void {
    const peer = this.#peer;
    const kept = peer?.lease === message.lease && message.media_alive;
    // an offer that was under way is lost with the socket
    if (peer === null || !kept || this.#next !== null) return this.renew();
    if (peer.state === "connected" && !this.#pulse.stalled) this.#connected();
    else void this.#restart();
  }

  watched(message: Watched): void {
    for (const peer of [this.#peer, this.#next])
      if (peer?.connection === message.connection) void peer.watch(message);
  }

  lost(message: MediaLost): void {
    if (message.connection === this.#peer?.connection) this.renew();
  }

  /** Not for somebody without a connection: welcome comes, or its next try finds the new worker. */
  moved(message: Moved): void {
    if (this.#peer === null || this.#peer.lease === message.lease) return;
    this.#moving = true;
    this.#set("restoring");
    this.#after(message.delay_ms, () => {
      // an offer that was under way may have reached the new worker
      if (this.#peer?.lease !== message.lease) this.renew();
    });
  }

  /** Makes a new connection now; the former one plays on until the answer is there. */
  renew(): void {
    clearTimeout(this.#timer);
    this.#moving = false;
    this.#restarting = 0;
    this.#next?.close();
    this.#next = null;
    this.#set(this.#peer === null ? "connecting" : "restoring");
    if (!this.#options.online()) return; // welcome comes
    void this.#open();
  }

  /** The network changed: what is connected may be dead without knowing it. */
  check(): void {
    void this.#restart();
  }

  /** What is sent as this source from now on, by this connection and later ones. */
  async send(source: SourceName, track: MediaStreamTrack | null): Promise<void> {
    if (track === null) this.#tracks.delete(source);
    else this.#tracks.set(source, track);
    await Promise.all([this.#peer?.send(source, track), this.#next?.send(source, track)]);
  }

  close(): void {
    clearTimeout(this.#timer);
    clearInterval(this.#looking);
    this.#looking = undefined;
    this.#lostAtMs = null;
    this.#next?.close();
    this.#peer?.close();
    this.#next = this.#peer = null;
    this.#attempt = 0;
    this.#restarting = 0;
    this.#state.set({ media: "off", failure: null });
    this.#options.onPeer(null);
  }

  async #open(): Promise<void> {
    let peer: PeerLike | null = null;
    try {
      const make = this.#options.makePeer ?? ((...of) => new Peer(...of));
      peer = this.#next = make(this.#nextNumber(), this.#tiles, this.#iceServers, this.#options.negotiate, (state) => {
        if (peer !== null) this.#changed(peer, state);
      });
      for (const [source, track] of this.#tracks) await peer.send(source, track);
      await peer.open();
    } catch (error) {
      peer?.close();
      if (peer !== this.#next) return;
      this.#next = null;
      this.#failed(error instanceof Failed ? error.code : "media_failed");
      return;
    }
    if (peer !== this.#next) { peer.close(); return; }
    this.#next = null;
    this.#peer?.close();
    this.#peer = peer;
    this.#restarting = 0;
    this.#moving = false;
    this.#looking ??= setInterval(() => void this.#look(), PULSE_MS);
    this.#options.onPeer(peer);
    if (peer.state === "connected") this.#connected();
    else this.#after(CONNECT_MS, () => this.#failed("media_failed"));
  }

  async #restart(): Promise<void> {
    const peer = this.#peer;
    if (peer === null || this.#restarting !== 0 || this.#moving || this.#next !== null) return;
    this.#set("restoring");
    if (!this.#options.online()) return; // welcome comes
    const turn = (this.#restarting = ++this.#restarts);
    let answered = false;
    this.#after(RESTART_MS, () => {
      this.#restarting = 0;
      // its checks are answered: who was to be heard does not send, another connection would not change that
      if (answered && peer.state === "connected") this.#connected();
      else this.renew();
    });
    try {
      await peer.restart();
      answered = true;
      // one that was connected stays so and says nothing; whether it flows shows
      if (this.#restarting === turn && peer.state === "connected" && !this.#pulse.stalled) this.#connected();
    } catch (error) {
      if (this.#restarting !== turn) return;
      this.#restarting = 0;
      clearTimeout(this.#timer);
      if (!(error instanceof Failed && error.code === "connection_lost")) this.renew();
    }
  }

  /** A line can be dead long before its state says so, and alive again before a time-out is over. */
  async #look(): Promise<void> {
    const peer = this.#peer;
    if (peer === null) return;
    const value = await peer.pulse().catch(() => "");
    if (peer !== this.#peer) return;
    const pulse = this.#pulse;
    const nowMs = (this.#options.nowMs ?? Date.now)();
    if (pulse.peer !== peer || pulse.value !== value) {
      const back = pulse.peer === peer && pulse.stalled;
      this.#pulse = { peer, value, atMs: nowMs, stalled: false };
      if (!back) return;
      if (peer.state === "connected" && this.#next === null && !this.#moving) this.#connected();
      this.#options.onFlow(true);
      return;
    }
    const expects = this.#options.expects() || this.#tracks.has("microphone");
    if (peer.state !== "connected" || !expects) { pulse.atMs = nowMs; return; }
    if (pulse.stalled || nowMs - pulse.atMs < STALL_MS) return;
    pulse.stalled = true;
    this.#options.onFlow(false);
    if (this.#restarting !== 0 || this.#moving || this.#next !== null) return;
    this.#set("restoring");
    this.#after((this.#options.random ?? Math.random)() * STALL_SPREAD_MS, () => void this.#restart());
  }

  #changed(peer: PeerLike, state: RTCPeerConnectionState): void {
    if (peer !== this.#peer || this.#next !== null || this.#moving) return;
    if (state === "connected") {
      if (!this.#pulse.stalled) this.#connected();
    } else if (state === "disconnected" && this.#restarting === 0)
      this.#after(DISCONNECTED_MS, () => void this.#restart());
    else if (state === "failed") {
      if (this.#restarting !== 0 || this.#state.get().media === "connecting") this.#failed("media_failed");
      else void this.#restart();
    }
  }

  #connected(): void {
    clearTimeout(this.#timer);
    this.#restarting = 0;
    this.#attempt = 0;
    this.#lostAtMs = null;
    this.#set("connected");
  }

  #failed(code: string): void {
    this.#restarting = 0;
    if (code === "connection_lost") return; // welcome comes
    if (code === "stale_number") this.#connection += NUMBER_STEP; // a clock was set back
    this.#attempt += 1;
    const lasting = LASTING.has(code);
    if (lasting || this.#attempt >= TELL_AFTER) this.#state.set({ media: "failed", failure: code });
    if (lasting) { clearTimeout(this.#timer); return; }
    const random = (this.#options.random ?? Math.random)();
    const nowMs = (this.#options.nowMs ?? Date.now)();
    this.#lostAtMs ??= nowMs;
    this.#after(delayMs(MEDIA_BACKOFF, this.#attempt - 1, random, nowMs - this.#lostAtMs), () => {
      const told = this.#state.get();
      this.renew();
      if (told.media === "failed") this.#state.set(told); // stays said until it works
    });
  }

  /** Higher than any number this person had before, in an earlier page too. */
  #nextNumber(): number {
    const now = (this.#options.nowMs ?? Date.now)();
    const clock = Math.floor((now - NUMBERS_FROM_MS) / MS_A_NUMBER);
    this.#connection = Math.max(this.#connection + 1, Math.min(Math.max(clock, 1), 2 ** 31 - 1_000_000));
    return this.#connection;
  }

  #set(media: MediaState["media"]): void {
    this.#state.set({ media, failure: null });
  }

  #after(ms: number, then: () => void): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(then, ms);
  }
}
