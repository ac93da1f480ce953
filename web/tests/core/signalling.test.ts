import { decode, encode } from "@msgpack/msgpack";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { delayMs, SOCKET_BACKOFF } from "../../src/core/backoff";
import {
  DOUBT_MS,
  HELLO_TIMEOUT_MS,
  OPEN_TIMEOUT_MS,
  QUIET_MS,
  REQUEST_TIMEOUT_MS,
  Signalling,
  type Socket,
} from "../../src/core/signalling";
import { Failed } from "../../src/core/types";
import type { ServerMessage } from "../../src/generated/wire";

class FakeSocket implements Socket {
  binaryType: BinaryType = "blob";
  onopen: ((event: globalThis.Event) => void) | null = null;
  onmessage: ((event: MessageEvent) => void) | null = null;
  onclose: ((event: CloseEvent) => void) | null = null;
  readonly sent: Record<string, unknown>[] = [];
  closed = false;

  send(data: Uint8Array): void {
    this.sent.push(decode(data) as Record<string, unknown>);
  }

  close(): void {
    this.closed = true;
  }

  open(): void {
    this.onopen?.({} as globalThis.Event);
  }

  say(message: unknown): void {
    const bytes = encode(message);
    this.onmessage?.({ data: bytes.slice().buffer } as MessageEvent);
  }

  lose(): void {
    this.onclose?.({} as CloseEvent);
  }
}

const WELCOME = { t: "welcome", number: 7 };

function setUp() {
  const sockets: FakeSocket[] = [];
  const tickets: boolean[] = [];
  const messages: ServerMessage[] = [];
  const closed: string[] = [];
  const world = {
    sockets,
    tickets,
    messages,
    closed,
    after: null as number | null,
    ticket: (): Promise<string> => Promise.resolve(`ticket${tickets.length}`),
    last: (): FakeSocket => {
      const socket = sockets.at(-1);
      if (socket === undefined) throw new Error("no socket was opened");
      return socket;
    },
    /** Lets promises run, then opens the newest socket. */
    opened: async (): Promise<FakeSocket> => {
      await vi.advanceTimersByTimeAsync(0);
      world.last().open();
      return world.last();
    },
    welcomed: async (): Promise<FakeSocket> => {
      const socket = await world.opened();
      socket.say(WELCOME);
      return socket;
    },
  };
  const signalling = new Signalling({
    ticket: (fresh) => {
      tickets.push(fresh);
      return world.ticket();
    },
    resume: () => ({ after: world.after, lease: null }),
    onMessage: (message) => messages.push(message),
    onClosed: (code) => closed.push(code),
    probe: () => ({ t: "publish", source: "screen", on: false }),
    open: () => {
      sockets.push(new FakeSocket());
      return world.last();
    },
    random: () => 1,
  });
  return { ...world, world, signalling };
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe("hello", () => {
  it("carries the ticket and where to resume, and welcome brings the line up", async () => {
    const { signalling, world, messages } = setUp();
    signalling.start();
    const socket = await world.opened();
    expect(socket.sent).toEqual([{ t: "hello", ticket: "ticket1", version: 1, after: null, lease: null }]);
    expect(signalling.state.get().socket).toBe("down");
    socket.say(WELCOME);
    expect(signalling.state.get()).toEqual({ socket: "up", retryAtMs: null });
    expect(messages).toEqual([WELCOME]);
  });

  it("after a loss resumes from the last event", async () => {
    const { signalling, world, sockets } = setUp();
    signalling.start();
    (await world.welcomed()).lose();
    world.after = 42;
    expect(signalling.state.get().socket).toBe("down");
    await vi.advanceTimersByTimeAsync(SOCKET_BACKOFF.firstMs);
    expect((await world.opened()).sent[0]).toMatchObject({ t: "hello", after: 42 });
    expect(sockets).toHaveLength(2);
  });

  it("unanswered is given up", async () => {
    const { signalling, world, sockets } = setUp();
    signalling.start();
    const socket = await world.opened();
    await vi.advanceTimersByTimeAsync(HELLO_TIMEOUT_MS);
    expect(socket.closed).toBe(true);
    await vi.advanceTimersByTimeAsync(SOCKET_BACKOFF.firstMs);
    expect(sockets).toHaveLength(2);
  });

  it("with a stale ticket asks for a fresh one at once, but once only", async () => {
    const { signalling, world, tickets, closed } = setUp();
    signalling.start();
    (await world.opened()).say({ t: "closed", code: "ticket_expired", retry: false });
    (await world.opened()).say({ t: "closed", code: "ticket_expired", retry: false });
    expect(tickets).toEqual([false, true]);
    expect(closed).toEqual(["ticket_expired"]);
  });
});

describe("coming back", () => {
  it("waits longer each time, a second at most in the first minute, and starts over after a welcome", async () => {
    const { signalling, world, sockets } = setUp();
    signalling.start();
    for (const waitMs of [400, 800, 1000, 1000, 1000, 1000, 1000]) {
      (await world.opened()).lose();
      const tried = sockets.length;
      await vi.advanceTimersByTimeAsync(waitMs - 1);
      expect(sockets).toHaveLength(tried);
      await vi.advanceTimersByTimeAsync(1);
      expect(sockets).toHaveLength(tried + 1);
    }
    (await world.welcomed()).lose();
    await vi.advanceTimersByTimeAsync(400);
    expect(sockets).toHaveLength(9);
  });

  it("is spread: between half and all of the wait", () => {
    expect(delayMs(SOCKET_BACKOFF, 1, 0, 0)).toBe(400);
    expect(delayMs(SOCKET_BACKOFF, 1, 1, 0)).toBe(800);
    expect(delayMs(SOCKET_BACKOFF, 500, 0, 300_000)).toBe(5_000);
  });

  it("waits longer and longer when the outage lasts more than a minute", () => {
    const waits = [0, 59_999, 60_000, 80_000, 96_000, 300_000].map((away) => delayMs(SOCKET_BACKOFF, 99, 1, away));
    expect(waits).toEqual([1_000, 1_000, 1_000, 6_000, 10_000, 10_000]);
  });

  it("gives up soon a try that opens no socket, and waits longer for an open one", async () => {
    const { signalling, world, sockets } = setUp();
    signalling.start();
    await vi.advanceTimersByTimeAsync(OPEN_TIMEOUT_MS);
    expect(sockets[0]?.closed).toBe(true);
    await vi.advanceTimersByTimeAsync(SOCKET_BACKOFF.firstMs);
    const socket = await world.opened();
    await vi.advanceTimersByTimeAsync(HELLO_TIMEOUT_MS - 1);
    expect([sockets.length, socket.closed]).toEqual([2, false]);
  });

  it("begins soon after a doubt that is not answered, and one doubt is enough", async () => {
    const { signalling, world, sockets } = setUp();
    signalling.start();
    const socket = await world.welcomed();
    signalling.probe();
    signalling.probe();
    expect(socket.sent).toHaveLength(2);
    await vi.advanceTimersByTimeAsync(DOUBT_MS);
    expect([socket.closed, sockets.length]).toEqual([true, 2]);
  });

  it("happens after `closed` with retry, and not after one without", async () => {
    const { signalling, world, sockets, closed } = setUp();
    signalling.start();
    (await world.welcomed()).say({ t: "closed", code: "shutting_down", retry: true });
    await vi.advanceTimersByTimeAsync(400);
    const socket = await world.welcomed();
    socket.say({ t: "closed", code: "taken_over", retry: false });
    expect(closed).toEqual(["taken_over"]);
    expect(socket.closed).toBe(true);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(sockets).toHaveLength(2);
    expect(signalling.state.get()).toEqual({ socket: "down", retryAtMs: null });
  });

  it.each(["rate_limited", "door_queue"])("waits as long as %s says, and ends for a refusal that lasts", async (code) => {
    const { signalling, world, tickets, closed } = setUp();
    world.ticket = () => Promise.reject(new Failed(code, 30));
    signalling.start();
    await vi.advanceTimersByTimeAsync(29_999);
    expect(tickets).toHaveLength(1);
    world.ticket = () => Promise.reject(new Failed("lesson_ended"));
    await vi.advanceTimersByTimeAsync(1);
    expect(tickets).toHaveLength(2);
    expect(closed).toEqual(["lesson_ended"]);
  });

  it("can be had at once", async () => {
    const { signalling, world, sockets } = setUp();
    signalling.start();
    (await world.welcomed()).lose();
    signalling.retryNow();
    await world.opened();
    expect(sockets).toHaveLength(2);
    signalling.retryNow(); // one is under way
    await vi.advanceTimersByTimeAsync(0);
    expect(sockets).toHaveLength(2);
  });

  it("is over after close, whatever was under way", async () => {
    const { signalling, world, sockets } = setUp();
    signalling.start();
    (await world.welcomed()).lose();
    signalling.close();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(sockets).toHaveLength(1);
  });

  it("ignores what an older socket still says", async () => {
    const { signalling, world, messages } = setUp();
    signalling.start();
    const old = await world.welcomed();
    const say = old.onmessage;
    signalling.resume();
    say?.({ data: encode({ t: "event", number: 8 }).slice().buffer } as MessageEvent);
    expect(messages).toHaveLength(1);
  });
});

describe("requests", () => {
  it("are matched by number, in any order", async () => {
    const { signalling, world } = setUp();
    signalling.start();
    const socket = await world.welcomed();
    const first = signalling.request({ t: "chat", text: "a" });
    const second = signalling.request({ t: "hand", up: true });
    const [one, two] = socket.sent.slice(1).map(({ id }) => id);
    socket.say({ t: "refused", id: two, code: "not_allowed" });
    socket.say({ t: "done", id: one, number: 9 });
    await expect(first).resolves.toMatchObject({ number: 9 });
    await expect(second).rejects.toMatchObject({ code: "not_allowed" });
  });

  it("fail when the line is lost, and without one at once", async () => {
    const { signalling, world } = setUp();
    signalling.start();
    const socket = await world.welcomed();
    const lost = signalling.request({ t: "end" });
    socket.lose();
    await expect(lost).rejects.toMatchObject({ code: "connection_lost" });
    await expect(signalling.request({ t: "end" })).rejects.toMatchObject({ code: "connection_lost" });
    expect(signalling.send({ t: "leave" })).toBe(false);
  });

  it("without an answer mean a dead line: it is resumed", async () => {
    const { signalling, world, sockets } = setUp();
    signalling.start();
    const socket = await world.welcomed();
    const request = signalling.request({ t: "end" });
    const outcome = expect(request).rejects.toMatchObject({ code: "connection_lost" });
    await vi.advanceTimersByTimeAsync(REQUEST_TIMEOUT_MS);
    await outcome;
    expect(socket.closed).toBe(true);
    expect(sockets).toHaveLength(2);
  });

  it("probe a quiet line", async () => {
    const { signalling, world } = setUp();
    signalling.start();
    const socket = await world.welcomed();
    await vi.advanceTimersByTimeAsync(QUIET_MS - 1);
    expect(socket.sent).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(socket.sent.at(-1)).toMatchObject({ t: "publish", on: false });
    socket.say({ t: "done", id: socket.sent.at(-1)?.["id"], number: 0 });
    await vi.advanceTimersByTimeAsync(REQUEST_TIMEOUT_MS);
    expect(signalling.state.get().socket).toBe("up");
  });
});

describe("garbage", () => {
  it("and unknown kinds are passed over", async () => {
    const { signalling, world, messages } = setUp();
    signalling.start();
    const socket = await world.welcomed();
    socket.onmessage?.({ data: Uint8Array.of(0xc1, 1, 2).buffer } as MessageEvent);
    socket.onmessage?.({ data: "text" } as MessageEvent);
    socket.say({ t: "of_a_later_version" });
    socket.say([1, 2]);
    expect(messages).toHaveLength(1);
    expect(signalling.state.get().socket).toBe("up");
  });
});
