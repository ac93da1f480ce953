import { useEffect, useRef, useState } from "react";

import { upload } from "../../../core/materials";
import { slidesIn, TAKEN, type Slides } from "../../../core/slides";
import type { ShownField, SlidesAdded, SlidesField } from "../../../generated/wire";
import { useReadable } from "../../readable";
import { useText } from "../../text";
import { Busy, Toggle } from "../../widgets";
import type { ToolProps } from "../tools";

/** The same file fails the same way again. */
const FOR_GOOD: ReadonlySet<SlidesField["failure"]> = new Set(["encrypted", "broken", "empty", "too_many_pages", "gone"]);

/** Where leaders bring slides, watch them being prepared, and put them before the class. */
export function SlidesPanel({ lesson, onFailed }: ToolProps) {
  const text = useText();
  const fields = useReadable(lesson.fields);
  const all = slidesIn(fields);
  const shown = fields.get("shown") as ShownField | undefined;
  const sending = useSending(lesson.id, onFailed);
  const input = useRef<HTMLInputElement>(null);
  return (
    <div className="slides-panel">
      <input
        ref={input}
        type="file"
        className="hidden"
        accept={TAKEN}
        tabIndex={-1}
        aria-hidden="true"
        data-testid="slides-file"
        onChange={(event) => {
          const file = event.target.files?.[0];
          event.target.value = ""; // the same file may be chosen again
          if (file !== undefined) sending.send(file);
        }}
      />
      {sending.now === null ? (
        <button
          type="button"
          className="button primary"
          data-testid="slides-add"
          onClick={() => {
            input.current?.click();
          }}
        >
          {text.slides.add}
        </button>
      ) : (
        <div className="slides-sending" data-testid="slides-sending">
          <p role="status">{text.slides.sending(sending.now.name, sending.now.percent)}</p>
          <progress value={sending.now.percent} max={100} aria-label={text.slides.sending(sending.now.name, sending.now.percent)} />
          <button type="button" className="button small quiet" data-testid="slides-cancel" onClick={sending.cancel}>
            {text.slides.cancel}
          </button>
        </div>
      )}
      <p className="note">{text.slides.addHelp}</p>
      {all.length === 0 ? (
        <p className="note" data-testid="slides-empty">
          {text.slides.empty}
        </p>
      ) : (
        <ul className="slides-list" aria-label={text.slides.list}>
          {all.map((slides) => (
            <Item
              key={slides.id}
              lesson={lesson}
              onFailed={onFailed}
              slides={slides}
              shown={shown?.kind === "slides" && shown.thing === slides.id}
            />
          ))}
        </ul>
      )}
    </div>
  );
}

function Item({ lesson, onFailed, slides, shown }: ToolProps & { slides: Slides; shown: boolean }) {
  const text = useText();
  const [sure, setSure] = useState(false);
  const ready = slides.state === "ready";
  return (
    <li className={shown ? "slides-item shown-now" : "slides-item"} data-testid={`slides-${slides.id}`} data-state={slides.state} data-name={slides.name}>
      <h3>{slides.name}</h3>
      <State slides={slides} shown={shown} />
      {ready && slides.replaced && <p className="note">{text.slides.replaced}</p>}
      {ready && (
        <Toggle
          checked={slides.browse}
          label={text.slides.browse}
          testId={`slides-browse-${slides.id}`}
          onChange={(browse) => {
            lesson.request({ t: "set_browse", slides: slides.id, browse }).catch(onFailed);
          }}
        />
      )}
      <div className="slides-buttons">
        {ready && (
          <button
            type="button"
            className={shown ? "button small" : "button small primary"}
            data-testid={`slides-show-${slides.id}`}
            onClick={() => {
              lesson.request(shown ? { t: "show" } : { t: "show", kind: "slides", thing: slides.id }).catch(onFailed);
            }}
          >
            {shown ? text.slides.hide : text.slides.show}
          </button>
        )}
        {slides.state === "failed" && !FOR_GOOD.has(slides.failure) && (
          <button
            type="button"
            className="button small"
            data-testid={`slides-retry-${slides.id}`}
            onClick={() => {
              lesson.request({ t: "make_slides", slides: slides.id }).catch(onFailed);
            }}
          >
            {text.slides.again}
          </button>
        )}
        {sure ? (
          <>
            <button
              type="button"
              className="button small danger"
              data-testid={`slides-remove-sure-${slides.id}`}
              onClick={() => {
                lesson.request({ t: "remove_slides", slides: slides.id }).catch(onFailed);
              }}
            >
              {text.slides.removeSure}
            </button>
            <button
              type="button"
              className="button small quiet"
              onClick={() => {
                setSure(false);
              }}
            >
              {text.slides.keep}
            </button>
          </>
        ) : (
          <button
            type="button"
            className="button small quiet"
            aria-label={text.slides.removeOf(slides.name)}
            data-testid={`slides-remove-${slides.id}`}
            onClick={() => {
              setSure(true);
            }}
          >
            {text.slides.remove}
          </button>
        )}
      </div>
    </li>
  );
}

function State({ slides, shown }: { slides: Slides; shown: boolean }) {
  const text = useText();
  switch (slides.state) {
    case "queued":
      return <Busy label={text.slides.queued} />;
    case "making":
      return (
        <>
          <Busy label={slides.pages === 0 ? text.slides.queued : text.slides.making(slides.done, slides.pages)} />
          {slides.pages > 0 && <progress value={slides.done} max={slides.pages} aria-label={slides.name} />}
        </>
      );
    case "failed":
      return (
        <p className="slides-failed" role="alert" data-testid={`slides-failure-${slides.id}`} data-reason={slides.failure}>
          {text.slides.failures[slides.failure ?? "failed"]}
        </p>
      );
    case "ready":
      return (
        <p className="note" role="status">
          {text.slides.ready(slides.pages)}
          {shown && ` · ${text.slides.shown}`}
        </p>
      );
  }
}

interface Sending {
  readonly name: string;
  readonly percent: number;
}

/** One file at a time on its way to the server. */
function useSending(lesson: string, onFailed: (error: unknown) => void) {
  const [now, setNow] = useState<Sending | null>(null);
  const abort = useRef<AbortController | null>(null);
  useEffect(
    () => () => {
      abort.current?.abort();
    },
    [],
  );
  return {
    now,
    cancel: () => {
      abort.current?.abort();
    },
    send: (file: File) => {
      const mine = new AbortController();
      abort.current = mine;
      setNow({ name: file.name, percent: 0 });
      upload<SlidesAdded>(lesson, file, {
        purpose: "slides",
        signal: mine.signal,
        onProgress: (share) => {
          setNow({ name: file.name, percent: Math.round(share * 100) });
        },
      })
        .catch((error: unknown) => {
          if (!mine.signal.aborted) onFailed(error);
        })
        .finally(() => {
          setNow(null);
        });
    },
  };
}
