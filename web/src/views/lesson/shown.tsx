/** What the class looks at together, by kind: live in a lesson, and later beside its recording. */

import type { ComponentType } from "react";

import type { LessonSurface } from "../../core/lesson";
import { boardOfGroup } from "../../core/groups";
import type { Fields } from "../../core/store";
import type { ShownField, ShownKind } from "../../generated/wire";
import { AppView } from "./materials/AppView";
import { FilmView } from "./materials/FilmView";
import { SlidesView } from "./slides";
import { BoardView } from "./board/BoardView";

export interface ShownProps {
  /** The lesson's state at the moment that is looked at. */
  readonly fields: Fields;
  /** The thing is the field `<kind>/<thing>`. */
  readonly thing: string;
  /** Null where a recording is watched: nothing can be changed then. */
  readonly lesson: LessonSurface | null;
  readonly onFailed: (error: unknown) => void;
}

export const SHOWN: Partial<Record<ShownKind, ComponentType<ShownProps>>> = {
  film: FilmView,
  app: AppView,
  slides: SlidesView,
  board: BoardView,
};

/** What somebody in the lesson has before them: the board of their group, or what the class has. */
export function shownTo(fields: Fields, participant: string): ShownField | null {
  const board = boardOfGroup(fields, participant);
  return board === null ? shownIn(fields) : { kind: "board", thing: board, by: "" };
}

/** What is shown at that moment; null: nothing that this page knows. */
export function shownIn(fields: Fields): ShownField | null {
  const shown = fields.get("shown") as ShownField | undefined;
  return shown !== undefined && shown.kind in SHOWN && fields.has(`${shown.kind}/${shown.thing}`) ? shown : null;
}
