import { useEffect, useRef, useState } from "react";

import { upload } from "../../../core/materials";
import { codeOfError } from "../../problems";

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

export interface Uploads {
  readonly list: readonly Upload[];
  readonly add: (files: Iterable<File>) => void;
  readonly retry: (key: number) => void;
  readonly drop: (key: number) => void;
}

/** Files on their way, two at a time; they stop when the panel goes. */
export function useUploads(lesson: string, onAdded: (name: string) => void): Uploads {
  const [list, setList] = useState<readonly Upload[]>([]);
  const stops = useRef(new Map<number, AbortController>());
  const next = useRef(1);
  const change = (key: number, to: Partial<Upload>) => {
    setList((all) => all.map((each) => (each.key === key ? { ...each, ...to } : each)));
  };
  const put = (key: number) => {
    setList((all) => all.filter((each) => each.key !== key));
  };

  useEffect(() => {
    for (const { key, file } of list.filter(({ state }) => state === "waits")) {
      if (stops.current.size >= AT_ONCE) return;
      if (stops.current.has(key)) continue;
      const stop = new AbortController();
      stops.current.set(key, stop);
      upload(lesson, file, {
        signal: stop.signal,
        onProgress: (part) => {
          change(key, { part, state: "goes" });
        },
      })
        .then(() => {
          stops.current.delete(key);
          put(key);
          onAdded(file.name);
        })
        .catch((error: unknown) => {
          stops.current.delete(key);
          if (stop.signal.aborted) put(key);
          else change(key, { state: "failed", code: codeOfError(error) });
        });
    }
  });
  useEffect(() => {
    const all = stops.current;
    return () => {
      for (const stop of all.values()) stop.abort();
    };
  }, []);

  return {
    list,
    add: (files) => {
      const coming = [...files].map((file) => ({ key: next.current++, file, part: 0, state: "waits", code: null }) as const);
      setList((all) => [...all, ...coming].slice(0, MOST));
    },
    retry: (key) => {
      change(key, { state: "waits", part: 0, code: null });
    },
    drop: (key) => {
      const stop = stops.current.get(key);
      if (stop === undefined) put(key);
      else stop.abort();
    },
  };
}
