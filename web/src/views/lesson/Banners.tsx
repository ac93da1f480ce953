import { useState, type ReactNode } from "react";

import { obstacle } from "../../core/capture";
import type { LessonSurface } from "../../core/lesson";
import { localeOf } from "../../i18n";
import { Speaker } from "../icons";
import { useReadable } from "../readable";
import { useWords } from "../text";
import { BannerLine } from "./BannerLine";
import { ConnectionBanners } from "./ConnectionBanners";
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
  const soundRefused = useReadable(lesson.soundRefused);
  const rules = useReadable(lesson.lesson);
  const me = useReadable(lesson.people).find((person) => person.self);
  const sources = useReadable(lesson.sources);
  const failure = useRecordingFailure(lesson);
  const [closedFailure, setClosedFailure] = useState<string | null>(null);
  const told = new Set(notices.banners.map((banner) => banner.key));
  const lines: ReactNode[] = [];

  if (soundRefused) {
    lines.push(
      <BannerLine key="sound" testId="banner-sound" tone="strong" sentence={text.banner.soundOff}>
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
      </BannerLine>,
    );
  }
  lines.push(
    <ConnectionBanners
      key="connection"
      lesson={lesson}
      onCameraOff={() => {
        onSource("camera", false);
      }}
    />,
  );
  if (failure !== null && failure.key !== closedFailure) {
    lines.push(
      <BannerLine
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
      </BannerLine>,
    );
  }
  if (me?.silent === true && sources.microphone.state === "on" && !told.has("microphone_silent")) {
    lines.push(
      <BannerLine key="silent" testId="banner-silent" tone="warn" sentence={text.line.nothingHeard}>
        <button type="button" className="button small" data-testid="choose-another" onClick={onDevices}>
          {text.line.chooseMicrophone}
        </button>
      </BannerLine>,
    );
  }
  if (rules?.state === "waiting" && rules.ends_at_ms !== null) {
    const time = new Intl.DateTimeFormat(localeOf(language), { hour: "2-digit", minute: "2-digit" }).format(rules.ends_at_ms);
    lines.push(<BannerLine key="away" testId="banner-teacher-away" tone="warn" sentence={text.banner.teacherAway(time)} />);
  }
  if (sources.screen.state === "on") {
    lines.push(
      <BannerLine key="screen" testId="banner-own-screen" tone="calm" sentence={text.lesson.yourScreen}>
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
      </BannerLine>,
    );
  }
  for (const banner of notices.banners) {
    if (banner.of !== undefined && sources[banner.of].state === "off") continue;
    lines.push(
      <BannerLine
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
      </BannerLine>,
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
  if (props.banner.action === "devices" || props.banner.action === "microphone") {
    return (
      <button type="button" className="button small" data-testid="choose-another" onClick={props.onDevices}>
        {props.banner.action === "microphone" ? text.line.chooseMicrophone : text.banner.devices}
      </button>
    );
  }
  return null;
}
