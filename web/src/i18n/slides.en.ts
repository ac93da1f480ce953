import type { SlidesFailure } from "../generated/wire";
import { counted } from "./plural";

const pages = counted("en", { one: "page", other: "pages" });

/** Words about slides: bringing a file, its making, and showing its pages. */
export const slidesWords = {
  slides: {
    title: "Slides",
    help: "Show a presentation, a PDF or a picture to everybody",
    add: "Add a file",
    addHelp: "PDF, PowerPoint, Word or a picture. Pages appear here in a moment.",
    sending: (name: string, percent: number) => `Sending “${name}”: ${percent}%`,
    cancel: "Cancel",
    empty: "No slides yet. Add a file, then show it to the class.",
    list: "Slides of this lesson",
    queued: "Waiting to be prepared…",
    making: (done: number, pages: number) => `Preparing: page ${done} of ${pages}`,
    ready: pages,
    replaced: "Some fonts are missing on the server, so letters may look different. A PDF saved with its fonts looks right.",
    show: "Show to the class",
    shown: "The class sees it",
    hide: "Stop showing",
    browse: "Students may look at other pages themselves",
    again: "Try again",
    remove: "Remove",
    removeOf: (name: string) => `Remove “${name}”`,
    removeSure: "Remove for good",
    keep: "Keep",
    failedForClass: "These slides could not be prepared.",
    backToTeacher: "Back to the teacher’s page",
    pages: "Pages",
    page: "Page",
    of: (page: number, pages: number) => `${page} / ${pages}`,
    before: "Previous page",
    next: "Next page",
    pointer: "Point: everybody sees where",
    strip: "All pages",
    goTo: (page: number) => `Page ${page}`,
    alt: (page: number, pages: number, name: string, heading: string) =>
      `Page ${page} of ${pages}, ${name}${heading === "" ? "" : `: ${heading}`}`,
    notLoaded: "This page did not load.",
    loadAgain: "Load again",
    failures: {
      no_office: "This server can’t open office files. Save yours as PDF (in PowerPoint: File, Save as, PDF) and add that.",
      encrypted: "The file has a password. Save it without one and add it again.",
      broken: "The file can’t be read: it is damaged. Open it on your computer, save it as PDF and add that.",
      empty: "The file has no pages.",
      too_many_pages: "The file has too many pages. Save a part of it and add that.",
      too_heavy: "The file is too heavy: a page holds very large pictures. Save it with smaller pictures and add that.",
      too_slow: "Preparing took too long. Save the file as PDF and add that.",
      interrupted: "The server was restarted meanwhile. Try again.",
      disk_full: "The server has no room left. Tell who runs it.",
      gone: "The file is not on the server any more. Add it again.",
      failed: "Something went wrong on the server. Try again, or save the file as PDF.",
    } as Record<SlidesFailure, string>,
  },
};
