import { Component, useEffect, useState, type ReactNode } from "react";

import { Failed } from "../core/types";
import { knownRefusal, refusalAction, type Dictionary, type RefusalAction, type RefusalCode } from "../i18n";
import { Warning } from "./icons";
import { navigate } from "./router";
import { useText } from "./text";
import { Page } from "./widgets";

export function codeOfError(error: unknown): string {
  return error instanceof Failed ? error.code : "internal";
}

export function waitOfError(error: unknown): number | null {
  return error instanceof Failed ? error.retryAfterS : null;
}

/** The sentence of a code, for places that have a button of their own beside it. */
export function useSentence(): (code: string) => string {
  const text = useText();
  return (code) => text.refusals[knownRefusal(code)];
}

interface ProblemProps {
  code: string;
  title?: string | undefined;
  /** Seconds before trying again makes sense. */
  waitS?: number | null | undefined;
  /** What "try again" (or "change the name") does; reloading the page when there is nothing better. */
  onAgain?: (() => void) | undefined;
  children?: ReactNode;
}

/** A refusal: its sentence and the one button that helps. */
export function Problem({ code, title, waitS = null, onAgain, children }: ProblemProps) {
  const text = useText();
  const known = knownRefusal(code);
  const action = refusalAction(known);
  const left = useCountdown(action === "again" ? waitS : null);
  return (
    <section className="card problem" role="alert" data-testid="problem" data-code={code}>
      <span className="problem-mark">
        <Warning />
      </span>
      <h1>{title ?? titleOf(known, text)}</h1>
      <p>{text.refusals[known]}</p>
      <div className="buttons">
        <button
          type="button"
          className="button primary"
          data-testid="problem-action"
          disabled={left > 0}
          onClick={() => {
            act(action, onAgain);
          }}
        >
          {left > 0 ? text.problem.retryAfter(left) : text.refusalActions[action]}
        </button>
        {children}
      </div>
      <p className="problem-code">{text.problem.code(code)}</p>
    </section>
  );
}

export function ProblemPage(props: ProblemProps) {
  const text = useText();
  return (
    <Page title={props.title ?? titleOf(knownRefusal(props.code), text)}>
      <Problem {...props} />
    </Page>
  );
}

function titleOf(code: RefusalCode, text: Dictionary): string {
  const titles: Partial<Record<RefusalCode, string>> = text.problem.titles;
  return titles[code] ?? text.problem.title;
}

function act(action: RefusalAction, onAgain: (() => void) | undefined): void {
  if (action === "home") navigate("/");
  else if (action === "sign_in") navigate("/t");
  else if (action === "reload" || onAgain === undefined) location.reload();
  else onAgain();
}

/** Whole seconds left of `seconds`; another number of them needs another `key`. */
export function useCountdown(seconds: number | null): number {
  const [left, setLeft] = useState(seconds ?? 0);
  useEffect(() => {
    if (left <= 0) return;
    const timer = setTimeout(() => {
      setLeft(left - 1);
    }, 1000);
    return () => {
      clearTimeout(timer);
    };
  }, [left]);
  return left;
}

/** A mistake of ours in drawing must not leave a white page. */
export class Crashed extends Component<{ children: ReactNode; fallback: ReactNode }, { crashed: boolean }> {
  override state = { crashed: false };

  static getDerivedStateFromError() {
    return { crashed: true };
  }

  override render() {
    return this.state.crashed ? this.props.fallback : this.props.children;
  }
}

export function CrashPage() {
  const text = useText();
  return (
    <Page title={text.problem.title}>
      <section className="card problem" role="alert" data-testid="crashed">
        <span className="problem-mark">
          <Warning />
        </span>
        <h1>{text.problem.title}</h1>
        <p>{text.problem.crashed}</p>
        <button
          type="button"
          className="button primary"
          onClick={() => {
            location.reload();
          }}
        >
          {text.refusalActions.reload}
        </button>
      </section>
    </Page>
  );
}
