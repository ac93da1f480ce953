import { useEffect, useState } from "react";

import * as api from "../core/api";
import type { Attendance } from "../core/api";
import { localeOf } from "../i18n";
import { codeOfError, ProblemPage, waitOfError } from "./problems";
import { useWords } from "./text";
import { Busy, Link, Page } from "./widgets";

type State =
  | { at: "loading" }
  | { at: "failed"; code: string; waitS: number | null }
  | { at: "ready"; attendance: Attendance };

/** Who was in a lesson, from when to when, for how long. */
export function useAttendance(lesson: string): [State, () => void] {
  const [state, setState] = useState<State>({ at: "loading" });
  const [attempt, setAttempt] = useState(0);
  useEffect(() => {
    let here = true;
    api.attendance(lesson).then(
      (attendance) => {
        if (here) setState({ at: "ready", attendance });
      },
      (error: unknown) => {
        if (here) setState({ at: "failed", code: codeOfError(error), waitS: waitOfError(error) });
      },
    );
    return () => {
      here = false;
    };
  }, [lesson, attempt]);
  return [
    state,
    () => {
      setAttempt(attempt + 1);
    },
  ];
}

/** `/lesson/<id>/attendance`, for the teacher of the lesson. */
export function AttendancePage({ lesson }: { lesson: string }) {
  const { text } = useWords();
  const [state, refresh] = useAttendance(lesson);
  if (state.at === "failed") return <ProblemPage code={state.code} waitS={state.waitS} onAgain={refresh} />;
  return (
    <Page title={text.attendance.title} wide>
      {state.at === "loading" ? (
        <Busy label={text.common.loading} />
      ) : (
        <>
          <div className="lesson-head">
            <h1>{text.attendance.title}</h1>
            <p className="note">{state.attendance.title}</p>
          </div>
          <div className="buttons">
            <a className="button primary" href={api.attendanceCsv(lesson)} download data-testid="attendance-csv">
              {text.attendance.csv}
            </a>
            <button type="button" className="button" onClick={refresh}>
              {text.attendance.refresh}
            </button>
            <Link to="/teacher" className="button quiet">
              {text.attendance.back}
            </Link>
          </div>
          <section className="card">
            <AttendanceTable attendance={state.attendance} />
          </section>
        </>
      )}
    </Page>
  );
}

export function AttendanceTable({ attendance }: { attendance: Attendance }) {
  const { text, language } = useWords();
  const time = new Intl.DateTimeFormat(localeOf(language), { hour: "2-digit", minute: "2-digit", second: "2-digit" });
  const students = attendance.rows.filter((row) => row.role === "student").length;
  if (attendance.rows.length === 0) return <p className="note">{text.attendance.nobody}</p>;
  return (
    <>
      <p className="note">{text.attendance.summary(students)}</p>
      {/* A wide table scrolls by itself, so it must be reachable by keyboard. */}
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
      <div className="table-box" tabIndex={0} role="region" aria-label={text.attendance.title}>
        <table className="table" data-testid="attendance-table">
          <thead>
            <tr>
              <th scope="col">{text.attendance.name}</th>
              <th scope="col">{text.attendance.role}</th>
              <th scope="col">{text.attendance.in}</th>
              <th scope="col">{text.attendance.out}</th>
              <th scope="col">{text.attendance.present}</th>
              <th scope="col">{text.attendance.stays}</th>
            </tr>
          </thead>
          <tbody>
            {attendance.rows.map((row) => (
              <tr key={row.participant}>
                <td>{row.name}</td>
                <td>{text.attendance.roles[row.role]}</td>
                <td>{time.format(row.first_in_ms)}</td>
                <td>{row.last_out_ms === null ? text.attendance.still : time.format(row.last_out_ms)}</td>
                <td>{text.attendance.minutes(Math.floor(row.present_ms / 60_000))}</td>
                <td>{row.stays}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}
