import { useEffect, useRef, useState } from "react";

import * as api from "../core/api";
import type { JoinReply, LinkInfo } from "../core/api";
import { obstacle } from "../core/capture";
import { Devices } from "../core/devices";
import { joinInTurn, type Told } from "../core/turn";
import { refusalAction, knownRefusal } from "../i18n";
import { CheckView, type Wanted } from "./CheckView";
import { LessonRoot } from "./lesson/LessonRoot";
import { forget, stayedIn } from "./lesson/stay";
import { OpeningNote } from "./OpeningNote";
import { codeOfError, Problem, ProblemPage, useSentence, waitOfError } from "./problems";
import { QueueNotice } from "./QueueNotice";
import { remember, remembered } from "./remember";
import { useText } from "./text";
import { VideoOffer } from "./VideoOffer";
import { Busy, CopyButton, Dialog, Field, Page } from "./widgets";

type State =
  | { at: "loading"; told: Told | null }
  | { at: "failed"; code: string; waitS: number | null }
  | { at: "ended"; info: LinkInfo }
  | { at: "asking"; info: LinkInfo }
  | { at: "in"; name: string; joined: JoinReply; wanted: Wanted };

const NOTHING_ON: Wanted = { camera: false, microphone: false };

/** `/l/<code>`: from a join link into the lesson. A reloaded tab goes straight back in, what was on is on again. */
export function JoinPage({ code }: { code: string }) {
  const text = useText();
  const [devices] = useState(() => new Devices());
  const [state, setState] = useState<State>({ at: "loading", told: null });
  const [attempt, setAttempt] = useState(0);

  useEffect(() => {
    const leaving = new AbortController();
    const { signal } = leaving;
    const open = async () => {
      const name = stayedIn(code);
      if (name !== null) {
        try {
          const joined = await joinInTurn(code, name, signal, (told) => {
            setState({ at: "loading", told });
          });
          setState({ at: "in", name, joined, wanted: NOTHING_ON });
          return;
        } catch {
          if (signal.aborted) return;
          forget(code); // the join page says what is wrong
        }
      }
      const info = await api.link(code);
      if (signal.aborted) return;
      if (info.state !== "ended") setState({ at: "asking", info });
      else if (info.video_state === null) setState({ at: "failed", code: "lesson_ended", waitS: null });
      else setState({ at: "ended", info });
    };
    open().catch((error: unknown) => {
      if (!signal.aborted) setState({ at: "failed", code: codeOfError(error), waitS: waitOfError(error) });
    });
    return () => {
      leaving.abort();
    };
  }, [code, attempt]);

  const again = () => {
    forget(code);
    setState({ at: "loading", told: null });
    setAttempt(attempt + 1);
  };

  switch (state.at) {
    case "loading":
      return (
        <Page title={text.join.join}>
          {state.told === null ? <Busy label={text.common.loading} /> : <QueueNotice told={state.told} />}
        </Page>
      );
    case "failed":
      return <ProblemPage code={state.code} waitS={state.waitS} onAgain={again} />;
    case "ended":
      return (
        <Page title={state.info.title}>
          <LessonHead info={state.info} />
          <section className="card" data-testid="ended">
            <h2>{text.ended.title}</h2>
            <VideoOffer code={code} state={state.info.video_state} />
          </section>
        </Page>
      );
    case "asking":
      return (
        <Asking
          code={code}
          info={state.info}
          devices={devices}
          onJoined={(name, joined, wanted) => {
            setState({ at: "in", name, joined, wanted });
          }}
        />
      );
    case "in":
      return (
        <LessonRoot
          code={code}
          name={state.name}
          joined={state.joined}
          devices={devices}
          wanted={state.wanted}
          onBack={again}
        />
      );
  }
}

interface AskingProps {
  code: string;
  info: LinkInfo;
  devices: Devices;
  onJoined: (name: string, joined: JoinReply, wanted: Wanted) => void;
}

function Asking({ code, info, devices, onJoined }: AskingProps) {
  const text = useText();
  const sentence = useSentence();
  const teacher = info.role === "teacher";
  const [name, setName] = useState(() => info.name ?? remembered("name") ?? "");
  const [wanted, setWanted] = useState<Wanted>(NOTHING_ON);
  const [busy, setBusy] = useState(false);
  const [checking, setChecking] = useState(false);
  const [refused, setRefused] = useState<{ code: string; waitS: number | null } | null>(null);
  const [told, setTold] = useState<Told | null>(null);
  const [blocked] = useState(obstacle);
  const input = useRef<HTMLInputElement>(null);
  const leaving = useRef<AbortController | null>(null);
  useEffect(() => {
    const controller = new AbortController();
    leaving.current = controller;
    return () => {
      controller.abort();
    };
  }, []);

  const join = async (chosen: Wanted) => {
    const trimmed = name.trim();
    if (!teacher && trimmed === "") {
      setRefused({ code: "name_empty", waitS: null });
      input.current?.focus();
      return;
    }
    const signal = leaving.current?.signal;
    if (signal === undefined) return;
    setBusy(true);
    setRefused(null);
    try {
      const joined = await joinInTurn(code, trimmed, signal, setTold);
      if (!teacher) remember("name", trimmed);
      onJoined(trimmed, joined, chosen);
    } catch (error) {
      if (signal.aborted) return;
      setTold(null);
      setRefused({ code: codeOfError(error), waitS: waitOfError(error) });
      setBusy(false);
      input.current?.focus();
    }
  };
  const nameRefused = refused !== null && refusalAction(knownRefusal(refused.code)) === "name";
  const waiting = told !== null && <QueueNotice told={told} />;
  const other = refused !== null && !nameRefused && (
    <Problem code={refused.code} waitS={refused.waitS} onAgain={() => void join(wanted)} />
  );

  if (teacher) {
    return (
      <Page title={info.title} wide>
        <LessonHead info={info} />
        {other}
        {waiting}
        <section className="card">
          <CheckView
            devices={devices}
            purpose="enter"
            goLabel={busy ? text.join.joining : text.check.goLive}
            goTestId="go-live"
            busy={busy}
            onGo={(chosen) => {
              setWanted(chosen);
              void join(chosen);
            }}
          />
        </section>
      </Page>
    );
  }
  return (
    <Page title={info.title}>
      <LessonHead info={info} />
      {(blocked === "in_app_browser" || blocked === "no_webrtc") && (
        <section className="notice" data-testid="in-app-browser">
          <strong>{text.join.inApp}</strong>
          <p>{text.join.inAppHelp}</p>
          <CopyButton value={location.origin + location.pathname} label={text.join.copyLink} testId="copy-own-link" />
        </section>
      )}
      {blocked === "insecure_page" && (
        <section className="notice" data-testid="insecure-page">
          <p>{text.join.insecure}</p>
        </section>
      )}
      {other}
      {waiting}
      <form
        className="card"
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          void join(wanted);
        }}
      >
        <p className="note">
          <StateWords info={info} />
        </p>
        <Field
          label={text.join.name}
          help={text.join.nameHelp}
          error={nameRefused ? sentence(refused.code) : undefined}
        >
          {(ids) => (
            <input
              {...ids}
              ref={input}
              type="text"
              autoComplete="name"
              maxLength={200}
              readOnly={told !== null}
              data-testid="name-input"
              value={name}
              onChange={(event) => {
                setName(event.target.value);
                if (nameRefused) setRefused(null);
              }}
            />
          )}
        </Field>
        <button type="submit" className="button primary large" data-testid="join" disabled={busy}>
          {busy ? text.join.joining : text.join.join}
        </button>
        <p className="note">{text.join.silent}</p>
        {blocked === null && (
          <button
            type="button"
            className="button quiet"
            data-testid="check-devices"
            onClick={() => {
              setChecking(true);
            }}
          >
            {text.join.check}
          </button>
        )}
      </form>
      {checking && (
        <Dialog
          title={text.check.title}
          testId="check-dialog"
          onClose={() => {
            setChecking(false);
          }}
        >
          <CheckView
            devices={devices}
            purpose="try"
            goLabel={text.check.done}
            goTestId="check-done"
            onGo={() => {
              setChecking(false);
            }}
          />
        </Dialog>
      )}
    </Page>
  );
}

function StateWords({ info }: { info: LinkInfo }) {
  const text = useText();
  if (info.role === "co_teacher") return text.join.coTeacher;
  if (info.state === "live") return text.join.stateLive;
  if (info.opens_at_ms === null) return text.join.stateWaiting;
  return <OpeningNote opensAtMs={info.opens_at_ms}>{text.join.stateWaiting}</OpeningNote>;
}

function LessonHead({ info }: { info: LinkInfo }) {
  const text = useText();
  return (
    <div className="lesson-head">
      <h1>{info.title}</h1>
      <p className="note">{[info.subject, text.common.grade(info.grade)].join(" · ")}</p>
    </div>
  );
}
