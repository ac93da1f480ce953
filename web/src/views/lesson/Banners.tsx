import { useState, type ReactNode } from "react";

import { obstacle } from "../../core/capture";
import type { LessonSurface } from "../../core/lesson";
import { knownRefusal, localeOf } from "../../i18n";
import { Close, Speaker } from "../icons";
import { useReadable } from "../readable";
import { useWords } from "../text";
import type { Banner, Notices } from "./notices";
import { useRecordingFailure } from "./recording";

interface Props {
  lesson: LessonSurface;
  notices: Notices;
  onSource: (source: "microphone" | "camera", on: boolean) => void;
  onDevices: () => void;
  onRecord: (on: boolean) => void;
}

/** Everything that is wrong right now, each as a sentence with a button, and what has just happened. */
export function Banners({ lesson, notices, onSource, onDevices, onRecord }: Props) {
  const { text, language } = useWords();
  const connection = useReadable(lesson.connection);
  const soundRefused = useReadable(lesson.soundRefused);
  const rules = useReadable(lesson.lesson);
  const me = useReadable(lesson.people).find((person) => person.self);
  const sources = useReadable(lesson.sources);
  const failure = useRecordingFailure(lesson);
  const [closedFailure, setClosedFailure] = useState<string | null>(null);
  const lines: ReactNode[] = [];

  if (soundRefused) {
    lines.push(
      <Line key="sound" testId="banner-sound" tone="strong" sentence={text.banner.soundOff}>
        <button
          type="button"
          className="button primary"
          data-testid="turn-sound-on"
          onClick={() => {
            lesson.turnSoundOn().catch(notices.failed);
          }}
        >
          <Speaker />
          {text.banner.turnSoundOn}
        </button>
      </Line>,
    );
  }
  if (connection.socket === "down") {
    lines.push(
      <Line key="socket" testId="banner-reconnecting" tone="warn" sentence={text.banner.reconnecting}>
        <button
          type="button"
          className="button small"
          data-testid="retry-now"
          onClick={() => {
            lesson.retryNow();
          }}
        >
          {text.banner.retry}
        </button>
      </Line>,
    );
  } else if (connection.media === "restoring") {
    lines.push(<Line key="media" testId="banner-media-restoring" tone="warn" sentence={text.banner.mediaReconnecting} />);
  } else if (connection.media === "failed") {
    const code = connection.failure ?? "media_failed";
    const hopeless = code === "no_webrtc" || code === "insecure_page" || code === "in_app_browser";
    lines.push(
      <Line key="media" testId="banner-media-failed" tone="warn" sentence={text.refusals[knownRefusal(code)]}>
        {!hopeless && (
          <button
            type="button"
            className="button small"
            data-testid="reconnect-media"
            onClick={() => {
              lesson.reconnectMedia();
            }}
          >
            {text.refusalActions.again}
          </button>
        )}
      </Line>,
    );
  }
  if (failure !== null && failure.key !== closedFailure) {
    lines.push(
      <Line
        key="recording"
        testId="banner-recording-failed"
        tone="warn"
        sentence={failure.sentence}
        onClose={() => {
          setClosedFailure(failure.key);
        }}
      >
        <button
          type="button"
          className="button small"
          data-testid="record-again"
          onClick={() => {
            onRecord(true);
          }}
        >
          {text.recording.again}
        </button>
      </Line>,
    );
  }
  if (me?.line === "weak") {
    const camera = sources.camera.state === "on";
    lines.push(
      <Line key="weak" testId="banner-weak" tone="warn" sentence={camera ? text.banner.weakCamera : text.banner.weak}>
        {camera && (
          <button
            type="button"
            className="button small"
            onClick={() => {
              onSource("camera", false);
            }}
          >
            {text.banner.cameraTurnOff}
          </button>
        )}
      </Line>,
    );
  }
  if (me?.silent === true && sources.microphone.state === "on") {
    lines.push(
      <Line key="silent" testId="banner-silent" tone="warn" sentence={text.banner.silent}>
        <button type="button" className="button small" onClick={onDevices}>
          {text.banner.devices}
        </button>
      </Line>,
    );
  }
  if (rules?.state === "waiting" && rules.ends_at_ms !== null) {
    const time = new Intl.DateTimeFormat(localeOf(language), { hour: "2-digit", minute: "2-digit" }).format(rules.ends_at_ms);
    lines.push(<Line key="away" testId="banner-teacher-away" tone="warn" sentence={text.banner.teacherAway(time)} />);
  }
  if (sources.screen.state === "on") {
    lines.push(
      <Line key="screen" testId="banner-own-screen" tone="calm" sentence={text.lesson.yourScreen}>
        <button
          type="button"
          className="button small danger"
          data-testid="stop-screen"
          onClick={() => {
            lesson.setSource("screen", false).catch(notices.failed);
          }}
        >
          {text.lesson.stopScreen}
        </button>
      </Line>,
    );
  }
  for (const banner of notices.banners) {
    lines.push(
      <Line
        key={banner.key}
        testId={`banner-${banner.key}`}
        tone={banner.tone}
        sentence={banner.sentence}
        onClose={() => {
          notices.close(banner.key);
        }}
      >
        <ActionButton
          banner={banner}
          onSource={(source) => {
            notices.close(banner.key);
            onSource(source, true);
          }}
          onDevices={() => {
            notices.close(banner.key);
            onDevices();
          }}
          mayUnmute={me?.may.microphone === true && sources.microphone.state === "off" && obstacle() === null}
        />
      </Line>,
    );
  }
  return (
    <div className="banners" data-testid="banners">
      {lines}
    </div>
  );
}

function ActionButton(props: {
  banner: Banner;
  mayUnmute: boolean;
  onSource: (source: "microphone" | "camera") => void;
  onDevices: () => void;
}) {
  const { text } = useWords();
  if (props.banner.action === "again_microphone" || props.banner.action === "again_camera") {
    const source = props.banner.action === "again_camera" ? "camera" : "microphone";
    return (
      <button
        type="button"
        className="button small"
        data-testid="try-again"
        onClick={() => {
          props.onSource(source);
        }}
      >
        {text.refusalActions.again}
      </button>
    );
  }
  if (props.banner.action === "unmute" && props.mayUnmute) {
    return (
      <button
        type="button"
        className="button small"
        data-testid="unmute"
        onClick={() => {
          props.onSource("microphone");
        }}
      >
        {props.banner.key === "may" ? text.bar.microphoneTurnOn : text.banner.unmute}
      </button>
    );
  }
  if (props.banner.action === "devices") {
    return (
      <button type="button" className="button small" onClick={props.onDevices}>
        {text.banner.devices}
      </button>
    );
  }
  return null;
}

function Line(props: {
  testId: string;
  tone: "calm" | "warn" | "strong";
  sentence: string;
  onClose?: () => void;
  children?: ReactNode;
}) {
  const { text } = useWords();
  return (
    <div className={`banner ${props.tone}`} role={props.tone === "calm" ? "status" : "alert"} data-testid={props.testId}>
      <p>{props.sentence}</p>
      {props.children}
      {props.onClose !== undefined && (
        <button type="button" className="icon-button" aria-label={text.banner.dismiss} onClick={props.onClose}>
          <Close />
        </button>
      )}
    </div>
  );
}
