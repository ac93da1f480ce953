import { useCallback, useEffect, useRef, useState } from "react";

import type { LessonSurface } from "../../core/lesson";
import { Failed, type Notice, type SourceName } from "../../core/types";
import type { Dictionary } from "../../i18n";
import { knownRefusal } from "../../i18n";

/** A line above the pictures that stays until it is closed, acted on or, with `forMs`, for a while. */
export interface Banner {
  key: string;
  tone: "calm" | "warn";
  sentence: string;
  /** What its button does; the words are chosen by the view. */
  action: "unmute" | "devices" | "microphone" | "again_microphone" | "again_camera" | null;
  /** It is about this own source, and over once that is off. */
  of?: SourceName;
  forMs: number | null;
}

const SHORT_MS = 5000;
const LONG_MS = 12_000;
const MOST = 4;

/** The banner of a notice, or null when it is only spoken or shown elsewhere. */
export function bannerOf(
  notice: Notice,
  text: Dictionary,
  leads: boolean,
  nameOf: (participant: string) => string,
): Banner | null {
  switch (notice.kind) {
    case "hand_up": {
      if (!leads) return null;
      const sentence = text.announce.hand(notice.name);
      return { key: "hand", tone: "calm", sentence, action: null, forMs: SHORT_MS };
    }
    case "muted": {
      const by = notice.by === null ? "" : nameOf(notice.by);
      const sentence: Record<SourceName, string> = {
        microphone: by === "" ? text.banner.mutedByTeacher : text.banner.mutedBy(by),
        camera: text.banner.cameraOffByTeacher,
        screen: text.banner.screenOffByTeacher,
        screen_sound: text.banner.screenOffByTeacher,
      };
      if (notice.source === "screen_sound") return null; // goes with the screen
      return {
        key: `muted-${notice.source}`,
        tone: "warn",
        sentence: sentence[notice.source],
        action: notice.source === "microphone" ? "unmute" : null,
        forMs: LONG_MS,
      };
    }
    case "may_not":
      if (notice.source !== "microphone") return null;
      return { key: "may", tone: "warn", sentence: text.banner.forbidden, action: null, forMs: LONG_MS };
    case "may":
      if (notice.source !== "microphone") return null;
      return { key: "may", tone: "calm", sentence: text.banner.allowed, action: "unmute", forMs: LONG_MS };
    case "device_lost":
      return {
        key: "device",
        tone: "warn",
        sentence: notice.to === null ? text.devices.gone : text.devices.changed,
        action: "devices",
        forMs: LONG_MS,
      };
    case "microphone_silent":
      return {
        key: "microphone_silent",
        tone: "warn",
        sentence: text.line.nothingHeard,
        action: "microphone",
        of: "microphone",
        forMs: null,
      };
    case "device_muted":
      return {
        key: `device_muted-${notice.source}`,
        tone: "warn",
        sentence: notice.source === "camera" ? text.line.mutedCamera : text.line.mutedMicrophone,
        action: "devices",
        of: notice.source,
        forMs: null,
      };
    case "media_back":
      return { key: "resumed", tone: "calm", sentence: text.banner.resumed, action: null, forMs: SHORT_MS };
    case "not_restored":
      if (notice.source !== "microphone") return null;
      return { key: "not_restored", tone: "warn", sentence: text.banner.notRestored, action: "unmute", forMs: null };
    default:
      return null;
  }
}

/** What a screen reader says about a notice; empty for nothing. */
export function spokenOf(notice: Notice, text: Dictionary): string {
  switch (notice.kind) {
    case "joined":
      return text.announce.joined(notice.name);
    case "left":
      return text.announce.left(notice.name);
    case "hand_up":
      return text.announce.hand(notice.name);
    case "hand_lowered":
      return text.announce.handDown;
    default:
      return "";
  }
}

export interface Notices {
  banners: readonly Banner[];
  /** The newest thing for screen readers. */
  spoken: string;
  close: (key: string) => void;
  /** Shows why something was not done. */
  failed: (error: unknown) => void;
  say: (sentence: string) => void;
  /** Shows a sentence of a view's own for a while. */
  warn: (key: string, sentence: string) => void;
  /** The same for what is no trouble. */
  tell: (key: string, sentence: string) => void;
}

/** Collects what happened into banners and speech; the oldest banner gives way. */
export function useNotices(lesson: LessonSurface, text: Dictionary, onChat: () => void): Notices {
  const [banners, setBanners] = useState<readonly Banner[]>([]);
  const [spoken, setSpoken] = useState("");
  const timers = useRef(new Map<string, ReturnType<typeof setTimeout>>());

  const close = useCallback((key: string) => {
    setBanners((before) => before.filter((banner) => banner.key !== key));
  }, []);

  const show = useCallback(
    (banner: Banner) => {
      setBanners((before) => [...before.filter((each) => each.key !== banner.key), banner].slice(-MOST));
      clearTimeout(timers.current.get(banner.key));
      if (banner.forMs !== null) {
        timers.current.set(
          banner.key,
          setTimeout(() => {
            close(banner.key);
          }, banner.forMs),
        );
      }
    },
    [close],
  );

  useEffect(() => {
    const running = timers.current;
    return () => {
      for (const timer of running.values()) clearTimeout(timer);
    };
  }, []);

  useEffect(
    () =>
      lesson.onNotice((notice) => {
        const banner = bannerOf(notice, text, lesson.self.get().leads, (id) => lesson.nameOf(id));
        if (banner !== null) show(banner);
        const sentence = spokenOf(notice, text);
        if (sentence !== "") setSpoken(sentence);
        if (notice.kind === "chat" && !notice.message.own) onChat();
      }),
    [lesson, text, onChat, show],
  );

  useEffect(() => {
    let down = false;
    return lesson.connection.subscribe(() => {
      const { socket } = lesson.connection.get();
      if (down && socket === "up") {
        show({ key: "resumed", tone: "calm", sentence: text.banner.resumed, action: null, forMs: SHORT_MS });
      }
      down = socket === "down";
    });
  }, [lesson, text, show]);

  const failed = useCallback(
    (error: unknown) => {
      const code = error instanceof Failed ? error.code : "internal";
      const [source, trouble] = code.split("_");
      const device = source === "camera" || source === "microphone";
      show({
        key: "failed",
        tone: "warn",
        sentence: text.refusals[knownRefusal(code)],
        action: !device ? null : trouble === "denied" ? `again_${source}` : "devices",
        forMs: LONG_MS,
      });
    },
    [text, show],
  );

  const warn = useCallback(
    (key: string, sentence: string) => {
      show({ key, tone: "warn", sentence, action: null, forMs: LONG_MS });
    },
    [show],
  );

  const tell = useCallback(
    (key: string, sentence: string) => {
      show({ key, tone: "calm", sentence, action: null, forMs: SHORT_MS });
    },
    [show],
  );

  return { banners, spoken, close, failed, say: setSpoken, warn, tell };
}
