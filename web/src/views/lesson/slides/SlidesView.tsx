import { useContext, useEffect, useState } from "react";

import { fitted, formOf, headingOf, partFor, slidesOf, type Slides } from "../../../core/slides";
import { Back, Next } from "../../icons";
import { useReadable, useSize } from "../../readable";
import { useText } from "../../text";
import { Busy } from "../../widgets";
import type { ShownProps } from "../shown";
import { PageAddresses } from "./addresses";
import { Pointer, Strip } from "./icons";
import { usePageKeys } from "./keys";
import { OVERLAYS } from "./overlay";
import { usePointer } from "./pointer";
import { Thumbnails } from "./Thumbnails";

/** Slides before the class: everybody sees the page that leaders turned to. */
export function SlidesView(props: ShownProps) {
  const slides = slidesOf(props.fields, props.thing);
  if (slides === null) return null;
  if (slides.state !== "ready") return <NotReady slides={slides} />;
  return props.lesson === null ? (
    <Pages {...props} slides={slides} page={slides.page} leads={false} turn={null} />
  ) : (
    <LivePages {...props} slides={slides} lesson={props.lesson} />
  );
}

/** What stands there until there are pages, or instead of them. */
function NotReady({ slides }: { slides: Slides }) {
  const text = useText();
  return (
    <div className="slides-wait" data-testid="slides-wait" data-state={slides.state}>
      {slides.state === "failed" ? (
        <p role="status">{text.slides.failedForClass}</p>
      ) : (
        <Busy label={slides.state === "queued" || slides.pages === 0 ? text.slides.queued : text.slides.making(slides.done, slides.pages)} />
      )}
    </div>
  );
}

function LivePages(props: ShownProps & { slides: Slides; lesson: NonNullable<ShownProps["lesson"]> }) {
  const { slides, lesson, onFailed } = props;
  const { leads } = useReadable(lesson.self);
  /** The page that somebody looks at by themselves; null: the class's. */
  const [own, setOwn] = useState<number | null>(null);
  const free = !leads && slides.browse;
  const page = free && own !== null ? own : slides.page;

  const turn = (to: number) => {
    const next = Math.min(slides.pages, Math.max(1, to));
    if (next === page) return;
    if (leads) lesson.request({ t: "turn_page", slides: slides.id, page: next }).catch(onFailed);
    else setOwn(next === slides.page ? null : next);
  };
  return (
    <Pages
      {...props}
      page={page}
      leads={leads}
      turn={leads || free ? turn : null}
      away={page !== slides.page}
      onBack={() => {
        setOwn(null);
      }}
    />
  );
}

interface PagesProps extends ShownProps {
  readonly slides: Slides;
  readonly page: number;
  readonly leads: boolean;
  /** Null: only others turn. */
  readonly turn: ((page: number) => void) | null;
  /** This is not the page of the class. */
  readonly away?: boolean;
  readonly onBack?: () => void;
}

function Pages({ slides, page, leads, turn, away = false, onBack, fields, lesson, onFailed }: PagesProps) {
  const text = useText();
  const [box, size] = useSize<HTMLDivElement>();
  const [strip, setStrip] = useState(false);
  const [pointing, setPointing] = useState(false);
  const pointer = usePointer(lesson, `${slides.id}-${page}`, leads && pointing);
  const drawn = fitted(formOf(slides, page), size);
  usePageKeys(page, turn);
  const nextForm = page < slides.pages ? fitted(formOf(slides, page + 1), size) : null;
  useAhead(slides, page + 1, lesson === null || nextForm === null || size.width === 0 ? null : partFor(nextForm, devicePixelRatio));

  return (
    <div className="slides" data-testid="slides" data-page={page} data-pages={slides.pages}>
      <div ref={box} className="slides-area">
        {size.width > 0 && (
          <div
            {...pointer}
            className={leads && pointing ? "slides-page pointing" : "slides-page"}
            data-testid="slides-page"
            data-slides={slides.id}
            data-page={page}
            style={{ ...drawn, left: Math.round((size.width - drawn.width) / 2), top: Math.round((size.height - drawn.height) / 2) }}
          >
            <PagePicture slides={slides} page={page} part={partFor(drawn, devicePixelRatio)} />
            {OVERLAYS.map((Overlay, index) => (
              <Overlay key={index} {...drawn} fields={fields} lesson={lesson} onFailed={onFailed} page={`${slides.id}-${page}`} />
            ))}
          </div>
        )}
      </div>
      {leads && strip && turn !== null && <Thumbnails slides={slides} page={page} turn={turn} />}
      <nav className="slides-bar" aria-label={text.slides.pages}>
        {turn !== null && (
          <button
            type="button"
            className="icon-button"
            aria-label={text.slides.before}
            title={text.slides.before}
            data-testid="slides-before"
            disabled={page <= 1}
            onClick={() => {
              turn(page - 1);
            }}
          >
            <Back />
          </button>
        )}
        <span className="slides-number" role="status" data-testid="slides-number">
          <span className="hidden">{text.slides.page} </span>
          {text.slides.of(page, slides.pages)}
        </span>
        {turn !== null && (
          <button
            type="button"
            className="icon-button"
            aria-label={text.slides.next}
            title={text.slides.next}
            data-testid="slides-next"
            disabled={page >= slides.pages}
            onClick={() => {
              turn(page + 1);
            }}
          >
            <Next />
          </button>
        )}
        {away && (
          <button type="button" className="button small primary slides-back" data-testid="slides-back" onClick={onBack}>
            {text.slides.backToTeacher}
          </button>
        )}
        {leads && (
          <button
            type="button"
            className="icon-button"
            aria-label={text.slides.pointer}
            title={text.slides.pointer}
            aria-pressed={pointing}
            data-testid="slides-pointer"
            onClick={() => {
              setPointing(!pointing);
            }}
          >
            <Pointer />
          </button>
        )}
        {leads && slides.pages > 1 && (
          <button
            type="button"
            className="icon-button"
            aria-label={text.slides.strip}
            title={text.slides.strip}
            aria-expanded={strip}
            data-testid="slides-strip"
            onClick={() => {
              setStrip(!strip);
            }}
          >
            <Strip />
          </button>
        )}
      </nav>
    </div>
  );
}

/** The page itself; its words are there for who can't see it. */
function PagePicture({ slides, page, part }: { slides: Slides; page: number; part: ReturnType<typeof partFor> }) {
  const text = useText();
  const address = useContext(PageAddresses);
  const [failed, setFailed] = useState<string | null>(null);
  const [tries, setTries] = useState(0);
  const words = usePageText(address(slides.folder, page, "text.txt"));
  const source = address(slides.folder, page, part);
  return (
    <>
      <img
        src={tries === 0 ? source : `${source}${source.includes("?") ? "&" : "?"}again=${tries}`}
        alt={text.slides.alt(page, slides.pages, slides.name, headingOf(words))}
        draggable={false}
        data-testid="slides-picture"
        onError={() => {
          setFailed(source);
        }}
        onLoad={() => {
          setFailed(null);
        }}
      />
      {words !== "" && (
        <div className="hidden" data-testid="slides-text">
          {words.split("\n").map((line, index) => (
            <p key={index}>{line}</p>
          ))}
        </div>
      )}
      {failed === source && (
        <div className="slides-missing" role="status">
          <p>{text.slides.notLoaded}</p>
          <button
            type="button"
            className="button small"
            data-testid="slides-again"
            onClick={() => {
              setTries(tries + 1);
            }}
          >
            {text.slides.loadAgain}
          </button>
        </div>
      )}
    </>
  );
}

/** A page's words; empty until they are there, or when they don't come: the picture is what counts. */
function usePageText(address: string): string {
  const [words, setWords] = useState<{ of: string; words: string }>({ of: "", words: "" });
  useEffect(() => {
    const abort = new AbortController();
    fetch(address, { signal: abort.signal })
      .then(async (answer) => (answer.ok ? answer.text() : ""))
      .then((found) => {
        setWords({ of: address, words: found });
      })
      .catch(() => undefined);
    return () => {
      abort.abort();
    };
  }, [address]);
  return words.of === address ? words.words : "";
}

/** In a lesson the next page is fetched while this one is looked at. */
function useAhead(slides: Slides, page: number, part: ReturnType<typeof partFor> | null): void {
  const address = useContext(PageAddresses);
  const next = part === null ? null : address(slides.folder, page, part);
  useEffect(() => {
    if (next === null) return;
    const image = new Image();
    image.src = next;
  }, [next]);
}
