// @vitest-environment jsdom
import "./setup";

import { fireEvent, render, screen, waitFor } from "@testing-library/react";
import { beforeEach, describe, expect, it, vi } from "vitest";

import type { LinkInfo } from "../../src/generated/wire";
import { JoinPage } from "../../src/views/JoinPage";
import { Language } from "../../src/views/text";

vi.mock("../../src/views/lesson/LessonRoot", () => ({
  LessonRoot: (props: { name: string; wanted: unknown }) => (
    <p data-testid="in-lesson">{JSON.stringify([props.name, props.wanted])}</p>
  ),
}));

const LINK: LinkInfo = { title: "Optics", subject: "Physics", grade: 8, state: "live", role: "student", name: null, video_state: null };
const JOINED = { ticket: "t", lesson: "l", participant: "p", role: "student", name: "Ann", title: "Optics" };

interface Reply {
  status?: number;
  body: unknown;
}

/** Answers by path; what was posted to /api/join is kept. */
function serve(link: Reply, ...joins: Reply[]) {
  const posted: unknown[] = [];
  vi.stubGlobal(
    "fetch",
    vi.fn((path: string, init: RequestInit) => {
      let reply = link;
      if (path === "/api/join") {
        posted.push(JSON.parse(init.body as string));
        reply = joins.shift() ?? { status: 500, body: { code: "internal" } };
      }
      return Promise.resolve(new Response(JSON.stringify(reply.body), { status: reply.status ?? 200 }));
    }),
  );
  return posted;
}

function open() {
  vi.stubGlobal("RTCPeerConnection", () => undefined);
  vi.stubGlobal("isSecureContext", true);
  render(
    <Language initial="en">
      <JoinPage code="AZ492KE3R7T31" />
    </Language>,
  );
}

const input = () => screen.findByTestId<HTMLInputElement>("name-input");

describe("join page", () => {
  beforeEach(() => {
    localStorage.clear();
    sessionStorage.clear();
  });

  it("joins with the trimmed name, microphone and camera off", async () => {
    const posted = serve({ body: LINK }, { body: JOINED });
    open();
    fireEvent.change(await input(), { target: { value: "  Ann  " } });
    fireEvent.click(screen.getByTestId("join"));
    expect((await screen.findByTestId("in-lesson")).textContent).toBe('["Ann",{"camera":false,"microphone":false}]');
    expect(posted).toEqual([{ code: "AZ492KE3R7T31", name: "Ann" }]);
  });

  it("fills in the name of the last time, the server's first", async () => {
    localStorage.setItem("zvonok.name", "Old");
    serve({ body: { ...LINK, name: "Ann" } });
    open();
    expect((await input()).value).toBe("Ann");
  });

  it("asks for a name without asking the server", async () => {
    const posted = serve({ body: LINK });
    open();
    fireEvent.change(await input(), { target: { value: "   " } });
    fireEvent.click(screen.getByTestId("join"));
    expect((await screen.findByRole("alert")).textContent).toContain("Write your name");
    expect(posted).toEqual([]);
  });

  it.each([
    ["name_taken_teacher", "The teacher has this name"],
    ["name_too_long", "too long"],
    ["name_bad_characters", "cannot be shown"],
  ])("says %s at the name, keeps it, and takes the next try", async (code, sentence) => {
    const posted = serve({ body: LINK }, { status: 400, body: { code } }, { body: JOINED });
    open();
    fireEvent.change(await input(), { target: { value: "Maria" } });
    fireEvent.click(screen.getByTestId("join"));
    expect((await screen.findByRole("alert")).textContent).toContain(sentence);
    expect((await input()).value).toBe("Maria");
    fireEvent.change(await input(), { target: { value: "Ann" } });
    fireEvent.click(screen.getByTestId("join"));
    await screen.findByTestId("in-lesson");
    expect(posted).toHaveLength(2);
  });

  it.each(["lesson_full", "lesson_locked", "removed", "rate_limited"])("says %s with a button", async (code) => {
    serve({ body: LINK }, { status: 403, body: { code } });
    open();
    fireEvent.change(await input(), { target: { value: "Ann" } });
    fireEvent.click(screen.getByTestId("join"));
    const problem = await screen.findByTestId("problem");
    expect(problem.dataset["code"]).toBe(code);
    expect(screen.getByTestId("problem-action").textContent).not.toBe("");
  });

  it("makes one wait as long as the server says", async () => {
    serve({ body: LINK }, { status: 429, body: { code: "rate_limited", retry_after_s: 7 } });
    open();
    fireEvent.change(await input(), { target: { value: "Ann" } });
    fireEvent.click(screen.getByTestId("join"));
    const button = await screen.findByTestId<HTMLButtonElement>("problem-action");
    expect(button.disabled).toBe(true);
    expect(button.textContent).toContain("7");
  });

  it.each([
    [{ status: 404, body: { code: "link_unknown" } }, "link_unknown"],
    [{ body: { ...LINK, state: "ended" } }, "lesson_ended"],
  ])("shows no form behind a dead link", async (link, code) => {
    serve(link);
    open();
    expect((await screen.findByTestId("problem")).dataset["code"]).toBe(code);
    expect(screen.queryByTestId("name-input")).toBeNull();
  });

  it("goes straight back in when the tab is reloaded, with nothing asked to be on", async () => {
    sessionStorage.setItem("zvonok.in", JSON.stringify({ code: "AZ492KE3R7T31", name: "Ann" }));
    serve({ body: LINK }, { body: JOINED });
    open();
    expect((await screen.findByTestId("in-lesson")).textContent).toBe('["Ann",{"camera":false,"microphone":false}]');
  });

  it("shows the join page when the way back is refused", async () => {
    sessionStorage.setItem("zvonok.in", JSON.stringify({ code: "AZ492KE3R7T31", name: "Ann" }));
    serve({ body: LINK }, { status: 403, body: { code: "removed" } });
    open();
    await input();
    expect(sessionStorage.getItem("zvonok.in")).toBeNull();
  });

  it("ignores what another lesson's tab kept", async () => {
    sessionStorage.setItem("zvonok.in", JSON.stringify({ code: "0000000000000", name: "Ann" }));
    const posted = serve({ body: LINK });
    open();
    await input();
    expect(posted).toEqual([]);
  });

  it("sends people in an app without media devices to a real browser, and lets them in all the same", async () => {
    serve({ body: LINK }, { body: JOINED });
    open(); // jsdom has no mediaDevices either
    expect((await screen.findByTestId("in-app-browser")).textContent).toContain("Copy");
    expect(screen.getByTestId("copy-own-link").dataset["value"]).toBe(location.origin + location.pathname);
    fireEvent.change(await input(), { target: { value: "Ann" } });
    fireEvent.click(screen.getByTestId("join"));
    await waitFor(() => {
      expect(screen.getByTestId("in-lesson")).toBeTruthy();
    });
  });
});
