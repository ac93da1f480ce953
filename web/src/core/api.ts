/** The HTTP routes. Each rejects with `Failed`: the server's code, or `network` without an answer. */

import type {
  Attendance,
  ErrorReply,
  JoinReply,
  JoinRequest,
  LessonInfo,
  LinkInfo,
  NewLesson,
  SignIn,
  TeacherInfo,
} from "../generated/wire";
import { Failed } from "./types";

export type { Attendance, JoinReply, LessonInfo, LinkInfo, NewLesson, TeacherInfo };

const TIMEOUT_MS = 15_000;

/** The one-time key of the printed link -> a cookie for the day. */
export function signIn(key: string): Promise<TeacherInfo> {
  return request("/api/teacher/sign-in", { key } satisfies SignIn);
}

/** Who is signed in, and their lessons. `not_signed_in` otherwise. */
export function teacher(): Promise<TeacherInfo> {
  return request("/api/teacher");
}

export function createLesson(lesson: NewLesson): Promise<LessonInfo> {
  return request("/api/lessons", lesson);
}

export function attendance(lesson: string): Promise<Attendance> {
  return request(`/api/lessons/${encodeURIComponent(lesson)}/attendance`);
}

/** Address of the same as CSV, for a download link. */
export function attendanceCsv(lesson: string): string {
  return `/api/lessons/${encodeURIComponent(lesson)}/attendance.csv`;
}

/** What the join page shows before somebody types a name. */
export function link(code: string): Promise<LinkInfo> {
  return request(`/api/links/${encodeURIComponent(code)}`);
}

export function join(code: string, name: string): Promise<JoinReply> {
  return request("/api/join", { code, name } satisfies JoinRequest);
}

async function request<T>(path: string, body?: object): Promise<T> {
  let status: number;
  let answer: unknown;
  try {
    const response = await fetch(path, {
      credentials: "same-origin",
      cache: "no-store",
      signal: AbortSignal.timeout(TIMEOUT_MS),
      ...(body === undefined
        ? {}
        : { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) }),
    });
    status = response.status;
    answer = await response.json().catch(() => null);
  } catch {
    throw new Failed("network");
  }
  if (status < 400 && answer !== null) return answer as T;
  const error = answer as Partial<ErrorReply> | null;
  // an error page of a proxy in between has no code
  throw new Failed(error?.code ?? (status >= 500 ? "network" : "bad_request"), error?.retry_after_s ?? null);
}
