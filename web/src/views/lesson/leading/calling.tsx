import { useEffect, useRef, useState } from "react";

import { clock } from "../../../core/clock";
import { atBoardIn, calledIn, type Called } from "../../../core/leading";
import type { LessonSurface } from "../../../core/lesson";
import type { Person } from "../../../core/types";
import { MenuItem } from "../../popover";
import { useReadable } from "../../readable";
import { useText } from "../../text";
import { fullName } from "../initials";
import type { ToolProps } from "../tools";
import { useServerNow } from "./clock";
import { Seat, ToBoard } from "./icons";

interface OfPerson {
  lesson: LessonSurface;
  person: Person;
  onFailed: (error: unknown) => void;
}

/** Leaders, in a person's menu: to the board, the question back, or back to the seat. */
export function CallItem({ lesson, person, close, onFailed }: OfPerson & { close: () => void }) {
  const text = useText();
  const fields = useReadable(lesson.fields);
  const { id } = person;
  const run = (act: () => Promise<void>) => () => {
    close();
    act().catch(onFailed);
  };
  if (fields.has(`at_board/${id}`))
    return (
      <MenuItem
        testId={`seat-${id}`}
        icon={<Seat />}
        label={text.calling.seat}
        onClick={run(() => lesson.request({ t: "seat", participant: id }))}
      />
    );
  const asked = calledIn(fields).some((called) => called.id === id && !called.notNow);
  return (
    <MenuItem
      testId={`call-${id}`}
      icon={<ToBoard />}
      label={asked ? text.calling.uncall : text.calling.call}
      onClick={run(() => lesson.request({ t: "call", participant: id, on: !asked }))}
    />
  );
}

/** Leaders, beside a raised hand: one press calls. */
export function CallButton({ lesson, person, onFailed }: OfPerson) {
  const text = useText();
  const fields = useReadable(lesson.fields);
  const label = text.calling.callName(fullName(person));
  return (
    <button
      type="button"
      className="icon-button"
      aria-label={label}
      title={label}
      data-testid={`call-hand-${person.id}`}
      disabled={calledIn(fields).some((called) => called.id === person.id && !called.notNow)}
      onClick={() => {
        lesson.request({ t: "call", participant: person.id }).catch(onFailed);
      }}
    >
      <ToBoard />
    </button>
  );
}

/** Whom leaders wait for, and who is at the board. */
export function CallsOfLeaders({ lesson, onFailed }: ToolProps) {
  const text = useText();
  const fields = useReadable(lesson.fields);
  useReadable(lesson.people); // names
  const calls = calledIn(fields);
  return (
    <>
      {calls.map((called) => (
        <AskedCard key={called.id} lesson={lesson} called={called} onFailed={onFailed} />
      ))}
      {atBoardIn(fields).map((id) => (
        <section key={id} className="leading-card" role="status" data-testid={`at-board-${id}`}>
          <p>{text.calling.atBoard(lesson.nameOf(id))}</p>
          <button
            type="button"
            className="button"
            data-testid={`send-back-${id}`}
            onClick={() => {
              lesson.request({ t: "seat", participant: id }).catch(onFailed);
            }}
          >
            {text.calling.seat}
          </button>
        </section>
      ))}
    </>
  );
}

function AskedCard({ lesson, called, onFailed }: ToolProps & { called: Called }) {
  const text = useText();
  const nowMs = useServerNow(lesson, called.notNow ? null : Infinity);
  const name = lesson.nameOf(called.id);
  const call = (on: boolean) => () => {
    lesson.request({ t: "call", participant: called.id, on }).catch(onFailed);
  };
  return (
    <section className="leading-card" data-testid={`asked-${called.id}`} data-answer={called.notNow ? "not_now" : "none"}>
      <p role="status">
        {called.notNow ? text.calling.notNow(name) : text.calling.asked(name)}
        {!called.notNow && <small aria-hidden="true">{text.calling.waiting(clock(nowMs - called.atMs))}</small>}
      </p>
      {called.notNow && (
        <button type="button" className="button" data-testid={`ask-again-${called.id}`} onClick={call(true)}>
          {text.calling.askAgain}
        </button>
      )}
      <button type="button" className="button" data-testid={`uncall-${called.id}`} onClick={call(false)}>
        {called.notNow ? text.calling.dismiss : text.calling.uncall}
      </button>
    </section>
  );
}

/** A student's own: the question, which sounds and stays until it is answered, and the way back to the seat. */
export function OwnCall({ lesson, onFailed }: ToolProps) {
  const text = useText();
  const fields = useReadable(lesson.fields);
  const { id } = useReadable(lesson.self);
  const called = calledIn(fields).find((each) => each.id === id) ?? null;
  const asked = called !== null && !called.notNow;
  const [busy, setBusy] = useState(false);
  const rung = useRef(0);
  useEffect(() => {
    if (called === null || !asked || rung.current === called.atMs) return;
    rung.current = called.atMs;
    lesson.chime("ask");
  }, [lesson, asked, called]);
  const answer = async (go: boolean) => {
    setBusy(true);
    try {
      await lesson.request({ t: "answer_call", go });
      // This is the press that turns the microphone on.
      if (go) await lesson.setSource("microphone", true);
    } catch (error) {
      onFailed(error);
    }
    setBusy(false);
  };
  if (fields.has(`at_board/${id}`))
    return (
      <section className="leading-card" role="status" data-testid="own-board">
        <p>{text.calling.youAreAtBoard}</p>
        <button
          type="button"
          className="button"
          data-testid="own-seat"
          onClick={() => {
            lesson.request({ t: "seat" }).catch(onFailed);
          }}
        >
          {text.calling.mySeat}
        </button>
      </section>
    );
  if (called === null) return null;
  return (
    <section
      className={asked ? "leading-card strong" : "leading-card"}
      role="group"
      aria-labelledby="own-call-title"
      aria-describedby={asked ? "own-call-help" : undefined}
      data-testid="own-call"
      data-answer={asked ? "none" : "not_now"}
    >
      <p role={asked ? "alert" : undefined}>
        <b id="own-call-title">{asked ? text.calling.question : text.calling.youSaidLater}</b>
        {asked && <small id="own-call-help">{text.calling.questionHelp}</small>}
      </p>
      <div className="leading-buttons">
        <button
          type="button"
          className="button primary"
          data-testid="call-go"
          disabled={busy}
          onClick={() => void answer(true)}
        >
          {text.calling.go}
        </button>
        {asked && (
          <button type="button" className="button" data-testid="call-later" disabled={busy} onClick={() => void answer(false)}>
            {text.calling.later}
          </button>
        )}
      </div>
    </section>
  );
}
