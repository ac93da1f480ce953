import { useEffect, useState, type ComponentType } from "react";

import { isCalm, reactionsOff } from "../../../core/leading";
import type { LessonSurface } from "../../../core/lesson";
import type { ReactionName, Reactions } from "../../../generated/wire";
import { Face } from "../BarButton";
import { MenuItem, Popover } from "../../popover";
import { useReadable } from "../../readable";
import { useText } from "../../text";
import { Toggle } from "../../widgets";
import type { ToolProps } from "../tools";
import { Clap, Faster, Lost, Slower, Smile, Thumb } from "./icons";

const PUBLIC = [
  ["thumbs_up", Thumb],
  ["clap", Clap],
] as const satisfies readonly (readonly [ReactionName, ComponentType])[];
/** Told to leaders only, so that nobody is ashamed to say it. */
const TO_LEADERS = [
  ["lost", Lost],
  ["slower", Slower],
  ["faster", Faster],
] as const satisfies readonly (readonly [ReactionName, ComponentType])[];

/** A student's: one press, then one choice. */
export function ReactButton({ lesson, onFailed }: ToolProps) {
  const text = useText();
  const fields = useReadable(lesson.fields);
  if (reactionsOff(fields) || isCalm(fields)) return null;
  return (
    <Popover
      label={text.reactions.hint}
      testId="react"
      className="bar-button"
      face={<Face icon={<Smile />} label={text.reactions.button} />}
    >
      {(close) => (
        <div className="menu">
          <ReactItems lesson={lesson} onFailed={onFailed} close={close} />
        </div>
      )}
    </Popover>
  );
}

/** The choices, in that menu and in a phone's. */
export function ReactItems({ lesson, onFailed, close }: ToolProps & { close: () => void }) {
  const text = useText();
  const fields = useReadable(lesson.fields);
  if (reactionsOff(fields) || isCalm(fields)) return null;
  const item = ([name, Icon]: readonly [ReactionName, ComponentType]) => (
    <MenuItem
      key={name}
      testId={`react-${name}`}
      icon={<Icon />}
      label={text.reactions[name]}
      onClick={() => {
        close();
        lesson.request({ t: "react", reaction: name }).catch(onFailed);
      }}
    />
  );
  return (
    <>
      <p className="menu-title">{text.reactions.button}</p>
      {PUBLIC.map(item)}
      <p className="menu-note">{text.reactions.private}</p>
      {TO_LEADERS.map(item)}
    </>
  );
}

/** How many react so now; nothing while nobody does. */
export function ReactionCounts({ lesson }: ToolProps) {
  const text = useText();
  const counts = useReactions(lesson);
  if (counts === null) return null;
  const words = { slower: text.reactions.slowerCount, faster: text.reactions.fasterCount, lost: text.reactions.lostCount };
  return (
    <>
      {PUBLIC.filter(([name]) => counts[name] > 0).map(([name, Icon]) => (
        <span
          key={name}
          className="leading-pill"
          role="img"
          aria-label={text.reactions.count(text.reactions[name], counts[name])}
          data-testid={`reactions-${name}`}
          data-count={counts[name]}
        >
          <Icon />
          <b>{counts[name]}</b>
        </span>
      ))}
      {TO_LEADERS.filter(([name]) => counts[name] > 0).map(([name, Icon]) => (
        <span key={name} className="leading-pill warn" role="status" data-testid={`reactions-${name}`} data-count={counts[name]}>
          <Icon />
          {words[name](counts[name])}
        </span>
      ))}
    </>
  );
}

function useReactions(lesson: LessonSurface): Reactions | null {
  const [counts, setCounts] = useState<Reactions | null>(null);
  useEffect(
    () =>
      lesson.onPassing((message) => {
        if (message.t === "reactions") setCounts(message);
      }),
    [lesson],
  );
  return counts;
}

/** Leaders: whether there are reactions at all. */
export function ReactionsRule({ lesson, onFailed }: ToolProps) {
  const text = useText();
  const off = reactionsOff(useReadable(lesson.fields));
  return (
    <Toggle
      checked={!off}
      label={text.reactions.allowed}
      testId="reactions-rule"
      onChange={(on) => {
        lesson.request({ t: "set_reactions", on }).catch(onFailed);
      }}
    />
  );
}
