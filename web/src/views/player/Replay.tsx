import { useEffect, useMemo, useRef } from "react";

import { clock } from "../../core/clock";
import type { Player } from "../../core/player";
import { handsAt, linesBy, linesOf, type ReplayLine } from "../../core/replay";
import { derive } from "../../core/value";
import type { Timeline } from "../../generated/wire";
import { Hand } from "../icons";
import { useReadable } from "../readable";
import { useText } from "../text";
import { Busy } from "../widgets";

const NEAR_END_PX = 60;

/** null: on its way; "failed": it did not come. */
export type Beside = Timeline | "failed" | null;

interface Props {
  player: Player;
  timeline: Beside;
  onAgain: () => void;
}

/** Chat and hands beside the picture, as far as the lesson has come. */
export function Replay({ player, timeline, onAgain }: Props) {
  const text = useText();
  return (
    <aside className="replay" aria-label={text.player.chat} data-testid="replay">
      <h2>{text.player.chat}</h2>
      {timeline === null ? (
        <Busy label={text.common.loading} />
      ) : timeline === "failed" ? (
        <div className="notice" data-testid="replay-failed">
          <p>{text.player.chatFailed}</p>
          <button type="button" className="button small" onClick={onAgain}>
            {text.refusalActions.again}
          </button>
        </div>
      ) : (
        <Lines player={player} timeline={timeline} />
      )}
    </aside>
  );
}

function Lines({ player, timeline }: { player: Player; timeline: Timeline }) {
  const text = useText();
  const lines = useMemo(() => linesOf(timeline), [timeline]);
  const by = useMemo(() => derive([player.state], ({ timeMs }) => linesBy(lines, timeMs)), [player, lines]);
  const count = useReadable(by);
  const list = useRef<HTMLOListElement>(null);
  const atEnd = useRef(true);
  const before = useRef(0);

  useEffect(() => {
    const element = list.current;
    // After a step back in time one is at its end again, wherever one had scrolled.
    if (count < before.current) atEnd.current = true;
    before.current = count;
    if (element !== null && atEnd.current) element.scrollTop = element.scrollHeight;
  }, [count]);

  if (lines.length === 0) {
    return (
      <p className="note" data-testid="replay-empty">
        {text.player.chatEmpty}
      </p>
    );
  }
  return (
    <>
      <HandsUp player={player} timeline={timeline} />
      {count === 0 && <p className="note">{text.player.chatNothingYet}</p>}
      {/* Its own scroll area must be reachable by keyboard. */}
      <ol
        ref={list}
        className="replay-list"
        // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
        tabIndex={0}
        aria-label={text.player.chat}
        data-testid="replay-list"
        onScroll={(event) => {
          const { scrollTop, scrollHeight, clientHeight } = event.currentTarget;
          atEnd.current = scrollHeight - scrollTop - clientHeight < NEAR_END_PX;
        }}
      >
        {lines.slice(0, count).map((line, index) => (
          <Line key={index} line={line} player={player} />
        ))}
      </ol>
    </>
  );
}

function Line({ line, player }: { line: ReplayLine; player: Player }) {
  const text = useText();
  const seek = () => {
    player.seek(line.atMs);
  };
  return (
    // The whole line may be clicked; the keyboard has the button in it.
    // eslint-disable-next-line jsx-a11y/click-events-have-key-events, jsx-a11y/no-noninteractive-element-interactions
    <li
      className={`replay-line ${line.kind}`}
      data-testid={line.kind === "chat" ? "replay-chat" : "replay-hand"}
      data-at-ms={line.atMs}
      onClick={() => {
        if (getSelection()?.type !== "Range") seek(); // text is being marked, to be copied
      }}
    >
      <button
        type="button"
        className="replay-time"
        aria-label={text.player.seekTo(clock(line.atMs))}
        onClick={(event) => {
          event.stopPropagation();
          seek();
        }}
      >
        {clock(line.atMs)}
      </button>
      {line.kind === "chat" ? (
        <div>
          <b dir="auto">{line.name}</b>
          <p dir="auto">{line.text}</p>
        </div>
      ) : (
        <p>
          <Hand /> {text.player.raised(line.name)}
        </p>
      )}
    </li>
  );
}

function HandsUp({ player, timeline }: { player: Player; timeline: Timeline }) {
  const text = useText();
  const who = useMemo(
    () => derive([player.state], ({ timeMs }) => handsAt(timeline, timeMs).map(({ participant }) => participant).join(" ")),
    [player, timeline],
  );
  const shown = useReadable(who);
  const hands = shown === "" ? [] : handsAt(timeline, player.state.get().timeMs);
  return (
    <div className="replay-hands" data-testid="replay-hands" data-count={hands.length}>
      {hands.length > 0 && (
        <>
          <span className="hidden">{text.player.handsUp}</span>
          <ul>
            {hands.map(({ participant, name }) => (
              <li key={participant}>
                <Hand /> <bdi>{name}</bdi>
              </li>
            ))}
          </ul>
        </>
      )}
    </div>
  );
}
