import { useState, type PointerEvent } from "react";

import { clock } from "../../core/clock";
import type { Player } from "../../core/player";
import type { TimelinePart } from "../../generated/wire";
import { useReadable } from "../readable";
import { useText } from "../text";

/** Half of the slider's handle: the first and the last moment are so far from its edges. CSS has the same. */
const INSET_PX = 8;

/** Where in the video one is, what is loaded, where the parts begin. */
export function SeekBar({ player, parts }: { player: Player; parts: readonly TimelinePart[] }) {
  const text = useText();
  const { timeMs, durationMs } = useReadable(player.state);
  const loaded = useReadable(player.loaded);
  const [pointed, setPointed] = useState<number | null>(null);
  const whole = Math.max(1, durationMs);
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
      <div className="seek-track" aria-hidden="true">
        {loaded.map(([from, to]) => (
          <i key={from} className="seek-loaded" style={{ left: percent(from), width: percent(to - from) }} />
        ))}
        <i className="seek-played" style={{ width: percent(timeMs) }} />
        {parts.slice(1).map((part) => (
          <i key={part.at_ms} className="seek-mark" data-testid="part-mark" style={{ left: percent(part.at_ms) }} />
        ))}
        {pointed !== null && (
          <span className="seek-hint" style={{ left: percent(pointed) }}>
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
