/** Microphones, cameras and speakers of this machine, and which are chosen (kept for the next time). */

import type { DeviceChoice, DeviceKind, DeviceList } from "./types";
import { Value, type Readable } from "./value";

const KEY = "zvonok.devices";
const KINDS: Readonly<Record<MediaDeviceKind, DeviceKind>> = {
  audioinput: "microphone",
  videoinput: "camera",
  audiooutput: "speaker",
};

export class Devices {
  readonly #list = new Value<DeviceList>({ microphone: [], camera: [], speaker: [] });
  readonly #chosen: Value<DeviceChoice>;
  readonly #media: MediaDevices | undefined;
  readonly #storage: Storage | null;

  readonly list: Readable<DeviceList> = this.#list;
  readonly chosen: Readable<DeviceChoice>;

  constructor(
    media: MediaDevices | undefined = (navigator as { mediaDevices?: MediaDevices }).mediaDevices,
    storage: Storage | null = ownStorage(),
  ) {
    this.#media = media;
    this.#storage = storage;
    this.#chosen = new Value(load(storage));
    this.chosen = this.#chosen;
  }

  /** Follows devices that come and go; gives back how to stop. */
  watch(): () => void {
    const media = this.#media;
    if (media === undefined) return () => undefined;
    const refresh = (): void => void this.refresh();
    media.addEventListener("devicechange", refresh);
    refresh();
    return () => media.removeEventListener("devicechange", refresh);
  }

  /** Reads the list again; call it once leave was given, since labels are empty before. */
  async refresh(): Promise<void> {
    if (this.#media === undefined) return;
    let found: MediaDeviceInfo[];
    try {
      found = await this.#media.enumerateDevices();
    } catch {
      return; // a page that lost its leave keeps the list it has
    }
    const list: Record<DeviceKind, { id: string; label: string }[]> = { microphone: [], camera: [], speaker: [] };
    for (const { deviceId: id, kind, label } of found) if (id !== "") list[KINDS[kind]].push({ id, label });
    this.#list.set(list);
  }

  /** `null`: the system's. */
  choose(kind: DeviceKind, id: string | null): void {
    if (this.#chosen.get()[kind] === id) return;
    this.#chosen.set({ ...this.#chosen.get(), [kind]: id });
    try {
      this.#storage?.setItem(KEY, JSON.stringify(this.#chosen.get()));
    } catch {
      // a full or forbidden storage only forgets the choice
    }
  }

  /** The chosen device if it is there now, else null. */
  present(kind: DeviceKind): string | null {
    const id = this.#chosen.get()[kind];
    return id !== null && this.#list.get()[kind].some((device) => device.id === id) ? id : null;
  }
}

function ownStorage(): Storage | null {
  try {
    return globalThis.localStorage;
  } catch {
    return null; // forbidden by the browser's settings
  }
}

function load(storage: Storage | null): DeviceChoice {
  const none = { microphone: null, camera: null, speaker: null };
  try {
    const kept: unknown = JSON.parse(storage?.getItem(KEY) ?? "{}");
    if (typeof kept !== "object" || kept === null) return none;
    const pick = (kind: DeviceKind): string | null => {
      const value = (kept as Record<string, unknown>)[kind];
      return typeof value === "string" ? value : null;
    };
    return { microphone: pick("microphone"), camera: pick("camera"), speaker: pick("speaker") };
  } catch {
    return none;
  }
}
