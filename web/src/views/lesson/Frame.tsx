import { useEffect, useRef, type ReactNode } from "react";

import type { LessonSurface } from "../../core/lesson";
import type { Person } from "../../core/types";
import { Hand, MicrophoneOff, Pin, Unpin } from "../icons";
import { useText } from "../text";
import type { Rect } from "./arrange";
import { fullName, hueOf, initials } from "./initials";
import { LineMark } from "./line";
import { PersonMenu } from "./PersonMenu";

export function Avatar({ id, name }: { id: string; name: string }) {
  return (
    <span className={`avatar hue-${hueOf(id)}`} aria-hidden="true">
      {initials(name)}
    </span>
  );
}

interface FrameProps {
  rect: Rect | null;
  kind: "stage" | "screen" | "tile";
  large: boolean;
  person: Person | null;
  speaking: boolean;
  testId: string | undefined;
  children?: ReactNode;
  video?: ReactNode;
  label: string;
}

/** A place of the scene. It stays in the page when it has no rectangle, so that its video is never made anew. */
export function Frame({ rect, kind, large, person, speaking, testId, children, video, label }: FrameProps) {
  const names = ["frame", kind, large ? "large" : "small", speaking ? "speaking" : ""];
  return (
    <section
      className={names.filter((name) => name !== "").join(" ")}
      hidden={rect === null}
      style={rect ?? undefined}
      aria-label={label}
      data-testid={testId}
      data-participant={person?.id}
    >
      {video}
      {children}
    </section>
  );
}

/** Where core puts a slot's one <video>; mounted for as long as the lesson is on the page. */
export function SlotVideo({ lesson, index, live }: { lesson: LessonSurface; index: number; live: boolean }) {
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (box.current === null) return;
    const unmount = lesson.mount(index, box.current);
    box.current.querySelector("video")?.setAttribute("data-testid", `slot-${index}`);
    return unmount;
  }, [lesson, index]);
  return <div ref={box} className={live ? "slot live" : "slot"} data-testid={`slot-box-${index}`} data-live={live} />;
}

/** Name and marks at the lower edge of a picture. */
export function Plate({ person, text: own, screen = false }: { person: Person; text?: string; screen?: boolean }) {
  const text = useText();
  const name = own ?? fullName(person);
  return (
    <div className="plate">
      {!screen && person.hand && (
        <span className="plate-hand" title={text.lesson.handUp}>
          <Hand />
          {person.handPlace !== null && <b>{person.handPlace}</b>}
          <span className="hidden">{text.lesson.handUp}</span>
        </span>
      )}
      {!screen && !person.on.microphone && (
        <span className="plate-mark" title={text.lesson.microphoneOff}>
          <MicrophoneOff />
          <span className="hidden">{text.lesson.microphoneOff}</span>
        </span>
      )}
      <span className="plate-name">{name}</span>
      {!screen && <LineMark person={person} />}
    </div>
  );
}

/** Buttons on a picture: large for me, and for leaders the menu of that person. */
export function FrameButtons(props: {
  lesson: LessonSurface;
  person: Person;
  pinned: boolean;
  leads: boolean;
  onStage: boolean;
  touched: boolean;
  onPin: (participant: string | null) => void;
  onFailed: (error: unknown) => void;
}) {
  const text = useText();
  const { person, pinned } = props;
  const name = fullName(person);
  return (
    <div className={props.touched ? "frame-buttons touched" : "frame-buttons"}>
      <button
        type="button"
        className="frame-button"
        aria-pressed={pinned}
        aria-label={pinned ? text.lesson.unpin : text.lesson.pin(name)}
        title={pinned ? text.lesson.unpin : text.lesson.pin(name)}
        data-testid={`pin-${person.id}`}
        onClick={() => {
          props.onPin(pinned ? null : person.id);
        }}
      >
        {pinned ? <Unpin /> : <Pin />}
      </button>
      {props.leads && !person.self && (
        <PersonMenu
          lesson={props.lesson}
          person={person}
          onStage={props.onStage}
          className="frame-button"
          testId={`tile-menu-${person.id}`}
          onFailed={props.onFailed}
        />
      )}
    </div>
  );
}
