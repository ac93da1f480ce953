import { useId } from "react";

import type { LessonSurface } from "../../core/lesson";
import type { Mode } from "../../core/types";
import { Lite, LineGood, LineLost, LineWeak, Microphone, Pictures } from "../icons";
import { MenuItem, Popover } from "../popover";
import { useReadable } from "../readable";
import { useText } from "../text";
import { Face } from "./BarButton";
import { wordsOfOwnLine } from "./line";

const BITS = 8;
const SECONDS = 60;

/** The button of one's own connection: how it is, which pictures are wanted, how many megabytes it took. */
export function SavingButton({ lesson }: { lesson: LessonSurface }) {
  const text = useText();
  const line = useOwnLine(lesson);
  const { mode } = useReadable(lesson.saving);
  const icon = line.line === "lost" ? <LineLost /> : line.line === "weak" ? <LineWeak /> : <LineGood />;
  return (
    <Popover
      label={text.saving.button}
      testId="saving"
      title={line.sentence}
      className={line.line === "good" ? "bar-button" : "bar-button line-warn"}
      face={<Face icon={mode === "lite" ? <Lite /> : icon} label={text.saving.button} />}
    >
      {(close) => (
        <div className="menu">
          <SavingItems lesson={lesson} close={close} />
        </div>
      )}
    </Popover>
  );
}

/** The same in a menu that is open already. */
export function SavingGroup({ lesson, close }: { lesson: LessonSurface; close: () => void }) {
  return (
    <div data-testid="saving">
      <SavingItems lesson={lesson} close={close} />
    </div>
  );
}

function SavingItems({ lesson, close }: { lesson: LessonSurface; close: () => void }) {
  const text = useText();
  const title = useId();
  const line = useOwnLine(lesson);
  const { mode } = useReadable(lesson.saving);
  const choices: readonly (readonly [Mode, React.ReactNode, string, string])[] = [
    ["full", <Pictures key="i" />, text.saving.full, text.saving.fullHelp],
    ["audio", <Microphone key="i" />, text.saving.audio, text.saving.audioHelp],
    ["lite", <Lite key="i" />, text.saving.lite, text.saving.liteHelp],
  ];
  return (
    <>
      <p className="menu-title" id={title}>
        {text.saving.pictures}
      </p>
      <div role="group" aria-labelledby={title} className="menu-group">
        {choices.map(([choice, icon, label, help]) => (
          <MenuItem
            key={choice}
            testId={`mode-${choice}`}
            icon={icon}
            label={label}
            help={help}
            pressed={mode === choice}
            onClick={() => {
              close();
              lesson.setMode(choice);
            }}
          />
        ))}
      </div>
      <p className="menu-note">{line.sentence}</p>
      <Traffic lesson={lesson} />
    </>
  );
}

/** The meter of megabytes. Drawn only while its menu is open: it changes every second. */
function Traffic({ lesson }: { lesson: LessonSurface }) {
  const text = useText();
  const { downBytes, upBytes, downBps, upBps } = useReadable(lesson.traffic);
  return (
    <p className="menu-note traffic">
      {text.saving.trafficTitle}
      <b data-testid="traffic" data-bytes={downBytes + upBytes}>
        {text.saving.traffic(downBytes + upBytes, ((downBps + upBps) / BITS) * SECONDS)}
      </b>
    </p>
  );
}

function useOwnLine(lesson: LessonSurface): { line: "good" | "weak" | "lost"; sentence: string } {
  const text = useText();
  const { socket } = useReadable(lesson.connection);
  const { spared } = useReadable(lesson.saving);
  const me = useReadable(lesson.people).find((person) => person.self);
  if (socket === "down") return { line: "lost", sentence: text.line.socketLost };
  const line = me?.line ?? "good";
  if (line === "good" && spared !== "nothing") return { line: "weak", sentence: text.line.ownReceiver };
  return { line, sentence: wordsOfOwnLine({ line, fault: me?.fault ?? null }, text, false) };
}
