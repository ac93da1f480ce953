// @vitest-environment jsdom
import "./setup";

import { StrictMode } from "react";
import { render, screen, waitFor } from "@testing-library/react";
import { beforeEach, describe, expect, it, vi } from "vitest";

import type { JoinReply, LessonInfo, LinkInfo, VideoState } from "../../src/generated/wire";
import { JoinPage } from "../../src/views/JoinPage";
import { EndedPage } from "../../src/views/lesson/LessonRoot";
import { TeacherPage } from "../../src/views/TeacherPage";
import { Language } from "../../src/views/text";
import { serve, type Reply } from "./serve";

vi.mock("../../src/core/poll", () => ({ pollDelayMs: () => 5 }));

const CODE = "AZ492KE3R7T31";
const link = (video_state: VideoState | null): Reply => ({
  body: { title: "Optics", subject: "Physics", grade: 8, state: "ended", role: "student", name: null, video_state, opens_at_ms: null } satisfies LinkInfo,
});
const JOINED: JoinReply = {
  ticket: "t", lesson: "l", participant: "p", role: "student", name: "Ann", title: "Optics", subject: "Physics", grade: 8,
  tiles: 4, ice_servers: [], student_link: null, co_teacher_link: null,
};

function show(element: React.ReactNode) {
  render(
    <StrictMode>
      <Language initial="en">{element}</Language>
    </StrictMode>,
  );
}

describe("the way to the video", () => {
  beforeEach(() => {
    localStorage.clear();
    sessionStorage.clear();
  });

  it("is on the join page of a lesson that is over", async () => {
    serve(() => link("ready"));
    show(<JoinPage code={CODE} />);
    expect((await screen.findByTestId<HTMLAnchorElement>("watch-video")).pathname).toBe(`/watch/${CODE}`);
    expect(screen.queryByTestId("name-input")).toBeNull();
  });

  it("comes by itself while the video is being made", async () => {
    let state: VideoState = "processing";
    serve(() => link(state));
    show(<JoinPage code={CODE} />);
    await screen.findByTestId("video-processing");
    state = "ready";
    await screen.findByTestId("watch-video");
  });

  it("is words when the video could not be made", async () => {
    serve(() => link("failed"));
    show(<JoinPage code={CODE} />);
    expect((await screen.findByTestId("video-failed")).textContent).toContain("could not be made");
  });

  it("is on the last page of who was in a recorded lesson, even before the recorder has begun", async () => {
    const states: (VideoState | null)[] = [null, null, "processing", "ready"];
    serve(() => link(states.shift() ?? "ready"));
    show(<EndedPage joined={JOINED} link={CODE} left={false} recorded onBack={() => undefined} />);
    expect(screen.getByTestId("video-processing")).toBeTruthy();
    await screen.findByTestId("watch-video");
  });

  it("is given up when no video comes", async () => {
    const asked = serve(() => link(null));
    show(<EndedPage joined={JOINED} link={CODE} left={false} recorded onBack={() => undefined} />);
    await waitFor(() => {
      expect(screen.queryByTestId("video-processing")).toBeNull();
    });
    expect(asked.length).toBeGreaterThan(5);
  });

  it("is not looked for after a lesson that was not recorded, nor by who only left", () => {
    const asked = serve(() => link(null));
    show(<EndedPage joined={JOINED} link={CODE} left={false} recorded={false} onBack={() => undefined} />);
    show(<EndedPage joined={JOINED} link={CODE} left recorded onBack={() => undefined} />);
    expect(screen.queryByTestId("video-processing")).toBeNull();
    expect(asked).toEqual([]);
  });

  it("is beside each of one's lessons, and follows the making", async () => {
    const lesson = (id: string, video_state: VideoState | null): LessonInfo => ({
      lesson: id, title: id, subject: "Physics", grade: 8, state: "ended", created_at_ms: 1, ended_at_ms: 2,
      teacher_link: "https://a.example/l/T", student_link: "https://a.example/l/S", co_teacher_link: "https://a.example/l/C",
        backup_teacher_link: "https://a.example/l/BT", backup_student_link: "https://a.example/l/BS",
      video: video_state === null ? null : `video-${id}`, video_state, opens_at_ms: null,
    });
    let made: VideoState = "processing";
    serve(() => ({ body: { name: "Maria", lessons: [lesson("a", made), lesson("b", "failed"), lesson("c", null)] } }));
    show(<TeacherPage />);
    expect((await screen.findByTestId<HTMLAnchorElement>("video-a")).pathname).toBe("/library/video-a");
    expect(screen.getByTestId("video-b").textContent).toContain("could not be made");
    expect(screen.queryByTestId("video-c")).toBeNull();
    expect(screen.getByTestId<HTMLAnchorElement>("to-library").pathname).toBe("/library");
    made = "ready";
    await waitFor(() => {
      expect(screen.getByTestId("video-a").dataset["state"]).toBe("ready");
    });
  });
});
