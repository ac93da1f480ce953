/** What to ask of the encoders for a camera or a screen of a given size. Pure. */

/** Lowest to highest; the server's layers 0, 1, 2. */
export const CAMERA_RIDS = ["q", "h", "f"] as const;
const SCREEN_MAX_BPS = 2_500_000;
const SCREEN_LOW_BPS = 300_000;
/** Lowest to highest, too. */
export const SCREEN_RIDS = ["l", "s"] as const;
/** Speech in full band; with its headers and a still a second it stays within 64 kbit/s. */
export const MICROPHONE_MAX_BPS = 32_000;
export const SCREEN_SOUND_MAX_BPS = 96_000;

/** libwebrtc sends three layers from 960x540 pixels on, two from 480x270, one below, and drops the highest rids
 * otherwise: the picture's full size goes to the highest rid that is sent. */
const THREE_LAYERS_PX = 960 * 540;
const TWO_LAYERS_PX = 480 * 270;
/** A camera that gives more than this on its short side is scaled down to it. */
const MAX_SHORT_SIDE_PX = 720;
const BASE_PX = 320 * 180;
const BASE_BPS = 150_000;
/** 150 kbit/s at 180p, 500 at 360p, 1,700 at 720p. */
const BPS_EXPONENT = 0.87;

export interface LayerParameters {
  readonly active: boolean;
  readonly scaleResolutionDownBy: number;
  readonly maxBitrate: number;
}

/** For each of SCREEN_RIDS: the low one is for thin lines, less sharp but there. A small window has one. */
export function screenLayers(width: number, height: number): readonly LayerParameters[] {
  const both = width * height >= TWO_LAYERS_PX;
  return [
    { active: true, scaleResolutionDownBy: both ? 2 : 1, maxBitrate: both ? SCREEN_LOW_BPS : SCREEN_MAX_BPS },
    { active: both, scaleResolutionDownBy: 1, maxBitrate: SCREEN_MAX_BPS },
  ];
}

/** For each of CAMERA_RIDS, from the real capture size (either way up). */
export function cameraLayers(width: number, height: number): readonly LayerParameters[] {
  const pixels = width * height;
  const full = Math.max(1, Math.min(width, height) / MAX_SHORT_SIDE_PX);
  const layers = pixels >= THREE_LAYERS_PX ? 3 : pixels >= TWO_LAYERS_PX ? 2 : 1;
  return CAMERA_RIDS.map((_, index) => {
    const scale = full * 2 ** Math.max(0, layers - 1 - index);
    return {
      active: index < layers,
      scaleResolutionDownBy: scale,
      maxBitrate: Math.round(BASE_BPS * Math.max(0.5, (pixels / scale ** 2 / BASE_PX) ** BPS_EXPONENT)),
    };
  });
}

/** VP8 with its retransmissions, Opus with its redundancy: nothing else, so that the offer stays small. */
export function wantedCodecs<Codec extends { readonly mimeType: string }>(codecs: readonly Codec[]): Codec[] {
  const wanted = new Set(["video/vp8", "video/rtx", "audio/opus", "audio/red"]);
  return codecs.filter(({ mimeType }) => wanted.has(mimeType.toLowerCase()));
}
