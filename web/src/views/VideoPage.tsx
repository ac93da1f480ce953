import { useCallback, useEffect, useMemo, useState } from "react";

import * as api from "../core/api";
import type { VideoInfo, VideoPage } from "../core/api";
import { clock } from "../core/clock";
import { lastBy, type Cue } from "../core/extras";
import { Player, type Place } from "../core/player";
import { pageOf } from "../core/slides";
import { partAt } from "../core/replay";
import { Failed } from "../core/types";
import { derive } from "../core/value";
import type { TimelineMissing, TimelinePart } from "../generated/wire";
import { localeOf } from "../i18n";
import { Delete, Download, Film, Warning } from "./icons";
import { HowToOpen } from "./LibraryPage";
import { useExtras } from "./player/extras";
import { PlayerBox } from "./player/PlayerBox";
import { AskedBeside } from "./player/ShownBeside";
import { Replay, type Beside } from "./player/Replay";
import { VideoMaterials } from "./lesson/materials/VideoMaterials";
import { usePolling } from "./polling";
import { codeOfError, Problem, useSentence, waitOfError } from "./problems";
import { useReadable } from "./readable";
import { navigate } from "./router";
import { RunningVideo } from "./RunningVideo";
import { useText, useWords } from "./text";
import { Busy, Dialog, Link, Page } from "./widgets";
import { PeopleButton, TakeMeOut } from "./Withdrawing";

/** `/library/<video>`: for who may look into the library. */
export function LibraryVideoPage({ video }: { video: string }) {
  const text = useText();
  const load = useCallback(() => api.video(video), [video]);
  return <VideoView load={load} back={{ to: "/library", words: text.player.toLibrary }} />;
}

/** `/watch/<code>`: the video of a join link's lesson, for whoever has the link. */
export function WatchPage({ code }: { code: string }) {
  const text = useText();
  const load = useCallback(() => api.videoOfLink(code), [code]);
  return <VideoView load={load} code={code} back={{ to: `/l/${code}`, words: text.player.toLesson }} />;
}

interface Back {
  to: string;
  words: string;
}

type State =
  | { at: "loading" }
  | { at: "failed"; code: string; waitS: number | null }
  | { at: "here"; page: VideoPage; from?: Place };

function VideoView({ load, code = null, back }: { load: () => Promise<VideoPage>; code?: string | null; back: Back }) {
  const text = useText();
  const [state, setState] = useState<State>({ at: "loading" });
  const [attempt, setAttempt] = useState(0);
  useEffect(() => {
    let here = true;
    load().then(
      (page) => {
        if (here) setState({ at: "here", page });
      },
      (error: unknown) => {
        if (here) setState({ at: "failed", code: codeOfError(error), waitS: waitOfError(error) });
      },
    );
    return () => {
      here = false;
    };
  }, [load, attempt]);
  usePolling(state.at === "here" && state.page.video.state === "processing", async () => {
    const page = await load().catch((error: unknown) => {
      // deleted meanwhile
      if (error instanceof Failed && error.code === "not_found") setState({ at: "failed", code: error.code, waitS: null });
      throw error;
    });
    setState({ at: "here", page });
  });

  if (state.at === "loading") {
    return (
      <Page title={text.video.link} wide="theatre">
        <Busy label={text.common.loading} />
      </Page>
    );
  }
  if (state.at === "failed") {
    return (
      <Page title={text.video.failedTitle}>
        <Problem
          code={state.code}
          waitS={state.waitS}
          title={state.code === "not_found" ? text.video.failedTitle : undefined}
          onAgain={() => {
            setState({ at: "loading" });
            setAttempt(attempt + 1);
          }}
        >
          {state.code !== "link_unknown" && (
            <Link to={back.to} className="button" testId="back">
              {back.words}
            </Link>
          )}
        </Problem>
        {state.code === "not_signed_in" && <HowToOpen />}
      </Page>
    );
  }
  const { page } = state;
  if (page.video.state === "recording") {
    const over = (whole: VideoPage, from: Place) => {
      setState({ at: "here", page: whole, from });
    };
    return <RunningVideo page={page} load={load} back={back} onOver={over} />;
  }
  if (page.video.state === "ready") {
    const again = () => {
      setState({ at: "loading" });
      setAttempt(attempt + 1);
    };
    return <Theatre key={page.video.video} page={page} load={load} from={state.from ?? null} code={code} back={back} onWithdrawn={again} />;
  }
  return (
    <Page title={page.video.title}>
      <section className="card problem" role="status" data-testid={`video-${page.video.state}`}>
        <span className={page.video.state === "failed" ? "problem-mark" : "problem-mark calm"}>
          {page.video.state === "failed" ? <Warning /> : <Film />}
        </span>
        <h1>{page.video.state === "failed" ? text.video.failedTitle : text.video.makingTitle}</h1>
        <p className="lead" dir="auto">
          {page.video.title}
        </p>
        {page.video.state === "failed" ? <p>{text.video.failed}</p> : <Busy label={text.video.makingHelp} />}
        <div className="buttons">
          <Link to={back.to} className="button" testId="back">
            {back.words}
          </Link>
          {page.video.own && page.video.state === "failed" && <DeleteButton video={page.video} />}
        </div>
      </section>
    </Page>
  );
}

/** The player, what is known of the lesson, chat and hands. */
function Theatre({ page, load, from, code, back, onWithdrawn }: {
  page: VideoPage;
  load: () => Promise<VideoPage>;
  /** Where it was watched while it was recorded. */
  from: Place | null;
  /** Of the link by which it is watched. */
  code: string | null;
  back: Back;
  /** Somebody is being taken out: the video is not shown meanwhile. */
  onWithdrawn: () => void;
}) {
  const { text, language } = useWords();
  const [player] = useState(() => new Player({ page, renew: load, from }));
  const [beside, setBeside] = useState<Beside>(null);
  const [attempt, setAttempt] = useState(0);
  const { video } = page;
  const date = new Intl.DateTimeFormat(localeOf(language), { day: "numeric", month: "long", year: "numeric" });

  useEffect(() => {
    let here = true;
    const open = async () => {
      // a second try may be much later: with an address of its own
      const { timeline_url } = attempt === 0 ? page : await load();
      if (timeline_url === null) throw new Failed("not_found");
      return api.timeline(timeline_url);
    };
    open().then(
      (timeline) => {
        if (here) setBeside(timeline);
      },
      () => {
        if (here) setBeside("failed");
      },
    );
    return () => {
      here = false;
    };
  }, [page, load, attempt]);

  const extras = useExtras(page, language);
  const timeline = beside === "failed" ? null : beside;
  const base = code === null ? `/api/library/${encodeURIComponent(video.video)}` : `/api/links/${encodeURIComponent(code)}/video`;
  const pages = useMemo(() => pageOf(base), [base]);
  const parts = timeline?.parts ?? [];
  const lost = timeline?.missing ?? null;
  return (
    <Page title={video.title} wide="theatre">
      <div className="theatre-columns">
        <div className="theatre-main">
          <PlayerBox player={player} title={video.title} timeline={timeline} pages={pages} extras={extras} />
          {parts.length > 1 && <Parts player={player} parts={parts} />}
          {timeline !== null && <AskedBeside player={player} timeline={timeline} />}
          {lost !== null && <Lost lost={lost} />}
          {extras.chapters.length > 1 && <Chapters player={player} chapters={extras.chapters} />}
          <div className="theatre-head">
            <div className="lesson-head">
              <h1 dir="auto" data-testid="video-title">
                {video.title}
              </h1>
              <p className="note">
                <bdi>{video.subject}</bdi> · {text.common.grade(video.grade)} · <bdi>{video.teacher_name}</bdi> ·{" "}
                {text.player.recorded(date.format(video.recorded_at_ms))}
              </p>
            </div>
            <div className="buttons">
              <DownloadLink player={player} page={page} file="download_url" />
              <Mp4 player={player} first={page} load={load} />
              {code !== null && page.me !== null && <TakeMeOut code={code} me={page.me} onDone={onWithdrawn} />}
              {video.own && <PeopleButton video={video} onDone={onWithdrawn} />}
              {video.own && <DeleteButton video={video} />}
              <Link to={back.to} className="button quiet" testId="back">
                {back.words}
              </Link>
            </div>
          </div>
          <VideoMaterials video={video.video} code={code} />
          <details className="player-keys">
            <summary>{text.player.keysTitle}</summary>
            <p>{text.player.keys}</p>
          </details>
        </div>
        <Replay
          player={player}
          timeline={beside}
          onAgain={() => {
            setBeside(null);
            setAttempt(attempt + 1);
          }}
        />
      </div>
    </Page>
  );
}

/** What a recorder or a line lost of the lesson. */
function Lost({ lost }: { lost: TimelineMissing }) {
  const text = useText();
  const span = (ms: number) => (ms === 0 ? null : clock(ms));
  return (
    <p className="note" data-testid="video-lost">
      {text.player.lost({
        picture: span(lost.picture_ms),
        sound: span(lost.sound_ms),
        parts: lost.parts,
        journals: lost.journals,
      })}
    </p>
  );
}

/** Where the recording was stopped and started again. */
function Parts({ player, parts }: { player: Player; parts: readonly TimelinePart[] }) {
  const text = useText();
  const current = useMemo(() => derive([player.state], ({ timeMs }) => partAt(parts, timeMs)), [player, parts]);
  const shown = useReadable(current);
  return (
    <nav className="parts" aria-label={text.player.parts}>
      {parts.map((part, index) => (
        <button
          key={part.at_ms}
          type="button"
          className="button small"
          aria-label={text.player.part(index + 1, clock(part.at_ms))}
          aria-current={index === shown ? "true" : undefined}
          data-testid={`part-${index + 1}`}
          onClick={() => {
            player.seek(part.at_ms);
          }}
        >
          {text.player.partShort(index + 1)} · {clock(part.duration_ms)}
        </button>
      ))}
    </nav>
  );
}

/** Places to go to, by what happened there. */
function Chapters({ player, chapters }: { player: Player; chapters: readonly Cue[] }) {
  const text = useText();
  const current = useMemo(() => derive([player.state], ({ timeMs }) => lastBy(chapters, timeMs)), [player, chapters]);
  const shown = useReadable(current);
  return (
    <details className="chapters" data-testid="chapters">
      <summary>{text.player.chapters(chapters.length)}</summary>
      <ol>
        {chapters.map((chapter) => (
          <li key={chapter.fromMs}>
            <button
              type="button"
              aria-current={chapter === shown ? "true" : undefined}
              data-testid="chapter"
              onClick={() => {
                player.seek(chapter.fromMs);
              }}
            >
              <span>{clock(chapter.fromMs)}</span> <bdi>{chapter.text}</bdi>
            </button>
          </li>
        ))}
      </ol>
    </details>
  );
}

/** The MP4 beside the WebM; the video's own teacher sees how far it is. */
function Mp4({ player, first, load }: { player: Player; first: VideoPage; load: () => Promise<VideoPage> }) {
  const text = useText();
  const [page, setPage] = useState(first);
  const job = page.jobs.find(({ step }) => step === "composite");
  const made = page.mp4_url !== null;
  usePolling(!made && (job?.state === "waiting" || job?.state === "running"), async () => {
    setPage(await load());
  });
  if (made) return <DownloadLink player={player} page={page} file="mp4_url" />;
  if (job === undefined) return null;
  return (
    <p className="note mp4" role="status" data-testid="mp4" data-state={job.state}>
      {job.state === "failed" ? text.player.mp4Failed : job.state === "running" ? text.player.mp4Making(job.progress) : text.player.mp4Waiting}
    </p>
  );
}

interface DownloadProps {
  player: Player;
  page: VideoPage;
  file: "download_url" | "mp4_url";
}

function DownloadLink({ player, page: given, file }: DownloadProps) {
  const text = useText();
  const sentence = useSentence();
  const newest = useReadable(player.page);
  const [failed, setFailed] = useState<string | null>(null);
  return (
    <>
      <a
        className="button"
        href={newest[file] ?? given[file] ?? undefined}
        download
        data-testid={file === "mp4_url" ? "download-mp4" : "download-video"}
        onClick={(event) => {
          setFailed(null);
          if (!player.old) return;
          event.preventDefault();
          player.downloadUrl(file).then(
            (url) => {
              location.assign(url); // an attachment: the page stays
            },
            (error: unknown) => {
              setFailed(codeOfError(error));
            },
          );
        }}
      >
        <Download />
        {file === "mp4_url" ? text.player.downloadMp4 : text.player.download}
      </a>
      {failed !== null && (
        <p className="field-note" role="alert">
          {sentence(failed)}
        </p>
      )}
    </>
  );
}

function DeleteButton({ video }: { video: VideoInfo }) {
  const text = useText();
  const sentence = useSentence();
  const [open, setOpen] = useState(false);
  const [busy, setBusy] = useState(false);
  const [failed, setFailed] = useState<string | null>(null);
  const remove = async () => {
    setBusy(true);
    setFailed(null);
    try {
      await api.deleteVideo(video.video);
      navigate("/library", "replace");
    } catch (error) {
      setBusy(false);
      setFailed(codeOfError(error));
    }
  };
  return (
    <>
      <button
        type="button"
        className="button"
        data-testid="delete-video"
        onClick={() => {
          setOpen(true);
        }}
      >
        <Delete />
        {text.player.remove}
      </button>
      {open && (
        <Dialog
          title={text.player.removeTitle}
          testId="delete-dialog"
          onClose={() => {
            setOpen(false);
          }}
        >
          <p>{text.player.removeHelp(video.title)}</p>
          {failed !== null && (
            <p className="notice" role="alert">
              {sentence(failed)}
            </p>
          )}
          <div className="dialog-buttons">
            <button
              type="button"
              className="button"
              onClick={() => {
                setOpen(false);
              }}
            >
              {text.common.cancel}
            </button>
            <button
              type="button"
              className="button danger"
              data-testid="delete-confirm"
              disabled={busy}
              onClick={() => {
                void remove();
              }}
            >
              {busy ? text.player.removing : text.player.removeYes}
            </button>
          </div>
        </Dialog>
      )}
    </>
  );
}
