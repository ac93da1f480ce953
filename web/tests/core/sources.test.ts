import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { Devices } from "../../src/core/devices";
import { KEEP_MICROPHONE_MS, Sources } from "../../src/core/sources";
import { Failed, type Notice } from "../../src/core/types";
import type { SourceName } from "../../src/generated/wire";

class FakeTrack extends EventTarget {
  readyState: MediaStreamTrackState = "live";
  enabled = true;

  constructor(readonly label: string) {
    super();
  }

  stop(): void {
    this.readyState = "ended";
  }

  /** Unplugged, or stopped from the browser's own bar. */
  end(): void {
    this.readyState = "ended";
    this.dispatchEvent(new Event("ended"));
  }
}

class FakeMediaDevices extends EventTarget {
  plugged: [MediaDeviceKind, string][] = [];

  enumerateDevices(): Promise<Pick<MediaDeviceInfo, "deviceId" | "kind" | "label">[]> {
    return Promise.resolve(this.plugged.map(([kind, id]) => ({ kind, deviceId: id, label: `label ${id}` })));
  }

  plug(...plugged: [MediaDeviceKind, string][]): void {
    this.plugged = plugged;
    this.dispatchEvent(new Event("devicechange"));
  }
}

function real(track: FakeTrack): MediaStreamTrack {
  return track as unknown as MediaStreamTrack;
}

function setUp() {
  const media = new FakeMediaDevices();
  const devices = new Devices(media as unknown as MediaDevices, null);
  const opened: FakeTrack[] = [];
  const sent = new Map<SourceName, MediaStreamTrack | null>();
  const published: string[] = [];
  const notices: Notice[] = [];
  const meter: (string | null)[] = [];
  const world = {
    media,
    devices,
    opened,
    sent,
    published,
    notices,
    meter,
    /** What opening a device does, by the device asked for. */
    open: (device: string | null): Promise<FakeTrack> => Promise.resolve(new FakeTrack(device ?? "system")),
    publish: (): Promise<void> => Promise.resolve(),
    screenSound: true,
  };
  const open = async (device: string | null): Promise<MediaStreamTrack> => {
    const track = await world.open(device);
    opened.push(track);
    return real(track);
  };
  const sources = new Sources({
    devices,
    cameraQuality: "720p",
    send: (source, track) => {
      sent.set(source, track);
      return Promise.resolve();
    },
    publish: (source, on) => {
      published.push(`${source} ${on ? "on" : "off"}`);
      return world.publish();
    },
    notice: (notice) => notices.push(notice),
    onMicrophone: (track) => meter.push(track?.label ?? null),
    capture: {
      openMicrophone: open,
      openCamera: open,
      openScreen: async () => ({
        video: await open("screen"),
        sound: world.screenSound ? await open("screen sound") : null,
      }),
    },
  });
  const states = (): unknown[] => Object.values(sources.state.get()).map(({ state }) => state);
  return { sources, world, states };
}

const settle = async (): Promise<void> => {
  await vi.advanceTimersByTimeAsync(0);
};

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal(
    "MediaStream",
    class {
      constructor(readonly tracks: readonly unknown[]) {}
    },
  );
});
afterEach(() => void vi.useRealTimers());

describe("turning on", () => {
  it("captures, sends, then publishes; the preview shows what is sent", async () => {
    const { sources, world } = setUp();
    const done = sources.set("camera", true);
    await settle();
    await done;
    expect(world.published).toEqual(["camera on"]);
    expect(world.sent.get("camera")).toBe(world.opened[0]);
    const { state, stream } = sources.state.get().camera;
    expect([state, stream]).toEqual(["on", { tracks: [world.opened[0]] }]);
  });

  it("refused by the server lets go of the device and says why", async () => {
    const { sources, world } = setUp();
    world.publish = () => Promise.reject(new Failed("not_allowed"));
    await expect(sources.set("camera", true)).rejects.toMatchObject({ code: "not_allowed" });
    expect(world.opened[0]?.readyState).toBe("ended");
    expect(world.sent.get("camera")).toBeNull();
    expect(sources.state.get().camera).toEqual({ state: "off", stream: null, failure: "not_allowed" });
  });

  it("refused by the browser publishes nothing", async () => {
    const { sources, world } = setUp();
    world.open = () => Promise.reject(new Failed("microphone_denied"));
    await expect(sources.set("microphone", true)).rejects.toMatchObject({ code: "microphone_denied" });
    expect(world.published).toEqual([]);
  });

  it("without a line stays on: the next welcome tells it", async () => {
    const { sources, world } = setUp();
    world.publish = () => Promise.reject(new Failed("connection_lost"));
    await sources.set("microphone", true);
    expect(sources.state.get().microphone.state).toBe("on");
    world.publish = () => Promise.resolve();
    await sources.restore("microphone");
    expect(world.published).toEqual(["microphone on", "microphone on"]);
  });

  it("with a broken chosen device takes another", async () => {
    const { sources, world } = setUp();
    world.devices.watch();
    world.media.plug(["videoinput", "cam1"]);
    world.devices.choose("camera", "cam1");
    await settle();
    world.open = (device) =>
      device === null ? Promise.resolve(new FakeTrack("other")) : Promise.reject(new Failed("camera_busy"));
    await sources.set("camera", true);
    expect(world.sent.get("camera")?.label).toBe("other");
  });

  it("last wish wins: off pressed while the browser still asks", async () => {
    const { sources, world } = setUp();
    let give: (track: FakeTrack) => void = () => undefined;
    world.open = () => new Promise((resolve) => (give = resolve));
    const on = sources.set("camera", true);
    await settle();
    const off = sources.set("camera", false);
    give(new FakeTrack("late"));
    await Promise.all([on, off]);
    expect(sources.state.get().camera.state).toBe("off");
    expect(world.opened[0]?.readyState).toBe("ended");
    expect(world.published.filter((said) => said === "camera on")).toEqual([]);
  });
});

describe("turning off", () => {
  it("stops sending before the server is told, and stops the camera", async () => {
    const { sources, world } = setUp();
    await sources.set("camera", true);
    world.publish = () => {
      expect(world.sent.get("camera")).toBeNull();
      return Promise.resolve();
    };
    await sources.set("camera", false);
    expect(world.published.at(-1)).toBe("camera off");
    expect(world.opened[0]?.readyState).toBe("ended");
  });

  it("keeps a muted microphone ready for a while, silent", async () => {
    const { sources, world } = setUp();
    await sources.set("microphone", true);
    await sources.set("microphone", false);
    expect([world.opened[0]?.readyState, world.opened[0]?.enabled]).toEqual(["live", false]);
    await sources.set("microphone", true);
    expect([world.opened.length, world.opened[0]?.enabled]).toEqual([1, true]);
    await sources.set("microphone", false);
    await vi.advanceTimersByTimeAsync(KEEP_MICROPHONE_MS);
    expect(world.opened[0]?.readyState).toBe("ended");
    expect(world.meter).toEqual(["system", null, "system", null]);
  });

  it("by the server tells nothing back", async () => {
    const { sources, world } = setUp();
    await sources.set("microphone", true);
    sources.forced("microphone");
    await settle();
    expect(world.published).toEqual(["microphone on"]);
    expect([world.sent.get("microphone"), sources.state.get().microphone.state]).toEqual([null, "off"]);
  });
});

describe("the screen", () => {
  it("brings its sound, and takes it away again", async () => {
    const { sources, world, states } = setUp();
    await sources.set("screen", true);
    expect(world.published).toEqual(["screen on", "screen_sound on"]);
    expect(states()).toEqual(["off", "off", "on", "on"]);
    await sources.set("screen", false);
    expect(world.published.slice(2)).toEqual(["screen_sound off", "screen off"]);
    expect(world.opened.map(({ readyState }) => readyState)).toEqual(["ended", "ended"]);
  });

  it("is shared without sound where there is none", async () => {
    const { sources, world, states } = setUp();
    world.screenSound = false;
    await sources.set("screen", true);
    expect(states()).toEqual(["off", "off", "on", "off"]);
  });

  it("ended from the browser's bar is unpublished and told", async () => {
    const { sources, world, states } = setUp();
    await sources.set("screen", true);
    world.opened[0]?.end();
    await settle();
    expect(world.notices).toEqual([{ kind: "screen_ended" }]);
    expect(states()).toEqual(["off", "off", "off", "off"]);
    expect(world.published.at(-1)).toBe("screen off");
  });
});

describe("devices", () => {
  const headset = async () => {
    const made = setUp();
    made.world.devices.watch();
    made.world.media.plug(["audioinput", "builtin"], ["audioinput", "headset"]);
    made.world.devices.choose("microphone", "headset");
    await settle();
    await made.sources.set("microphone", true);
    await settle();
    return made;
  };

  it("a headset unplugged and plugged in again survives without a word to the server", async () => {
    const { sources, world } = await headset();
    expect(world.sent.get("microphone")?.label).toBe("headset");
    world.media.plug(["audioinput", "builtin"]);
    world.opened[0]?.end();
    await settle();
    expect(world.notices).toEqual([{ kind: "device_lost", source: "microphone", to: "system" }]);
    expect(world.sent.get("microphone")?.label).toBe("system");
    world.media.plug(["audioinput", "builtin"], ["audioinput", "headset"]);
    await settle();
    expect(world.notices.at(-1)).toEqual({ kind: "device_back", source: "microphone", to: "headset" });
    expect(world.sent.get("microphone")?.label).toBe("headset");
    expect(sources.state.get().microphone.state).toBe("on");
    expect(world.published).toEqual(["microphone on"]);
  });

  it("the last one lost turns the source off", async () => {
    const { sources, world } = await headset();
    world.open = () => Promise.reject(new Failed("microphone_missing"));
    world.media.plug();
    world.opened[0]?.end();
    await settle();
    expect(world.notices).toEqual([{ kind: "device_lost", source: "microphone", to: null }]);
    expect(sources.state.get().microphone).toEqual({ state: "off", stream: null, failure: "microphone_missing" });
    expect(world.published.at(-1)).toBe("microphone off");
  });

  it("another one chosen in the menu is used at once", async () => {
    const { world } = await headset();
    world.devices.choose("microphone", "builtin");
    await settle();
    expect(world.sent.get("microphone")?.label).toBe("builtin");
    expect(world.opened[0]?.readyState).toBe("ended");
    expect(world.published).toEqual(["microphone on"]);
  });
});

it("close stops every device", async () => {
  const { sources, world } = setUp();
  await sources.set("microphone", true);
  await sources.set("camera", true);
  sources.close();
  expect(world.opened.map(({ readyState }) => readyState)).toEqual(["ended", "ended"]);
});
