/** Files on their way into a lesson: they go on whatever panel is open. */

import { upload } from "./materials";
import { Failed } from "./types";
import { Value, type Readable } from "./value";

/** At once; the server takes no more of one person. */
const AT_ONCE = 2;
const MOST = 30;

export interface Upload {
  readonly key: number;
  readonly file: File;
  /** 0..1; 1: the server looks at it. */
  readonly part: number;
  readonly state: "waits" | "goes" | "failed";
  readonly code: string | null;
}

/** Two at a time, in order. What is there in the end is gone from `list`; `added` is the name of the last one. */
export class Uploads {
  readonly #lesson: string;
  readonly #list = new Value<readonly Upload[]>([]);
  readonly #added = new Value("");
  readonly #stops = new Map<number, AbortController>();
  #next = 1;

  readonly list: Readable<readonly Upload[]> = this.#list;
  readonly added: Readable<string> = this.#added;

  constructor(lesson: string) {
    this.#lesson = lesson;
  }

  add(files: Iterable<File>): void {
    const coming = [...files].map((file) => ({ key: this.#next++, file, part: 0, state: "waits", code: null }) as const);
    this.#list.set([...this.#list.get(), ...coming].slice(0, MOST));
    this.#go();
  }

  retry(key: number): void {
    this.#change(key, { state: "waits", part: 0, code: null });
    this.#go();
  }

  /** Stops one, or puts away what was refused. */
  drop(key: number): void {
    this.#stops.get(key)?.abort();
    this.#put(key);
  }

  #go(): void {
    for (const { key, file } of this.#list.get().filter(({ state }) => state === "waits")) {
      if (this.#stops.size >= AT_ONCE) return;
      const stop = new AbortController();
      this.#stops.set(key, stop);
      this.#change(key, { state: "goes" });
      const progress = (part: number): void => {
        this.#change(key, { part });
      };
      upload(this.#lesson, file, { signal: stop.signal, onProgress: progress })
        .then(
          () => {
            this.#put(key);
            this.#added.set(file.name);
          },
          (error: unknown) => {
            this.#change(key, { state: "failed", code: error instanceof Failed ? error.code : "internal" });
          },
        )
        .finally(() => {
          this.#stops.delete(key);
          this.#go();
        });
    }
  }

  #change(key: number, to: Partial<Upload>): void {
    this.#list.set(this.#list.get().map((each) => (each.key === key ? { ...each, ...to } : each)));
  }

  #put(key: number): void {
    this.#list.set(this.#list.get().filter((each) => each.key !== key));
  }
}

const known = new Map<string, Uploads>();

/** The one of this lesson in this page. */
export function uploadsOf(lesson: string): Uploads {
  const found = known.get(lesson) ?? new Uploads(lesson);
  known.set(lesson, found);
  return found;
}
