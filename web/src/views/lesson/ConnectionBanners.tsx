import { useEffect, useState } from "react";

import type { LessonSurface } from "../../core/lesson";
import type { Connection, Mode } from "../../core/types";
import type { Dictionary } from "../../i18n";
import { knownRefusal } from "../../i18n";
import { useOnline, useReadable } from "../readable";
import { useSteady } from "../steady";
import { useText } from "../text";
import { BannerLine } from "./BannerLine";
import { wordsOfOwnLine } from "./line";

/** Nothing is said that is over at once, and nothing is taken away before it could be read. */
const CALM = { afterMs: 2000, leastMs: 4000 };
const CHOSEN_MS = 12_000;
/** Refusals after which another try in this browser makes no sense. */
const HOPELESS: ReadonlySet<string> = new Set(["no_webrtc", "insecure_page", "in_app_browser"]);

interface Props {
  lesson: LessonSurface;
  onCameraOff: () => void;
}

/** What is lost, weak, spared or turned off of one's own connection: at most one line of each. */
export function ConnectionBanners({ lesson, onCameraOff }: Props) {
  const connection = useReadable(lesson.connection);
  const { spared, mode } = useReadable(lesson.saving);
  const load = useSteady(useReadable(lesson.spare) > 0 ? true : null, CALM);
  const carried = connection.socket === "up" && connection.media === "connected";
  const left = useSteady(mode === "full" && spared !== "nothing" && carried ? spared : null, CALM);
  return (
    <>
      <Lost lesson={lesson} connection={connection} />
      {carried && <Weak lesson={lesson} spared={left !== null} onCameraOff={onCameraOff} />}
      {mode === "full" && (
        <Spared key={`spared-${left ?? (load === true ? "load" : "nothing")}`} spared={left} load={load === true} />
      )}
      <Chosen key={`chosen-${mode}`} lesson={lesson} mode={mode} />
    </>
  );
}

function Lost({ lesson, connection }: { lesson: LessonSurface; connection: Connection }) {
  const text = useText();
  const online = useOnline();
  const connecting = useSteady(connection.media === "connecting" ? true : null, { ...CALM, leastMs: 0 });
  if (connection.socket === "down") {
    return (
      <BannerLine
        testId="banner-reconnecting"
        tone="warn"
        state={online ? "lost" : "offline"}
        sentence={online ? text.line.socketLost : text.line.offline}
      >
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
      </BannerLine>
    );
  }
  if (connection.media === "restoring")
    return <BannerLine testId="banner-media-restoring" tone="warn" sentence={text.line.restoring} />;
  if (connection.media === "connecting" && connecting === true)
    return <BannerLine testId="banner-media-connecting" tone="calm" sentence={text.line.connecting} />;
  if (connection.media !== "failed") return null;
  const code = connection.failure ?? "media_failed";
  return (
    <BannerLine testId="banner-media-failed" tone="warn" sentence={text.refusals[knownRefusal(code)]}>
      {!HOPELESS.has(code) && (
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
    </BannerLine>
  );
}

/** `spared`: what is left out is said already, so a weak way to here need not be. */
function Weak({ lesson, spared, onCameraOff }: { lesson: LessonSurface; spared: boolean; onCameraOff: () => void }) {
  const text = useText();
  const me = useReadable(lesson.people).find((person) => person.self);
  const camera = useReadable(lesson.sources).camera.state === "on";
  if (me === undefined || me.line === "good") return null;
  const sends = me.line === "weak" && (me.fault === "sender" || me.fault === null);
  if (spared && (me.fault === "receiver" || me.fault === null)) return null;
  return (
    <BannerLine testId="banner-weak" tone="warn" state={me.line} sentence={wordsOfOwnLine(me, text, camera)}>
      {sends && camera && (
        <button type="button" className="button small" data-testid="weak-camera-off" onClick={onCameraOff}>
          {text.banner.cameraTurnOff}
        </button>
      )}
    </BannerLine>
  );
}

/** Can be closed: on a phone it lies over the picture that is left. */
function Spared({ spared, load }: { spared: "tiles" | "pictures" | "lite" | null; load: boolean }) {
  const text = useText();
  const [closed, setClosed] = useState(false);
  if ((spared === null && !load) || closed) return null;
  const close = () => {
    setClosed(true);
  };
  return spared === null ? (
    <BannerLine testId="banner-load" tone="calm" sentence={text.saving.load} onClose={close} />
  ) : (
    <BannerLine testId="banner-spared" tone="calm" state={spared} sentence={sparedWords(spared, text)} onClose={close} />
  );
}

function sparedWords(spared: "tiles" | "pictures" | "lite", { saving }: Dictionary): string {
  return { tiles: saving.sparedTiles, pictures: saving.sparedPictures, lite: saving.sparedLite }[spared];
}

/** What one has chosen oneself, with the way back, for a while: the menu has the way back too. */
function Chosen({ lesson, mode }: { lesson: LessonSurface; mode: Mode }) {
  const text = useText();
  const [closed, setClosed] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => {
      setClosed(true);
    }, CHOSEN_MS);
    return () => {
      clearTimeout(timer);
    };
  }, []);
  if (mode === "full" || closed) return null;
  return (
    <BannerLine
      testId="banner-mode"
      tone="calm"
      state={mode}
      sentence={mode === "audio" ? text.saving.audioOn : text.saving.liteOn}
      onClose={() => {
        setClosed(true);
      }}
    >
      <button
        type="button"
        className="button small"
        data-testid="all-pictures"
        onClick={() => {
          lesson.setMode("full");
        }}
      >
        {text.saving.allPictures}
      </button>
    </BannerLine>
  );
}
