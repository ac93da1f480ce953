import { useMemo, useState, type PointerEvent } from "react";

import { clock } from "../../core/clock";
import type { Player } from "../../core/player";
import type { TimelinePart } from "../../generated/wire";
import { lastBy, waveform, type Thumbnail } from "../../core/extras";
import { useReadable } from "../readable";
import { useText } from "../text";
import type { Extras } from "./extras";

/** Half of the slider's handle: the first and the last moment are so far from its edges. CSS has the same. */
const INSET_PX = 8;

/** Where in the video one is, what is loaded, how loud it is, where parts and chapters begin. */
export function SeekBar({ player, parts, extras }: { player: Player; parts: readonly TimelinePart[]; extras: Extras }) {
  const text = useText();
  const { timeMs, durationMs } = useReadable(player.state);
  const loaded = useReadable(player.loaded);
  const [pointed, setPointed] = useState<number | null>(null);
  const loud = useMemo(() => waveform(extras.peaks), [extras.peaks]);
  const whole = Math.max(1, durationMs);
  const chapter = pointed === null ? null : lastBy(extras.chapters, pointed);
  const thumbnail = pointed === null ? null : lastBy(extras.thumbnails, pointed);
  const percent = (ms: number) => `${Math.max(0, Math.min(100, (100 * ms) / whole)).toFixed(2)}%`;
  const point = (event: PointerEvent<HTMLElement>) => {
    const { left, width } = event.currentTarget.getBoundingClientRect();
    const part = (event.clientX - left - INSET_PX) / Math.max(1, width - 2 * INSET_PX);
    setPointed(Math.max(0, Math.min(1, part)) * whole);
  };
  return (
    <div
      className="seek"
      onPointerMove={point}
      onPointerLeave={() => {
        setPointed(null);
      }}
    >
      {loud !== "" && (
        <svg className="seek-waveform" viewBox={`0 0 ${extras.peaks.length - 1} 100`} preserveAspectRatio="none" aria-hidden="true" data-testid="waveform">
          <path d={loud} />
        </svg>
      )}
      <div className="seek-track" aria-hidden="true">
        {loaded.map(([from, to]) => (
          <i key={from} className="seek-loaded" style={{ left: percent(from), width: percent(to - from) }} />
        ))}
        <i className="seek-played" style={{ width: percent(timeMs) }} />
        {parts.slice(1).map((part) => (
          <i key={part.at_ms} className="seek-mark" data-testid="part-mark" style={{ left: percent(part.at_ms) }} />
        ))}
        {extras.chapters.slice(1).map(({ fromMs }) => (
          <i key={`chapter-${fromMs}`} className="seek-chapter" data-testid="chapter-mark" style={{ left: percent(fromMs) }} />
        ))}
        {pointed !== null && (
          <span className={thumbnail === null ? "seek-hint" : "seek-hint pictured"} style={{ left: percent(pointed) }}>
            {thumbnail !== null && extras.sprite !== null && <Picture thumbnail={thumbnail} sprite={extras.sprite} />}
            {chapter !== null && <b dir="auto">{chapter.text}</b>}
            {clock(pointed)}
          </span>
        )}
      </div>
      <input
        type="range"
        className="slider"
        min={0}
        max={Math.floor(whole)}
        step={100}
        value={Math.min(timeMs, whole)}
        aria-label={text.player.seek}
        aria-valuetext={text.player.at(clock(timeMs), clock(durationMs))}
        data-testid="seek"
        onChange={(event) => {
          player.seek(Number(event.target.value));
        }}
      />
    </div>
  );
}

function Picture({ thumbnail, sprite }: { thumbnail: Thumbnail; sprite: string }) {
  const { x, y, width, height } = thumbnail;
  return (
    <span
      className="seek-picture"
      data-testid="thumbnail"
      style={{ width, height, backgroundImage: `url("${sprite}")`, backgroundPosition: `-${x}px -${y}px` }}
    />
  );
}
