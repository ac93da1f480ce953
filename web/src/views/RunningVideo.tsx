import { useEffect, useEffectEvent, useState } from "react";

import type { VideoPage } from "../core/api";
import { asksNow, nearEnd, newestMs } from "../core/growing";
import { Player, type Place } from "../core/player";
import { lessonPage } from "../core/slides";
import { NOTHING } from "./player/extras";
import { PlayerBox } from "./player/PlayerBox";
import { codeOfError, useSentence } from "./problems";
import { useText } from "./text";
import { Link, Page } from "./widgets";

const LOOK_MS = 1_000;
/** After the lesson the rest of its video is made: mostly seconds. */
const MAKING_MS = 2_000;
const MAKING_TRIES = 60;

interface Props {
  page: VideoPage;
  load: () => Promise<VideoPage>;
  back: { to: string; words: string };
  /** The lesson is over and this is its whole video. */
  onOver: (page: VideoPage, from: Place) => void;
}

/** A lesson that is still recorded, from its beginning: the player gets more of it as it grows. */
export function RunningVideo({ page, load, back, onOver }: Props) {
  const text = useText();
  const sentence = useSentence();
  const [failed, setFailed] = useState<string | null>(null);
  const [player] = useState(() => new Player({ page, renew: () => newest() }));

  /** More of it, or the whole. Between the two it waits. */
  async function newest(): Promise<VideoPage> {
    for (let tries = 0; ; tries++) {
      const next = await load();
      if (next.video.state === "ready") onOver(next, player.place);
      if (next.video.state !== "processing" || tries === MAKING_TRIES) return next;
      await new Promise((done) => setTimeout(done, MAKING_MS));
    }
  }

  const ask = useEffectEvent(async () => {
    const next = await newest();
    const { durationMs } = player.state.get();
    if (nearEnd(player.state.get()) && next.video.duration_ms > durationMs) player.extend(next);
  });
  useEffect(() => {
    let answeredMs = performance.now();
    let asking = false;
    const timer = setInterval(() => {
      if (asking || !asksNow(player.state.get(), performance.now() - answeredMs)) return;
      asking = true;
      const over = () => {
        asking = false;
        answeredMs = performance.now();
      };
      ask().then(over, over); // the player asks for itself when it cannot go on
    }, LOOK_MS);
    return () => {
      clearInterval(timer);
    };
  }, [player]);

  const toNewest = async () => {
    setFailed(null);
    try {
      const next = await newest();
      if (next.video.state !== "recording") return;
      player.extend(next, newestMs(next.video.duration_ms));
      player.play();
    } catch (error) {
      setFailed(codeOfError(error));
    }
  };

  const { video } = page;
  return (
    <Page title={video.title} wide="theatre">
      <div className="theatre-main" data-testid="running-video">
        <PlayerBox player={player} title={video.title} timeline={null} pages={lessonPage} extras={NOTHING} />
        <div className="theatre-head">
          <div className="lesson-head">
            <h1 dir="auto" data-testid="video-title">
              {video.title}
            </h1>
            <p className="note">
              <span className="recording-dot" aria-hidden="true" /> {text.video.goesOn}
            </p>
          </div>
          <div className="buttons">
            <button type="button" className="button" data-testid="to-newest" onClick={() => void toNewest()}>
              {text.video.toNewest}
            </button>
            <Link to={back.to} className="button quiet" testId="back">
              {back.words}
            </Link>
          </div>
        </div>
        {failed !== null && (
          <p className="field-note" role="alert">
            {sentence(failed)}
          </p>
        )}
        <details className="player-keys">
          <summary>{text.player.keysTitle}</summary>
          <p>{text.player.keys}</p>
        </details>
      </div>
    </Page>
  );
}
