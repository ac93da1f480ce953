/**
 * Stable codes of what was not done, the server's first, then the client's own: each has a sentence and a
 * button in both languages.
 */
export const REFUSAL_CODES = [
  "link_unknown",
  "link_expired",
  "lesson_ended",
  "lesson_full",
  "lesson_locked",
  "removed",
  "name_empty",
  "name_too_long",
  "name_bad_characters",
  "name_taken_teacher",
  "not_your_lesson",
  "sign_in_key_used",
  "sign_in_key_bad",
  "not_signed_in",
  "rate_limited",
  "ticket_bad",
  "ticket_expired",
  "version_mismatch",
  "hello_timeout",
  "message_malformed",
  "message_too_big",
  "message_out_of_order",
  "not_allowed",
  "not_found",
  "text_empty",
  "offer_malformed",
  "offer_too_big",
  "offer_no_codec",
  "offer_sections",
  "no_worker",
  "worker_lost",
  "stale_epoch",
  "stale_number",
  "bad_request",
  "origin_refused",
  "internal",
  "shutting_down",
  "slow",
  "network",
  "connection_lost",
  "media_failed",
  "camera_denied",
  "camera_missing",
  "camera_busy",
  "microphone_denied",
  "microphone_missing",
  "microphone_busy",
  "screen_denied",
  "screen_unsupported",
  "in_app_browser",
  "insecure_page",
  "no_webrtc",
] as const;

export type RefusalCode = (typeof REFUSAL_CODES)[number];

/** What the one button under a refusal's sentence does. */
export type RefusalAction = "again" | "reload" | "home" | "sign_in" | "name";

const ACTIONS: Record<RefusalCode, RefusalAction> = {
  link_unknown: "home",
  link_expired: "home",
  lesson_ended: "home",
  lesson_full: "again",
  lesson_locked: "again",
  removed: "home",
  name_empty: "name",
  name_too_long: "name",
  name_bad_characters: "name",
  name_taken_teacher: "name",
  not_your_lesson: "sign_in",
  sign_in_key_used: "sign_in",
  sign_in_key_bad: "sign_in",
  not_signed_in: "sign_in",
  rate_limited: "again",
  ticket_bad: "again",
  ticket_expired: "again",
  version_mismatch: "reload",
  hello_timeout: "again",
  message_malformed: "reload",
  message_too_big: "reload",
  message_out_of_order: "reload",
  not_allowed: "again",
  not_found: "home",
  text_empty: "again",
  offer_malformed: "reload",
  offer_too_big: "reload",
  offer_no_codec: "reload",
  offer_sections: "reload",
  no_worker: "again",
  worker_lost: "again",
  stale_epoch: "again",
  stale_number: "again",
  bad_request: "reload",
  origin_refused: "home",
  internal: "again",
  shutting_down: "again",
  slow: "again",
  network: "again",
  connection_lost: "again",
  media_failed: "again",
  camera_denied: "again",
  camera_missing: "again",
  camera_busy: "again",
  microphone_denied: "again",
  microphone_missing: "again",
  microphone_busy: "again",
  screen_denied: "again",
  screen_unsupported: "again",
  in_app_browser: "again",
  insecure_page: "again",
  no_webrtc: "again",
};

const KNOWN: ReadonlySet<string> = new Set(REFUSAL_CODES);

/** The code itself when it is one of ours, `internal` for anything else a newer server may send. */
export function knownRefusal(code: string): RefusalCode {
  return KNOWN.has(code) ? (code as RefusalCode) : "internal";
}

export function refusalAction(code: RefusalCode): RefusalAction {
  return ACTIONS[code];
}
