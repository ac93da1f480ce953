import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import {
  CONNECT_MS,
  DISCONNECTED_MS,
  Media,
  PULSE_MS,
  RESTART_MS,
  STALL_MS,
  STALL_SPREAD_MS,
  TELL_AFTER,
  type PeerLike,
} from "../../src/core/media";
import type { Negotiate, Watching } from "../../src/core/peer";
import { Failed } from "../../src/core/types";
import type { PeerTotals } from "../../src/core/vitals";
import type { SourceName } from "../../src/generated/wire";

const MIC = { id: "mic" } as unknown as MediaStreamTrack;

class FakePeer implements PeerLike {
  lease: number | null = null;
  state: RTCPeerConnectionState = "new";
  closed = false;
  restarts = 0;
  watching: Watching | null = null;
  /** Grows by itself while media flows. */
  flows = true;
  beat = 0;
  readonly sent = new Map<SourceName, MediaStreamTrack | null>();

  constructor(
    readonly connection: number,
    private readonly negotiate: Negotiate,
    readonly onState: (state: RTCPeerConnectionState) => void,
  ) {}

  async open(): Promise<void> {
    this.lease = (await this.#offer()).lease;
  }

  async restart(): Promise<void> {
    this.restarts += 1;
    await this.#offer();
  }

  totals(): Promise<PeerTotals> {
    return Promise.resolve({ downBytes: 0, upBytes: 0, framesDecoded: 0, framesDropped: 0, encoderLimited: false });
  }

  watch(watching: Watching): Promise<void> {
    this.watching = watching;
    return Promise.resolve();
  }

  pulse(): Promise<string> {
    if (this.flows) this.beat += 1;
    return Promise.resolve(String(this.beat));
  }

  send(source: SourceName, track: MediaStreamTrack | null): Promise<void> {
    this.sent.set(source, track);
    return Promise.resolve();
  }

  track(): null {
    return null;
  }

  close(): void {
    this.closed = true;
    this.state = "closed";
  }

  is(state: RTCPeerConnectionState): void {
    this.state = state;
    this.onState(state);
  }

  #offer(): ReturnType<Negotiate> {
    return this.negotiate({ connection: this.connection, sdp: new Uint8Array(), send: [], slots: [] });
  }
}

function setUp() {
  const peers: FakePeer[] = [];
  const shown: (number | null)[] = [];
  const world = {
    peers,
    shown,
    online: true,
    expects: true,
    flows: [] as boolean[],
    answer: (): Promise<number> => Promise.resolve(1),
    last: (): FakePeer => {
      const peer = peers.at(-1);
      if (peer === undefined) throw new Error("no connection was made");
      return peer;
    },
  };
  const media = new Media({
    negotiate: async () => ({ sdp: new Uint8Array(), lease: await world.answer() }),
    online: () => world.online,
    expects: () => world.expects,
    onFlow: (flows) => world.flows.push(flows),
    onPeer: (peer) => shown.push(peer?.connection ?? null),
    makePeer: (connection, _tiles, _ice, negotiate, onState) => {
      peers.push(new FakePeer(connection, negotiate, onState));
      return world.last();
    },
    random: () => 1,
  });
  const settle = (): Promise<unknown> => vi.advanceTimersByTimeAsync(0);
  const connect = async (): Promise<FakePeer> => {
    media.welcome({ lease: 1, media_alive: false });
    await settle();
    world.last().is("connected");
    return world.last();
  };
  return { media, world, settle, connect };
}

beforeEach(() => void vi.useFakeTimers({ now: Date.UTC(2027, 0, 1) }));
afterEach(() => void vi.useRealTimers());

describe("a connection", () => {
  it("is made at the first welcome and shown from its answer on", async () => {
    const { media, world, settle } = setUp();
    media.welcome({ lease: 1, media_alive: false });
    expect(media.state.get().media).toBe("connecting");
    await settle();
    expect(world.shown).toEqual([world.last().connection]);
    world.last().is("connected");
    expect(media.state.get()).toEqual({ media: "connected", failure: null });
  });

  it("that the server still has is kept over a resumed socket", async () => {
    const { media, world, connect, settle } = setUp();
    const peer = await connect();
    media.welcome({ lease: 1, media_alive: true });
    await settle();
    expect(world.peers).toHaveLength(1);
    expect([peer.restarts, media.state.get().media]).toEqual([0, "connected"]);
  });

  it.each([
    ["of another lease", { lease: 2, media_alive: true }],
    ["that the server has lost", { lease: 1, media_alive: false }],
  ])("%s is made anew, the former plays on until the answer", async (_, message) => {
    const { media, world, connect, settle } = setUp();
    const former = await connect();
    media.welcome(message);
    expect([former.closed, media.state.get().media]).toEqual([false, "restoring"]);
    await settle();
    expect(former.closed).toBe(true);
    expect(world.last().connection).toBeGreaterThan(former.connection);
  });

  it("has a number above those of an earlier page", async () => {
    const { connect } = setUp();
    const first = await connect();
    vi.setSystemTime(Date.now() + 1_000);
    const reloaded = await setUp().connect();
    expect(reloaded.connection).toBeGreaterThan(first.connection);
    expect(reloaded.connection).toBeLessThan(2 ** 31);
  });

  it("sends again what the former sent", async () => {
    const { media, world, connect, settle } = setUp();
    const former = await connect();
    await media.send("microphone", MIC);
    expect(former.sent.get("microphone")).toBe(MIC);
    media.lost({ t: "media_lost", connection: former.connection });
    await settle();
    expect(world.last()).not.toBe(former);
    expect(world.last().sent.get("microphone")).toBe(MIC);
    await media.send("microphone", null);
    media.renew();
    await settle();
    expect(world.last().sent.size).toBe(0);
  });
});

describe("a loss", () => {
  it("that lasts restarts ICE on the same connection first", async () => {
    const { media, world, connect } = setUp();
    const peer = await connect();
    peer.is("disconnected");
    await vi.advanceTimersByTimeAsync(DISCONNECTED_MS);
    expect([peer.restarts, world.peers.length, media.state.get().media]).toEqual([1, 1, "restoring"]);
    peer.is("connected");
    await vi.advanceTimersByTimeAsync(RESTART_MS * 2);
    expect([world.peers.length, media.state.get().media]).toEqual([1, "connected"]);
  });

  it("that passes by itself does nothing", async () => {
    const { connect } = setUp();
    const peer = await connect();
    peer.is("disconnected");
    await vi.advanceTimersByTimeAsync(DISCONNECTED_MS - 1);
    peer.is("connected");
    await vi.advanceTimersByTimeAsync(RESTART_MS);
    expect(peer.restarts).toBe(0);
  });

  it("that a restart does not heal makes a new connection", async () => {
    const { world, connect } = setUp();
    const peer = await connect();
    peer.is("failed");
    await vi.advanceTimersByTimeAsync(RESTART_MS);
    expect([peer.restarts, world.peers.length, peer.closed]).toEqual([1, 2, true]);
  });

  it("while the socket is down waits for the welcome", async () => {
    const { media, world, connect, settle } = setUp();
    const peer = await connect();
    world.online = false;
    peer.is("failed");
    await vi.advanceTimersByTimeAsync(60_000);
    expect([peer.restarts, world.peers.length, media.state.get().media]).toEqual([0, 1, "restoring"]);
    world.online = true;
    media.welcome({ lease: 1, media_alive: true });
    await settle();
    expect(peer.restarts).toBe(1);
  });

  it("told by the server of an older connection is ignored", async () => {
    const { media, world, connect, settle } = setUp();
    const peer = await connect();
    media.lost({ t: "media_lost", connection: peer.connection - 1 });
    await settle();
    expect(world.peers).toHaveLength(1);
  });
});

describe("silence", () => {
  const STALLED_BY_MS = STALL_MS + 2 * PULSE_MS + STALL_SPREAD_MS;

  async function flowing() {
    const all = setUp();
    const peer = await all.connect();
    await vi.advanceTimersByTimeAsync(2 * PULSE_MS);
    return { ...all, peer };
  }

  it("of a connected line, where somebody sends, restarts ICE once and asks the socket", async () => {
    const { media, world, peer } = await flowing();
    peer.flows = false;
    await vi.advanceTimersByTimeAsync(STALLED_BY_MS);
    expect([peer.restarts, media.state.get().media, world.flows]).toEqual([1, "restoring", [false]]);
    await vi.advanceTimersByTimeAsync(RESTART_MS / 2);
    expect(peer.restarts).toBe(1);
    peer.flows = true;
    await vi.advanceTimersByTimeAsync(PULSE_MS);
    expect([media.state.get().media, world.flows, world.peers.length]).toEqual(["connected", [false, true], 1]);
    await vi.advanceTimersByTimeAsync(2 * RESTART_MS);
    expect(world.peers).toHaveLength(1);
  });

  it("where nobody sends is nothing", async () => {
    const { media, world, peer } = await flowing();
    world.expects = false;
    peer.flows = false;
    await vi.advanceTimersByTimeAsync(10 * STALLED_BY_MS);
    expect([peer.restarts, media.state.get().media, world.flows]).toEqual([0, "connected", []]);
  });

  it("counts while our own microphone is on, from then on", async () => {
    const { media, world, peer } = await flowing();
    world.expects = false;
    peer.flows = false;
    await vi.advanceTimersByTimeAsync(10 * STALLED_BY_MS);
    await media.send("microphone", MIC);
    await vi.advanceTimersByTimeAsync(STALL_MS - PULSE_MS);
    expect(peer.restarts).toBe(0);
    await vi.advanceTimersByTimeAsync(STALLED_BY_MS);
    expect([peer.restarts, world.flows]).toEqual([1, [false]]);
  });

  it("during which the socket was lost is ended by a restart at the welcome", async () => {
    const { media, world, peer, settle } = await flowing();
    world.online = false;
    peer.flows = false;
    await vi.advanceTimersByTimeAsync(STALLED_BY_MS);
    expect(peer.restarts).toBe(0);
    world.online = true;
    media.welcome({ lease: 1, media_alive: true });
    await settle();
    expect(peer.restarts).toBe(1);
  });

  it("that a restart does not end makes a new connection, the former goes", async () => {
    const { world, peer } = await flowing();
    peer.flows = false;
    await vi.advanceTimersByTimeAsync(STALLED_BY_MS);
    peer.is("disconnected");
    await vi.advanceTimersByTimeAsync(RESTART_MS);
    expect([peer.closed, world.peers.length]).toEqual([true, 2]);
  });

  it("of somebody whose microphone died is not the line's: no further restart, no new connection", async () => {
    const { media, world, peer } = await flowing();
    peer.flows = false;
    await vi.advanceTimersByTimeAsync(STALLED_BY_MS + 10 * RESTART_MS);
    expect([peer.restarts, world.peers.length, media.state.get().media]).toEqual([1, 1, "connected"]);
  });
});

it("a network that changed restarts ICE though all seems well, and goes on without a new connection", async () => {
  const { media, world, connect } = setUp();
  const peer = await connect();
  await vi.advanceTimersByTimeAsync(2 * PULSE_MS);
  media.check();
  await vi.advanceTimersByTimeAsync(2 * RESTART_MS);
  expect([peer.restarts, world.peers.length, media.state.get().media]).toEqual([1, 1, "connected"]);
});

it("a restart that the worker refuses is a new connection at once", async () => {
  const { media, world, connect, settle } = setUp();
  const peer = await connect();
  world.answer = () => Promise.reject(new Failed("offer_sections"));
  media.check();
  world.answer = () => Promise.resolve(1);
  await settle();
  expect([peer.closed, world.peers.length]).toEqual([true, 2]);
});

describe("moved", () => {
  it("makes the new connection after the delay, without restarting the old", async () => {
    const { media, world, connect, settle } = setUp();
    const peer = await connect();
    world.answer = () => Promise.resolve(2);
    media.moved({ t: "moved", lease: 2, delay_ms: 700 });
    peer.is("failed");
    await vi.advanceTimersByTimeAsync(699);
    expect([world.peers.length, peer.restarts]).toEqual([1, 0]);
    await vi.advanceTimersByTimeAsync(1);
    await settle();
    expect([world.peers.length, world.last().lease]).toEqual([2, 2]);
  });

  it("to the lease that we have, or before there is a connection, changes nothing", async () => {
    const { media, world, connect } = setUp();
    media.moved({ t: "moved", lease: 1, delay_ms: 0 });
    await vi.advanceTimersByTimeAsync(1_000);
    expect(world.peers).toHaveLength(0);
    await connect();
    media.moved({ t: "moved", lease: 1, delay_ms: 0 });
    await vi.advanceTimersByTimeAsync(1_000);
    expect([world.peers.length, media.state.get().media]).toEqual([1, "connected"]);
  });
});

describe("a failure", () => {
  it("is tried again, slower and slower, and told after some tries", async () => {
    const { media, world } = setUp();
    world.answer = () => Promise.reject(new Failed("no_worker"));
    media.welcome({ lease: 0, media_alive: false });
    await vi.advanceTimersByTimeAsync(0);
    for (let tries = 1; tries < TELL_AFTER; tries += 1) {
      expect(media.state.get().media).toBe("connecting");
      await vi.advanceTimersByTimeAsync(Math.min(1_000, 500 * 2 ** (tries - 1)));
      expect(world.peers).toHaveLength(tries + 1);
    }
    expect(media.state.get()).toEqual({ media: "failed", failure: "no_worker" });
    world.answer = () => Promise.resolve(1);
    await vi.advanceTimersByTimeAsync(15_000);
    world.last().is("connected");
    expect(media.state.get()).toEqual({ media: "connected", failure: null });
  });

  it("that lasts is told and not tried again", async () => {
    const { media, world } = setUp();
    world.answer = () => Promise.reject(new Failed("offer_no_codec"));
    media.welcome({ lease: 1, media_alive: false });
    await vi.advanceTimersByTimeAsync(60_000);
    expect(world.peers).toHaveLength(1);
    expect(media.state.get()).toEqual({ media: "failed", failure: "offer_no_codec" });
  });

  it("to connect in time makes another", async () => {
    const { media, world, settle } = setUp();
    media.welcome({ lease: 1, media_alive: false });
    await settle();
    await vi.advanceTimersByTimeAsync(CONNECT_MS + 500);
    expect(world.peers).toHaveLength(2);
  });

  it("by a number that the server finds old takes a much higher one", async () => {
    const { media, world } = setUp();
    world.answer = () => Promise.reject(new Failed("stale_number"));
    media.welcome({ lease: 1, media_alive: false });
    await vi.advanceTimersByTimeAsync(500);
    const [first, second] = world.peers;
    expect((second?.connection ?? 0) - (first?.connection ?? 0)).toBeGreaterThan(900_000);
  });

  it("of the socket during an offer waits for the welcome", async () => {
    const { media, world } = setUp();
    world.answer = () => Promise.reject(new Failed("connection_lost"));
    media.welcome({ lease: 1, media_alive: false });
    await vi.advanceTimersByTimeAsync(60_000);
    expect(world.peers).toHaveLength(1);
    world.answer = () => Promise.resolve(1);
    media.welcome({ lease: 1, media_alive: false });
    await vi.advanceTimersByTimeAsync(0);
    expect(world.shown).toEqual([world.last().connection]);
  });
});

it("close lets go of everything", async () => {
  const { media, world, connect } = setUp();
  const peer = await connect();
  media.close();
  expect([peer.closed, media.state.get().media, world.shown.at(-1)]).toEqual([true, "off", null]);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(world.peers).toHaveLength(1);
});
