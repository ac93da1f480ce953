import type { Person } from "../../core/types";
import type { Dictionary } from "../../i18n";
import { LineLost, LineWeak, Warning } from "../icons";
import { useText } from "../text";
import { fullName } from "./initials";

export interface LineWords {
  /** For where there is little room. */
  readonly short: string;
  /** The whole sentence, with whom it is about. */
  readonly sentence: string;
}

/** What is wrong with somebody's connection and whose fault it is; null for a good one. */
export function wordsOfLine(person: Person, text: Dictionary): LineWords | null {
  const { line: words } = text;
  if (person.line === "good") return null;
  if (person.self) return { short: shortOwn(person, text), sentence: wordsOfOwnLine(person, text, false) };
  const of = (short: string, rest: string) => ({ short, sentence: `${fullName(person)}: ${rest}` });
  if (person.line === "lost") return of(words.lost, words.ofLost);
  switch (person.fault) {
    case "receiver":
      return of(words.weakReceiver, words.ofReceiver);
    case "sender":
      return of(words.weakSender, words.ofSender);
    case "server":
      return of(words.server, words.ofServer);
    default:
      return of(words.weak, words.ofWeak);
  }
}

function shortOwn(person: Person, { line: words }: Dictionary): string {
  if (person.line === "lost") return words.lost;
  return person.fault === "server" ? words.server : words.weak;
}

/** One's own connection in a sentence. `camera`: one's own camera is on. */
export function wordsOfOwnLine(person: Pick<Person, "line" | "fault">, { line: words }: Dictionary, camera: boolean): string {
  if (person.line === "good") return words.good;
  if (person.line === "lost") return words.ownLost;
  switch (person.fault) {
    case "receiver":
      return words.ownReceiver;
    case "sender":
      return camera ? words.ownSenderCamera : words.ownSender;
    case "server":
      return words.ownServer;
    default:
      return words.ownWeak;
  }
}

/** The mark of a connection that is not good: a sign, with `written` also a few words. */
export function LineMark({ person, written = false }: { person: Person; written?: boolean }) {
  const text = useText();
  const words = wordsOfLine(person, text);
  if (words === null) return null;
  return (
    <span
      className={written ? "line-mark written" : "line-mark"}
      title={words.sentence}
      data-testid={`line-${person.id}`}
      data-line={person.line}
      data-fault={person.fault ?? undefined}
    >
      {person.line === "lost" ? <LineLost /> : person.fault === "server" ? <Warning /> : <LineWeak />}
      {written && <span aria-hidden="true">{words.short}</span>}
      <span className="hidden">{words.sentence}</span>
    </span>
  );
}
