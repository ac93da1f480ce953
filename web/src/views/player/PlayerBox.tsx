import { useEffect, useEffectEvent, useRef, useState } from "react";

import { clock } from "../../core/clock";
import { factorOf } from "../../core/extras";
import { commandOf } from "../../core/keys";
import { RATES, type Player } from "../../core/player";
import type { PageAddress } from "../../core/slides";
import type { Timeline } from "../../generated/wire";
import { knownRefusal, localeOf } from "../../i18n";
import { FullScreen, FullScreenExit, Pause, Play, Speaker, SpeakerOff } from "../icons";
import { useReadable } from "../readable";
import { remember, remembered } from "../remember";
import { blurLater, useFullScreen, useIdle } from "../screen";
import { useText, useWords } from "../text";
import { Busy } from "../widgets";
import type { Extras } from "./extras";
import { SeekBar } from "./SeekBar";
import { shownIn } from "../lesson/shown";
import { ShownBeside, useFields } from "./ShownBeside";

interface Props {
  player: Player;
  title: string;
  timeline: Timeline | null;
  /** Where pages of slides are. */
  pages: PageAddress;
  extras: Extras;
}

/** The picture with its controls; the keyboard works on the whole page. */
export function PlayerBox({ player, title, timeline, pages, extras }: Props) {
  const { text } = useWords();
  const state = useReadable(player.state);
  const trouble = useReadable(player.trouble);
  const root = useRef<HTMLDivElement>(null);
  const video = useRef<HTMLVideoElement>(null);
  const fullScreen = useFullScreen(root);
  const large = fullScreen?.on === true;
  const idle = useIdle(large && state.playing);
  const [touched, setTouched] = useState(false);
  const fields = useFields(player, timeline);
  const shown = shownIn(fields);
  const [shownLarge, setShownLarge] = useState(true);

  useEffect(() => {
    if (video.current === null) return;
    const detach = player.attach(video.current);
    player.setRate(RATES.find((rate) => String(rate) === remembered("player.rate")) ?? 1);
    player.setVolume(volumeOf(remembered("player.volume")));
    const online = () => {
      if (player.trouble.get() === "network") player.again();
    };
    window.addEventListener("online", online);
    return () => {
      window.removeEventListener("online", online);
      detach();
    };
  }, [player]);

  const factor = factorOf(extras.gainDb);
  useEffect(() => {
    player.setLoudness(factor);
  }, [player, factor]);

  const toggleFullScreen = () => {
    if (fullScreen !== null) fullScreen.toggle();
    // an iPhone has it for the picture alone
    else (video.current as { webkitEnterFullscreen?: () => void } | null)?.webkitEnterFullscreen?.();
  };
  const toggle = () => {
    setTouched(true);
    player.toggle();
  };
  const pressed = useEffectEvent((event: KeyboardEvent) => {
    const command = commandOf(event);
    if (command === null || event.defaultPrevented || ownKeys(event.target, event.code)) return;
    event.preventDefault();
    switch (command.do) {
      case "toggle":
        if (!event.repeat) toggle();
        return;
      case "full_screen":
        toggleFullScreen();
        return;
      case "mute":
        player.toggleMute();
        return;
      case "by":
        player.by(command.ms);
        return;
      case "louder":
        louder(player, command.by);
        return;
      case "to":
        player.seek(command.part * player.state.get().durationMs);
        return;
    }
  });
  useEffect(() => {
    const listener = (event: KeyboardEvent) => {
      pressed(event);
    };
    window.addEventListener("keydown", listener);
    return () => {
      window.removeEventListener("keydown", listener);
    };
  }, []);

  return (
    <div
      ref={root}
      className="player"
      role="group"
      aria-label={text.player.label}
      data-testid="player"
      data-state={state.playing ? "playing" : state.ended ? "ended" : "paused"}
      data-waiting={state.waiting}
      data-time-ms={Math.round(state.timeMs)}
      data-full-screen={large}
      data-idle={idle}
      onClickCapture={(event) => {
        if (event.detail > 0 && event.target instanceof Element) blurLater(event.target);
      }}
    >
      <div className="player-picture" data-shown={shown === null ? undefined : shownLarge ? "large" : "small"}>
        {/* A lesson has no captions; a click is only what the button below and the space bar do too. */}
        {/* eslint-disable-next-line jsx-a11y/media-has-caption */}
        <video
          ref={video}
          playsInline
          preload="metadata"
          tabIndex={-1}
          aria-label={title}
          data-testid="player-video"
          onClick={toggle}
          onDoubleClick={toggleFullScreen}
        />
        {shown !== null && (
          <ShownBeside
            fields={fields}
            shown={shown}
            pages={pages}
            large={shownLarge}
            onSwap={() => {
              setShownLarge(!shownLarge);
            }}
          />
        )}
        {!touched && !state.playing && trouble === null && (
          <span className="player-start" aria-hidden="true">
            <Play />
          </span>
        )}
        {state.waiting && (
          <div className="player-waiting">
            <Busy label={text.player.loading} />
          </div>
        )}
        {trouble !== null && <Trouble player={player} code={trouble} />}
      </div>
      <div className="player-bar">
        <SeekBar player={player} parts={timeline?.parts ?? []} extras={extras} />
        <button
          type="button"
          className="icon-button"
          aria-label={state.playing ? text.player.pause : text.player.play}
          title={state.playing ? text.player.pause : text.player.play}
          data-testid="play"
          onClick={toggle}
        >
          {state.playing ? <Pause /> : <Play />}
        </button>
        <p className="player-time" data-testid="player-time">
          {clock(state.timeMs)} <span>/ {clock(state.durationMs)}</span>
        </p>
        <Volume player={player} />
        <Speed player={player} rate={state.rate} />
        <button
          type="button"
          className="icon-button"
          aria-label={large ? text.player.fullScreenExit : text.player.fullScreen}
          title={large ? text.player.fullScreenExit : text.player.fullScreen}
          data-testid="player-full-screen"
          onClick={toggleFullScreen}
        >
          {large ? <FullScreenExit /> : <FullScreen />}
        </button>
      </div>
    </div>
  );
}

/** Whether a key means something to what has the focus. */
function ownKeys(target: EventTarget | null, code: string): boolean {
  if (!(target instanceof Element)) return false;
  if (target.closest("input:not([type='range']), textarea, select, dialog, [contenteditable]") !== null) return true;
  if (code === "Space") return target.closest("button, a[href], summary") !== null;
  if (code === "ArrowUp" || code === "ArrowDown" || code === "Home") {
    if (target.closest(".replay-list") !== null) return true; // it scrolls
  }
  if (code === "ArrowLeft" || code === "ArrowRight" || code === "Home") return target.closest(".volume") !== null;
  return false;
}

/** Why it does not go on, with the button that may help. */
function Trouble({ player, code }: { player: Player; code: string }) {
  const text = useText();
  return (
    <div className="player-trouble" role="alert" data-testid="player-trouble" data-code={code}>
      <b>{text.player.unplayableTitle}</b>
      <p>{code === "unplayable" ? text.player.unplayable : text.refusals[knownRefusal(code)]}</p>
      <button
        type="button"
        className="button primary"
        data-testid="player-again"
        onClick={() => {
          player.again();
        }}
      >
        {text.refusalActions.again}
      </button>
    </div>
  );
}

function volumeOf(kept: string | null): number {
  const volume = kept === null ? 1 : Number(kept);
  return volume > 0 && volume <= 1 ? volume : 1;
}

function louder(player: Player, by: number): void {
  const { volume, muted } = player.state.get();
  // from silence: up is what it was before, down changes nothing
  if (!muted || volume === 0) setVolume(player, volume + by);
  else if (by > 0) player.toggleMute();
}

function setVolume(player: Player, volume: number): void {
  player.setVolume(volume);
  remember("player.volume", volume.toFixed(2));
}

function Volume({ player }: { player: Player }) {
  const text = useText();
  const { volume, muted } = useReadable(player.state);
  const heard = muted ? 0 : volume;
  return (
    <div className="volume">
      <button
        type="button"
        className="icon-button"
        aria-label={heard === 0 ? text.player.unmute : text.player.mute}
        title={heard === 0 ? text.player.unmute : text.player.mute}
        data-testid="mute"
        onClick={() => {
          player.toggleMute();
        }}
      >
        {heard === 0 ? <SpeakerOff /> : <Speaker />}
      </button>
      <input
        type="range"
        className="slider"
        min={0}
        max={100}
        step={5}
        value={Math.round(heard * 100)}
        aria-label={text.player.volume}
        aria-valuetext={`${Math.round(heard * 100)}%`}
        data-testid="volume"
        onChange={(event) => {
          setVolume(player, Number(event.target.value) / 100);
        }}
      />
    </div>
  );
}

function Speed({ player, rate }: { player: Player; rate: number }) {
  const { text, language } = useWords();
  const number = new Intl.NumberFormat(localeOf(language));
  return (
    <select
      className="speed"
      aria-label={text.player.speed}
      title={text.player.speed}
      data-testid="speed"
      value={rate}
      onChange={(event) => {
        const chosen = Number(event.target.value);
        player.setRate(chosen);
        remember("player.rate", String(chosen));
        event.target.blur(); // so that the keys are the player's again
      }}
    >
      {(RATES.includes(rate) ? RATES : [...RATES, rate]).map((each) => (
        <option key={each} value={each}>
          {number.format(each)}×
        </option>
      ))}
    </select>
  );
}
