// @vitest-environment jsdom
import "./setup";

import { StrictMode } from "react";
import { act, fireEvent, render, screen, waitFor } from "@testing-library/react";
import { beforeEach, describe, expect, it } from "vitest";

import type { VideoInfo, VideoList } from "../../src/generated/wire";
import { LibraryPage } from "../../src/views/LibraryPage";
import { Language } from "../../src/views/text";
import { serve, type Asked, type Reply } from "./serve";

const VIDEO: VideoInfo = {
  video: "v1", lesson: "l1", title: "<b>Optics</b>", subject: "Physics", grade: 8, teacher_name: "Maria",
  recorded_at_ms: 1_700_000_000_000, duration_ms: 2_700_000, bytes: 1, state: "ready", own: false,
};
const list = (change: Partial<VideoList> = {}): VideoList => ({
  videos: [VIDEO], subjects: ["Art", "Physics"], grades: [7, 8], teachers: ["Maria"], next: null, ...change,
});
const STRANGER: Reply = { status: 401, body: { code: "not_signed_in", retry_after_s: null } };

function open(path: string, answer: (asked: Asked) => Reply) {
  history.replaceState(null, "", path);
  const asked = serve(answer);
  render(
    <StrictMode>
      <Language initial="en">
        <LibraryPage />
      </Language>
    </StrictMode>,
  );
  return asked;
}

const choose = (testId: string, value: string) => fireEvent.change(screen.getByTestId(testId), { target: { value } });

describe("library", () => {
  beforeEach(() => {
    history.replaceState(null, "", "/");
  });

  it("trades the link's key for a cookie and takes it out of the address at once", async () => {
    const asked = open("/library?grade=8#the.key", () => ({ body: list() }));
    expect(location.href).not.toContain("the.key");
    await screen.findByTestId("video-v1");
    expect(asked[0]).toEqual({ method: "POST", path: "/api/library/sign-in", body: { key: "the.key" } });
    expect(location.search).toBe("?grade=8");
  });

  it("says how to get in to who comes without a key", async () => {
    open("/library", () => STRANGER);
    expect((await screen.findByTestId("library-how")).textContent).toContain("Open the library link");
  });

  it("says what is wrong with a key, and how to get in", async () => {
    open("/library#bad", () => ({ status: 403, body: { code: "library_key_bad", retry_after_s: null } }));
    expect((await screen.findByTestId("problem")).dataset["code"]).toBe("library_key_bad");
    expect(screen.getByTestId("library-how").textContent).toContain("zvonok library link");
  });

  it("takes a link that is pasted into the page that is open already", async () => {
    let inside = false;
    const asked = open("/library", ({ path }) => {
      inside ||= path === "/api/library/sign-in";
      return inside ? { body: list() } : STRANGER;
    });
    await screen.findByTestId("library-how");
    act(() => {
      location.hash = "#pasted.key";
      window.dispatchEvent(new HashChangeEvent("hashchange"));
    });
    await screen.findByTestId("video-v1");
    expect(asked.some(({ body }) => (body as { key?: string } | null)?.key === "pasted.key")).toBe(true);
    expect(location.href).not.toContain("pasted.key");
  });

  it("shows titles as text, with what one looks for in a list", async () => {
    open("/library", () => ({ body: list() }));
    const card = await screen.findByTestId("video-v1");
    for (const words of ["<b>Optics</b>", "Physics", "Grade 8", "Maria", "2023", "45 minutes"])
      expect(card.textContent, words).toContain(words);
    expect(screen.getByTestId<HTMLAnchorElement>("open-video-v1").pathname).toBe("/library/v1");
  });

  it("keeps the filters in the address and asks for what it says", async () => {
    const asked = open("/library?teacher=Maria", () => ({ body: list() }));
    await screen.findByTestId("video-v1");
    expect(screen.getByTestId<HTMLSelectElement>("filter-teacher").value).toBe("Maria");
    choose("filter-subject", "Physics");
    choose("filter-grade", "8");
    expect(location.search).toBe("?subject=Physics&grade=8&teacher=Maria");
    fireEvent.change(screen.getByTestId("filter-text"), { target: { value: "opt " } });
    await waitFor(() => {
      expect(asked.at(-1)?.path).toBe("/api/library?subject=Physics&grade=8&teacher=Maria&text=opt");
    });
    expect(location.search).toContain("text=opt");
    choose("filter-teacher", "");
    expect(location.search).toBe("?subject=Physics&grade=8&text=opt");
  });

  it("goes back to the former filters by a step back", async () => {
    open("/library", () => ({ body: list() }));
    await screen.findByTestId("video-v1");
    choose("filter-grade", "8");
    expect(screen.getByTestId<HTMLSelectElement>("filter-grade").value).toBe("8");
    act(() => {
      history.back();
    });
    await waitFor(() => {
      expect(screen.getByTestId<HTMLSelectElement>("filter-grade").value).toBe("");
    });
  });

  it("shows a filter of the address that no video has, and leads out of it", async () => {
    open("/library?subject=Latin", ({ path }) => ({ body: path.includes("Latin") ? list({ videos: [] }) : list() }));
    await screen.findByTestId("library-nothing");
    expect(screen.getByTestId<HTMLSelectElement>("filter-subject").value).toBe("Latin");
    fireEvent.click(screen.getByTestId("clear-filters"));
    await screen.findByTestId("video-v1");
    expect(location.search).toBe("");
  });

  it("says that there is nothing yet", async () => {
    open("/library", () => ({ body: list({ videos: [], subjects: [], grades: [], teachers: [] }) }));
    await screen.findByTestId("library-empty");
    expect(screen.queryByTestId("filter-text")).toBeNull();
  });

  it("brings more below what is there", async () => {
    const asked = open("/library?grade=8", ({ path }) => ({
      body: path.includes("after=n1") ? list({ videos: [{ ...VIDEO, video: "v2" }] }) : list({ next: "n1" }),
    }));
    fireEvent.click(await screen.findByTestId("more-videos"));
    await screen.findByTestId("video-v2");
    expect(screen.getByTestId("video-v1")).toBeTruthy();
    expect(asked.at(-1)?.path).toBe("/api/library?grade=8&after=n1");
    expect(screen.queryByTestId("more-videos")).toBeNull();
  });

  it("does not offer to play what is not ready", async () => {
    const own = { ...VIDEO, own: true, duration_ms: 0 };
    open("/library", () => ({
      body: list({ videos: [{ ...own, state: "processing" }, { ...own, video: "v2", state: "failed" }] }),
    }));
    expect((await screen.findByTestId("video-v1")).textContent).toContain("being made");
    expect(screen.getByTestId("video-v2").textContent).toContain("could not be made");
  });
});
