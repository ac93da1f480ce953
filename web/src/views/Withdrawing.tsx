import { useState } from "react";

import * as api from "../core/api";
import type { VideoInfo, VideoPerson } from "../core/api";
import { clock } from "../core/clock";
import type { Dictionary } from "../i18n";
import { People, NotRecorded } from "./icons";
import { codeOfError, useSentence } from "./problems";
import { useText } from "./text";
import { Busy, Dialog } from "./widgets";

/** For the video's teacher: who is in it, and takes one of them out. `onDone`: the video is being made anew. */
export function PeopleButton({ video, onDone }: { video: VideoInfo; onDone: () => void }) {
  const text = useText();
  const [open, setOpen] = useState(false);
  const [people, setPeople] = useState<readonly VideoPerson[] | null>(null);
  const [chosen, setChosen] = useState<VideoPerson | null>(null);
  const [failed, setFailed] = useState<string | null>(null);
  const close = () => {
    setOpen(false);
    setChosen(null);
  };
  const show = () => {
    setOpen(true);
    setFailed(null);
    api.videoPeople(video.video).then(
      (found) => {
        setPeople(found.people);
      },
      (error: unknown) => {
        setFailed(codeOfError(error));
      },
    );
  };
  return (
    <>
      <button type="button" className="button" data-testid="video-people" onClick={show}>
        <People />
        {text.player.people}
      </button>
      {open && chosen === null && (
        <Dialog title={text.player.peopleTitle} testId="people-dialog" onClose={close}>
          <p>{text.player.peopleHelp}</p>
          {failed !== null ? (
            <Refusal code={failed} />
          ) : people === null ? (
            <Busy label={text.common.loading} />
          ) : people.length === 0 ? (
            <p className="note">{text.player.peopleNone}</p>
          ) : (
            <ul className="people-list video-people">
              {people.map((person) => (
                <li key={person.participant} className="person">
                  <span className="person-name">
                    <bdi>{nameOf(person, text)}</bdi>
                    <small>{placeOf(person, text)}</small>
                  </span>
                  <button
                    type="button"
                    className="button small"
                    aria-label={text.player.takeOutOf(nameOf(person, text))}
                    data-testid={`take-out-${person.participant}`}
                    onClick={() => {
                      setChosen(person);
                    }}
                  >
                    {text.player.takeOut}
                  </button>
                </li>
              ))}
            </ul>
          )}
        </Dialog>
      )}
      {chosen !== null && (
        <TakeOutDialog
          title={text.player.takeOutTitle(nameOf(chosen, text))}
          help={text.player.peopleHelp}
          act={() => api.withdraw(video.video, chosen.participant)}
          onClose={close}
          onDone={onDone}
        />
      )}
    </>
  );
}

/** For whoever is in the video by this browser: takes oneself out. */
export function TakeMeOut({ code, me, onDone }: { code: string; me: VideoPerson; onDone: () => void }) {
  const text = useText();
  const [open, setOpen] = useState(false);
  return (
    <>
      <button
        type="button"
        className="button"
        data-testid="take-me-out"
        onClick={() => {
          setOpen(true);
        }}
      >
        <NotRecorded />
        {text.player.takeMeOut}
      </button>
      {open && (
        <TakeOutDialog
          title={text.player.takeMeOutTitle}
          help={text.player.takeMeOutHelp(placeOf(me, text))}
          act={() => api.withdrawOneself(code)}
          onClose={() => {
            setOpen(false);
          }}
          onDone={onDone}
        />
      )}
    </>
  );
}

function TakeOutDialog(props: {
  title: string;
  help: string;
  act: () => Promise<void>;
  onClose: () => void;
  onDone: () => void;
}) {
  const text = useText();
  const [busy, setBusy] = useState(false);
  const [failed, setFailed] = useState<string | null>(null);
  const act = () => {
    setBusy(true);
    setFailed(null);
    props.act().then(props.onDone, (error: unknown) => {
      setBusy(false);
      setFailed(codeOfError(error));
    });
  };
  return (
    <Dialog title={props.title} testId="take-out-dialog" onClose={props.onClose}>
      <p>{props.help}</p>
      {failed !== null && <Refusal code={failed} />}
      <div className="dialog-buttons">
        <button type="button" className="button" onClick={props.onClose}>
          {text.common.cancel}
        </button>
        <button type="button" className="button danger" data-testid="take-out-confirm" disabled={busy} onClick={act}>
          {busy ? text.player.takingOut : text.player.takeOutYes}
        </button>
      </div>
    </Dialog>
  );
}

function Refusal({ code }: { code: string }) {
  const sentence = useSentence();
  return (
    <p className="notice" role="alert">
      {sentence(code)}
    </p>
  );
}

function nameOf(person: VideoPerson, text: Dictionary): string {
  return person.name === "" ? text.player.nobody : person.name;
}

function placeOf(person: VideoPerson, text: Dictionary): string {
  const { seen_ms, heard_ms } = person;
  const found = [
    ...(seen_ms > 0 ? [text.player.seen(clock(seen_ms))] : []),
    ...(heard_ms > 0 ? [text.player.heard(clock(heard_ms))] : []),
  ];
  return found.length === 0 ? text.player.onlyWrote : found.join(", ");
}
