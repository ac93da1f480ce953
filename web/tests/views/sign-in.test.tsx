// @vitest-environment jsdom
import "./setup";

import { StrictMode } from "react";
import { act, fireEvent, render, screen, waitFor } from "@testing-library/react";
import { beforeEach, describe, expect, it, vi } from "vitest";

import { SignInPage } from "../../src/views/SignInPage";
import { Language } from "../../src/views/text";

const INFO = { name: "Maria", lessons: [] };

/** Answers in order; every request is kept. */
function serve(...replies: { status?: number; body: unknown }[]) {
  const asked: [string, unknown][] = [];
  vi.stubGlobal(
    "fetch",
    vi.fn((path: string, init: RequestInit) => {
      asked.push([path, init.body === undefined ? null : JSON.parse(init.body as string)]);
      const reply = replies.shift() ?? { status: 500, body: { code: "internal" } };
      return Promise.resolve(new Response(JSON.stringify(reply.body), { status: reply.status ?? 200 }));
    }),
  );
  return asked;
}

function open(path: string) {
  history.replaceState(null, "", path);
  render(
    <StrictMode>
      <Language initial="en">
        <SignInPage />
      </Language>
    </StrictMode>,
  );
}

describe("sign-in", () => {
  beforeEach(() => {
    history.replaceState(null, "", "/");
  });

  it("takes the key out of the address bar, spends it once and goes on", async () => {
    const asked = serve({ body: INFO });
    open("/t#first.key");
    expect(location.href).not.toContain("first.key");
    await waitFor(() => {
      expect(location.pathname).toBe("/teacher");
    });
    expect(asked).toEqual([["/api/teacher/sign-in", { key: "first.key" }]]);
  });

  it.each(["sign_in_key_used", "sign_in_key_bad"])("says %s and how to sign in", async (code) => {
    serve({ status: 403, body: { code } });
    open(`/t#${code}`);
    expect((await screen.findByTestId("problem")).dataset["code"]).toBe(code);
    expect(screen.getByTestId("how-to-sign-in").textContent).toContain("zvonok teacher link");
  });

  it("tries the same key again after the network failed", async () => {
    const asked = serve({ status: 502, body: null }, { body: INFO });
    open("/t#again.key");
    fireEvent.click(await screen.findByTestId("problem-action"));
    await waitFor(() => {
      expect(location.pathname).toBe("/teacher");
    });
    expect(asked.map(([, body]) => body)).toEqual([{ key: "again.key" }, { key: "again.key" }]);
  });

  it("goes on without a key when one is signed in", async () => {
    serve({ body: INFO }, { body: INFO });
    open("/t");
    await waitFor(() => {
      expect(location.pathname).toBe("/teacher");
    });
  });

  it("takes a link that is pasted into the page that is open already", async () => {
    const refused = { status: 401, body: { code: "not_signed_in" } };
    const asked = serve(refused, refused, { body: INFO });
    open("/t");
    await screen.findByTestId("how-to-sign-in");
    act(() => {
      location.hash = "#pasted.key";
      window.dispatchEvent(new HashChangeEvent("hashchange"));
    });
    await waitFor(() => {
      expect(asked.at(-1)).toEqual(["/api/teacher/sign-in", { key: "pasted.key" }]);
    });
    expect(location.href).not.toContain("pasted.key");
  });
});
