// @vitest-environment jsdom
import "./setup";

import { act, cleanup, fireEvent, render, screen, waitFor } from "@testing-library/react";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import type { MaterialField } from "../../src/generated/wire";
import { AppView } from "../../src/views/lesson/materials/AppView";
import { FilmView } from "../../src/views/lesson/materials/FilmView";
import { VideoMaterials } from "../../src/views/lesson/materials/VideoMaterials";
import { MaterialsPanel } from "../../src/views/lesson/materials/MaterialsPanel";
import { Language } from "../../src/views/text";
import { FakeLesson, person } from "./fake";

const FILM: MaterialField = {
  kind: "file", name: "Pendulum.webm", by: "t", at_ms: 1, place: 1, group: "video", media_type: "video/webm", bytes: 2_500_000, url: "",
};
const LINK: MaterialField = { ...FILM, kind: "link", name: "About it", place: 2, group: null, url: "https://example.org/a" };

function fieldsWith(more: Record<string, unknown> = {}) {
  return new Map<string, unknown>(Object.entries({ "material/l": LINK, "material/f": FILM, ...more }));
}

function panel(lesson: FakeLesson) {
  render(
    <Language initial="en">
      <MaterialsPanel lesson={lesson} onFailed={() => undefined} onClose={() => undefined} />
    </Language>,
  );
}

/** A request that a test answers. */
class Sending {
  static all: Sending[] = [];
  readonly upload: { onprogress?: (event: { loaded: number; total: number }) => void } = {};
  readonly headers: Record<string, string> = {};
  onload?: () => void;
  onerror?: () => void;
  onabort?: () => void;
  status = 0;
  responseText = "";
  sent: unknown = null;
  url = "";
  open(_: string, url: string) {
    this.url = url;
  }
  setRequestHeader(name: string, value: string) {
    this.headers[name] = value;
  }
  send(body: unknown) {
    this.sent = body;
    Sending.all.push(this);
  }
  abort() {
    this.onabort?.();
  }
  answer(status: number, body: object) {
    this.status = status;
    this.responseText = JSON.stringify(body);
    this.onload?.();
  }
}

const answers: Record<string, object> = {};

beforeEach(() => {
  Sending.all = [];
  answers["/api/apps"] = { apps: [] };
  answers["/api/materials/f"] = { download: "/material/d", view: "/material/v" };
  vi.stubGlobal("XMLHttpRequest", Sending);
  vi.stubGlobal("fetch", (path: string) => Promise.resolve(new Response(JSON.stringify(answers[path] ?? {}))));
});
afterEach(() => {
  vi.unstubAllGlobals();
});

describe("materials", () => {
  it("stand in their order; a student takes them and changes nothing", () => {
    const lesson = new FakeLesson(person("me"), [person("t", { role: "teacher", name: "Anna" })]);
    lesson.fields.set(fieldsWith());
    panel(lesson);
    const names = screen.getAllByRole("listitem").map((item) => item.dataset["name"]);
    expect(names).toEqual(["Pendulum.webm", "About it"]);
    expect(screen.getByText(/2.5 MB · from Anna/)).toBeTruthy();
    const link = screen.getByTestId<HTMLAnchorElement>("open-l");
    expect([link.href, link.rel, link.target]).toEqual(["https://example.org/a", "noopener noreferrer", "_blank"]);
    for (const absent of ["materials-add", "show-f", "more-f", "materials-students"]) expect(screen.queryByTestId(absent)).toBeNull();
  });

  it("are shown, moved and named by leaders", () => {
    const lesson = new FakeLesson(person("t", { role: "teacher" }));
    lesson.fields.set(fieldsWith());
    panel(lesson);
    fireEvent.click(screen.getByTestId("show-f"));
    expect(lesson.calls).toEqual([["request", { t: "show_film", material: "f" }]]);
    act(() => {
      lesson.fields.set(fieldsWith({ shown: { kind: "film", thing: "f", by: "t" } }));
    });
    fireEvent.click(screen.getByTestId("show-f"));
    expect(lesson.calls[1]).toEqual(["request", { t: "show", kind: null }]);
    fireEvent.click(screen.getByTestId("materials-students"));
    expect(lesson.calls[2]).toEqual(["request", { t: "set_sharing", students: true }]);
    fireEvent.click(screen.getByTestId("materials-add-link"));
    fireEvent.change(screen.getByTestId("link-url"), { target: { value: "example.org" } });
    fireEvent.submit(screen.getByTestId("link-url"));
    expect(lesson.calls[3]).toEqual(["request", { t: "add_link", url: "example.org", name: "" }]);
  });

  it("come two at a time; a refused one says why and can be tried again or put away", async () => {
    const lesson = new FakeLesson(person("me"));
    lesson.fields.set(fieldsWith({ sharing: { students: true } }));
    panel(lesson);
    const files = ["a.png", "б в.png", "c.png"].map((name) => new File(["x"], name));
    fireEvent.change(screen.getByTestId("materials-files"), { target: { files } });
    await waitFor(() => {
      expect(Sending.all.length).toBe(2);
    });
    expect(Sending.all[1]?.url).toBe("/api/lessons/lesson1/materials?for=materials");
    expect(Sending.all[1]?.headers["x-file-name"]).toBe(encodeURIComponent("б в.png"));
    act(() => {
      Sending.all[0]?.upload.onprogress?.({ loaded: 30, total: 100 });
    });
    expect(screen.getByText("Sending a.png: 30 %")).toBeTruthy();
    act(() => {
      Sending.all[1]?.answer(415, { code: "file_type_refused" });
    });
    await screen.findByText(/cannot be added/);
    await waitFor(() => {
      expect(Sending.all.length).toBe(3);
    });
    act(() => {
      Sending.all[0]?.answer(200, { material: "x" });
    });
    await screen.findByText("Added: a.png");
    fireEvent.click(screen.getByTestId("material-retry"));
    await waitFor(() => {
      expect(Sending.all.length).toBe(4);
    });
    cleanup(); // another panel is opened
    panel(lesson);
    for (const cancel of screen.getAllByTestId("material-cancel")) fireEvent.click(cancel);
    await waitFor(() => {
      expect(screen.queryAllByTestId("material-upload")).toEqual([]);
    });
  });
});

describe("a film before everybody", () => {
  const film = { state: "paused", position_ms: 4000, at_ms: 0, by: "t" };
  const show = (lesson: FakeLesson) => {
    render(
      <Language initial="en">
        <FilmView fields={fieldsWith({ "film/f": film })} thing="f" lesson={lesson} onFailed={() => undefined} />
      </Language>,
    );
  };

  it("is played by leaders from where it stands", async () => {
    const lesson = new FakeLesson(person("t", { role: "teacher" }));
    show(lesson);
    fireEvent.click(await screen.findByTestId("film-play"));
    expect(lesson.calls).toEqual([["request", { t: "play_film", material: "f", state: "playing", position_ms: 4000 }]]);
    fireEvent.click(screen.getByTestId("film-stop"));
    expect(lesson.calls[1]).toEqual(["request", { t: "show", kind: null }]);
  });

  it("has for students a volume and no other button", async () => {
    show(new FakeLesson(person("me")));
    expect((await screen.findByTestId<HTMLVideoElement>("film-video")).src).toContain("/material/v");
    expect(screen.getAllByRole("button").map((each) => each.dataset["testid"])).toEqual(["film-mute"]);
    fireEvent.change(screen.getByTestId("film-volume"), { target: { value: "0.5" } });
    expect(screen.getByTestId<HTMLVideoElement>("film-video").volume).toBe(0.5);
  });

  it("says that this browser can't play it, after asking for fresh addresses", async () => {
    show(new FakeLesson(person("me")));
    const video = await screen.findByTestId("film-video");
    for (let tries = 0; tries < 4; tries += 1) fireEvent.error(video);
    expect(await screen.findByTestId("film-failed")).toBeTruthy();
  });
});

describe("beside a video", () => {
  it("stand files and links, or nothing at all", async () => {
    answers["/api/library/v1/materials"] = { materials: [] };
    const { container } = render(
      <Language initial="en">
        <VideoMaterials video="v1" code={null} />
      </Language>,
    );
    await waitFor(() => {
      expect(container.innerHTML).toBe("");
    });
    const file = { name: "Plan.pdf", kind: "file", group: "pdf", bytes: 5, url: "/material/1-s/x/download" };
    answers["/api/links/AB/video/materials"] = { materials: [file, { ...file, kind: "link", name: "Site", url: "https://example.org/" }] };
    render(
      <Language initial="en">
        <VideoMaterials video="v1" code="AB" />
      </Language>,
    );
    expect(await screen.findByText("Plan.pdf")).toHaveProperty("download", "");
    expect(screen.getByText("Site")).toHaveProperty("rel", "noopener noreferrer");
  });
});

describe("an app", () => {
  const fields = fieldsWith({ "app/a": { name: "Sums", url: "https://app.example/" } });
  const message = (data: unknown, source: MessageEventSource | null, origin = "null") => {
    act(() => {
      window.dispatchEvent(new MessageEvent("message", { data, source, origin }));
    });
  };

  it("is believed from its own frame only, once a second", () => {
    vi.useFakeTimers();
    const lesson = new FakeLesson(person("me"));
    render(
      <Language initial="en">
        <AppView fields={fields} thing="a" lesson={lesson} onFailed={() => undefined} />
      </Language>,
    );
    const frame = screen.getByTestId<HTMLIFrameElement>("app-frame");
    expect(frame.getAttribute("sandbox")).toBe("allow-scripts");
    const said = { type: "zvonok.score", points: 1, of: 3 };
    message(said, window);
    message(said, frame.contentWindow, "https://app.example");
    message({ ...said, points: 9 }, frame.contentWindow);
    expect(lesson.calls).toEqual([]);
    message(said, frame.contentWindow);
    message({ ...said, points: 2 }, frame.contentWindow);
    message({ ...said, points: 3 }, frame.contentWindow);
    expect(lesson.calls).toEqual([["request", { t: "score", app: "a", points: 1, of: 3 }]]);
    vi.advanceTimersByTime(1000);
    expect(lesson.calls.slice(1)).toEqual([["request", { t: "score", app: "a", points: 3, of: 3 }]]);
    vi.useRealTimers();
  });

  it("shows leaders who reached what", () => {
    const lesson = new FakeLesson(person("t", { role: "teacher" }), [person("m", { name: "Masha" })]);
    const scored = new Map(fields).set("score/m/a", { points: 2, of: 3, tries: 1, at_ms: 1 });
    render(
      <Language initial="en">
        <AppView fields={scored} thing="a" lesson={lesson} onFailed={() => undefined} />
      </Language>,
    );
    expect(screen.getByTestId("score-m").textContent).toBe("Masha2 of 3");
  });
});
