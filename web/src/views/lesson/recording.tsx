import { useEffect, useEffectEvent, useRef, useState } from "react";

import { clock } from "../../core/clock";
import type { LessonSurface } from "../../core/lesson";
import {
  cameLate,
  choiceOf,
  failureOf,
  isRunning,
  isWatchable,
  NOTHING_OF_STUDENTS,
  recordedOf,
  recordingChange,
  sourcesOf,
  writtenMs,
  type StudentChoice,
} from "../../core/recording";
import type { LessonField, RecordingField, Self, SourceName } from "../../core/types";
import type { Dictionary } from "../../i18n";
import { useReadable } from "../readable";
import { useText } from "../text";
import { Dialog, Toggle } from "../widgets";
import type { Notices } from "./notices";

/** How long the running part has been written, each second anew; 0 while nothing is. */
export function useWrittenMs(lesson: LessonSurface): number {
  const recording = useReadable(lesson.recording);
  const [nowMs, setNowMs] = useState(() => lesson.serverNowMs());
  const on = recording?.state === "on";
  useEffect(() => {
    if (!on) return;
    const look = () => {
      setNowMs(lesson.serverNowMs());
    };
    const first = setTimeout(look);
    const timer = setInterval(look, 500);
    return () => {
      clearTimeout(first);
      clearInterval(timer);
    };
  }, [lesson, on]);
  return recording === null ? 0 : writtenMs(recording, nowMs);
}

/** What is recorded of this person, in one sentence. */
export function recordedSentence(
  recording: RecordingField,
  rules: LessonField | null,
  self: Pick<Self, "leads" | "unrecorded">,
  text: Dictionary,
): string {
  const { voices, cameras, screens } = choiceOf(recordedOf(recording, rules?.recordable ?? [], self.unrecorded));
  const any = voices || cameras || screens;
  if (self.unrecorded !== null) return text.recording.notYou;
  if (self.leads) return any ? text.recording.leadersAnd(voices, cameras, screens) : text.recording.leaders;
  return any ? text.recording.ofYou(voices, cameras, screens) : text.recording.nothing;
}

interface StripProps {
  lesson: LessonSurface;
  /** Of the link that leads here. */
  code: string | null;
  onFailed: (error: unknown) => void;
}

/** Above the pictures for as long as the lesson is recorded. */
export function RecordingStrip({ lesson, code, onFailed }: StripProps) {
  const text = useText();
  const recording = useReadable(lesson.recording);
  const self = useReadable(lesson.self);
  const rules = useReadable(lesson.lesson);
  const ms = useWrittenMs(lesson);
  const [cameMs] = useState(() => lesson.serverNowMs());
  if (!isRunning(recording)) return null;
  const on = recording.state === "on";
  const late = !self.leads && cameLate(recording, cameMs);
  return (
    <section className="recording" aria-label={text.recording.label} data-testid="banner-recording" data-state={recording.state}>
      <p className="recording-state">
        <span className="recording-dot" aria-hidden="true" />
        <b>{on ? text.recording.on : text.recording.starting}</b>
        {on && <span data-testid="recording-time">{clock(ms)}</span>}
      </p>
      <p data-testid="recording-of-you" data-students={recording.students.join(" ")}>
        {recordedSentence(recording, rules, self, text)} {self.unrecorded === null && text.recording.chat}
      </p>
      {code !== null && (late || self.leads) && isWatchable(recording, recording.since_ms + ms) && (
        <p>
          {late && text.recording.late}{" "}
          <a className="button small" href={`/watch/${code}`} target="_blank" rel="noopener" data-testid="from-beginning">
            {text.recording.fromBeginning}
          </a>
        </p>
      )}
      {!self.leads && self.unrecorded?.by_leader !== true && (
        <button
          type="button"
          className="button small quiet"
          data-testid="record-me"
          onClick={() => {
            lesson.setRecorded(self.unrecorded !== null).catch(onFailed);
          }}
        >
          {self.unrecorded === null ? text.recording.notMe : text.recording.meAgain}
        </button>
      )}
    </section>
  );
}

/** Tells by sound and speech that the recording starts and stops, to those who come in the middle too. */
export function useRecordingTold(lesson: LessonSurface, text: Dictionary, notices: Notices): void {
  const before = useRef<RecordingField | null>(null);
  const look = useEffectEvent(() => {
    const after = lesson.recording.get();
    const change = recordingChange(before.current, after);
    before.current = after;
    if (change === null || after === null) return;
    if (change.sound !== null) lesson.chime(change.sound);
    const self = lesson.self.get();
    if (change.step === "stopped" || change.step === "failed") {
      notices.say(text.recording.stopped);
      // leaders have a banner with the reason and a button
      if (change.step === "stopped" || !self.leads) notices.tell("recording-stopped", text.recording.stopped);
      return;
    }
    const what = recordedSentence(after, lesson.lesson.get(), self, text);
    notices.say(change.step === "starting" ? text.recording.spokenStarting(what) : text.recording.spokenOn(what));
  });
  useEffect(() => {
    look();
    return lesson.recording.subscribe(() => {
      look();
    });
  }, [lesson]);
}

export interface Recorder {
  /** Asks what is to be recorded the first time, then does as the last time. */
  record: (on: boolean) => void;
  /** What the dialog begins with. */
  choice: StudentChoice;
  start: (choice: StudentChoice) => void;
}

/** A leader's choice of what is recorded; it is known from the running part too, whoever started that. */
export function useRecorder(lesson: LessonSurface, ask: () => void, onFailed: (error: unknown) => void): Recorder {
  const [chosen, setChosen] = useState<StudentChoice | null>(null);
  useEffect(() => {
    const learn = () => {
      const recording = lesson.recording.get();
      if (isRunning(recording)) setChosen(choiceOf(recording.students));
    };
    learn();
    return lesson.recording.subscribe(learn);
  }, [lesson]);
  const start = (choice: StudentChoice) => {
    setChosen(choice);
    lesson.record(true, sourcesOf(choice)).catch(onFailed);
  };
  return {
    choice: chosen ?? NOTHING_OF_STUDENTS,
    start,
    record: (on) => {
      if (!on) lesson.record(false).catch(onFailed);
      else if (chosen === null) ask();
      else start(chosen);
    },
  };
}

/** Before the first part: what is recorded, and the leader's choice. */
export function RecordDialog(props: {
  choice: StudentChoice;
  /** What of students may be recorded at all. */
  recordable: readonly SourceName[];
  /** How many of those who are here must not be recorded. */
  unrecorded: number;
  onStart: (choice: StudentChoice) => void;
  onClose: () => void;
}) {
  const text = useText();
  const [wanted, setChoice] = useState(props.choice);
  const may = choiceOf(props.recordable);
  const choice: StudentChoice = {
    voices: wanted.voices && may.voices,
    cameras: wanted.cameras && may.cameras,
    screens: wanted.screens && may.screens,
  };
  const toggle = (key: keyof StudentChoice, label: string) => (
    <Toggle
      checked={choice[key]}
      disabled={!may[key]}
      label={label}
      testId={`record-${key}`}
      onChange={(on) => {
        setChoice({ ...choice, [key]: on });
      }}
    />
  );
  return (
    <Dialog title={text.recording.title} testId="record-dialog" onClose={props.onClose}>
      <div className="record-words">
        <p>{text.recording.what}</p>
        <fieldset>
          <legend>{text.recording.alsoStudents}</legend>
          {toggle("voices", text.recording.voices)}
          {toggle("cameras", text.recording.cameras)}
          {toggle("screens", text.recording.screens)}
          {!(may.voices && may.cameras && may.screens) && <p className="field-note">{text.recording.notAllowed}</p>}
        </fieldset>
        {props.unrecorded > 0 && <p data-testid="record-unrecorded">{text.recording.without(props.unrecorded)}</p>}
        <p className="note">{text.recording.consent}</p>
      </div>
      <div className="dialog-buttons">
        <button type="button" className="button" onClick={props.onClose}>
          {text.common.cancel}
        </button>
        <button
          type="button"
          className="button primary"
          data-testid="record-start"
          onClick={() => {
            props.onClose();
            props.onStart(choice);
          }}
        >
          {text.recording.start}
        </button>
      </div>
    </Dialog>
  );
}

/** Leaders: a recording that nobody stopped has stopped, and why; null when there is nothing to say. */
export function useRecordingFailure(lesson: LessonSurface): { key: string; sentence: string } | null {
  const text = useText();
  const recording = useReadable(lesson.recording);
  const self = useReadable(lesson.self);
  const failure = failureOf(recording);
  if (recording === null || failure === null || !self.leads) return null;
  return { key: `${recording.id}/${recording.part}`, sentence: text.recording.failures[failure] };
}
