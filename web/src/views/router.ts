import { useSyncExternalStore } from "react";

export type Route =
  | { page: "home" }
  | { page: "sign_in" }
  | { page: "teacher" }
  | { page: "attendance"; lesson: string }
  | { page: "results"; lesson: string }
  | { page: "join"; code: string }
  | { page: "library" }
  | { page: "video"; video: string }
  | { page: "watch"; code: string }
  | { page: "expired"; video: string }
  | { page: "nothing" };

/** The page of a path; `nothing` for every other. */
export function parseRoute(path: string): Route {
  const parts = path.split("/").filter((part) => part !== "");
  const [first, second, third] = parts;
  if (parts.length === 0) return { page: "home" };
  if (first === "t" && parts.length === 1) return { page: "sign_in" };
  if (first === "teacher" && parts.length === 1) return { page: "teacher" };
  if (first === "lesson" && second !== undefined && (third === "attendance" || third === "results") && parts.length === 3) {
    return ID.test(second) ? { page: third, lesson: second } : { page: "nothing" };
  }
  if (first === "l" && second !== undefined && parts.length === 2) {
    return CODE.test(second) ? { page: "join", code: second } : { page: "nothing" };
  }
  if (first === "watch" && second !== undefined && parts.length === 2) {
    return CODE.test(second) ? { page: "watch", code: second } : { page: "nothing" };
  }
  if (first === "library" && parts.length === 1) return { page: "library" };
  if (first === "library" && second !== undefined && parts.length === 2) {
    return ID.test(second) ? { page: "video", video: second } : { page: "nothing" };
  }
  // The server gives a page instead of the file only where the address is no longer good.
  if (first === "media" && second !== undefined && third !== undefined && parts.length === 4) {
    const good = ADDRESS.test(second) && ID.test(third);
    return good ? { page: "expired", video: third } : { page: "nothing" };
  }
  return { page: "nothing" };
}

const ID = /^[A-Za-z0-9_-]{1,40}$/;
const ADDRESS = /^\d{1,12}-[A-Za-z0-9_-]{43}$/;
/** A backup link's code: as long as `BACKUP_LENGTH` of the server says, case and all. */
const BACKUP = /^[A-Za-z0-9_-]{36}$/;
const CODE = /^[A-Za-z0-9_-]{1,64}$/;

/** The join code in what a person pasted: a whole link, its path or the code alone. */
export function codeOf(pasted: string): string | null {
  const text = pasted.trim();
  const inLink = /\/l\/([A-Za-z0-9_-]{1,64})\/?(?:[?#].*)?$/.exec(text);
  const linked = inLink?.[1];
  if (linked !== undefined && BACKUP.test(linked)) return linked;
  const code = linked ?? text.replaceAll(/[\s-]/g, "");
  return /^[0-9A-Za-z]{13}$/.test(code) ? code : null;
}

/** Path of a link if it leads to this very site, else null. */
export function ownPath(link: string, origin: string): string | null {
  try {
    const url = new URL(link, origin);
    return url.origin === origin ? url.pathname : null;
  } catch {
    return null;
  }
}

const listeners = new Set<() => void>();

function changed(): void {
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  window.addEventListener("popstate", listener);
  return () => {
    listeners.delete(listener);
    window.removeEventListener("popstate", listener);
  };
}

/** Go to a page of ours without loading the site again. */
export function navigate(path: string, how: "push" | "replace" = "push"): void {
  if (how === "push") history.pushState(null, "", path);
  else history.replaceState(null, "", path);
  changed();
}

/** Takes the fragment out of the address bar (and of the history entry) and returns it without `#`. */
export function takeFragment(): string {
  const fragment = location.hash.slice(1);
  if (location.hash !== "") history.replaceState(null, "", location.pathname + location.search);
  return fragment;
}

export function usePath(): string {
  return useSyncExternalStore(subscribe, () => location.pathname);
}

/** The query of the address, with its question mark; empty without one. */
export function useSearch(): string {
  return useSyncExternalStore(subscribe, () => location.search);
}
