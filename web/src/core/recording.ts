/** What the lesson's recording means for the person in front of the screen. Pure. */

import type { RecordingEnd, RecordingField, SourceName, UnrecordedField } from "../generated/wire";

/** What a leader may have recorded of students besides leaders and what they show. */
export interface StudentChoice {
  readonly voices: boolean;
  readonly cameras: boolean;
  readonly screens: boolean;
}

export const NOTHING_OF_STUDENTS: StudentChoice = { voices: false, cameras: false, screens: false };

/** Sources in the order of the wire contract. A screen is never without its sound. */
export function sourcesOf(choice: StudentChoice): readonly SourceName[] {
  return [
    ...(choice.voices ? (["microphone"] as const) : []),
    ...(choice.cameras ? (["camera"] as const) : []),
    ...(choice.screens ? (["screen", "screen_sound"] as const) : []),
  ];
}

export function choiceOf(students: readonly SourceName[]): StudentChoice {
  return {
    voices: students.includes("microphone"),
    cameras: students.includes("camera"),
    screens: students.includes("screen") || students.includes("screen_sound"),
  };
}

/** What of this student the running part holds: what it asks for, the lesson allows and nobody refused. */
export function recordedOf(
  recording: RecordingField,
  recordable: readonly SourceName[],
  unrecorded: UnrecordedField | null,
): readonly SourceName[] {
  if (unrecorded !== null) return [];
  return recording.students.filter((source) => recordable.includes(source));
}

/** Whether a part is being written, or is about to be. */
export function isRunning(recording: RecordingField | null): recording is RecordingField {
  return recording !== null && recording.state !== "off";
}

/** Why a part ended that nobody ended; null: it runs, or it ended as wanted. */
export function failureOf(recording: RecordingField | null): Exclude<RecordingEnd, "stopped" | "ended"> | null {
  if (recording?.state !== "off") return null;
  const { reason } = recording;
  return reason === null || reason === "stopped" || reason === "ended" ? null : reason;
}

/** Time in ms since the running part is written; 0 before. */
export function writtenMs(recording: RecordingField, nowMs: number): number {
  return recording.state === "on" ? Math.max(0, nowMs - recording.since_ms) : 0;
}

/** A part takes so long until half a minute of it can be watched: its video is made some 25 s behind. */
const WATCHABLE_MS = 60_000;
const LATE_MS = 30_000;

/** Whether there is something worth watching of a lesson that is recorded now. */
export function isWatchable(recording: RecordingField, nowMs: number): boolean {
  return recording.state === "on" && (recording.part > 1 || writtenMs(recording, nowMs) >= WATCHABLE_MS);
}

/** Whether somebody who came at `cameMs` (server time) missed what was recorded before. */
export function cameLate(recording: RecordingField, cameMs: number): boolean {
  return recording.part > 1 || cameMs - recording.since_ms >= LATE_MS;
}

/** What everybody is told. `starting` and `on` come with the running part's start, `on` also by itself. */
export type RecordingStep = "starting" | "on" | "stopped" | "failed";

export interface RecordingChange {
  readonly step: RecordingStep;
  /** The sound that goes with it: a part has one of each, however it is heard of. */
  readonly sound: "start" | "stop" | null;
}

/**
 * What became of the recording between two looks at it. `before` null: nothing was known yet (somebody who comes
 * late is told of what runs, not of what is over). null: nothing to tell.
 */
export function recordingChange(before: RecordingField | null, after: RecordingField | null): RecordingChange | null {
  const ran = isRunning(before);
  if (!isRunning(after)) {
    if (!ran) return null;
    return { step: failureOf(after) === null ? "stopped" : "failed", sound: "stop" };
  }
  const samePart = ran && before.id === after.id && before.part === after.part;
  const step = after.state === "on" ? "on" : "starting";
  if (!samePart) return { step, sound: "start" };
  return before.state === after.state ? null : { step, sound: null };
}
