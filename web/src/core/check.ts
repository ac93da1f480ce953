/** The device check before a lesson: camera preview, microphone meter, speaker test. Nothing is sent anywhere. */

import { openCamera, openMicrophone } from "./capture";
import type { Devices } from "./devices";
import { Meter } from "./meter";
import { Failed } from "./types";
import { Value, type Readable } from "./value";

export interface CheckState {
  readonly state: "off" | "starting" | "on";
  /** For the preview (camera). */
  readonly stream: MediaStream | null;
  readonly failure: string | null;
}

const OFF: CheckState = { state: "off", stream: null, failure: null };
const TONE_HZ = [523.25, 659.25, 783.99];
const TONE_S = 0.35;

/** Opens what is asked for, follows the choice of devices, lets go of all at `close()`. */
export class DeviceCheck {
  readonly #devices: Devices;
  readonly #meter = new Meter();
  readonly #states = { camera: new Value<CheckState>(OFF), microphone: new Value<CheckState>(OFF) };
  readonly #tries = { camera: 0, microphone: 0 };
  readonly #stops: (() => void)[];
  #chosen: { camera: string | null; microphone: string | null };

  readonly camera: Readable<CheckState> = this.#states.camera;
  readonly microphone: Readable<CheckState> = this.#states.microphone;
  /** 0..1 while the microphone is on. */
  readonly level: Readable<number> = this.#meter.level;

  constructor(devices: Devices) {
    this.#devices = devices;
    this.#chosen = devices.chosen.get();
    this.#stops = [devices.watch(), devices.chosen.subscribe(() => this.#follow())];
  }

  /** Never rejects: a failure is in the state. */
  async set(source: "camera" | "microphone", on: boolean): Promise<void> {
    const value = this.#states[source];
    const attempt = ++this.#tries[source];
    this.#release(source);
    if (!on) { value.set(OFF); return; }
    value.set({ state: "starting", stream: null, failure: null });
    try {
      const device = this.#devices.present(source);
      const track = await (source === "camera" ? openCamera(device) : openMicrophone(device));
      if (attempt !== this.#tries[source]) { track.stop(); return; } // another wish came meanwhile
      track.addEventListener("ended", () => {
        if (attempt === this.#tries[source]) value.set({ ...OFF, failure: `${source}_missing` });
      });
      if (source === "microphone") this.#meter.attach(track);
      value.set({ state: "on", stream: new MediaStream([track]), failure: null });
      void this.#devices.refresh();
    } catch (error) {
      if (attempt === this.#tries[source])
        value.set({ ...OFF, failure: error instanceof Failed ? error.code : `${source}_busy` });
    }
  }

  /** Three rising notes on the chosen speaker; resolves when they have sounded, false when they could not. */
  async testSpeaker(): Promise<boolean> {
    if (typeof AudioContext !== "function") return false;
    const context = new AudioContext();
    try {
      const out = context.createMediaStreamDestination();
      TONE_HZ.forEach((hz, index) => {
        const note = new OscillatorNode(context, { frequency: hz });
        const volume = new GainNode(context, { gain: 0 });
        const start = context.currentTime + 0.1 + index * TONE_S;
        volume.gain.setValueAtTime(0, start);
        volume.gain.linearRampToValueAtTime(0.25, start + 0.03);
        volume.gain.linearRampToValueAtTime(0, start + TONE_S);
        note.connect(volume).connect(out);
        note.start(start);
        note.stop(start + TONE_S);
      });
      const audio = new Audio();
      audio.srcObject = out.stream;
      const speaker = this.#devices.present("speaker");
      if (speaker !== null && typeof audio.setSinkId === "function") await audio.setSinkId(speaker);
      await audio.play();
      await context.resume();
      await new Promise((resolve) => setTimeout(resolve, 1000 * (TONE_HZ.length * TONE_S + 0.3)));
      audio.pause();
      return true;
    } catch {
      return false;
    } finally {
      await context.close().catch(() => undefined);
    }
  }

  close(): void {
    for (const stop of this.#stops.splice(0)) stop();
    for (const source of ["camera", "microphone"] as const) {
      this.#tries[source] += 1;
      this.#release(source);
      this.#states[source].set(OFF);
    }
    this.#meter.close();
  }

  #follow(): void {
    const before = this.#chosen;
    this.#chosen = this.#devices.chosen.get();
    for (const source of ["camera", "microphone"] as const) {
      const running = this.#states[source].get().state !== "off";
      if (running && before[source] !== this.#chosen[source]) void this.set(source, true);
    }
  }

  #release(source: "camera" | "microphone"): void {
    if (source === "microphone") this.#meter.attach(null);
    for (const track of this.#states[source].get().stream?.getTracks() ?? []) track.stop();
  }
}
