import { useState } from "react";

import type { LessonSurface } from "../../core/lesson";
import { isRunning } from "../../core/recording";
import type { LobbyPerson, Person, SourceName } from "../../core/types";
import { Camera, Clock, Hand, Invite, Microphone, MicrophoneOff, NotRecorded, Screen, Warning } from "../icons";
import { useReadable } from "../readable";
import { useText } from "../text";
import { Toggle } from "../widgets";
import { Avatar } from "./Frame";
import { fullName } from "./initials";
import { CallButton } from "./leading/calling";
import { ReactionsRule } from "./leading/reactions";
import { LineMark } from "./line";
import { PersonMenu } from "./PersonMenu";

interface Props {
  lesson: LessonSurface;
  onInvite: (() => void) | null;
  /** Asks what is recorded, and records that. */
  onRecord?: () => void;
  onFailed: (error: unknown) => void;
}

const SEARCH_FROM = 12;

/** Everybody in the lesson; for leaders also the hands' queue with its buttons and the rules. */
export function PeoplePanel({ lesson, onInvite, onRecord, onFailed }: Props) {
  const text = useText();
  const people = useReadable(lesson.people);
  const hands = useReadable(lesson.hands);
  const lobby = useReadable(lesson.lobby);
  const self = useReadable(lesson.self);
  const [search, setSearch] = useState("");
  const found = people.filter((person) => fits(person, search));
  const leads = found.filter((person) => person.leads);
  const students = found.filter((person) => !person.leads);

  const line = (person: Person) => <PersonLine key={person.id} lesson={lesson} person={person} leads={self.leads} onFailed={onFailed} />;
  return (
    <div className="people">
      {self.leads && (
        <div className="people-tools">
          <button
            type="button"
            className="button small"
            data-testid="mute-all"
            onClick={() => {
              lesson.muteAll().catch(onFailed);
            }}
          >
            <MicrophoneOff />
            {text.people.muteAll}
          </button>
          {onInvite !== null && (
            <button type="button" className="button small" data-testid="people-invite" onClick={onInvite}>
              <Invite />
              {text.bar.invite}
            </button>
          )}
        </div>
      )}
      {hands.length > 0 && (
        <section aria-labelledby="people-hands" data-testid="hands">
          <header className="people-head">
            <h3 id="people-hands">
              {text.people.hands} · {hands.length}
            </h3>
            {self.leads && (
              <button
                type="button"
                className="button small quiet"
                data-testid="lower-all-hands"
                onClick={() => {
                  lesson.lowerAllHands().catch(onFailed);
                }}
              >
                {text.people.lowerAll}
              </button>
            )}
          </header>
          <ol className="people-list">
            {hands.map((person, index) => (
              <li key={person.id} className="person hand" data-testid={`hand-${person.id}`}>
                <span className="hand-place">{index + 1}</span>
                <span className="person-name">{fullName(person)}</span>
                {self.leads && <CallButton lesson={lesson} person={person} onFailed={onFailed} />}
                {self.leads && (
                  <button
                    type="button"
                    className="icon-button"
                    aria-label={text.people.lower(fullName(person))}
                    title={text.people.lower(fullName(person))}
                    data-testid={`lower-hand-${person.id}`}
                    onClick={() => {
                      lesson.lowerHand(person.id).catch(onFailed);
                    }}
                  >
                    <Hand />
                  </button>
                )}
              </li>
            ))}
          </ol>
        </section>
      )}
      {self.leads && <Rules lesson={lesson} onRecord={onRecord} onFailed={onFailed} />}
      {people.length > SEARCH_FROM && (
        <input
          type="search"
          className="select"
          aria-label={text.people.search}
          placeholder={text.people.search}
          data-testid="people-search"
          value={search}
          onChange={(event) => {
            setSearch(event.target.value);
          }}
        />
      )}
      <section aria-labelledby="people-leads">
        <h3 id="people-leads">{text.people.leads}</h3>
        <ul className="people-list">{leads.map(line)}</ul>
      </section>
      <section aria-labelledby="people-students">
        <h3 id="people-students">
          {text.people.students} · {people.filter((person) => !person.leads).length}
        </h3>
        {students.length === 0 ? (
          <p className="note">{text.people.empty}</p>
        ) : (
          <ul className="people-list" data-testid="students">
            {students.map(line)}
          </ul>
        )}
      </section>
      {lobby.length > 0 && <Lobby lobby={lobby} />}
    </div>
  );
}

function fits(person: Person, search: string): boolean {
  return fullName(person).toLocaleLowerCase().includes(search.trim().toLocaleLowerCase());
}

function Lobby({ lobby }: { lobby: readonly LobbyPerson[] }) {
  const text = useText();
  return (
    <section aria-labelledby="people-lobby">
      <h3 id="people-lobby">
        {text.people.waiting} · {lobby.length}
      </h3>
      <ul className="people-list">
        {lobby.map((person) => (
          <li key={person.id} className="person">
            <Clock />
            <span className="person-name">{person.name}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}

function PersonLine({ lesson, person, leads, onFailed }: { lesson: LessonSurface; person: Person; leads: boolean; onFailed: (error: unknown) => void }) {
  const text = useText();
  const rules = useReadable(lesson.lesson);
  const name = fullName(person);
  const role = person.role === "teacher" ? text.lesson.teacher : person.role === "co_teacher" ? text.lesson.coTeacher : null;
  const notes = [person.self ? text.common.you : null, role].filter((note) => note !== null);
  return (
    <li className="person" data-testid={`person-${person.id}`} data-name={name}>
      <Avatar id={person.id} name={person.name} />
      <span className="person-name">
        {name}
        {notes.length > 0 && <small>{notes.join(", ")}</small>}
        {person.silent && <small className="warn">{text.people.noSound}</small>}
        {person.line !== "good" && (
          <small className="warn">
            <LineMark person={person} written />
          </small>
        )}
      </span>
      <span className="person-marks">
        {person.hand && <Mark label={text.lesson.handUp} icon={<Hand />} kind="hand" />}
        {person.on.screen && <Mark label={text.lesson.screenOf(name)} icon={<Screen />} />}
        {person.on.camera && <Mark label={text.bar.camera} icon={<Camera />} />}
        {leads && person.unrecorded !== null && (
          <Mark
            label={person.unrecorded.by_leader ? text.people.unrecorded : text.people.unrecordedBySelf}
            icon={<NotRecorded />}
            testId={`unrecorded-${person.id}`}
          />
        )}
        {person.silent && <Mark label={text.lesson.microphoneSilent} icon={<Warning />} kind="warn" />}
        {leads && !person.self && person.on.microphone ? (
          <button
            type="button"
            className="icon-button"
            aria-label={`${text.people.mute}: ${name}`}
            title={text.people.mute}
            data-testid={`quick-mute-${person.id}`}
            onClick={() => {
              lesson.mute(person.id).catch(onFailed);
            }}
          >
            <Microphone />
          </button>
        ) : (
          <span className="icon-place">
            {person.on.microphone ? (
              <Mark label={text.bar.microphone} icon={<Microphone />} />
            ) : (
              <Mark label={text.lesson.microphoneOff} icon={<MicrophoneOff />} kind="quiet" />
            )}
          </span>
        )}
        {leads && !person.self && (
          <PersonMenu
            lesson={lesson}
            person={person}
            onStage={rules?.stage === person.id}
            className="icon-button"
            testId={`person-menu-${person.id}`}
            onFailed={onFailed}
          />
        )}
      </span>
    </li>
  );
}

function Mark({ label, icon, kind = "", testId }: { label: string; icon: React.ReactNode; kind?: string; testId?: string }) {
  return (
    <span className={`mark ${kind}`} title={label} data-testid={testId}>
      {icon}
      <span className="hidden">{label}</span>
    </span>
  );
}

function Rules(props: { lesson: LessonSurface; onRecord: (() => void) | undefined; onFailed: (error: unknown) => void }) {
  const { lesson, onFailed } = props;
  const text = useText();
  const running = isRunning(useReadable(lesson.recording));
  const rules = useReadable(lesson.lesson);
  if (rules === null) return null;
  const may = (source: SourceName, label: string) => (
    <Toggle
      checked={rules.may.includes(source)}
      label={label}
      testId={`may-${source}`}
      onChange={(on) => {
        lesson.setMay(withSource(rules.may, source, on)).catch(onFailed);
      }}
    />
  );
  const recordable = (source: SourceName, label: string) => (
    <Toggle
      checked={rules.recordable.includes(source)}
      label={label}
      testId={`recordable-${source}`}
      onChange={(on) => {
        lesson.setRecordable(withSource(rules.recordable, source, on)).catch(onFailed);
      }}
    />
  );
  return (
    <details className="rules" data-testid="rules">
      <summary>{text.people.rules}</summary>
      <fieldset>
        <legend>{text.people.may}</legend>
        {may("microphone", text.people.mayMicrophone)}
        {may("camera", text.people.mayCamera)}
        {may("screen", text.people.mayScreen)}
      </fieldset>
      <fieldset>
        <legend>{text.people.recordable}</legend>
        {recordable("microphone", text.people.recordableVoices)}
        {recordable("camera", text.people.recordableCameras)}
        {recordable("screen", text.people.recordableScreens)}
      </fieldset>
      <Toggle
        checked={rules.locked}
        label={text.people.lock}
        testId="lock"
        onChange={(on) => {
          lesson.setLocked(on).catch(onFailed);
        }}
      />
      <ReactionsRule lesson={lesson} onFailed={onFailed} />
      {props.onRecord !== undefined && (
        <div className="rules-record">
          <button type="button" className="button small" data-testid="record-choose" disabled={running} onClick={props.onRecord}>
            {text.recording.choose}
          </button>
          {running && <p className="field-note">{text.recording.whileRunning}</p>}
        </div>
      )}
    </details>
  );
}

/** The screen's sound goes with the screen. */
export function withSource(may: readonly SourceName[], source: SourceName, on: boolean): SourceName[] {
  const changed: SourceName[] = source === "screen" ? ["screen", "screen_sound"] : [source];
  const all: SourceName[] = ["microphone", "camera", "screen", "screen_sound"];
  return all.filter((each) => (changed.includes(each) ? on : may.includes(each)));
}
