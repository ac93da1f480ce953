/** The HTTP routes. Each rejects with `Failed`: the server's code, or `network` without an answer. */

import type {
  Attendance,
  ErrorReply,
  JoinReply,
  JoinRequest,
  LessonInfo,
  LibrarySignIn,
  LinkInfo,
  NewLesson,
  QuizResults,
  SignIn,
  TeacherInfo,
  Timeline,
  VideoInfo,
  VideoList,
  VideoPage,
  VideoPeople,
  VideoPerson,
  VideoSound,
  Withdraw,
} from "../generated/wire";
import { searchOf, type Filters } from "./filters";
import { Failed } from "./types";

export type { Attendance, JoinReply, LessonInfo, LinkInfo, NewLesson, TeacherInfo, Timeline, VideoInfo, VideoList, VideoPage, VideoPerson };

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

/** What came of a lesson's quizzes. */
export function results(lesson: string): Promise<QuizResults> {
  return request(`/api/lessons/${encodeURIComponent(lesson)}/results`);
}

/** Address of the same as CSV, for a download link. */
export function resultsCsv(lesson: string): string {
  return `/api/lessons/${encodeURIComponent(lesson)}/results.csv`;
}

/** What the join page shows before somebody types a name. */
export function link(code: string): Promise<LinkInfo> {
  return request(`/api/links/${encodeURIComponent(code)}`);
}

export function join(code: string, name: string): Promise<JoinReply> {
  return request("/api/join", { code, name } satisfies JoinRequest);
}

/** The key of the library's link -> a cookie to look into it. */
export function librarySignIn(key: string): Promise<unknown> {
  return request("/api/library/sign-in", { key } satisfies LibrarySignIn);
}

/** Newest first; `after` is the former answer's `next`. `not_signed_in` without a cookie. */
export function library(filters: Filters, after: string | null = null): Promise<VideoList> {
  return request(`/api/library${searchOf(filters, after)}`);
}

/** One video of the library, with addresses that are good for a while. */
export function video(id: string): Promise<VideoPage> {
  return request(`/api/library/${encodeURIComponent(id)}`);
}

/** The video of a join link's lesson. */
export function videoOfLink(code: string): Promise<VideoPage> {
  return request(`/api/links/${encodeURIComponent(code)}/video`);
}

/** For ever. Only one's own. */
export async function deleteVideo(id: string): Promise<void> {
  await request(`/api/library/${encodeURIComponent(id)}`, undefined, "DELETE");
}

/** Who is in a video of one's own. */
export function videoPeople(id: string): Promise<VideoPeople> {
  return request(`/api/library/${encodeURIComponent(id)}/people`);
}

/** Takes somebody out of a video of one's own; it is made anew. */
export async function withdraw(id: string, participant: string): Promise<void> {
  await request(`/api/library/${encodeURIComponent(id)}/withdrawals`, { participant } satisfies Withdraw);
}

/** Takes oneself out of the video of a join link's lesson. */
export async function withdrawOneself(code: string): Promise<void> {
  await request(`/api/links/${encodeURIComponent(code)}/video/withdrawals`, {});
}

/** `address` as a `VideoPage` gave it; `address_expired` when that is too long ago. */
export async function timeline(address: string): Promise<Timeline> {
  // Files from before it was kept have no changes.
  return { changes: [], ...(await request<Omit<Timeline, "changes">>(address)) };
}

/** How loud a video is; `address` as a `VideoPage` gave it. */
export function videoSound(address: string): Promise<VideoSound> {
  return request(address);
}

/** A file of text; `address` as a `VideoPage` gave it. */
export async function text(address: string): Promise<string> {
  const response = await fetch(address, { credentials: "same-origin", signal: AbortSignal.timeout(TIMEOUT_MS) }).catch(() => null);
  if (response?.ok !== true) throw new Failed("network");
  return response.text();
}

export async function request<T>(path: string, body?: object, method = body === undefined ? "GET" : "POST"): Promise<T> {
  let status: number;
  let answer: unknown;
  try {
    const response = await fetch(path, {
      credentials: "same-origin",
      cache: "no-store",
      signal: AbortSignal.timeout(TIMEOUT_MS),
      ...(method === "GET" ? {} : { method }),
      ...(body === undefined ? {} : { headers: { "content-type": "application/json" }, body: JSON.stringify(body) }),
    });
    status = response.status;
    // a deleted thing answers with nothing
    answer = status === 204 ? {} : await response.json().catch(() => null);
  } catch {
    throw new Failed("network");
  }
  if (status < 400 && answer !== null) return answer as T;
  const error = answer as Partial<ErrorReply> | null;
  const { place = null, wait_s = null, retry_after_s = null } = error ?? {};
  const turn = place === null || wait_s === null ? null : { place, waitS: wait_s };
  // an error page of a proxy in between has no code
  throw new Failed(error?.code ?? (status >= 500 ? "network" : "bad_request"), retry_after_s, turn);
}
