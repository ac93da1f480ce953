// @vitest-environment jsdom
import "./setup";

import { act, cleanup, fireEvent, render, screen, waitFor } from "@testing-library/react";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import type { LinkInfo } from "../../src/generated/wire";
import { JoinPage } from "../../src/views/JoinPage";
import { Language } from "../../src/views/text";

vi.mock("../../src/views/lesson/LessonRoot", () => ({
  LessonRoot: (props: { name: string; wanted: unknown }) => (
    <p data-testid="in-lesson">{JSON.stringify([props.name, props.wanted])}</p>
  ),
}));

const LINK: LinkInfo = { title: "Optics", subject: "Physics", grade: 8, state: "live", role: "student", name: null, video_state: null, opens_at_ms: null };
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

function open(language: "en" | "ru" = "en") {
  vi.stubGlobal("RTCPeerConnection", () => undefined);
  vi.stubGlobal("isSecureContext", true);
  render(
    <Language initial={language}>
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

describe("queue at the door", () => {
  const queued = (place: number, wait_s: number, retry_after_s: number): Reply => ({
    status: 429,
    body: { code: "door_queue", place, wait_s, retry_after_s },
  });
  const pass = (ms: number) => act(() => vi.advanceTimersByTimeAsync(ms));

  beforeEach(() => {
    vi.useFakeTimers();
    localStorage.clear();
    sessionStorage.clear();
  });

  afterEach(() => {
    vi.useRealTimers();
  });

  async function join(language: "en" | "ru" = "en") {
    open(language);
    await pass(0);
    fireEvent.change(screen.getByTestId("name-input"), { target: { value: "Ann" } });
    fireEvent.click(screen.getByTestId("join"));
    await pass(0);
  }

  it.each([
    ["en", "You are number 123 in the queue. You will be let in automatically in about 4 s."],
    ["ru", "Ваш номер в очереди: 123. Вы войдёте автоматически примерно через 4 с."],
  ] as const)("says the place in %s, counts down, and goes in by itself", async (language, sentence) => {
    const posted = serve({ body: LINK }, queued(123, 4, 5), queued(9, 1, 1), { body: JOINED });
    await join(language);
    const notice = screen.getByTestId("door-queue");
    expect(notice.textContent).toContain(sentence);
    expect(screen.queryByRole("alert")).toBeNull();
    expect(screen.queryByTestId("problem")).toBeNull();
    expect(screen.getByTestId<HTMLButtonElement>("join").disabled).toBe(true);
    await pass(1000);
    expect(notice.textContent).toContain("93");
    await pass(3999);
    expect(posted).toHaveLength(1);
    await pass(1);
    expect(posted).toHaveLength(2);
    expect(screen.getByTestId("door-queue").dataset["place"]).toBe("9");
    await pass(1000);
    expect(screen.getByTestId("in-lesson")).toBeTruthy();
    expect(posted).toEqual(Array(3).fill({ code: "AZ492KE3R7T31", name: "Ann" }));
  });

  it("asks no more once the page is left", async () => {
    const posted = serve({ body: LINK }, queued(5, 2, 2), { body: JOINED });
    await join();
    cleanup();
    await pass(60_000);
    expect(posted).toHaveLength(1);
  });

  it("says what is wrong when a refusal follows, and takes the next try", async () => {
    serve({ body: LINK }, queued(5, 2, 2), { status: 409, body: { code: "lesson_full" } }, { body: JOINED });
    await join();
    await pass(2000);
    expect(screen.queryByTestId("door-queue")).toBeNull();
    expect(screen.getByTestId("problem").dataset["code"]).toBe("lesson_full");
    expect(screen.getByTestId<HTMLButtonElement>("join").disabled).toBe(false);
  });

  it("keeps a reloaded tab in the queue, without the form", async () => {
    sessionStorage.setItem("zvonok.in", JSON.stringify({ code: "AZ492KE3R7T31", name: "Ann" }));
    serve({ body: LINK }, queued(5, 2, 2), { body: JOINED });
    open();
    await pass(0);
    expect(screen.getByTestId("door-queue")).toBeTruthy();
    expect(screen.queryByTestId("name-input")).toBeNull();
    await pass(2000);
    expect(screen.getByTestId("in-lesson")).toBeTruthy();
  });
});
