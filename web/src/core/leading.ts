/** What leads a class, read from the lesson's fields: calls to the board, the timer, the draw, calm. Pure. */

import type { AtBoardField, CalledField, CalmField, PickedField, PickerField, TimerField } from "../generated/wire";
import { under, type Fields } from "./store";

export interface Called {
  readonly id: string;
  readonly atMs: number;
  /** They said "not now"; else nothing yet. */
  readonly notNow: boolean;
}

/** How long everybody is told who was drawn. */
export const PICKED_SHOWN_MS = 15_000;
/** How long "time is up" stays. */
export const TIME_UP_SHOWN_MS = 30_000;

export function calmOf(fields: Fields): CalmField | null {
  return (fields.get("calm") as CalmField | undefined) ?? null;
}

export function isCalm(fields: Fields): boolean {
  return calmOf(fields)?.on === true;
}

/** Whom leaders have asked and who has not gone; a student sees their own. */
export function calledIn(fields: Fields): readonly Called[] {
  return under<CalledField>(fields, "called/")
    .map(([id, { at_ms, answer }]) => ({ id, atMs: at_ms, notNow: answer === "not_now" }))
    .sort((a, b) => a.atMs - b.atMs);
}

/** Who is at the board, who went first first. */
export function atBoardIn(fields: Fields): readonly string[] {
  return under<AtBoardField>(fields, "at_board/")
    .sort(([, a], [, b]) => a.at_ms - b.at_ms)
    .map(([id]) => id);
}

export function timerOf(fields: Fields): TimerField | null {
  return (fields.get("timer") as TimerField | undefined) ?? null;
}

/** What is left of the timer at this server time; 0 when it is over. */
export function leftMs(timer: TimerField, nowMs: number): number {
  return timer.ends_at_ms === null ? timer.left_ms : Math.max(0, timer.ends_at_ms - nowMs);
}

/** Whole seconds as people count down: 0 only when it is over. */
export function countdownMs(ms: number): number {
  return Math.ceil(ms / 1000) * 1000;
}

/** Who was drawn last: leaders know of each, others when everybody was told. */
export function pickedIn(fields: Fields, leads: boolean): PickedField | null {
  return (fields.get(leads ? "drawn" : "picked") as PickedField | undefined) ?? null;
}

export interface Turn {
  readonly excluded: boolean;
  /** Had a turn in the round that runs. */
  readonly had: boolean;
}

/** What the draw remembers of each student; whom it does not name had no turn yet. */
export function turnsIn(fields: Fields): ReadonlyMap<string, Turn> {
  const known = under<PickerField>(fields, "picker/");
  const round = Math.max(1, ...known.map(([, turn]) => turn.round));
  return new Map(known.map(([id, turn]) => [id, { excluded: turn.excluded, had: turn.round >= round }]));
}

export function reactionsOff(fields: Fields): boolean {
  return fields.get("no_reactions") === true;
}
