/**
 * What lies on a page: each one is drawn into the page's own rectangle (`.slides-page`, `data-slides`, `data-page`),
 * which is positioned, and should fill it by `position: absolute; inset: 0`.
 */

import type { ComponentType } from "react";

import type { LessonSurface } from "../../../core/lesson";
import type { Fields } from "../../../core/store";
import { PageInk } from "../board/Ink";

export interface OverlayProps {
  readonly fields: Fields;
  /** `<slides>-<page>`: a name of its own for each page. */
  readonly page: string;
  /** CSS pixels of the page as it is drawn now. */
  readonly width: number;
  readonly height: number;
  /** Null where a recording is watched. */
  readonly lesson: LessonSurface | null;
  readonly onFailed: (error: unknown) => void;
}

export const OVERLAYS: readonly ComponentType<OverlayProps>[] = [PageInk];
