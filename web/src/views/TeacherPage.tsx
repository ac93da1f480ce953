import { useEffect, useState } from "react";

import * as api from "../core/api";
import type { LessonInfo, TeacherInfo } from "../core/api";
import { readLocalTime } from "../core/opening";
import { localeOf } from "../i18n";
import { Film } from "./icons";
import { codeOfError, Problem, ProblemPage, useSentence, waitOfError } from "./problems";
import { usePolling } from "./polling";
import { navigate } from "./router";
import { useText, useWords } from "./text";
import { Busy, CopyButton, Field, Link, Page } from "./widgets";

type State =
  | { at: "loading" }
  | { at: "failed"; code: string; waitS: number | null }
  | { at: "ready"; info: TeacherInfo };

/** `/teacher`: make a lesson, or go back into one. */
export function TeacherPage() {
  const text = useText();
  const [state, setState] = useState<State>({ at: "loading" });
  const [attempt, setAttempt] = useState(0);
  useEffect(() => {
    let here = true;
    api.teacher().then(
      (info) => {
        if (here) setState({ at: "ready", info });
      },
      (error: unknown) => {
        if (here) setState({ at: "failed", code: codeOfError(error), waitS: waitOfError(error) });
      },
    );
    return () => {
      here = false;
    };
  }, [attempt]);
  const making = state.at === "ready" && state.info.lessons.some((lesson) => lesson.video_state === "processing");
  usePolling(making, async () => {
    const info = await api.teacher();
    setState({ at: "ready", info });
  });

  if (state.at === "failed") {
    return (
      <ProblemPage
        code={state.code}
        waitS={state.waitS}
        onAgain={() => {
          setState({ at: "loading" });
          setAttempt(attempt + 1);
        }}
      />
    );
  }
  return (
    <Page title={text.teacher.title} wide>
      <div className="page-title">
        <h1>{text.teacher.title}</h1>
        <Link to="/library" className="button" testId="to-library">
          <Film />
          {text.library.link}
        </Link>
      </div>
      {state.at === "loading" ? (
        <Busy label={text.common.loading} />
      ) : (
        <div className="teacher-columns">
          <NewLessonForm
            info={state.info}
            onAnnounced={(lesson) => {
              setState({ at: "ready", info: { ...state.info, lessons: [lesson, ...state.info.lessons] } });
            }}
          />
          <MyLessons lessons={state.info.lessons} />
        </div>
      )}
    </Page>
  );
}

const GRADES = [6, 7, 8, 9, 10, 11];

interface NewLessonProps {
  info: TeacherInfo;
  /** A lesson for later was made: one stays here. Who makes one for now goes into it. */
  onAnnounced: (lesson: LessonInfo) => void;
}

function NewLessonForm({ info, onAnnounced }: NewLessonProps) {
  const { text, language } = useWords();
  const sentence = useSentence();
  const last = info.lessons[0];
  const today = new Intl.DateTimeFormat(localeOf(language), { day: "numeric", month: "long" }).format(new Date());
  const [title, setTitle] = useState(() => text.teacher.lessonTitleDefault(today));
  const [subject, setSubject] = useState(() => last?.subject ?? text.subjects[2] ?? "");
  const [grade, setGrade] = useState(() => last?.grade ?? 8);
  const [name, setName] = useState(info.name);
  const [opens, setOpens] = useState("");
  const [past, setPast] = useState(false);
  const [busy, setBusy] = useState(false);
  const [tried, setTried] = useState(false);
  const [refused, setRefused] = useState<string | null>(null);
  const missing = (value: string, message: string) => (tried && value.trim() === "" ? message : undefined);
  const nameRefused = refused?.startsWith("name_") === true;

  const create = async () => {
    setTried(true);
    setRefused(null);
    if (title.trim() === "" || subject.trim() === "" || name.trim() === "") return;
    const opensAtMs = readLocalTime(opens);
    const over = opensAtMs !== null && opensAtMs <= Date.now();
    setPast(over);
    if (over) return;
    setBusy(true);
    try {
      const lesson = await api.createLesson({
        title: title.trim(),
        subject: subject.trim(),
        grade,
        teacher_name: name.trim(),
        opens_at_ms: opensAtMs,
      });
      if (opensAtMs === null) {
        navigate(pathOf(lesson.teacher_link));
        return;
      }
      onAnnounced(lesson);
      setOpens("");
      setTried(false);
      setBusy(false);
    } catch (error) {
      setRefused(codeOfError(error));
      setBusy(false);
    }
  };

  return (
    <form
      className="card"
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        void create();
      }}
    >
      <h2>{text.teacher.newLesson}</h2>
      <Field label={text.teacher.lessonTitle} error={missing(title, text.teacher.titleMissing)}>
        {(ids) => (
          <input
            {...ids}
            type="text"
            maxLength={120}
            placeholder={text.teacher.lessonTitleExample}
            data-testid="new-lesson-title"
            value={title}
            onChange={(event) => {
              setTitle(event.target.value);
            }}
          />
        )}
      </Field>
      <div className="form-row">
        <Field label={text.teacher.subject} error={missing(subject, text.teacher.subjectMissing)}>
          {(ids) => (
            <>
              <input
                {...ids}
                type="text"
                maxLength={120}
                list="subjects"
                data-testid="new-lesson-subject"
                value={subject}
                onChange={(event) => {
                  setSubject(event.target.value);
                }}
              />
              <datalist id="subjects">
                {text.subjects.map((each) => (
                  <option key={each} value={each} />
                ))}
              </datalist>
            </>
          )}
        </Field>
        <Field label={text.teacher.grade}>
          {(ids) => (
            <select
              {...ids}
              data-testid="new-lesson-grade"
              value={grade}
              onChange={(event) => {
                setGrade(Number(event.target.value));
              }}
            >
              {(GRADES.includes(grade) ? GRADES : [grade, ...GRADES]).map((each) => (
                <option key={each} value={each}>
                  {each}
                </option>
              ))}
            </select>
          )}
        </Field>
      </div>
      <Field
        label={text.teacher.name}
        error={missing(name, text.teacher.nameMissing) ?? (nameRefused ? sentence(refused) : undefined)}
      >
        {(ids) => (
          <input
            {...ids}
            type="text"
            autoComplete="name"
            maxLength={120}
            placeholder={text.teacher.nameExample}
            data-testid="teacher-name"
            value={name}
            onChange={(event) => {
              setName(event.target.value);
              if (nameRefused) setRefused(null);
            }}
          />
        )}
      </Field>
      <Field
        label={text.teacher.opens}
        help={text.teacher.opensHelp}
        error={past ? text.teacher.opensPast : undefined}
      >
        {(ids) => (
          <input
            {...ids}
            type="datetime-local"
            data-testid="new-lesson-opens"
            value={opens}
            onChange={(event) => {
              setOpens(event.target.value);
              setPast(false);
            }}
          />
        )}
      </Field>
      <button type="submit" className="button primary large" data-testid="create-lesson" disabled={busy}>
        {busy ? text.teacher.creating : opens === "" ? text.teacher.create : text.teacher.announce}
      </button>
      {refused !== null && !nameRefused && <Problem code={refused} onAgain={() => void create()} />}
    </form>
  );
}

const SHOWN = 8;

function MyLessons({ lessons }: { lessons: readonly LessonInfo[] }) {
  const text = useText();
  const [all, setAll] = useState(false);
  // A lesson that runs is what one comes back for: it is first whatever its age.
  const sorted = [...lessons].sort((a, b) => rank(a) - rank(b) || b.created_at_ms - a.created_at_ms);
  const shown = all ? sorted : sorted.slice(0, SHOWN);
  return (
    <section className="check-side" aria-labelledby="my-lessons">
      <h2 id="my-lessons">{text.teacher.mine}</h2>
      {lessons.length === 0 ? (
        <p className="note">{text.teacher.none}</p>
      ) : (
        <ul className="lessons" data-testid="my-lessons">
          {shown.map((lesson) => (
            <LessonLine key={lesson.lesson} lesson={lesson} />
          ))}
        </ul>
      )}
      {shown.length < sorted.length && (
        <button
          type="button"
          className="button quiet"
          onClick={() => {
            setAll(true);
          }}
        >
          {text.teacher.showAll}
        </button>
      )}
    </section>
  );
}

function BackupLinks({ lesson }: { lesson: LessonInfo }) {
  const text = useText();
  return (
    <details className="backup" data-testid={`backup-${lesson.lesson}`}>
      <summary>{text.teacher.backup}</summary>
      <p className="note">{text.teacher.backupHelp}</p>
      <div className="links">
        <CopyButton
          value={lesson.backup_student_link}
          label={text.teacher.backupStudentLink}
          testId={`copy-backup-student-link-${lesson.lesson}`}
          className="button small"
        />
        <CopyButton
          value={lesson.backup_teacher_link}
          label={text.teacher.backupTeacherLink}
          testId={`copy-backup-teacher-link-${lesson.lesson}`}
          className="button small"
        />
      </div>
    </details>
  );
}

function LessonLine({ lesson }: { lesson: LessonInfo }) {
  const { text, language } = useWords();
  const when = new Intl.DateTimeFormat(localeOf(language), { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
  const live = lesson.state === "live";
  const announced = lesson.state === "waiting" ? lesson.opens_at_ms : null;
  const time = announced === null ? when.format(lesson.created_at_ms) : text.teacher.opensAt(when.format(announced));
  return (
    <li className={live ? "live" : ""} data-testid={`lesson-${lesson.lesson}`}>
      <div>
        <h3>{lesson.title}</h3>
        <p className="note">
          <span className={live ? "state live" : "state"}>{text.teacher[lesson.state]}</span>{" "}
          {[lesson.subject, text.common.grade(lesson.grade), time].join(" · ")}
        </p>
      </div>
      {lesson.state !== "ended" && (
        <Link
          to={pathOf(lesson.teacher_link)}
          className={live ? "button primary" : "button"}
          testId={`open-lesson-${lesson.lesson}`}
        >
          {live ? text.teacher.goBack : text.teacher.open}
        </Link>
      )}
      <div className="links">
        {lesson.state !== "ended" && (
          <>
            <CopyButton
              value={lesson.student_link}
              label={text.teacher.studentLink}
              testId={`copy-student-link-${lesson.lesson}`}
              className="button small"
            />
            <CopyButton
              value={lesson.co_teacher_link}
              label={text.teacher.coTeacherLink}
              testId={`copy-co-teacher-link-${lesson.lesson}`}
              className="button small"
            />
          </>
        )}
        <Link
          to={`/lesson/${lesson.lesson}/attendance`}
          className="button small"
          testId={`attendance-${lesson.lesson}`}
        >
          {text.teacher.attendance}
        </Link>
        <Link to={`/lesson/${lesson.lesson}/results`} className="button small" testId={`results-${lesson.lesson}`}>
          {text.quiz.results}
        </Link>
        <LessonVideo lesson={lesson} />
      </div>
      {lesson.state !== "ended" && <BackupLinks lesson={lesson} />}
    </li>
  );
}

function LessonVideo({ lesson }: { lesson: LessonInfo }) {
  const text = useText();
  if (lesson.video === null || lesson.video_state === null) return null;
  const words = { recording: text.recording.on, processing: text.video.linkMaking, ready: text.video.link, failed: text.video.linkFailed };
  return (
    <Link to={`/library/${lesson.video}`} className="button small" testId={`video-${lesson.lesson}`} state={lesson.video_state}>
      <Film />
      {words[lesson.video_state]}
    </Link>
  );
}

function rank(lesson: LessonInfo): number {
  return lesson.state === "live" ? 0 : lesson.state === "waiting" ? 1 : 2;
}

/** Links carry the public origin; one's own pages are opened on the origin one is signed in at. */
function pathOf(link: string): string {
  return new URL(link, location.origin).pathname;
}
