import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { chime } from "../../src/core/chime";

/** The audio of a page that the browser lets sound, or keeps silent until somebody clicks. */
function audio(allowed: boolean) {
  const heard: number[] = [];
  const contexts: { closed: boolean; sink: string | null }[] = [];
  class Context {
    state = allowed ? "running" : "suspended";
    currentTime = 0;
    destination = {};
    closed = false;
    sink: string | null = null;
    constructor() {
      contexts.push(this);
    }
    resume = () => new Promise<void>(() => undefined); // browsers wait for the click
    setSinkId = (id: string) => {
      this.sink = id;
      return Promise.resolve();
    };
    close = () => {
      this.closed = true;
      return Promise.resolve();
    };
  }
  class Node {
    gain = { setValueAtTime: () => undefined, linearRampToValueAtTime: () => undefined };
    readonly #frequency: number;
    constructor(_context: Context, options: { frequency?: number }) {
      this.#frequency = options.frequency ?? 0;
    }
    connect = (to: unknown) => to;
    start = () => heard.push(this.#frequency);
    stop = () => undefined;
  }
  vi.stubGlobal("AudioContext", Context);
  vi.stubGlobal("OscillatorNode", Node);
  vi.stubGlobal("GainNode", Node);
  return { heard, contexts };
}

async function play(which: "start" | "stop", speaker: string | null = null): Promise<boolean> {
  const done = chime(which, speaker);
  await vi.advanceTimersByTimeAsync(2_000);
  return done;
}

describe("chime", () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it("rises at the start, falls at the stop, and lets go", async () => {
    const { heard, contexts } = audio(true);
    expect([await play("start"), await play("stop")]).toEqual([true, true]);
    const [first = 0, second = 0, third = 0, fourth = 0] = heard;
    expect(heard).toHaveLength(4);
    expect(second).toBeGreaterThan(first);
    expect(fourth).toBeLessThan(third);
    expect(contexts.map(({ closed }) => closed)).toEqual([true, true]);
  });

  it("is given up where the browser wants a click first", async () => {
    const { heard, contexts } = audio(false);
    expect(await play("start")).toBe(false);
    expect(heard).toEqual([]);
    expect(contexts[0]?.closed).toBe(true);
  });

  it("sounds on the chosen speaker", async () => {
    const { contexts } = audio(true);
    await play("start", "headphones");
    expect(contexts[0]?.sink).toBe("headphones");
  });

  it("is silent in a browser without audio", async () => {
    vi.stubGlobal("AudioContext", undefined);
    expect(await play("start")).toBe(false);
  });
});
