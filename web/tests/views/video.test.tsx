// @vitest-environment jsdom
import "./setup";

import { StrictMode } from "react";
import { act, cleanup, fireEvent, render, screen, waitFor, within } from "@testing-library/react";
import { beforeEach, describe, expect, it, vi } from "vitest";

import type { Timeline, VideoInfo, VideoPage } from "../../src/generated/wire";
import { Language } from "../../src/views/text";
import { LibraryVideoPage, WatchPage } from "../../src/views/VideoPage";
import { NOT_FOUND, serve, type Asked, type Reply } from "./serve";

vi.mock("../../src/core/poll", () => ({ pollDelayMs: () => 5 }));

const VIDEO: VideoInfo = {
  video: "v1", lesson: "l1", title: "<b>Optics</b>", subject: "Physics", grade: 8, teacher_name: "Maria",
  recorded_at_ms: 1_700_000_000_000, duration_ms: 60_000, bytes: 1, state: "ready", own: false,
};
const page = (change: Partial<VideoInfo> = {}, ready = true): VideoPage => ({
  video: { ...VIDEO, ...change },
  video_url: ready ? "/media/1/v1/video.webm" : null,
  timeline_url: ready ? "/media/1/v1/timeline.json" : null,
  download_url: ready ? "/media/1/v1/download" : null,
  expires_at_ms: 0,
  me: null,
  mp4_url: null,
  thumbnails_url: null,
  sprite_url: null,
  chapters_ru_url: null,
  chapters_en_url: null,
  sound_url: null,
  jobs: [],
});
const TIMELINE: Timeline = {
  missing: null,
  duration_ms: 60_000,
  parts: [
    { at_ms: 0, duration_ms: 30_000, started_at_ms: 0 },
    { at_ms: 30_000, duration_ms: 30_000, started_at_ms: 90_000 },
  ],
  chat: [
    { at_ms: 5_000, name: "<i>Ann</i>", text: "<img src=x onerror=alert(1)>", participant: "p" },
    { at_ms: 40_000, name: "Ben", text: "bye", participant: "p" },
  ],
  hands: [
    { at_ms: 10_000, participant: "a", name: "Ann", up: true },
    { at_ms: 20_000, participant: "a", name: "Ann", up: false },
  ],
};

function open(answer: (asked: Asked) => Reply, element = <LibraryVideoPage video="v1" />) {
  const asked = serve((one) => (one.path.endsWith("/materials") ? { body: { materials: [] } } : answer(one)));
  render(
    <StrictMode>
      <Language initial="en">{element}</Language>
    </StrictMode>,
  );
  return asked;
}

const ready = ({ path }: Asked): Reply => ({ body: path.startsWith("/media/") ? TIMELINE : page() });

/** Waits for the player; the video has all loaded and stands at the start. */
async function player() {
  const video = await screen.findByTestId<HTMLVideoElement>("player-video");
  await screen.findByTestId("part-2");
  let time = 0;
  const tell = (event: string) => {
    act(() => {
      video.dispatchEvent(new Event(event));
    });
  };
  Object.defineProperties(video, {
    duration: { value: 60, configurable: true },
    readyState: { value: 4 },
    currentTime: {
      get: () => time,
      set: (to: number) => {
        time = to;
        tell("seeked");
      },
    },
  });
  tell("loadedmetadata");
  return { video, to: (seconds: number) => (video.currentTime = seconds), time: () => time };
}

describe("video page", () => {
  beforeEach(() => {
    localStorage.clear();
    history.replaceState(null, "", "/library/v1");
    let paused = true;
    const proto = HTMLMediaElement.prototype;
    vi.spyOn(proto, "load").mockImplementation(() => undefined);
    vi.spyOn(proto, "paused", "get").mockImplementation(() => paused);
    vi.spyOn(proto, "play").mockImplementation(function play(this: HTMLMediaElement) {
      paused = false;
      this.dispatchEvent(new Event("play"));
      return Promise.resolve();
    });
    vi.spyOn(proto, "pause").mockImplementation(function pause(this: HTMLMediaElement) {
      paused = true;
      this.dispatchEvent(new Event("pause"));
    });
  });

  it("plays from the signed address, titles and names as text", async () => {
    open(ready);
    const { video } = await player();
    expect(video.getAttribute("src")).toBe("/media/1/v1/video.webm");
    expect(screen.getByTestId("video-title").textContent).toBe("<b>Optics</b>");
    expect(document.title).toContain("<b>Optics</b>");
    expect(screen.getByTestId<HTMLAnchorElement>("download-video").pathname).toBe("/media/1/v1/download");
  });

  it("says what was lost, and nothing where nothing was", async () => {
    const missing = { picture_ms: 65_400, sound_ms: 5_000, parts: 1, journals: 2 };
    open(({ path }) => ({ body: path.startsWith("/media/") ? { ...TIMELINE, missing } : page() }));
    await player();
    expect(screen.getByTestId("video-lost").textContent).toBe(
      "Lost while this lesson was recorded: the picture for 1:05, the sound for 0:05, 1 whole part, and something in 2 files.",
    );
    cleanup();
    open(ready);
    await player();
    expect(screen.queryByTestId("video-lost")).toBeNull();
  });

  it("brings chat and hands at their time, and takes them back", async () => {
    open(ready);
    const { to } = await player();
    const shown = () => screen.queryAllByTestId("replay-chat").map((line) => line.textContent);
    expect(shown()).toEqual([]);
    to(5);
    expect(shown()).toEqual(["0:05<i>Ann</i><img src=x onerror=alert(1)>"]);
    expect(screen.getByTestId("replay").querySelector("img")).toBeNull();
    to(12);
    expect(screen.getByTestId("replay-hands").textContent).toContain("Ann");
    expect(screen.getByTestId("replay-hand").textContent).toContain("Ann raised a hand");
    to(40);
    expect(shown()).toHaveLength(2);
    expect(screen.getByTestId("replay-hands").dataset["count"]).toBe("0");
    to(1);
    expect(shown()).toEqual([]);
  });

  it("goes to a message's and a part's time", async () => {
    open(ready);
    const { to, time } = await player();
    to(50);
    fireEvent.click(screen.getByText("<i>Ann</i>"));
    expect(time()).toBe(5);
    fireEvent.click(screen.getByTestId("part-2"));
    expect(time()).toBe(30);
    expect(screen.getByTestId("part-2").getAttribute("aria-current")).toBe("true");
    fireEvent.click(screen.getByLabelText("Go to 0:05"));
    expect(time()).toBe(5);
    expect(screen.getAllByTestId("part-mark")).toHaveLength(1);
  });

  it("obeys the keyboard everywhere on the page but where keys mean something else", async () => {
    open(ready);
    const { video, to, time } = await player();
    const press = (code: string, target: Element = document.body) => fireEvent.keyDown(target, { code });
    const state = () => screen.getByTestId("player").dataset["state"];
    press("Space");
    expect(state()).toBe("playing");
    press("KeyK");
    expect(state()).toBe("paused");
    to(20);
    press("ArrowRight");
    expect(time()).toBe(25);
    press("KeyJ");
    expect(time()).toBe(15);
    press("Digit5");
    expect(time()).toBe(30);
    press("ArrowRight", screen.getByTestId("seek"));
    expect(time()).toBe(35);
    press("ArrowRight", screen.getByTestId("volume"));
    press("ArrowRight", screen.getByTestId("speed"));
    expect(time()).toBe(35);
    press("ArrowDown");
    expect(video.volume).toBeCloseTo(0.9);
    press("ArrowDown", screen.getByTestId("replay-list"));
    expect(video.volume).toBeCloseTo(0.9);
    press("KeyM");
    expect(video.muted).toBe(true);
    press("ArrowDown");
    expect([video.muted, Number(video.volume.toFixed(1))]).toEqual([true, 0.9]);
    press("ArrowUp");
    expect(video.muted).toBe(false);
    press("Space", screen.getByTestId("mute")); // the button takes it
    expect(state()).toBe("paused");
  });

  it("says to screen readers where one is", async () => {
    open(ready);
    const { to } = await player();
    to(12);
    expect(screen.getByTestId("seek").getAttribute("aria-valuetext")).toBe("0:12 of 1:00");
    fireEvent.change(screen.getByTestId("seek"), { target: { value: "30000" } });
    expect(screen.getByTestId("player").dataset["timeMs"]).toBe("30000");
  });

  it("keeps speed and volume for the next lesson", async () => {
    localStorage.setItem("zvonok.player.volume", "0.40");
    open(ready);
    const { video } = await player();
    expect(video.volume).toBe(0.4);
    fireEvent.change(screen.getByTestId("speed"), { target: { value: "1.5" } });
    expect(video.playbackRate).toBe(1.5);
    expect(localStorage.getItem("zvonok.player.rate")).toBe("1.5");
  });

  it("asks for new addresses when the old ones are refused", async () => {
    const asked = open(ready);
    const { video } = await player();
    const before = asked.filter(({ path }) => path === "/api/library/v1").length;
    Object.defineProperty(video, "error", { value: { code: 2 }, configurable: true });
    act(() => {
      video.dispatchEvent(new Event("error"));
    });
    await waitFor(() => {
      expect(asked.filter(({ path }) => path === "/api/library/v1")).toHaveLength(before + 1);
    });
    expect(screen.queryByTestId("player-trouble")).toBeNull();
  });

  it("says that it was deleted while one watched", async () => {
    let deleted = false;
    open((asked) => (deleted ? NOT_FOUND : ready(asked)));
    const { video } = await player();
    deleted = true;
    Object.defineProperty(video, "error", { value: { code: 2 }, configurable: true });
    act(() => {
      video.dispatchEvent(new Event("error"));
    });
    expect((await screen.findByTestId("player-trouble")).dataset["code"]).toBe("not_found");
  });

  it("opens by itself when it has been made", async () => {
    let made = false;
    open((asked) => (made || asked.path.startsWith("/media/") ? ready(asked) : { body: page({ state: "processing" }, false) }));
    await screen.findByTestId("video-processing");
    made = true;
    await screen.findByTestId("player-video");
  });

  it("says in words that it could not be made, or is not there", async () => {
    open(() => ({ body: page({ state: "failed" }, false) }));
    expect((await screen.findByTestId("video-failed")).textContent).toContain("could not be made");
  });

  it.each([
    ["not_found", 404],
    ["not_signed_in", 401],
  ])("says %s with a way on", async (code, status) => {
    open(() => ({ status, body: { code, retry_after_s: null } }));
    expect((await screen.findByTestId("problem")).dataset["code"]).toBe(code);
    expect(screen.getByTestId("back")).toBeTruthy();
    expect(screen.queryByTestId("library-how") !== null).toBe(code === "not_signed_in");
  });

  it("plays without its chat when that does not come, and brings it by a button", async () => {
    let broken = true;
    open((asked) => (asked.path.startsWith("/media/") && broken ? NOT_FOUND : ready(asked)));
    const failed = await screen.findByTestId("replay-failed");
    expect(screen.getByTestId("player-video")).toBeTruthy();
    broken = false;
    fireEvent.click(within(failed).getByRole("button"));
    await screen.findByTestId("part-2");
  });

  it("is watched by a join link's code", async () => {
    const asked = open(ready, <WatchPage code="AZ492KE3R7T31" />);
    await screen.findByTestId("part-2");
    expect(asked[0]?.path).toBe("/api/links/AZ492KE3R7T31/video");
    expect(screen.getByTestId<HTMLAnchorElement>("back").pathname).toBe("/l/AZ492KE3R7T31");
  });

  it("is deleted only by its teacher, who is told that it is for ever", async () => {
    const asked = open((each) => {
      if (each.method === "DELETE") return { status: 204, body: null };
      return each.path.startsWith("/media/") ? { body: TIMELINE } : { body: page({ own: true }) };
    });
    await player();
    fireEvent.click(screen.getByTestId("delete-video"));
    expect(screen.getByTestId("delete-dialog").textContent).toContain("for ever");
    expect(asked.filter(({ method }) => method === "DELETE")).toEqual([]);
    fireEvent.click(screen.getByTestId("delete-confirm"));
    await waitFor(() => {
      expect(location.pathname).toBe("/library");
    });
    expect(asked.filter(({ method }) => method === "DELETE").map(({ path }) => path)).toEqual(["/api/library/v1"]);
  });

  it("gives nobody else a button to delete it", async () => {
    open(ready);
    await player();
    expect(screen.queryByTestId("delete-video")).toBeNull();
  });

  it("says why it was not deleted", async () => {
    open((each) => {
      if (each.method === "DELETE") return { status: 409, body: { code: "video_busy", retry_after_s: null } };
      return each.path.startsWith("/media/") ? { body: TIMELINE } : { body: page({ own: true }) };
    });
    await player();
    fireEvent.click(screen.getByTestId("delete-video"));
    fireEvent.click(screen.getByTestId("delete-confirm"));
    await waitFor(() => {
      expect(screen.getByTestId("delete-dialog").textContent).toContain("being worked on");
    });
  });

  it("lets its teacher take one person out, and waits for the new one", async () => {
    const people = [
      { participant: "ann", name: "Ann", role: "student", seen_ms: 61_000, heard_ms: 5_000 },
      { participant: "ben", name: "", role: "student", seen_ms: 0, heard_ms: 0 },
    ];
    let state: VideoInfo["state"] = "ready";
    const asked = open((each) => {
      if (each.method === "POST") {
        state = "processing";
        return { status: 204, body: null };
      }
      if (each.path.endsWith("/people")) return { body: { people } };
      return each.path.startsWith("/media/") ? { body: TIMELINE } : { body: page({ own: true, state }, state === "ready") };
    });
    await player();
    expect(screen.queryByTestId("take-me-out")).toBeNull();
    fireEvent.click(screen.getByTestId("video-people"));
    await screen.findByTestId("take-out-ann");
    const dialog = screen.getByTestId("people-dialog").textContent;
    expect(dialog).toContain("seen 1:01, heard 0:05");
    expect(dialog).toContain("in the chat, with a hand or on the title card");
    fireEvent.click(screen.getByTestId("take-out-ann"));
    expect(screen.getByTestId("take-out-dialog").textContent).toContain("Take Ann out");
    expect(asked.filter(({ method }) => method === "POST")).toEqual([]);
    fireEvent.click(screen.getByTestId("take-out-confirm"));
    await screen.findByTestId("video-processing");
    const [withdrawn] = asked.filter(({ method }) => method === "POST");
    expect(withdrawn).toMatchObject({ path: "/api/library/v1/withdrawals", body: { participant: "ann" } });
  });

  it("lets who is in it take themselves out, and says why it did not work", async () => {
    const me = { participant: "ann", name: "Ann", role: "student" as const, seen_ms: 0, heard_ms: 5_000 };
    const asked = open((each) => {
      if (each.method === "POST") return { status: 409, body: { code: "video_busy", retry_after_s: null } };
      return each.path.startsWith("/media/") ? { body: TIMELINE } : { body: { ...page(), me } };
    }, <WatchPage code="AZ492KE3R7T31" />);
    await player();
    expect(screen.queryByTestId("video-people")).toBeNull();
    fireEvent.click(screen.getByTestId("take-me-out"));
    expect(screen.getByTestId("take-out-dialog").textContent).toContain("heard 0:05");
    fireEvent.click(screen.getByTestId("take-out-confirm"));
    await waitFor(() => {
      expect(screen.getByTestId("take-out-dialog").textContent).toContain("being worked on");
    });
    expect(asked.filter(({ method }) => method === "POST").map(({ path }) => path)).toEqual([
      "/api/links/AZ492KE3R7T31/video/withdrawals",
    ]);
  });

  const extras = {
    mp4_url: "/media/1/v1/lesson.mp4",
    thumbnails_url: "/media/1/v1/thumbnails.vtt",
    sprite_url: "/media/1/v1/thumbnails.jpg",
    chapters_en_url: "/media/1/v1/chapters.en.vtt",
    chapters_ru_url: "/media/1/v1/chapters.ru.vtt",
    sound_url: "/media/1/v1/sound.json",
  };
  const vtt = (...cues: string[]) => ["WEBVTT", ...cues.map((text, index) => `00:00:${index}0.000 --> 00:00:${index + 1}0.000\n${text}`), ""].join("\n\n");
  const madeAll = ({ path }: Asked): Reply => {
    switch (path.split("/").at(-1)) {
      case "thumbnails.vtt":
        return { text: vtt("t#xywh=0,0,160,90", "t#xywh=160,0,160,90") };
      case "chapters.en.vtt":
        return { text: vtt("Beginning", "Screen: &lt;i&gt;Ann") };
      case "sound.json":
        return { body: { duration_ms: 60_000, peaks: [0, 255], loudness_lufs: -12, peak_dbfs: -1, gain_db: -6 } };
      case "timeline.json":
        return { body: TIMELINE };
      default:
        return { body: { ...page(), ...extras } };
    }
  };

  it("shows chapters, thumbnails and the waveform once they are made", async () => {
    open(madeAll);
    const { time } = await player();
    const chapters = await screen.findAllByTestId("chapter");
    expect(chapters.map((each) => each.textContent)).toEqual(["0:00 Beginning", "0:10 Screen: <i>Ann"]);
    fireEvent.click(chapters[1] ?? document.body);
    expect(time()).toBe(10);
    expect(chapters[1]?.getAttribute("aria-current")).toBe("true");
    expect(screen.getAllByTestId("chapter-mark")).toHaveLength(1);
    await screen.findByTestId("waveform");
    const bar = screen.getByTestId("seek").parentElement ?? document.body;
    bar.getBoundingClientRect = () => ({ left: 0, width: 616 }) as DOMRect;
    fireEvent(bar, new MouseEvent("pointermove", { bubbles: true, clientX: 158 })); // 15 s
    const style = (await screen.findByTestId("thumbnail")).style;
    expect(style.backgroundImage).toContain("/media/1/v1/thumbnails.jpg");
    expect(style.backgroundPosition).toBe("-160px 0px");
    expect(screen.getByTestId<HTMLAnchorElement>("download-mp4").pathname).toBe("/media/1/v1/lesson.mp4");
  });

  it("turns a loud lesson down and leaves the person's volume as it was", async () => {
    open(madeAll);
    const { video } = await player();
    await waitFor(() => {
      expect(video.volume).toBeCloseTo(0.501, 2);
    });
    expect(screen.getByTestId<HTMLInputElement>("volume").value).toBe("100");
    fireEvent.change(screen.getByTestId("volume"), { target: { value: "50" } });
    expect(video.volume).toBeCloseTo(0.25, 2);
    expect(localStorage.getItem("zvonok.player.volume")).toBe("0.50");
  });

  it("tells its own teacher how far the MP4 is, until it is there", async () => {
    let percent = 40;
    open(({ path }) => {
      if (path.startsWith("/media/")) return { body: TIMELINE };
      const done = percent === 100;
      const job = { step: "composite", state: done ? "done" : "running", progress: percent } as const;
      return { body: { ...page({ own: true }), jobs: [job], mp4_url: done ? extras.mp4_url : null } };
    });
    await player();
    expect((await screen.findByTestId("mp4")).textContent).toBe("MP4 is being made: 40 %");
    percent = 100;
    await screen.findByTestId("download-mp4");
    expect(screen.queryByTestId("mp4")).toBeNull();
  });

  it("plays a lesson that goes on, gets more near the end, and the whole at the same second", async () => {
    vi.useFakeTimers({ shouldAdvanceTime: true, advanceTimeDelta: 200 });
    try {
      let turn = 1;
      let state: VideoInfo["state"] = "recording";
      const running = () => ({
        ...page({ state, duration_ms: 60_000 + turn * 1_000 }, false),
        video_url: state === "processing" ? null : `/media/${turn}/v1/x.webm`,
        timeline_url: state === "ready" ? "/media/t" : null,
      });
      open(({ path }) => ({ body: path.startsWith("/media/") ? TIMELINE : running() }), <WatchPage code="AZ492KE3R7T31" />);
      await screen.findByTestId("running-video");
      const play = vi.spyOn(HTMLMediaElement.prototype, "play").mockResolvedValue(undefined);
      const look = (time: number) => {
        const video = screen.getByTestId<HTMLVideoElement>("player-video");
        Object.defineProperties(video, {
          duration: { value: 60, configurable: true },
          readyState: { value: 4, configurable: true },
          paused: { value: false, configurable: true },
          currentTime: { value: time, writable: true, configurable: true },
        });
        act(() => {
          video.dispatchEvent(new Event("loadedmetadata"));
          video.dispatchEvent(new Event("play"));
        });
        return video;
      };
      turn = 2;
      look(10);
      await act(() => vi.advanceTimersByTimeAsync(8_000));
      expect(screen.getByTestId("player-video").getAttribute("src")).toBe("/media/1/v1/x.webm");
      look(57);
      await act(() => vi.advanceTimersByTimeAsync(2_000));
      expect(screen.getByTestId("player-video").getAttribute("src")).toBe("/media/2/v1/x.webm");
      expect(look(0).currentTime).toBe(57);

      turn = 3;
      fireEvent.click(screen.getByTestId("to-newest"));
      await act(() => vi.advanceTimersByTimeAsync(100));
      expect(screen.getByTestId("player-video").getAttribute("src")).toBe("/media/3/v1/x.webm");
      expect(look(0).currentTime).toBe(43);

      state = "processing";
      await act(() => vi.advanceTimersByTimeAsync(33_000));
      expect(screen.getByTestId("running-video")).toBeTruthy();
      state = "ready";
      turn = 4;
      await act(() => vi.advanceTimersByTimeAsync(4_000));
      expect(screen.queryByTestId("running-video")).toBeNull();
      expect(screen.getByTestId("player-video").getAttribute("src")).toBe("/media/4/v1/x.webm");
      play.mockClear();
      expect(look(0).currentTime).toBe(43);
      expect(play).toHaveBeenCalled();
    } finally {
      vi.useRealTimers();
    }
  });
});
