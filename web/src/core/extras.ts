/** What jobs make of a video after it is ready: thumbnails, chapters, the waveform. Pure. */

export interface Cue {
  readonly fromMs: number;
  readonly toMs: number;
  readonly text: string;
}

/** A piece of the picture of thumbnails, px. */
export interface Thumbnail {
  readonly fromMs: number;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

const TIMES = /^(?:(\d+):)?(\d\d):(\d\d)\.(\d{3}) --> (?:(\d+):)?(\d\d):(\d\d)\.(\d{3})/;
const PLACE = /#xywh=(\d{1,5}),(\d{1,5}),(\d{1,5}),(\d{1,5})$/;
const SIGNS: ReadonlyMap<string, string> = new Map([
  ["&lt;", "<"],
  ["&gt;", ">"],
  ["&amp;", "&"],
]);

/** The cues of a WebVTT file of ours; whatever else is in it is passed over. */
export function cuesOf(vtt: string): readonly Cue[] {
  return vtt.split(/\n{2,}/).flatMap((block) => {
    const [times = "", ...lines] = block.split("\n");
    const found = TIMES.exec(times);
    if (found === null) return [];
    const [fromMs, toMs] = [found.slice(1, 5), found.slice(5, 9)].map(([h, m, s, ms]) => ((Number(h ?? 0) * 60 + Number(m)) * 60 + Number(s)) * 1000 + Number(ms));
    const text = lines.join(" ").trim().replace(/&(?:lt|gt|amp);/g, (sign) => SIGNS.get(sign) ?? sign);
    return fromMs === undefined || toMs === undefined ? [] : [{ fromMs, toMs, text }];
  });
}

/** Where in the picture each thumbnail is. */
export function thumbnailsOf(vtt: string): readonly Thumbnail[] {
  return cuesOf(vtt).flatMap(({ fromMs, text }) => {
    const place = PLACE.exec(text)?.slice(1).map(Number);
    if (place === undefined) return [];
    const [x = 0, y = 0, width = 0, height = 0] = place;
    return [{ fromMs, x, y, width, height }];
  });
}

/** The last one that begins by `ms`; null: there is none. */
export function lastBy<T extends { readonly fromMs: number }>(all: readonly T[], ms: number): T | null {
  return all.findLast(({ fromMs }) => fromMs <= ms) ?? null;
}

/** An SVG path of the peaks (0..255) in a box of `peaks.length` x 100, standing on its lower edge. */
export function waveform(peaks: readonly number[]): string {
  if (peaks.length === 0) return "";
  const tops = peaks.map((peak, index) => `L${index} ${Math.round(100 - Math.min(255, Math.max(0, peak)) / 2.55)}`);
  return `M0 100${tops.join("")}L${peaks.length - 1} 100Z`;
}

/** What a volume is multiplied by; a player cannot amplify. */
export function factorOf(gainDb: number): number {
  return Number.isFinite(gainDb) ? Math.min(1, 10 ** (gainDb / 20)) : 1;
}
