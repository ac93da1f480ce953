import { useEffect, useRef, useState } from "react";

import * as api from "../core/api";
import { codeOfError, Problem, waitOfError } from "./problems";
import { navigate, takeFragment } from "./router";
import { useText } from "./text";
import { Busy, Link, Page } from "./widgets";

type State = { at: "working" } | { at: "no_key" } | { at: "failed"; code: string; waitS: number | null };

/** `/t#key`: trades the one-time key for a cookie. Without a key it says how one gets in. */
export function SignInPage() {
  const text = useText();
  const [state, setState] = useState<State>({ at: "working" });
  const [attempt, setAttempt] = useState(0);
  const key = useRef<string | null>(null);

  useEffect(() => {
    let here = true;
    // The key leaves the address bar before anything else, so that it stays out of the history.
    key.current ??= takeFragment();
    const signIn = async (oneTimeKey: string) => {
      if (oneTimeKey === "") {
        try {
          await api.teacher();
          if (here) navigate("/teacher", "replace");
        } catch {
          if (here) setState({ at: "no_key" });
        }
        return;
      }
      try {
        await signInOnce(oneTimeKey);
        if (here) navigate("/teacher", "replace");
      } catch (error) {
        if (here) setState({ at: "failed", code: codeOfError(error), waitS: waitOfError(error) });
      }
    };
    void signIn(key.current);
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
      setState({ at: "working" });
      setAttempt((before) => before + 1);
    };
    window.addEventListener("hashchange", pasted);
    return () => {
      window.removeEventListener("hashchange", pasted);
    };
  }, []);

  const again = () => {
    running = null;
    setState({ at: "working" });
    setAttempt(attempt + 1);
  };

  return (
    <Page title={state.at === "working" ? text.signIn.title : text.signIn.howTitle}>
      {state.at === "working" && <Busy label={text.signIn.working} />}
      {state.at === "failed" && (
        <Problem code={state.code} waitS={state.waitS} title={text.signIn.failed} onAgain={again}>
          <Link to="/teacher" className="button">
            {text.home.toLessons}
          </Link>
        </Problem>
      )}
      {state.at !== "working" && (
        <section className="card" data-testid="how-to-sign-in">
          {state.at === "no_key" ? <h1>{text.signIn.howTitle}</h1> : <h2>{text.signIn.howTitle}</h2>}
          <p>{text.signIn.how}</p>
          <p className="code">zvonok teacher link</p>
        </section>
      )}
    </Page>
  );
}

let running: { key: string; done: Promise<unknown> } | null = null;

/** A key works once, so a page mounted twice must not spend it twice. */
function signInOnce(key: string): Promise<unknown> {
  if (running?.key !== key) running = { key, done: api.signIn(key) };
  return running.done;
}
