import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { commandOf } from "../../src/core/keys";
import { Player } from "../../src/core/player";
import { Failed } from "../../src/core/types";
import type { VideoPage } from "../../src/generated/wire";

const MINUTE = 60_000;

/** As much of a <video> as the player uses; events come when a test says so. */
class FakeVideo extends EventTarget {
  readonly sources: string[] = [];
  currentTime = 0;
  duration = NaN;
  paused = true;
  ended = false;
  seeking = false;
  readyState = 0;
  error: { code: number } | null = null;
  volume = 1;
  muted = false;
  playbackRate = 1;
  defaultPlaybackRate = 1;
  ranges: [number, number][] = [];
  played = 0;

  set src(address: string) {
    this.sources.push(address);
    Object.assign(this, { currentTime: 0, paused: true, readyState: 0, error: null, ranges: [] });
    this.playbackRate = this.defaultPlaybackRate;
  }

  get buffered() {
    const ranges = this.ranges;
    return {
      length: ranges.length,
      start: (index: number) => ranges[index]?.[0] ?? 0,
      end: (index: number) => ranges[index]?.[1] ?? 0,
    };
  }

  removeAttribute = () => undefined;
  load = () => undefined;
  play() {
    this.played += 1;
    this.paused = false;
    this.tell("play");
    return Promise.resolve();
  }
  pause() {
    this.paused = true;
    this.tell("pause");
  }
  tell(event: string) {
    this.dispatchEvent(new Event(event));
  }
  /** It has loaded from the start to `to` seconds. */
  loads(to = 600) {
    Object.assign(this, { duration: 2700, readyState: 4, ranges: [[0, to]] });
    this.tell("loadedmetadata");
    this.tell("progress");
  }
  at(seconds: number) {
    this.currentTime = seconds;
    this.tell("timeupdate");
  }
  breaks(code = 2) {
    this.error = { code };
    this.tell("error");
  }
}

function page(turn: number): VideoPage {
  const video = {
    video: "v", lesson: "l", title: "Optics", subject: "Physics", grade: 8, teacher_name: "Maria", recorded_at_ms: 0,
    duration_ms: 2_700_000, bytes: 1, state: "ready", own: false,
  } as const;
  const later = { mp4_url: null, thumbnails_url: null, sprite_url: null, chapters_ru_url: null, chapters_en_url: null, sound_url: null, jobs: [] };
  return { ...later, video, video_url: `/media/${turn}/v`, timeline_url: `/media/${turn}/t`, download_url: `/media/${turn}/d`, expires_at_ms: 0, me: null };
}

describe("player", () => {
  let now = 0;
  let asked = 0;
  let answers: (() => Promise<VideoPage>)[] = [];
  const waits: number[] = [];

  beforeEach(() => {
    vi.useFakeTimers();
    now = asked = 0;
    answers = [];
    waits.length = 0;
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  function open() {
    const video = new FakeVideo();
    const player = new Player({
      page: page(0),
      renew: () => {
        asked += 1;
        return answers.shift()?.() ?? Promise.resolve(page(asked));
      },
      nowMs: () => now,
      wait: (ms) => {
        waits.push(ms);
        now += ms;
        return Promise.resolve();
      },
    });
    const detach = player.attach(video as unknown as HTMLVideoElement);
    video.loads();
    return { video, player, detach };
  }
  const settled = () => vi.advanceTimersByTimeAsync(0);

  it("asks for no new address while it plays well, however old the first is", async () => {
    const { video, player } = open();
    player.play();
    for (let second = 0; second < 2_000; second += 10) {
      now = second * 1000;
      video.at(second);
    }
    await settled();
    expect(asked).toBe(0);
    expect(video.sources).toEqual(["/media/0/v"]);
  });

  it("goes on with more of the same video, also from its former end", () => {
    const { video, player } = open();
    player.play();
    video.at(100);
    player.extend(page(1));
    expect(player.state.get()).toMatchObject({ timeMs: 100_000, playing: true });
    video.loads();
    expect(video.currentTime).toBe(100);
    expect(video.played).toBe(2);
    Object.assign(video, { currentTime: 2700, paused: true, ended: true });
    video.tell("pause");
    video.tell("ended");
    expect(player.place).toEqual({ timeMs: 2_700_000, playing: true });
    video.ended = false;
    player.extend(page(2), 90_000);
    video.loads();
    expect(video.currentTime).toBe(90);
    expect(video.played).toBe(3);
    player.pause();
    player.extend(page(3));
    video.loads();
    expect(video.played).toBe(3);
    expect(video.sources).toEqual(["/media/0/v", "/media/1/v", "/media/2/v", "/media/3/v"]);
    expect(asked).toBe(0);
  });

  it.each([true, false])("goes on where another player was (playing: %s)", (playing) => {
    const video = new FakeVideo();
    const player = new Player({ page: page(0), renew: () => Promise.resolve(page(1)), from: { timeMs: 61_000, playing } });
    player.attach(video as unknown as HTMLVideoElement);
    video.loads();
    expect(video.currentTime).toBe(61);
    expect(video.played).toBe(playing ? 1 : 0);
  });

  it("goes on playing at the same time with a new address when the old one is refused", async () => {
    const { video, player } = open();
    player.setRate(1.5);
    player.play();
    video.at(123.4);
    now = 16 * MINUTE;
    video.breaks();
    expect(player.state.get()).toMatchObject({ timeMs: 123_400, playing: true, waiting: true });
    await settled();
    expect(video.sources).toEqual(["/media/0/v", "/media/1/v"]);
    expect(player.state.get().timeMs).toBe(123_400);
    video.loads();
    expect(video.currentTime).toBe(123.4);
    expect(video.paused).toBe(false);
    expect(video.playbackRate).toBe(1.5);
    expect(player.state.get()).toMatchObject({ playing: true, waiting: false });
  });

  it("stays paused when it was paused", async () => {
    const { video, player } = open();
    video.at(50);
    video.breaks(4);
    await settled();
    video.loads();
    expect(video.currentTime).toBe(50);
    expect(video.played).toBe(0);
    expect(player.state.get().playing).toBe(false);
  });

  it("renews before a seek to what is not loaded, once the address is old", async () => {
    const { video, player } = open();
    player.seek(1_000_000);
    expect(video.currentTime).toBe(1_000);
    now = 15 * MINUTE;
    player.seek(300_000); // loaded: no address is needed
    expect(video.currentTime).toBe(300);
    player.seek(2_000_000);
    player.seek(2_100_000); // the last wish counts
    await settled();
    expect(asked).toBe(1);
    video.loads();
    expect(video.currentTime).toBe(2_100);
  });

  it("renews when nothing comes: soon with an old address, late with a fresh one", async () => {
    const { video, player } = open();
    player.play();
    video.readyState = 2;
    video.tell("waiting");
    await vi.advanceTimersByTimeAsync(20_000);
    expect(asked).toBe(0);
    video.readyState = 4;
    video.tell("playing");
    now = 15 * MINUTE;
    video.readyState = 2;
    video.tell("waiting");
    await vi.advanceTimersByTimeAsync(6_500);
    expect(asked).toBe(1);
  });

  it("tries again ever later while the network is away, then leaves it to the person", async () => {
    const { video, player } = open();
    player.play();
    video.at(10);
    answers = Array.from({ length: 4 }, () => () => Promise.reject(new Failed("network")));
    video.breaks();
    await settled();
    expect(waits).toEqual([1_000, 3_000, 8_000]);
    expect(player.trouble.get()).toBe("network");
    expect(player.state.get()).toMatchObject({ timeMs: 10_000, playing: false, waiting: false });
    player.toggle();
    expect(player.trouble.get()).toBeNull();
    await settled();
    video.loads();
    expect(video.currentTime).toBe(10);
    expect(video.paused).toBe(false);
  });

  it.each(["not_found", "not_signed_in", "link_unknown"])("says %s without trying again", async (code) => {
    const { video, player } = open();
    answers = [() => Promise.reject(new Failed(code))];
    video.breaks();
    await settled();
    expect(asked).toBe(1);
    expect(player.trouble.get()).toBe(code);
  });

  it("gives up a file that breaks with every address", async () => {
    const { video, player } = open();
    for (let turn = 0; turn < 5; turn += 1) {
      video.breaks();
      await settled();
    }
    expect(player.trouble.get()).toBe("unplayable");
    expect(asked).toBe(4);
  });

  it("does not count what broke long ago", async () => {
    const { video, player } = open();
    for (let turn = 0; turn < 8; turn += 1) {
      now += 2 * MINUTE;
      video.breaks();
      await settled();
      video.loads();
    }
    expect(player.trouble.get()).toBeNull();
  });

  it("keeps a pause that comes from the keyboard's media keys", async () => {
    const { video, player } = open();
    player.play();
    video.pause();
    video.breaks();
    await settled();
    video.loads();
    expect(video.paused).toBe(true);
    expect(player.state.get().playing).toBe(false);
  });

  it("seeks only within the video", () => {
    const { video, player } = open();
    player.by(-5_000);
    expect(video.currentTime).toBe(0);
    player.seek(9_999_999);
    expect(video.currentTime).toBe(2_700);
  });

  it("is heard again when it is made louder, and at half when it was at nothing", () => {
    const { video, player } = open();
    player.setVolume(-0.5);
    expect([video.volume, video.muted]).toEqual([0, true]);
    player.toggleMute();
    expect([video.volume, video.muted]).toEqual([0.5, false]);
    player.toggleMute();
    player.setVolume(1.4);
    expect([video.volume, video.muted]).toEqual([1, false]);
  });

  it("downloads from a fresh address when the first is old", async () => {
    const { player } = open();
    expect(await player.downloadUrl()).toBe("/media/0/d");
    now = 15 * MINUTE;
    expect(await player.downloadUrl()).toBe("/media/1/d");
  });

  it("lets go of the element", async () => {
    const { video, detach } = open();
    detach();
    video.breaks();
    await settled();
    expect(asked).toBe(0);
  });
});

describe("the keyboard", () => {
  const key = (code: string, more = {}) =>
    commandOf({ code, ctrlKey: false, altKey: false, metaKey: false, shiftKey: false, ...more });

  it.each([
    ["Space", { do: "toggle" }],
    ["ArrowLeft", { do: "by", ms: -5_000 }],
    ["ArrowRight", { do: "by", ms: 5_000 }],
    ["KeyJ", { do: "by", ms: -10_000 }],
    ["KeyL", { do: "by", ms: 10_000 }],
    ["ArrowUp", { do: "louder", by: 0.1 }],
    ["KeyF", { do: "full_screen" }],
    ["KeyM", { do: "mute" }],
    ["Digit3", { do: "to", part: 0.3 }],
    ["Numpad0", { do: "to", part: 0 }],
    ["KeyQ", null],
    ["toString", null],
  ])("%s", (code, command) => {
    expect(key(code)).toEqual(command);
  });

  it("leaves the browser its own combinations", () => {
    expect(key("KeyL", { ctrlKey: true })).toBeNull();
    expect(key("ArrowLeft", { altKey: true })).toBeNull();
  });
});
