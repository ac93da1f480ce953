import { useEffect, useRef, useState, type ReactNode } from "react";

import * as api from "../core/api";
import type { VideoInfo, VideoList } from "../core/api";
import { ANYTHING, filtersAnything, filtersOf, searchOf, type Filters } from "../core/filters";
import { localeOf } from "../i18n";
import { Film, Find } from "./icons";
import { codeOfError, Problem, waitOfError } from "./problems";
import { navigate, takeFragment, useSearch } from "./router";
import { useText, useWords } from "./text";
import { Busy, Link, Page } from "./widgets";

type Entry = { at: "signing_in" } | { at: "in" } | { at: "failed"; code: string; waitS: number | null };

/** `/library#key`: the list of video lessons. The key of the link is traded for a cookie and leaves the address. */
export function LibraryPage() {
  const text = useText();
  const [entry, setEntry] = useState<Entry>({ at: "signing_in" });
  const [attempt, setAttempt] = useState(0);
  const key = useRef<string | null>(null);

  useEffect(() => {
    let here = true;
    // before anything else, so that it stays out of the history
    key.current ??= takeFragment();
    const given = key.current;
    (given === "" ? Promise.resolve() : api.librarySignIn(given)).then(
      () => {
        if (here) setEntry({ at: "in" });
      },
      (error: unknown) => {
        if (here) setEntry({ at: "failed", code: codeOfError(error), waitS: waitOfError(error) });
      },
    );
    return () => {
      here = false;
    };
  }, [attempt]);

  useEffect(() => {
    // The link pasted into a tab that is here already changes only the fragment.
    const pasted = () => {
      const fresh = takeFragment();
      if (fresh === "") return;
      key.current = fresh;
      setEntry({ at: "signing_in" });
      setAttempt((before) => before + 1);
    };
    window.addEventListener("hashchange", pasted);
    return () => {
      window.removeEventListener("hashchange", pasted);
    };
  }, []);

  return (
    <Page title={text.library.title} wide>
      {entry.at === "signing_in" && <Busy label={text.library.signingIn} />}
      {entry.at === "failed" && (
        <>
          <Problem
            code={entry.code}
            waitS={entry.waitS}
            title={text.library.failed}
            onAgain={() => {
              setEntry({ at: "signing_in" });
              setAttempt(attempt + 1);
            }}
          />
          <HowToOpen />
        </>
      )}
      {entry.at === "in" && <Videos />}
    </Page>
  );
}

/** How one gets into the library. */
export function HowToOpen({ children }: { children?: ReactNode }) {
  const text = useText();
  return (
    <section className="card" data-testid="library-how">
      <h2>{text.library.howTitle}</h2>
      <p>{text.library.how}</p>
      <p>
        {text.library.howTeacher} <Link to="/t">{text.refusalActions.sign_in}</Link>
      </p>
      <p className="note">{text.library.howAdmin}</p>
      <p className="code">zvonok library link</p>
      {children}
    </section>
  );
}

interface Found {
  /** The query that the list answers. */
  search: string;
  list: VideoList;
}

/** The list for the filters in the address; the former one stays while the next is on its way. */
function Videos() {
  const text = useText();
  const filters = filtersOf(useSearch());
  const search = searchOf(filters);
  const [found, setFound] = useState<Found | null>(null);
  const [failed, setFailed] = useState<{ code: string; waitS: number | null } | null>(null);
  const [attempt, setAttempt] = useState(0);
  const [moreBusy, setMoreBusy] = useState(false);

  useEffect(() => {
    let here = true;
    api.library(filtersOf(search)).then(
      (list) => {
        if (!here) return;
        setFound({ search, list });
        setFailed(null);
      },
      (error: unknown) => {
        if (here) setFailed({ code: codeOfError(error), waitS: waitOfError(error) });
      },
    );
    return () => {
      here = false;
    };
  }, [search, attempt]);

  const more = async () => {
    const next = found?.list.next;
    if (!next) return;
    setMoreBusy(true);
    try {
      const page = await api.library(filters, next);
      // filtered otherwise meanwhile: not of this list
      setFound((now) =>
        now === found ? { search, list: { ...page, videos: [...found.list.videos, ...page.videos] } } : now,
      );
    } catch (error) {
      setFailed({ code: codeOfError(error), waitS: waitOfError(error) });
    }
    setMoreBusy(false);
  };

  if (failed !== null) {
    const stranger = failed.code === "not_signed_in";
    return stranger ? (
      <>
        <h1>{text.library.title}</h1>
        <HowToOpen />
      </>
    ) : (
      <Problem
        code={failed.code}
        waitS={failed.waitS}
        title={text.library.failed}
        onAgain={() => {
          setFailed(null);
          setFound(null);
          setAttempt(attempt + 1);
        }}
      />
    );
  }
  return (
    <>
      <div className="page-title">
        <h1>{text.library.title}</h1>
        {found !== null && found.list.videos.length > 0 && (
          <p className="note" role="status" data-testid="library-count">
            {found.list.next === null
              ? text.library.count(found.list.videos.length)
              : text.library.countMore(found.list.videos.length)}
          </p>
        )}
      </div>
      {found === null ? (
        <Busy label={text.common.loading} />
      ) : (
        <>
          {(found.list.videos.length > 0 || filtersAnything(filters)) && (
            <FilterForm filters={filters} list={found.list} />
          )}
          {found.list.videos.length === 0 ? (
            <Nothing filtered={filtersAnything(filters)} />
          ) : (
            <ul className="videos" data-testid="videos" aria-busy={found.search !== search}>
              {found.list.videos.map((video) => (
                <VideoCard key={video.video} video={video} />
              ))}
            </ul>
          )}
          {found.list.next !== null && (
            <button
              type="button"
              className="button"
              data-testid="more-videos"
              disabled={moreBusy}
              onClick={() => {
                void more();
              }}
            >
              {moreBusy ? text.common.loading : text.library.more}
            </button>
          )}
        </>
      )}
    </>
  );
}

function Nothing({ filtered }: { filtered: boolean }) {
  const text = useText();
  return (
    <section className="card problem" role="status" data-testid={filtered ? "library-nothing" : "library-empty"}>
      <span className="problem-mark calm">
        <Film />
      </span>
      <h2>{filtered ? text.library.nothing : text.library.empty}</h2>
      <p>{filtered ? text.library.nothingHelp : text.library.emptyHelp}</p>
      {filtered && (
        <button
          type="button"
          className="button primary"
          data-testid="clear-filters"
          onClick={() => {
            filterBy(ANYTHING);
          }}
        >
          {text.library.clear}
        </button>
      )}
    </section>
  );
}

/** The filters are the address: a list can be passed on, and a step back is one. */
function filterBy(filters: Filters, how: "push" | "replace" = "push"): void {
  navigate(`/library${searchOf(filters)}`, how);
}

const TYPED_MS = 300;

function FilterForm({ filters, list }: { filters: Filters; list: VideoList }) {
  const text = useText();
  const [typed, setTyped] = useState(filters.text);
  const [known, setKnown] = useState(filters.text);
  // another address (a step back, "show all") sets the field anew; one's own typing does not
  if (known !== filters.text) {
    setKnown(filters.text);
    if (typed.trim() !== filters.text) setTyped(filters.text);
  }
  useEffect(() => {
    if (typed.trim() === filters.text) return;
    const timer = setTimeout(() => {
      filterBy({ ...filtersOf(location.search), text: typed.trim() }, "replace");
    }, TYPED_MS);
    return () => {
      clearTimeout(timer);
    };
  }, [typed, filters.text]);

  return (
    <form
      className="filters"
      role="search"
      aria-label={text.library.filters}
      onSubmit={(event) => {
        event.preventDefault();
        filterBy({ ...filters, text: typed.trim() }, "replace");
      }}
    >
      <label className="field filter-text">
        <span>{text.library.search}</span>
        <span className="find">
          <Find />
          <input
            type="search"
            maxLength={120}
            data-testid="filter-text"
            value={typed}
            onChange={(event) => {
              setTyped(event.target.value);
            }}
          />
        </span>
      </label>
      <Choice
        label={text.library.subject}
        testId="filter-subject"
        value={filters.subject}
        values={list.subjects}
        onChoose={(subject) => {
          filterBy({ ...filters, subject });
        }}
      />
      <Choice
        label={text.library.grade}
        testId="filter-grade"
        value={filters.grade === null ? null : String(filters.grade)}
        values={list.grades.map(String)}
        onChoose={(grade) => {
          filterBy({ ...filters, grade: grade === null ? null : Number(grade) });
        }}
      />
      <Choice
        label={text.library.teacher}
        testId="filter-teacher"
        value={filters.teacher}
        values={list.teachers}
        onChoose={(teacher) => {
          filterBy({ ...filters, teacher });
        }}
      />
    </form>
  );
}

function Choice(props: {
  label: string;
  testId: string;
  value: string | null;
  values: readonly string[];
  onChoose: (value: string | null) => void;
}) {
  const text = useText();
  const { value, values } = props;
  // what the address asks for is shown even when no video has it
  const all = value === null || values.includes(value) ? values : [value, ...values];
  return (
    <label className="field">
      <span>{props.label}</span>
      <select
        data-testid={props.testId}
        value={value ?? ""}
        onChange={(event) => {
          props.onChoose(event.target.value === "" ? null : event.target.value);
        }}
      >
        <option value="">{text.library.any}</option>
        {all.map((each) => (
          <option key={each} value={each}>
            {each}
          </option>
        ))}
      </select>
    </label>
  );
}

function VideoCard({ video }: { video: VideoInfo }) {
  const { text, language } = useWords();
  const date = new Intl.DateTimeFormat(localeOf(language), { day: "numeric", month: "long", year: "numeric" });
  const ready = video.state === "ready";
  return (
    <li className="video-card" data-testid={`video-${video.video}`} data-state={video.state}>
      <span className="video-mark" aria-hidden="true">
        <Film />
      </span>
      <div>
        <h2>
          <Link to={`/library/${video.video}`} testId={`open-video-${video.video}`}>
            <bdi>{video.title}</bdi>
          </Link>
        </h2>
        <p>
          <bdi>{video.subject}</bdi> · {text.common.grade(video.grade)}
        </p>
        <p>
          <bdi>{video.teacher_name}</bdi>
          {video.own && <span className="state">{text.library.own}</span>}
        </p>
        <p className="note">
          <time dateTime={new Date(video.recorded_at_ms).toISOString()}>{date.format(video.recorded_at_ms)}</time>
          {" · "}
          {ready
            ? text.attendance.minutes(Math.round(video.duration_ms / 60_000))
            : video.state === "processing"
              ? text.video.linkMaking
              : text.video.linkFailed}
        </p>
      </div>
    </li>
  );
}
