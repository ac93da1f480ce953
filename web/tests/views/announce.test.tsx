// @vitest-environment jsdom
import "./setup";

import { act, fireEvent, render, screen } from "@testing-library/react";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import type { LessonInfo, LinkInfo, NewLesson } from "../../src/generated/wire";
import { JoinPage } from "../../src/views/JoinPage";
import { TeacherPage } from "../../src/views/TeacherPage";
import { Language } from "../../src/views/text";
import { serve } from "./serve";

const NOW = new Date(2027, 8, 1, 8, 18).getTime();
const BELL = new Date(2027, 8, 1, 8, 30).getTime();
const LINK: LinkInfo = {
  title: "Optics", subject: "Physics", grade: 8, state: "waiting", role: "student", name: null, video_state: null,
  opens_at_ms: BELL,
};
const pass = (ms: number) => act(() => vi.advanceTimersByTimeAsync(ms));

beforeEach(() => {
  vi.useFakeTimers({ now: NOW });
});

afterEach(() => {
  vi.useRealTimers();
});

describe("the door of an announced lesson", () => {
  async function open(info: LinkInfo, language: "en" | "ru") {
    serve(() => ({ body: info }));
    render(
      <Language initial={language}>
        <JoinPage code="AZ492KE3R7T31" />
      </Language>,
    );
    await pass(0);
  }

  it.each([
    ["en", "in 12 minutes", "in 11 minutes", "not in yet"],
    ["ru", "через 12 минут", "через 11 минут", "Учителя ещё нет"],
  ] as const)("says in %s when it opens and how long that is", async (language, before, then, late) => {
    await open(LINK, language);
    expect(screen.getByTestId("opens-at").textContent).toMatch(/8:30/);
    expect(screen.getByTestId("opens-at").textContent).toContain(before);
    await pass(60_000);
    expect(screen.getByTestId("opens-at").textContent).toContain(then);
    expect(screen.getByTestId<HTMLButtonElement>("join").disabled).toBe(false);
    await pass(11 * 60_000);
    expect(screen.queryByTestId("opens-at")).toBeNull();
    expect(document.body.textContent).toContain(late);
  });

  it("says nothing of it when the teacher came before", async () => {
    await open({ ...LINK, state: "live" }, "en");
    expect(screen.queryByTestId("opens-at")).toBeNull();
    expect(document.body.textContent).toContain("The lesson is on");
  });
});

describe("announcing a lesson", () => {
  async function open() {
    history.replaceState(null, "", "/teacher");
    const asked = serve(({ method, body }) => {
      if (method === "GET") return { body: { name: "Maria", lessons: [] } };
      const { opens_at_ms = null } = body as NewLesson;
      const made: LessonInfo = {
        lesson: "l", title: "Optics", subject: "Physics", grade: 8, state: "waiting", created_at_ms: NOW, ended_at_ms: null,
        teacher_link: "https://a.example/l/T", student_link: "https://a.example/l/S",
        co_teacher_link: "https://a.example/l/C",
        backup_teacher_link: "https://a.example/l/BT", backup_student_link: "https://a.example/l/BS", video: null, video_state: null, opens_at_ms,
      };
      return { body: made };
    });
    render(
      <Language initial="en">
        <TeacherPage />
      </Language>,
    );
    await pass(0);
    return () => asked.filter((each) => each.method === "POST").map((each) => (each.body as NewLesson).opens_at_ms);
  }
  const field = () => screen.getByTestId<HTMLInputElement>("new-lesson-opens");
  const create = async () => {
    fireEvent.click(screen.getByTestId("create-lesson"));
    await pass(0);
  };

  it("puts it in the list with its time and its links, and stays there", async () => {
    const posted = await open();
    fireEvent.change(field(), { target: { value: "2027-09-01T08:30" } });
    expect(screen.getByTestId("create-lesson").textContent).toBe("Announce the lesson");
    await create();
    expect(posted()).toEqual([BELL]);
    expect(screen.getByTestId("lesson-l").textContent).toMatch(/opens .*8:30/);
    expect(screen.getByTestId("copy-student-link-l").dataset["value"]).toBe("https://a.example/l/S");
    expect(location.pathname).toBe("/teacher");
    expect(field().value).toBe("");
  });

  it("goes into a lesson for now, as ever", async () => {
    const posted = await open();
    await create();
    expect(posted()).toEqual([null]);
    expect(location.pathname).toBe("/l/T");
  });

  it("takes no time that is over", async () => {
    const posted = await open();
    fireEvent.change(field(), { target: { value: "2027-09-01T08:18" } });
    await create();
    expect(screen.getByRole("alert").textContent).toContain("This time is over");
    expect(posted()).toEqual([]);
    fireEvent.change(field(), { target: { value: "2027-09-01T08:19" } });
    expect(screen.queryByRole("alert")).toBeNull();
  });
});
