import { useEffect, useState } from "react";

import * as api from "../../core/api";
import type { JoinReply } from "../../core/api";
import type { Devices } from "../../core/devices";
import { Lesson, type LessonSurface } from "../../core/lesson";
import { quizzesIn } from "../../core/quiz";
import { AttendanceTable, useAttendance } from "../AttendancePage";
import type { Wanted } from "../CheckView";
import { Bell, Check, Warning } from "../icons";
import { ProblemPage } from "../problems";
import { useReadable } from "../readable";
import { useText } from "../text";
import { VideoOffer } from "../VideoOffer";
import { Busy, Link, Page } from "../widgets";
import type { Links } from "./Invite";
import { LessonView } from "./LessonView";
import { forget, keepIn } from "./stay";

interface Props {
  code: string;
  name: string;
  joined: JoinReply;
  devices: Devices;
  wanted: Wanted;
  /** Back to the join page, to join anew. */
  onBack: () => void;
}

/** One person's way through one lesson, from the first socket to the last page. */
export function LessonRoot(props: Props) {
  const lesson = useLesson(props);
  return lesson === null ? null : <Phases lesson={lesson} {...props} />;
}

function useLesson({ code, name, joined, devices }: Props): LessonSurface | null {
  const [lesson, setLesson] = useState<LessonSurface | null>(null);
  useEffect(() => {
    const made = new Lesson({ code, name, joined, devices });
    made.start();
    // It owns a socket and a media connection from its start on, so it is made and closed here and nowhere else.
    // eslint-disable-next-line react-hooks/set-state-in-effect
    setLesson(made);
    return () => {
      made.close();
    };
  }, [code, name, joined, devices]);
  return lesson;
}

function Phases({ lesson, code, name, joined, devices, wanted, onBack }: Props & { lesson: LessonSurface }) {
  const text = useText();
  const phase = useReadable(lesson.phase);
  const links = linksOf(joined);
  const live = phase.name === "live";
  const closed = phase.name === "closed" ? phase.code : null;
  const [applied, setApplied] = useState(false);

  useEffect(() => {
    document.title = `${joined.title} · ${text.common.product}`;
  }, [joined.title, text, phase.name]);

  useEffect(() => {
    if (!live || applied) return;
    // A refusal shows in the source's state; the lesson goes on without it.
    if (wanted.microphone) void lesson.setSource("microphone", true).catch(() => undefined);
    if (wanted.camera) void lesson.setSource("camera", true).catch(() => undefined);
    // eslint-disable-next-line react-hooks/set-state-in-effect
    setApplied(true);
  }, [lesson, live, applied, wanted]);

  useEffect(() => {
    if (closed === null) keepIn(code, name);
    else forget(code);
  }, [code, name, closed]);

  switch (phase.name) {
    case "joining":
      return (
        <Page title={joined.title}>
          <Busy label={text.lesson.connecting} />
        </Page>
      );
    case "lobby":
      return <LobbyPage lesson={lesson} joined={joined} />;
    case "live":
      return <LessonView lesson={lesson} devices={devices} links={links} code={code} />;
    case "closed":
      return (
        <ClosedPage
          lesson={lesson}
          joined={joined}
          link={code}
          code={phase.code}
          resumable={phase.resumable}
          onBack={onBack}
        />
      );
  }
}

/** The links that this person may give away. */
function linksOf(joined: JoinReply): Links | null {
  const student = joined.student_link;
  return student ? { student, coTeacher: joined.co_teacher_link ?? null } : null;
}

function LobbyPage({ lesson, joined }: { lesson: LessonSurface; joined: JoinReply }) {
  const text = useText();
  return (
    <Page title={text.lobby.title}>
      <section className="card lobby" data-testid="lobby">
        <span className="lobby-bell">
          <Bell />
        </span>
        <div role="status">
          <h1>{text.lobby.title}</h1>
        </div>
        <p className="lead">{[joined.title, joined.subject, text.common.grade(joined.grade)].join(" · ")}</p>
        <p>{text.lobby.help}</p>
        <p className="note">{text.lobby.as(joined.name)}</p>
        <button
          type="button"
          className="button"
          data-testid="leave-lobby"
          onClick={() => {
            void lesson.leave();
          }}
        >
          {text.lobby.leave}
        </button>
      </section>
    </Page>
  );
}

interface ClosedProps {
  lesson: LessonSurface;
  joined: JoinReply;
  /** The join link's code. */
  link: string;
  /** Why it is closed. */
  code: string;
  resumable: boolean;
  onBack: () => void;
}

function ClosedPage({ lesson, joined, link, code, resumable, onBack }: ClosedProps) {
  const text = useText();
  if (code === "taken_over") {
    return (
      <Page title={text.takenOver.title}>
        <section className="card problem" role="alert" data-testid="taken-over">
          <span className="problem-mark">
            <Warning />
          </span>
          <h1>{text.takenOver.title}</h1>
          <p>{text.takenOver.help}</p>
          <button
            type="button"
            className="button primary"
            data-testid="take-back"
            onClick={() => {
              lesson.comeBack();
            }}
          >
            {text.takenOver.here}
          </button>
        </section>
      </Page>
    );
  }
  if (code === "ended" || code === "lesson_ended" || code === "left") {
    const recorded = lesson.recording.get() !== null || code === "lesson_ended";
    const asked = quizzesIn(lesson.fields.get()).length > 0;
    return <EndedPage joined={joined} link={link} left={code === "left"} recorded={recorded} asked={asked} onBack={onBack} />;
  }
  return (
    <ProblemPage
      code={code}
      onAgain={
        resumable
          ? () => {
              lesson.comeBack();
            }
          : onBack
      }
    />
  );
}

interface EndedProps {
  joined: JoinReply;
  link: string;
  left: boolean;
  /** So a video may come. */
  recorded: boolean;
  /** There was a quiz. */
  asked?: boolean;
  onBack: () => void;
}

export function EndedPage({ joined, link, left, recorded, asked = false, onBack }: EndedProps) {
  const text = useText();
  const title = left ? text.ended.left : text.ended.title;
  const teacher = joined.role === "teacher";
  return (
    <Page title={title} wide={teacher}>
      <section className="card problem" data-testid={left ? "left" : "ended"}>
        <span className="problem-mark calm">
          <Check />
        </span>
        <div role="status">
          <h1>{title}</h1>
        </div>
        <p className="lead">{[joined.title, joined.subject, text.common.grade(joined.grade)].join(" · ")}</p>
        {!left && <VideoOffer code={link} state={null} expected={recorded} />}
        {!teacher && <p className="note">{text.ended.thanks}</p>}
        <div className="buttons">
          {left && (
            <button type="button" className="button primary" data-testid="come-back" onClick={onBack}>
              {text.ended.back}
            </button>
          )}
          {teacher && (
            <Link to="/teacher" className={left || recorded ? "button" : "button primary"} testId="to-my-lessons">
              {text.ended.toLessons}
            </Link>
          )}
          {teacher && asked && (
            <Link to={`/lesson/${joined.lesson}/results`} className="button" testId="to-results">
              {text.quiz.results}
            </Link>
          )}
        </div>
      </section>
      {teacher && <EndedAttendance lesson={joined.lesson} />}
    </Page>
  );
}

function EndedAttendance({ lesson }: { lesson: string }) {
  const text = useText();
  const [state, refresh] = useAttendance(lesson);
  return (
    <section className="card">
      <h2>{text.ended.attendance}</h2>
      {state.at === "loading" && <Busy label={text.common.loading} />}
      {state.at === "failed" && (
        <div className="notice">
          <p>{text.refusals.network}</p>
          <button type="button" className="button small" onClick={refresh}>
            {text.refusalActions.again}
          </button>
        </div>
      )}
      {state.at === "ready" && (
        <>
          <AttendanceTable attendance={state.attendance} />
          <div className="buttons">
            <a className="button" href={api.attendanceCsv(lesson)} download data-testid="attendance-csv">
              {text.attendance.csv}
            </a>
          </div>
        </>
      )}
    </section>
  );
}
