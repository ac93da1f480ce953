import { useEffect, useRef } from "react";

import { resultIn, resultsOf, type Result } from "../../../core/score";
import type { AppField } from "../../../generated/wire";
import { Close } from "../../icons";
import { useWords } from "../../text";
import type { ShownProps } from "../shown";

/** Results go to the server no oftener; the last one goes in any case. */
const EVERY_MS = 1000;

/**
 * A page of another origin that has none here: it runs scripts, and can reach neither our pages nor anybody's cookies.
 * What it says is taken for a result of this very frame or passed over.
 */
export function AppView({ fields, thing, lesson, onFailed }: ShownProps) {
  const { text, language } = useWords();
  const frame = useRef<HTMLIFrameElement>(null);
  const app = fields.get(`app/${thing}`) as AppField | undefined;
  const leads = lesson?.self.get().leads === true;

  useEffect(() => {
    if (lesson === null || lesson.self.get().leads) return undefined;
    let waiting: Result | null = null;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const send = () => {
      timer = undefined;
      if (waiting === null) return;
      const { points, of } = waiting;
      waiting = null;
      timer = setTimeout(send, EVERY_MS);
      lesson.request({ t: "score", app: thing, points, of }).catch(onFailed);
    };
    const heard = (event: MessageEvent<unknown>) => {
      // a sandboxed page has the origin "null"; whose window it is tells it from any other
      if (event.source === null || event.source !== frame.current?.contentWindow || event.origin !== "null") return;
      const result = resultIn(event.data);
      if (result === null) return;
      waiting = result;
      if (timer === undefined) send();
    };
    addEventListener("message", heard);
    return () => {
      removeEventListener("message", heard);
      clearTimeout(timer);
    };
    // onFailed changes with every drawing
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [lesson, thing]);

  if (app === undefined) return null;
  const results = resultsOf(fields, thing);
  const number = new Intl.NumberFormat(language, { maximumFractionDigits: 1 });
  const own = leads ? undefined : results.find(({ participant }) => participant === lesson?.self.get().id);
  return (
    <div className="app">
      <iframe
        ref={(element) => {
          frame.current = element;
          // Chromium then takes pages that say nothing of embedding; others need their headers (docs/apps.md).
          if (element !== null && !element.hasAttribute("credentialless")) {
            element.setAttribute("credentialless", "");
            element.src = app.url;
          }
        }}
        className="app-frame"
        title={text.app.frame(app.name)}
        sandbox="allow-scripts"
        allow=""
        referrerPolicy="no-referrer"
        data-testid="app-frame"
        onLoad={(event) => {
          event.currentTarget.contentWindow?.postMessage({ type: "zvonok.start", language }, "*");
        }}
      />
      <footer className="app-foot">
        <b className="app-name">{app.name}</b>
        {own !== undefined && (
          <span role="status" data-testid="app-own">
            {text.app.own(number.format(own.points), number.format(own.of))}
          </span>
        )}
        {leads && (
          <>
            <details className="app-results" data-testid="app-results">
              <summary>{text.app.results(results.length)}</summary>
              {results.length === 0 ? (
                <p className="note">{text.app.none}</p>
              ) : (
                <ul>
                  {results.map(({ participant, points, of }) => (
                    <li key={participant} data-testid={`score-${participant}`}>
                      <span>{lesson.nameOf(participant)}</span>
                      <b>{text.app.result(number.format(points), number.format(of))}</b>
                    </li>
                  ))}
                </ul>
              )}
            </details>
            <button
              type="button"
              className="icon-button"
              aria-label={text.app.stop}
              title={text.app.stop}
              data-testid="app-stop"
              onClick={() => {
                lesson.request({ t: "show", kind: null }).catch(onFailed);
              }}
            >
              <Close />
            </button>
          </>
        )}
      </footer>
    </div>
  );
}
