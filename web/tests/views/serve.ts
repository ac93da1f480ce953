import { vi } from "vitest";

export interface Reply {
  status?: number;
  body?: unknown;
  /** Sent as it is, in place of `body`. */
  text?: string;
}

export interface Asked {
  method: string;
  path: string;
  body: unknown;
}

/** Answers every request by `answer`; what was asked is kept in order. */
export function serve(answer: (asked: Asked) => Reply): Asked[] {
  const all: Asked[] = [];
  vi.stubGlobal(
    "fetch",
    vi.fn((path: string, init: RequestInit = {}) => {
      const body: unknown = init.body === undefined || init.body === null ? null : JSON.parse(init.body as string);
      const asked = { method: init.method ?? (body === null ? "GET" : "POST"), path, body };
      all.push(asked);
      const { status = 200, body: said, text = JSON.stringify(said) } = answer(asked);
      return Promise.resolve(new Response(status === 204 ? null : text, { status }));
    }),
  );
  return all;
}

export const NOT_FOUND: Reply = { status: 404, body: { code: "not_found", retry_after_s: null } };
