import { useEffect, useRef, useState, type ReactNode } from "react";

import { obstacle } from "../core/capture";
import { DeviceCheck, type CheckState } from "../core/check";
import type { Devices } from "../core/devices";
import type { DeviceKind } from "../core/types";
import { Camera, Microphone, Speaker } from "./icons";
import { useLevel, useReadable } from "./readable";
import { useText } from "./text";
import { Toggle } from "./widgets";

export interface Wanted {
  camera: boolean;
  microphone: boolean;
}

/**
 * Camera preview, microphone meter, speaker test. It never blocks: what cannot be opened is said in a sentence
 * with what helps, and the button goes on without it.
 */
export function CheckView(props: {
  devices: Devices;
  /** Entering: the switches say what is on when one comes in. Trying: they are for this check only. */
  purpose: "enter" | "try";
  goLabel: string;
  goTestId: string;
  busy?: boolean;
  onGo: (wanted: Wanted) => void;
  children?: ReactNode;
}) {
  const check = useCheck(props.devices);
  return check === null ? null : <Opened check={check} {...props} />;
}

function useCheck(devices: Devices): DeviceCheck | null {
  const [check, setCheck] = useState<DeviceCheck | null>(null);
  useEffect(() => {
    const made = new DeviceCheck(devices);
    // It owns cameras and timers from its making on, so it is made and closed here and nowhere else.
    // eslint-disable-next-line react-hooks/set-state-in-effect
    setCheck(made);
    return () => {
      made.close();
    };
  }, [devices]);
  return check;
}

function Opened({
  check,
  devices,
  purpose,
  goLabel,
  goTestId,
  busy = false,
  onGo,
  children,
}: Parameters<typeof CheckView>[0] & { check: DeviceCheck }) {
  const text = useText();
  const [wanted, setWanted] = useState<Wanted>({ camera: true, microphone: true });
  const [blocked] = useState(obstacle);
  const camera = useReadable(check.camera);
  const microphone = useReadable(check.microphone);

  useEffect(() => {
    if (blocked !== null) return;
    void check.set("camera", true);
    void check.set("microphone", true);
  }, [check, blocked]);

  const change = (source: "camera" | "microphone", on: boolean) => {
    setWanted((before) => ({ ...before, [source]: on }));
    if (blocked === null) void check.set(source, on);
  };

  return (
    <div className="check" data-testid="device-check">
      <div className="check-group">
        <Preview state={camera} starting={camera.state === "starting"} />
        <Failures
          blocked={blocked}
          camera={camera}
          microphone={microphone}
          onRetry={() => {
            for (const source of ["camera", "microphone"] as const) {
              if (wanted[source]) void check.set(source, true);
            }
          }}
        />
      </div>
      <div className="check-side">
        {children}
        <div className="check-group">
          <Toggle
            checked={wanted.camera}
            label={purpose === "enter" ? text.check.cameraOn : text.check.camera}
            testId="check-camera"
            disabled={blocked !== null}
            onChange={(on) => {
              change("camera", on);
            }}
          />
          <DeviceChoice devices={devices} kind="camera" label={text.check.camera} />
        </div>
        <div className="check-group">
          <Toggle
            checked={wanted.microphone}
            label={purpose === "enter" ? text.check.microphoneOn : text.check.microphone}
            testId="check-microphone"
            disabled={blocked !== null}
            onChange={(on) => {
              change("microphone", on);
            }}
          />
          <DeviceChoice devices={devices} kind="microphone" label={text.check.microphone} />
          {microphone.state === "on" && <Level check={check} />}
        </div>
        <div className="check-group">
          <DeviceChoice devices={devices} kind="speaker" label={text.check.speaker} />
          <SpeakerTest check={check} />
        </div>
        <button
          type="button"
          className="button primary large"
          data-testid={goTestId}
          disabled={busy}
          onClick={() => {
            onGo({
              camera: wanted.camera && camera.failure === null && blocked === null,
              microphone: wanted.microphone && microphone.failure === null && blocked === null,
            });
          }}
        >
          {goLabel}
        </button>
      </div>
    </div>
  );
}

function Preview({ state, starting }: { state: CheckState; starting: boolean }) {
  const text = useText();
  const video = useRef<HTMLVideoElement>(null);
  useEffect(() => {
    if (video.current !== null) video.current.srcObject = state.stream;
  }, [state.stream]);
  return (
    <div className="check-preview">
      <video ref={video} autoPlay playsInline muted aria-label={text.check.preview} data-testid="check-preview" />
      {state.stream === null && <p>{starting ? text.check.starting : text.check.cameraOff}</p>}
    </div>
  );
}

function Level({ check }: { check: DeviceCheck }) {
  const text = useText();
  const bar = useLevel<HTMLElement>(check.level, "x");
  const [heard, setHeard] = useState(false);
  const [quiet, setQuiet] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => {
      setQuiet(true);
    }, 8000);
    const stop = check.level.subscribe(() => {
      if (check.level.get() > 0.35) setHeard(true);
    });
    return () => {
      clearTimeout(timer);
      stop();
    };
  }, [check]);
  return (
    <>
      <span className="meter" role="img" aria-label={text.check.level} data-testid="check-level">
        <i ref={bar} />
      </span>
      <p className="field-note" role="status">
        {heard ? text.check.heard : quiet ? text.check.quiet : text.check.speak}
      </p>
    </>
  );
}

function SpeakerTest({ check }: { check: DeviceCheck }) {
  const text = useText();
  const [playing, setPlaying] = useState(false);
  const play = async () => {
    setPlaying(true);
    await check.testSpeaker();
    setPlaying(false);
  };
  return (
    <button
      type="button"
      className="button"
      data-testid="check-speaker"
      disabled={playing}
      onClick={() => {
        void play();
      }}
    >
      <Speaker />
      {playing ? text.check.playing : text.check.test}
    </button>
  );
}

const ICONS = { camera: Camera, microphone: Microphone, speaker: Speaker };

/** Which camera, microphone or speaker; empty choice: the system's. Nothing to choose: nothing shown. */
export function DeviceChoice({ devices, kind, label }: { devices: Devices; kind: DeviceKind; label: string }) {
  const text = useText();
  const list = useReadable(devices.list)[kind];
  const chosen = useReadable(devices.chosen)[kind];
  const Icon = ICONS[kind];
  if (list.length === 0) return null;
  return (
    <label className="device">
      <Icon />
      <span className="hidden">{label}</span>
      <select
        className="select"
        data-testid={`choose-${kind}`}
        value={list.some((device) => device.id === chosen) ? (chosen ?? "") : ""}
        onChange={(event) => {
          devices.choose(kind, event.target.value === "" ? null : event.target.value);
        }}
      >
        <option value="">{text.check.defaultDevice}</option>
        {list
          .filter((device) => device.id !== "default")
          .map((device, index) => (
            <option key={device.id} value={device.id}>
              {device.label === "" ? text.devices.nameless(index + 1) : device.label}
            </option>
          ))}
      </select>
    </label>
  );
}

type Kind = "refused" | "missing" | "busy" | "unsupported" | "insecure";

function kindOf(code: string): Kind {
  if (code.endsWith("_denied")) return "refused";
  if (code.endsWith("_missing")) return "missing";
  if (code === "insecure_page") return "insecure";
  if (code === "in_app_browser" || code === "no_webrtc") return "unsupported";
  return "busy";
}

function Failures(props: { blocked: string | null; camera: CheckState; microphone: CheckState; onRetry: () => void }) {
  const text = useText();
  const { blocked, camera, microphone } = props;
  const codes = blocked === null ? [camera.failure, microphone.failure] : [blocked];
  const kinds = new Set(codes.filter((code) => code !== null).map(kindOf));
  const sentences: Record<Kind, readonly [string, string]> = {
    refused: [text.check.refused, text.check.refusedHow],
    missing: [text.check.missing, text.check.missingHow],
    busy: [text.check.busy, text.check.busyHow],
    unsupported: [text.check.unsupported, text.check.unsupportedHow],
    insecure: [text.check.failed, text.join.insecure],
  };
  return (
    <div role="status">
      {[...kinds].map((kind) => (
        <div key={kind} className="notice" data-testid={`check-failure-${kind}`}>
          <strong>{sentences[kind][0]}</strong>
          <p>{sentences[kind][1]}</p>
          {blocked === null && (
            <button type="button" className="button small" data-testid="check-retry" onClick={props.onRetry}>
              {text.check.retry}
            </button>
          )}
        </div>
      ))}
    </div>
  );
}
