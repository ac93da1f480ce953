/** When an announced lesson opens, in the words of a language and the time zone of this device. */
export interface Opening {
  /** On this very day: then `when` is the time alone. */
  readonly today: boolean;
  readonly when: string;
  /** "in 12 minutes". */
  readonly left: string;
}

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
/** The largest unit of which at least two are left, seconds otherwise. */
const UNITS = [["day", DAY], ["hour", HOUR], ["minute", MINUTE], ["second", SECOND]] as const;

/** Null once it is time. */
export function opening(opensAtMs: number, nowMs: number, locale: string): Opening | null {
  const leftMs = opensAtMs - nowMs;
  if (leftMs <= 0) return null;
  const [unit, ms] = UNITS.find(([, each]) => leftMs >= 2 * each) ?? UNITS[3];
  const today = new Date(opensAtMs).toDateString() === new Date(nowMs).toDateString();
  const day = today ? {} : ({ day: "numeric", month: "long" } as const);
  return {
    today,
    when: new Intl.DateTimeFormat(locale, { ...day, hour: "2-digit", minute: "2-digit" }).format(opensAtMs),
    left: new Intl.RelativeTimeFormat(locale).format(Math.ceil(leftMs / ms), unit),
  };
}

/** Server-style ms of what a `datetime-local` field holds, in this device's time zone; null when it is empty. */
export function readLocalTime(value: string): number | null {
  const ms = new Date(value).getTime();
  return Number.isNaN(ms) ? null : ms;
}
