import type { LessonSurface } from "../../core/lesson";
import type { Person, PictureName } from "../../core/types";
import { useReadable } from "../readable";
import { useText } from "../text";
import { fullName } from "./initials";

/** A picture a second in the place of a video, and that it is no more than that. */
export function StillPicture({ lesson, person, source }: { lesson: LessonSurface; person: Person; source: PictureName }) {
  const text = useText();
  const still = useReadable(lesson.stills).find((each) => each.participant === person.id && each.source === source);
  const on = person.on[source];
  if (still === undefined && !on) return null;
  const name = fullName(person);
  return (
    <>
      {still !== undefined && (
        <img
          className="still"
          src={still.url}
          alt={source === "screen" ? text.saving.stillOfScreen(name) : text.saving.stillOf(name)}
          data-testid={`still-${source}`}
        />
      )}
      <p className="still-note" data-testid="still-note">
        {still === undefined ? text.saving.noStill : text.saving.still}
      </p>
    </>
  );
}

/** Who is on the stage and whose screen is shown when stills stand for the videos. */
export function stillPlaces(
  stills: readonly { readonly participant: string; readonly source: PictureName }[],
  people: readonly Person[],
): { readonly stage: Person | null; readonly screen: Person | null } {
  const of = (source: PictureName) => {
    const still = stills.findLast((each) => each.source === source);
    return people.find((person) => person.id === still?.participant) ?? null;
  };
  const others = people.filter((person) => !person.self);
  return {
    stage: of("camera") ?? others.find((person) => person.role === "teacher") ?? others.find((person) => person.leads) ?? null,
    screen: of("screen") ?? others.find((person) => person.on.screen) ?? null,
  };
}
