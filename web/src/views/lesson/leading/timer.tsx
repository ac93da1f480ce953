import { useEffect, useRef, useState } from "react";

import { clock } from "../../../core/clock";
import { countdownMs, leftMs, TIME_UP_SHOWN_MS, timerOf } from "../../../core/leading";
import { MAX_TIMER_S, type SetTimer, type TimerField } from "../../../generated/wire";
import { useReadable } from "../../readable";
import { useText } from "../../text";
import type { Tool, ToolProps } from "../tools";
import { useServerNow } from "./clock";
import { Timer } from "./icons";

const MINUTES = [1, 3, 5, 10] as const;
const MOST_MINUTES = MAX_TIMER_S / 60;
const MINUTE_MS = 60_000;

export const TIMER_TOOL: Tool = {
  name: "timer",
  for: "leaders",
  Icon: Timer,
  label: (text) => text.timer.tool,
  help: (text) => text.timer.help,
  Panel: TimerPanel,
};

/** Leaders set it, hold it, add to it. */
function TimerPanel({ lesson, onFailed }: ToolProps) {
  const text = useText();
  const timer = timerOf(useReadable(lesson.fields));
  const nowMs = useServerNow(lesson, timer?.ends_at_ms ?? null);
  const [own, setOwn] = useState("");
  const minutes = Number(own);
  const fits = Number.isInteger(minutes) && minutes >= 1 && minutes <= MOST_MINUTES;
  const ask = (action: SetTimer["do"], seconds = 60) => {
    lesson.request({ t: "set_timer", do: action, seconds }).catch(onFailed);
  };
  const left = timer === null ? 0 : leftMs(timer, nowMs);
  return (
    <div className="leading-panel">
      {timer !== null && (
        <>
          <p className="timer-large" data-testid="timer-left" aria-label={text.timer.left}>
            {left === 0 ? text.timer.over : clock(countdownMs(left))}
          </p>
          <div className="leading-buttons">
            {left > 0 && timer.ends_at_ms !== null && (
              <button type="button" className="button" data-testid="timer-hold" onClick={() => { ask("hold"); }}>
                {text.timer.hold}
              </button>
            )}
            {timer.ends_at_ms === null && (
              <button type="button" className="button primary" data-testid="timer-go-on" onClick={() => { ask("go_on"); }}>
                {text.timer.goOn}
              </button>
            )}
            <button type="button" className="button" data-testid="timer-add" onClick={() => { ask("add"); }}>
              {text.timer.add}
            </button>
            <button type="button" className="button" data-testid="timer-stop" onClick={() => { ask("stop"); }}>
              {text.timer.stop}
            </button>
          </div>
          <h3>{text.timer.anew}</h3>
        </>
      )}
      <div className="timer-minutes">
        {MINUTES.map((each) => (
          <button
            key={each}
            type="button"
            className={timer === null ? "button large" : "button"}
            data-testid={`timer-${each}`}
            onClick={() => { ask("start", each * 60); }}
          >
            {text.timer.minutes(each)}
          </button>
        ))}
      </div>
      <form
        className="timer-own"
        onSubmit={(event) => {
          event.preventDefault();
          if (fits) ask("start", minutes * 60);
        }}
      >
        <label htmlFor="timer-own">{text.timer.own}</label>
        <input
          id="timer-own"
          className="select"
          inputMode="numeric"
          maxLength={3}
          value={own}
          data-testid="timer-own"
          onChange={(event) => { setOwn(event.target.value); }}
        />
        <button type="submit" className="button" data-testid="timer-start" disabled={!fits}>
          {text.timer.start}
        </button>
      </form>
    </div>
  );
}

/** Everybody's: what is left, and a sound and a sentence when it is over. */
export function TimerCard({ lesson }: ToolProps) {
  const timer = timerOf(useReadable(lesson.fields));
  return timer === null ? null : <Countdown lesson={lesson} timer={timer} />;
}

function Countdown({ lesson, timer }: Pick<ToolProps, "lesson"> & { timer: TimerField }) {
  const text = useText();
  const nowMs = useServerNow(lesson, timer.ends_at_ms === null ? null : timer.ends_at_ms + TIME_UP_SHOWN_MS);
  const left = leftMs(timer, nowMs);
  const over = left === 0;
  const lastMinute = !over && left <= MINUTE_MS && timer.total_ms > MINUTE_MS;
  // Who comes after the end has not waited for it.
  const ran = useRef(!over);
  useEffect(() => {
    if (!over) ran.current = true;
    else if (ran.current) {
      ran.current = false;
      lesson.chime("time");
    }
  }, [lesson, over]);
  if (over && timer.ends_at_ms !== null && nowMs - timer.ends_at_ms > TIME_UP_SHOWN_MS) return null;
  return (
    <section className={over ? "leading-pill over" : "leading-pill"} data-testid="timer" data-over={over}>
      <Timer />
      <span role="timer" aria-label={text.timer.left}>
        {over ? text.timer.over : clock(countdownMs(left))}
      </span>
      {timer.ends_at_ms === null && <small>{text.timer.held}</small>}
      <span className="hidden" role="status">
        {over ? text.timer.over : lastMinute ? text.timer.oneMinute : text.timer.started(clock(timer.total_ms))}
      </span>
    </section>
  );
}
