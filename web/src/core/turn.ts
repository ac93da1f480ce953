/** Coming in when many others do: the server gives a place in a queue, the page asks again by itself. */

import { join } from "./api";
import { Failed, type Turn } from "./types";
import type { JoinReply } from "../generated/wire";

/** A place as it was told for the `asked`th time. */
export interface Told extends Turn {
  readonly asked: number;
}

const RETRY_S = 2;

/** As `join`, but waits its turn and says where it stands. Rejects with the signal's reason once that is aborted. */
export async function joinInTurn(
  code: string,
  name: string,
  signal: AbortSignal,
  onQueued: (told: Told) => void,
): Promise<JoinReply> {
  for (let asked = 1; ; asked += 1) {
    let waitMs: number;
    try {
      const joined = await join(code, name);
      signal.throwIfAborted();
      return joined;
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof Failed) || error.turn === null) throw error;
      onQueued({ ...error.turn, asked });
      waitMs = (error.retryAfterS ?? RETRY_S) * 1000;
    }
    await pause(waitMs, signal);
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason as Error);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", stop);
      resolve();
    }, ms);
    signal.addEventListener("abort", stop, { once: true });
  });
}
