import { useEffect, useId, useRef, useState, type ReactNode } from "react";

import { LANGUAGES } from "../i18n";
import { Bell, Check, Close, Copy } from "./icons";
import { navigate } from "./router";
import { useText, useWords } from "./text";

/** A page outside of the lesson: brand, language and one column of content. */
export function Page({ title, wide = false, children }: { title: string; wide?: boolean | "theatre"; children: ReactNode }) {
  const text = useText();
  useEffect(() => {
    document.title = `${title} · ${text.common.product}`;
  }, [title, text]);
  return (
    <div className={wide === "theatre" ? "page theatre" : "page"}>
      <a className="skip" href="#content">
        {text.common.skip}
      </a>
      <header className="page-head">
        <Link to="/" className="brand">
          <span className="brand-mark">
            <Bell />
          </span>
          {text.common.product}
        </Link>
        <LanguageSwitch />
      </header>
      <main id="content" className={wide === false ? "page-body" : "page-body wide"} tabIndex={-1}>
        {children}
      </main>
    </div>
  );
}

/** A link inside the site; opens without loading the page again. */
export function Link(props: { to: string; className?: string; children: ReactNode; testId?: string; state?: string }) {
  return (
    <a
      href={props.to}
      className={props.className}
      data-testid={props.testId}
      data-state={props.state}
      onClick={(event) => {
        if (event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return;
        event.preventDefault();
        navigate(props.to);
      }}
    >
      {props.children}
    </a>
  );
}

export function LanguageSwitch() {
  const { text, language, setLanguage } = useWords();
  return (
    <div className="language" role="group" aria-label={text.language.label}>
      {LANGUAGES.map((each) => (
        <button
          key={each}
          type="button"
          lang={each}
          aria-pressed={each === language}
          aria-label={`${each.toUpperCase()}: ${text.language[each]}`}
          data-testid={`language-${each}`}
          onClick={() => {
            setLanguage(each);
          }}
        >
          {each.toUpperCase()}
        </button>
      ))}
    </div>
  );
}

/** Copies a text; where the browser refuses, shows it marked for copying by hand. */
export function CopyButton(props: {
  value: string;
  label: string;
  testId: string;
  className?: string;
  icon?: ReactNode;
}) {
  const text = useText();
  const [state, setState] = useState<"idle" | "copied" | "by_hand">("idle");
  useEffect(() => {
    if (state !== "copied") return;
    const timer = setTimeout(() => {
      setState("idle");
    }, 2500);
    return () => {
      clearTimeout(timer);
    };
  }, [state]);
  const copy = async () => {
    setState((await copyText(props.value)) ? "copied" : "by_hand");
  };
  return (
    <span className="copy">
      <button
        type="button"
        className={props.className ?? "button"}
        data-testid={props.testId}
        data-value={props.value}
        onClick={() => {
          void copy();
        }}
      >
        {state === "copied" ? <Check /> : (props.icon ?? <Copy />)}
        <span>{state === "copied" ? text.common.copied : props.label}</span>
      </button>
      <span className="hidden" role="status">
        {state === "copied" ? text.common.copied : ""}
      </span>
      {state === "by_hand" && (
        <label className="copy-by-hand">
          {text.common.copyFailed}
          <input
            readOnly
            value={props.value}
            ref={(input) => {
              input?.select();
            }}
          />
        </label>
      )}
    </span>
  );
}

async function copyText(value: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(value);
    return true;
  } catch {
    // Pages on plain http have no clipboard; the old command still works there.
    const area = document.createElement("textarea");
    area.value = value;
    area.className = "hidden";
    (document.querySelector("dialog[open]") ?? document.body).append(area);
    area.select();
    // eslint-disable-next-line @typescript-eslint/no-deprecated
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}

/** A field with its label, help and error tied together for screen readers. */
export function Field(props: {
  label: string;
  help?: string | undefined;
  error?: string | undefined;
  children: (ids: { id: string; "aria-describedby"?: string; "aria-invalid"?: true }) => ReactNode;
}) {
  const id = useId();
  const note = props.error ?? props.help;
  return (
    <div className={props.error === undefined ? "field" : "field wrong"}>
      <label htmlFor={id}>{props.label}</label>
      {props.children({
        id,
        ...(note === undefined ? {} : { "aria-describedby": `${id}-note` }),
        ...(props.error === undefined ? {} : { "aria-invalid": true }),
      })}
      {note !== undefined && (
        <p id={`${id}-note`} className="field-note" role={props.error === undefined ? undefined : "alert"}>
          {note}
        </p>
      )}
    </div>
  );
}

/** A modal dialog; Escape and the cross close it, focus goes back to where it was. */
export function Dialog(props: { title: string; testId: string; onClose: () => void; children: ReactNode }) {
  const text = useText();
  const id = useId();
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const element = dialog.current;
    const before = document.activeElement;
    if (element !== null && !element.open) element.showModal();
    return () => {
      element?.close();
      if (before instanceof HTMLElement) before.focus();
    };
  }, []);
  return (
    <dialog
      ref={dialog}
      className="dialog"
      aria-labelledby={id}
      data-testid={props.testId}
      onCancel={(event) => {
        event.preventDefault();
        props.onClose();
      }}
    >
      <header>
        <h2 id={id}>{props.title}</h2>
        <button type="button" className="icon-button" aria-label={text.common.close} onClick={props.onClose}>
          <Close />
        </button>
      </header>
      {props.children}
    </dialog>
  );
}

/** A switch with its words; the whole line is the target. */
export function Toggle(props: {
  checked: boolean;
  label: string;
  testId: string;
  disabled?: boolean;
  onChange: (checked: boolean) => void;
}) {
  return (
    <label className="toggle">
      <input
        type="checkbox"
        role="switch"
        checked={props.checked}
        disabled={props.disabled}
        data-testid={props.testId}
        onChange={(event) => {
          props.onChange(event.target.checked);
        }}
      />
      <span>{props.label}</span>
    </label>
  );
}

export function Busy({ label }: { label: string }) {
  return (
    <p className="busy" role="status">
      <span className="busy-mark" aria-hidden="true" />
      {label}
    </p>
  );
}
