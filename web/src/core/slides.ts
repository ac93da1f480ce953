/** Slides: what the fields tell of them and which picture of a page is drawn. */

import type { SlidesField } from "../generated/wire";
import { under, type Fields } from "./store";

export interface Slides extends SlidesField {
  readonly id: string;
}

export interface Form {
  readonly width: number;
  readonly height: number;
}

/** Which file of a page. */
export type PagePart = "large.webp" | "small.webp" | "thumb.webp" | "text.txt";

/** Where a page's file is; `folder` as the field tells it. */
export type PageAddress = (folder: string, page: number, part: PagePart) => string;

/** As the lesson itself gives them, by the cookies of who is in it. */
export const lessonPage: PageAddress = (folder, page, part) => {
  const [lesson = "", slides = ""] = folder.split("/");
  return `/api/lessons/${encodeURIComponent(lesson)}/slides/${encodeURIComponent(slides)}/${page}-${part}`;
};

/** Beside a recording; `base` is the video's address: `/api/library/<video>` or `/api/links/<code>/video`. */
export function pageOf(base: string): PageAddress {
  return (folder, page, part) => {
    const slides = folder.split("/")[1] ?? "";
    return `${base}/slides/${encodeURIComponent(slides)}/${page}-${part}`;
  };
}

/** What is taken: the browser shows no others in its dialogue. */
export const TAKEN = ".pdf,.ppt,.pptx,.pps,.ppsx,.odp,.doc,.docx,.odt,.xls,.xlsx,.ods,image/png,image/jpeg,image/webp,image/gif";
const SMALL_PIXELS = 600_000;

/** All slides of the lesson, oldest first. */
export function slidesIn(fields: Fields): readonly Slides[] {
  return under<SlidesField>(fields, "slides/")
    .map(([id, field]) => ({ ...field, id }))
    .sort((a, b) => a.at_ms - b.at_ms || (a.id < b.id ? -1 : 1));
}

/** The slides of this id; null: there are none. */
export function slidesOf(fields: Fields, id: string): Slides | null {
  const field = fields.get(`slides/${id}`) as SlidesField | undefined;
  return field === undefined ? null : { ...field, id };
}

/** Width and height of a page, in a unit of their own. */
export function formOf(slides: Slides, page: number): Form {
  let behind = 0;
  for (const [count, width, height] of slides.forms) {
    behind += count;
    if (page <= behind) return { width, height };
  }
  return { width: 4, height: 3 };
}

/** The largest rectangle of this form that fits. */
export function fitted(form: Form, into: Form): Form {
  const scale = Math.min(into.width / form.width, into.height / form.height);
  return { width: Math.max(1, Math.floor(form.width * scale)), height: Math.max(1, Math.floor(form.height * scale)) };
}

/** Which picture is sharp enough for so many CSS pixels. */
export function partFor(drawn: Form, pixelRatio: number): PagePart {
  return drawn.width * drawn.height * pixelRatio * pixelRatio > SMALL_PIXELS * 1.3 ? "large.webp" : "small.webp";
}

/** What of a page is read out first: its first line. */
export function headingOf(pageText: string): string {
  return (pageText.split("\n", 1)[0] ?? "").slice(0, 120);
}
