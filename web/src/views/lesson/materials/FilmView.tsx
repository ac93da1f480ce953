import { useCallback, useEffect, useMemo, useRef, useState } from "react";

import { clock } from "../../../core/clock";
import { positionOf, stepTo } from "../../../core/film";
import { addressOf } from "../../../core/materials";
import type { FilmField, MaterialField } from "../../../generated/wire";
import { Close, Pause, Play, Speaker, SpeakerOff } from "../../icons";
import { remember, remembered } from "../../remember";
import { useText } from "../../text";
import type { ShownProps } from "../shown";

/** How often one's player is held against where it should be. */
const EVERY_MS = 200;
/** An address that runs out under a player is asked for anew, so often. */
const RENEWALS = 3;

/** A picture, a sound or a film before everybody; leaders play it for all. */
export function FilmView({ fields, thing, lesson, onFailed }: ShownProps) {
  const text = useText();
  const material = fields.get(`material/${thing}`) as MaterialField | undefined;
  const film = fields.get(`film/${thing}`) as FilmField | undefined;
  const [url, setUrl] = useState<string | null>(null);
  const [failed, setFailed] = useState(false);
  const renewals = useRef(0);
  const find = useCallback(
    (fresh: boolean) => {
      addressOf(thing, fresh)
        .then(({ view }) => {
          setUrl(view);
          if (view === null) setFailed(true);
        })
        .catch((error: unknown) => {
          setFailed(true);
          onFailed(error);
        });
    },
    [thing, onFailed],
  );
  useEffect(() => {
    find(false);
    // once: onFailed changes with every drawing
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [thing]);
  const nowMs = useMemo(() => (lesson === null ? null : () => lesson.serverNowMs()), [lesson]);
  const onError = () => {
    if (renewals.current >= RENEWALS) setFailed(true);
    else {
      renewals.current += 1;
      find(true);
    }
  };
  if (material === undefined || film === undefined) return null;
  const leads = lesson?.self.get().leads === true;
  const stop = leads && (
    <button
      type="button"
      className="icon-button film-stop"
      aria-label={text.film.stop}
      title={text.film.stop}
      data-testid="film-stop"
      onClick={() => {
        lesson.request({ t: "show", kind: null }).catch(onFailed);
      }}
    >
      <Close />
    </button>
  );
  if (failed)
    return (
      <div className="film">
        <p className="film-note" role="alert" data-testid="film-failed">
          {text.film.failed}
        </p>
        {stop}
      </div>
    );
  if (url === null)
    return (
      <div className="film">
        <p className="film-note" role="status">
          {text.film.loading}
        </p>
        {stop}
      </div>
    );
  return (
    <div className="film" data-group={material.group}>
      {material.group === "image" ? (
        <img className="film-picture" src={url} alt={material.name} data-testid="film-picture" onError={onError} />
      ) : (
        <Player
          url={url}
          name={material.name}
          sound={material.group === "audio"}
          film={film}
          nowMs={nowMs}
          onPlay={
            leads
              ? (state, positionMs) => {
                  lesson.request({ t: "play_film", material: thing, state, position_ms: Math.round(positionMs) }).catch(onFailed);
                }
              : null
          }
          onError={onError}
        />
      )}
      {stop}
    </div>
  );
}

interface PlayerProps {
  url: string;
  name: string;
  sound: boolean;
  film: FilmField;
  /** Server time; null where nothing is in step. */
  nowMs: (() => number) | null;
  /** Leaders: plays or pauses for all. */
  onPlay: ((state: "playing" | "paused", positionMs: number) => void) | null;
  onError: () => void;
}

function Player({ url, name, sound, film, nowMs, onPlay, onError }: PlayerProps) {
  const text = useText();
  const media = useRef<HTMLVideoElement>(null);
  const [refused, setRefused] = useState(false);
  const [atMs, setAtMs] = useState(film.position_ms);
  const [lengthMs, setLengthMs] = useState<number | null>(null);
  const [dragMs, setDragMs] = useState<number | null>(null);
  const [volume, setVolume] = useState(() => Number(remembered("film.volume") ?? "1"));
  const [muted, setMuted] = useState(false);

  const follow = useCallback(() => {
    const player = media.current;
    if (player === null || nowMs === null) return;
    const known = Number.isFinite(player.duration) ? player.duration * 1000 : Infinity;
    const shouldMs = positionOf(film, nowMs(), known);
    setAtMs(shouldMs);
    if (player.readyState < HTMLMediaElement.HAVE_METADATA) return;
    const over = shouldMs >= known;
    if (film.state === "paused" || over) {
      if (!player.paused) player.pause();
      if (!player.seeking && Math.abs(player.currentTime * 1000 - shouldMs) > 30) player.currentTime = shouldMs / 1000;
      setRefused(false);
      return;
    }
    if (player.paused)
      player.play().then(
        () => {
          setRefused(false);
        },
        (error: unknown) => {
          if (error instanceof DOMException && error.name === "NotAllowedError") setRefused(true);
        },
      );
    if (player.seeking) return;
    const step = stepTo(player.currentTime * 1000, shouldMs);
    if (step.kind === "seek") player.currentTime = shouldMs / 1000;
    else if (player.playbackRate !== step.rate) player.playbackRate = step.rate;
  }, [film, nowMs]);

  useEffect(() => {
    follow();
    const timer = setInterval(follow, EVERY_MS);
    return () => {
      clearInterval(timer);
    };
  }, [follow]);
  useEffect(() => {
    if (media.current === null) return;
    media.current.volume = volume;
    media.current.muted = muted;
  }, [volume, muted]);

  const playing = film.state === "playing" && (lengthMs === null || atMs < lengthMs);
  const shownMs = dragMs ?? atMs;
  const label = text.film.at(clock(shownMs), clock(lengthMs ?? 0));
  return (
    <>
      {/* What people bring has no captions. */}
      {/* eslint-disable-next-line jsx-a11y/media-has-caption */}
      <video
        ref={media}
        className={sound ? "film-video film-sound" : "film-video"}
        src={url}
        playsInline
        preload="auto"
        controls={nowMs === null}
        aria-label={name}
        data-testid="film-video"
        data-state={film.state}
        onLoadedMetadata={(event) => {
          const { duration } = event.currentTarget;
          setLengthMs(Number.isFinite(duration) ? duration * 1000 : null);
          if (nowMs === null) event.currentTarget.currentTime = film.position_ms / 1000;
          else follow();
        }}
        onDurationChange={(event) => {
          const { duration } = event.currentTarget;
          if (Number.isFinite(duration)) setLengthMs(duration * 1000);
        }}
        onError={onError}
      />
      {sound && <p className="film-name">{name}</p>}
      {refused && (
        <div className="film-refused" role="alert" data-testid="film-refused">
          <p>{text.film.refused}</p>
          <button type="button" className="button primary" data-testid="film-start" onClick={follow}>
            <Play />
            {text.film.start}
          </button>
        </div>
      )}
      {nowMs !== null && (
        <div className="film-controls">
          {onPlay !== null && (
            <button
              type="button"
              className="icon-button accent"
              aria-label={playing ? text.film.pause : text.film.play}
              title={playing ? text.film.pause : text.film.play}
              data-testid="film-play"
              onClick={() => {
                const now = positionOf(film, nowMs(), lengthMs ?? Infinity);
                if (playing) onPlay("paused", now);
                else onPlay("playing", lengthMs !== null && now >= lengthMs ? 0 : now);
              }}
            >
              {playing ? <Pause /> : <Play />}
            </button>
          )}
          {onPlay !== null ? (
            <input
              type="range"
              className="film-position"
              min={0}
              max={Math.max(1, Math.round(lengthMs ?? 1))}
              step={100}
              value={Math.round(shownMs)}
              disabled={lengthMs === null}
              aria-label={text.film.position}
              aria-valuetext={label}
              data-testid="film-position"
              onChange={(event) => {
                setDragMs(Number(event.target.value));
              }}
              onPointerUp={() => {
                if (dragMs !== null) onPlay(film.state, dragMs);
                setDragMs(null);
              }}
              onKeyUp={() => {
                if (dragMs !== null) onPlay(film.state, dragMs);
                setDragMs(null);
              }}
              onBlur={() => {
                setDragMs(null);
              }}
            />
          ) : (
            <progress className="film-position" value={lengthMs === null ? 0 : shownMs / lengthMs} aria-label={label} />
          )}
          <span className="film-clock" data-testid="film-clock">
            {playing || atMs > 0 ? label : onPlay === null ? text.film.waiting : label}
          </span>
          <button
            type="button"
            className="icon-button"
            aria-label={muted ? text.film.unmute : text.film.mute}
            title={muted ? text.film.unmute : text.film.mute}
            data-testid="film-mute"
            onClick={() => {
              setMuted(!muted);
            }}
          >
            {muted ? <SpeakerOff /> : <Speaker />}
          </button>
          <input
            type="range"
            className="film-volume"
            min={0}
            max={1}
            step={0.05}
            value={volume}
            aria-label={text.film.volume}
            data-testid="film-volume"
            onChange={(event) => {
              setVolume(Number(event.target.value));
              remember("film.volume", event.target.value);
            }}
          />
        </div>
      )}
    </>
  );
}
