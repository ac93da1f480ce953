/** Opening microphones, cameras and screens; the browser's errors become codes. */

import { Failed, type SourceName } from "./types";

export type CameraQuality = "720p" | "360p";

const SIZES: Readonly<Record<CameraQuality, readonly [number, number]>> = {
  "720p": [1280, 720],
  "360p": [640, 360],
};
const CAMERA_FPS = 25;
const SCREEN_FPS = 15;

/** What media this page can have at all: null when all is well, else a code. */
export function obstacle(): "insecure_page" | "in_app_browser" | "no_webrtc" | null {
  if (typeof RTCPeerConnection !== "function") return isInApp(navigator.userAgent) ? "in_app_browser" : "no_webrtc";
  if (!globalThis.isSecureContext) return "insecure_page";
  if ((navigator as { mediaDevices?: MediaDevices }).mediaDevices === undefined) return "in_app_browser";
  return null;
}

/** Browsers inside other apps, by what they say of themselves; many of them have no media devices. */
export function isInApp(userAgent: string): boolean {
  return (
    /FBAN|FBAV|Instagram|VKAndroidApp|VKClient|Telegram|WhatsApp|Viber|MicroMessenger|Line\//i.test(userAgent) ||
    /\bwv\b.*Chrome\//.test(userAgent) || // Android WebView
    (/iPhone|iPad/.test(userAgent) && !userAgent.includes('Safari/')) // WKWebView
  );
}

/** Whether this is a phone: fewer tiles, less sent. */
export function isPhone(userAgent: string, shortSidePx: number): boolean {
  return /iPhone|Android.*Mobile|Windows Phone/i.test(userAgent) || (/Android/i.test(userAgent) && shortSidePx < 600);
}

export function canShareScreen(): boolean {
  const media = (navigator as { mediaDevices?: Partial<MediaDevices> }).mediaDevices;
  return typeof media?.getDisplayMedia === "function";
}

/** The one microphone track; `device` null: the system's. */
export async function openMicrophone(device: string | null): Promise<MediaStreamTrack> {
  const stream = await open("microphone", {
    audio: {
      ...(device === null ? {} : { deviceId: { exact: device } }),
      echoCancellation: true,
      noiseSuppression: true,
      autoGainControl: true,
      channelCount: 1,
    },
  });
  return first(stream.getAudioTracks(), "microphone_missing");
}

/** The one camera track, upright on phones as the person holds them. */
export async function openCamera(device: string | null, quality: CameraQuality = "720p"): Promise<MediaStreamTrack> {
  const [width, height] = SIZES[quality];
  const stream = await open("camera", {
    video: {
      ...(device === null ? { facingMode: "user" } : { deviceId: { exact: device } }),
      width: { ideal: width },
      height: { ideal: height },
      frameRate: { ideal: CAMERA_FPS, max: 30 },
    },
  });
  const track = first(stream.getVideoTracks(), "camera_missing");
  track.contentHint = "motion";
  await turnUpright(track, width, height);
  return track;
}

/** A camera that is itself taller than wide is asked for a tall picture: a wide one would be cut out of it. */
async function turnUpright(track: MediaStreamTrack, width: number, height: number): Promise<void> {
  const can = (track as Partial<Pick<MediaStreamTrack, "getCapabilities">>).getCapabilities?.call(track) ?? {};
  if ((can.height?.max ?? 0) <= (can.width?.max ?? Infinity)) return;
  const upright = { width: { ideal: height }, height: { ideal: width }, frameRate: { ideal: CAMERA_FPS, max: 30 } };
  await track.applyConstraints(upright).catch(() => undefined); // then it stays as it was opened
}

/** As it sounds, but without what this page plays (W3C Screen Capture, restrictOwnAudio): the voices of others
 * would come back as an echo, and into a recording that they are not part of. */
const SCREEN_SOUND: MediaTrackConstraints & { restrictOwnAudio: boolean } = {
  echoCancellation: false,
  noiseSuppression: false,
  autoGainControl: false,
  restrictOwnAudio: true,
};

/** A screen, window or tab, with its sound where browser and person give it. Only from a click. */
export async function openScreen(): Promise<{ video: MediaStreamTrack; sound: MediaStreamTrack | null }> {
  if (!canShareScreen()) throw new Failed("screen_unsupported");
  let stream: MediaStream;
  try {
    stream = await navigator.mediaDevices.getDisplayMedia({
      video: { width: { max: 1920 }, height: { max: 1080 }, frameRate: { ideal: SCREEN_FPS, max: 30 } },
      audio: SCREEN_SOUND,
    });
  } catch (error) {
    throw new Failed(captureCode("screen", error));
  }
  const video = first(stream.getVideoTracks(), "screen_denied");
  video.contentHint = "detail";
  const sound = stream.getAudioTracks()[0] ?? null;
  if (sound !== null) sound.contentHint = "music";
  return { video, sound };
}

/** DOMException names of getUserMedia and getDisplayMedia (W3C mediacapture) as our codes. */
export function captureCode(source: Exclude<SourceName, "screen_sound">, error: unknown): string {
  const name = error instanceof Error || error instanceof DOMException ? error.name : "";
  switch (name) {
    case "NotAllowedError":
    case "SecurityError":
      return `${source}_denied`;
    case "NotFoundError":
    case "OverconstrainedError":
      return source === "screen" ? "screen_unsupported" : `${source}_missing`;
    case "NotSupportedError":
    case "TypeError":
      return source === "screen" ? "screen_unsupported" : `${source}_missing`;
    default: // NotReadableError, AbortError, InvalidStateError: there, but cannot be read now
      return source === "screen" ? "screen_denied" : `${source}_busy`;
  }
}

async function open(source: "microphone" | "camera", constraints: MediaStreamConstraints): Promise<MediaStream> {
  const code = obstacle();
  if (code !== null) throw new Failed(code);
  try {
    return await navigator.mediaDevices.getUserMedia(constraints);
  } catch (error) {
    throw new Failed(captureCode(source, error));
  }
}

function first(tracks: readonly MediaStreamTrack[], code: string): MediaStreamTrack {
  const track = tracks[0];
  if (track === undefined) throw new Failed(code);
  return track;
}
