import { useState } from "react";

import { readList, suggested, type Groups } from "../../../core/groups";
import type { LessonSurface } from "../../../core/lesson";
import { MAX_GROUPS, type NewGroup } from "../../../generated/wire";
import { Shuffle } from "./icons";
import { useReadable } from "../../readable";
import { useText } from "../../text";
import { Toggle } from "../../widgets";
import type { ToolProps } from "../tools";
import { OpenGroups } from "./OpenGroups";
import { useGroups } from "./reading";
import { Roster } from "./Roster";

const MINUTES = [3, 5, 10, 15, 20, 30, 45] as const;
const USUAL_MINUTES = 10;

/** What leaders do with groups: make them, open them, look after them. */
export function GroupsPanel({ lesson, onFailed }: ToolProps) {
  const groups = useGroups(lesson);
  const [unknown, setUnknown] = useState<readonly string[]>([]);
  return (
    <div className="people groups">
      {groups?.open === true ? (
        <OpenGroups lesson={lesson} groups={groups} onFailed={onFailed} />
      ) : groups === null ? (
        <Make lesson={lesson} onFailed={onFailed} onUnknown={setUnknown} />
      ) : (
        <Prepared lesson={lesson} groups={groups} unknown={unknown} onFailed={onFailed} />
      )}
    </div>
  );
}

function Make({ lesson, onFailed, onUnknown }: {
  lesson: LessonSurface;
  onFailed: (error: unknown) => void;
  onUnknown: (names: readonly string[]) => void;
}) {
  const text = useText();
  const students = useReadable(lesson.people).filter((person) => !person.leads);
  const [chosen, setChosen] = useState<number | null>(null);
  const [list, setList] = useState("");
  const [empty, setEmpty] = useState(false);
  const count = chosen ?? suggested(students.length, MAX_GROUPS);
  const make = (groups: readonly NewGroup[], draw: boolean) => {
    lesson.request({ t: "make_groups", groups, draw }).catch(onFailed);
  };
  const some = (): NewGroup[] => Array.from({ length: count }, () => ({ name: "", people: [] }));
  const fromList = () => {
    const pasted = readList(list, students);
    setEmpty(pasted.groups.length === 0);
    if (pasted.groups.length === 0) return;
    onUnknown(pasted.unknown);
    make(pasted.groups.slice(0, MAX_GROUPS), false);
  };
  return (
    <>
      <p className="note">{text.groups.intro}</p>
      <div className="field">
        <label htmlFor="groups-count">{text.groups.howMany}</label>
        <select
          id="groups-count"
          data-testid="groups-count"
          value={count}
          onChange={(event) => {
            setChosen(Number(event.target.value));
          }}
        >
          {Array.from({ length: MAX_GROUPS - 1 }, (_, index) => (
            <option key={index} value={index + 2}>
              {index + 2}
            </option>
          ))}
        </select>
        <p className="field-note">
          {students.length === 0
            ? text.groups.nobodyYet
            : text.groups.each(Math.floor(students.length / count), Math.ceil(students.length / count))}
        </p>
      </div>
      <div className="groups-buttons">
        <button
          type="button"
          className="button primary"
          data-testid="groups-draw"
          disabled={students.length === 0}
          onClick={() => {
            make(some(), true);
          }}
        >
          <Shuffle />
          {text.groups.draw}
        </button>
        <button
          type="button"
          className="button"
          data-testid="groups-by-hand"
          onClick={() => {
            make(some(), false);
          }}
        >
          {text.groups.byHand}
        </button>
      </div>
      <details className="rules">
        <summary data-testid="groups-by-list">{text.groups.byList}</summary>
        <div className="field">
          <label htmlFor="groups-list">{text.groups.listInput}</label>
          <textarea
            id="groups-list"
            rows={6}
            maxLength={8000}
            data-testid="groups-list"
            aria-describedby="groups-list-help"
            value={list}
            onChange={(event) => {
              setList(event.target.value);
            }}
          />
          <p className="field-note" id="groups-list-help">
            {text.groups.listHelp}
          </p>
          {empty && (
            <p className="field-note" role="alert">
              {text.groups.listEmpty}
            </p>
          )}
          <button type="button" className="button" data-testid="groups-list-make" onClick={fromList}>
            {text.groups.listMake}
          </button>
        </div>
      </details>
    </>
  );
}

function Prepared({ lesson, groups, unknown, onFailed }: {
  lesson: LessonSurface;
  groups: Groups;
  unknown: readonly string[];
  onFailed: (error: unknown) => void;
}) {
  const text = useText();
  const [minutes, setMinutes] = useState(USUAL_MINUTES);
  const [choose, setChoose] = useState(false);
  const [boards, setBoards] = useState(false);
  const ask = (request: Parameters<LessonSurface["request"]>[0]) => {
    lesson.request(request).catch(onFailed);
  };
  return (
    <>
      {unknown.length > 0 && (
        <p className="groups-warn" role="alert" data-testid="groups-unknown">
          {text.groups.listUnknown(unknown.join(", "))}
        </p>
      )}
      <div className="groups-start">
        <div className="field">
          <label htmlFor="groups-minutes">{text.groups.time}</label>
          <select
            id="groups-minutes"
            data-testid="groups-minutes"
            value={minutes}
            onChange={(event) => {
              setMinutes(Number(event.target.value));
            }}
          >
            {MINUTES.map((each) => (
              <option key={each} value={each}>
                {text.groups.minutes(each)}
              </option>
            ))}
            <option value={0}>{text.groups.noLimit}</option>
          </select>
        </div>
        <Toggle checked={choose} label={text.groups.choose} testId="groups-choose" onChange={setChoose} />
        <Toggle checked={boards} label={text.groups.boards} testId="groups-boards" onChange={setBoards} />
        <button
          type="button"
          className="button primary"
          data-testid="groups-open"
          onClick={() => {
            ask({ t: "open_groups", minutes: minutes === 0 ? null : minutes, choose, boards });
          }}
        >
          {text.groups.open}
        </button>
      </div>
      <Roster lesson={lesson} groups={groups} onFailed={onFailed} />
      <div className="groups-buttons">
        <button
          type="button"
          className="button small quiet"
          data-testid="groups-draw-again"
          onClick={() => {
            ask({ t: "make_groups", groups: groups.list.map(({ name }) => ({ name, people: [] })), draw: true });
          }}
        >
          {text.groups.drawAgain}
        </button>
        <button
          type="button"
          className="button small quiet"
          data-testid="groups-discard"
          onClick={() => {
            ask({ t: "make_groups", groups: [] });
          }}
        >
          {text.groups.discard}
        </button>
      </div>
      <p className="note groups-drop">{text.groups.drop}</p>
    </>
  );
}
