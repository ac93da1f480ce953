import { useState, type ReactNode } from "react";

import type { Group, Groups } from "../../../core/groups";
import type { LessonSurface } from "../../../core/lesson";
import type { Person } from "../../../core/types";
import { useText } from "../../text";
import { fullName } from "../initials";
import { Shuffle } from "./icons";
import { groupName } from "./reading";

const DRAGGED = "application/x-zvonok-person";

/** Who is in which group: by hand changed with a choice beside each name, or by dragging. */
export function Roster({ lesson, groups, extra, onFailed }: {
  lesson: LessonSurface;
  groups: Groups;
  /** What stands beside a group's name, and below its people. */
  extra?: (group: Group) => { readonly head: ReactNode; readonly foot: ReactNode };
  onFailed: (error: unknown) => void;
}) {
  const text = useText();
  const put = (participant: string, group: string | null) => {
    lesson.request({ t: "go_to_group", group, participant }).catch(onFailed);
  };
  return (
    <>
      {groups.without.length > 0 && (
        <Place id="none" title={text.groups.without} count={groups.without.length} onDrop={(who) => { put(who, null); }}>
          <People groups={groups} people={groups.without} in={null} onPut={put} />
          <p className="field-note">{text.groups.withoutHelp}</p>
          <button
            type="button"
            className="button small"
            data-testid="groups-spread"
            onClick={() => {
              lesson.request({ t: "spread_groups" }).catch(onFailed);
            }}
          >
            <Shuffle />
            {text.groups.spread}
          </button>
        </Place>
      )}
      {groups.list.map((group) => {
        const more = extra?.(group);
        return (
          <Place
            key={group.id}
            id={group.id}
            title={groupName(text, group)}
            count={group.students.length}
            head={more?.head}
            asks={group.asks !== null}
            onDrop={(who) => {
              put(who, group.id);
            }}
          >
            {group.students.length === 0 ? (
              <p className="note">{text.groups.empty}</p>
            ) : (
              <People groups={groups} people={group.students} in={group.id} onPut={put} />
            )}
            {more?.foot}
          </Place>
        );
      })}
    </>
  );
}

function Place(props: {
  id: string;
  title: string;
  count: number;
  head?: ReactNode;
  asks?: boolean;
  onDrop: (participant: string) => void;
  children: ReactNode;
}) {
  const [over, setOver] = useState(false);
  const heading = `group-${props.id}-name`;
  return (
    // Dropping is a shorter way for the mouse; the choice beside each name does the same.
    // eslint-disable-next-line jsx-a11y/no-noninteractive-element-interactions
    <section
      className={`group${over ? " over" : ""}${props.asks === true ? " asks" : ""}`}
      aria-labelledby={heading}
      data-testid={`group-${props.id}`}
      onDragOver={(event) => {
        if (!event.dataTransfer.types.includes(DRAGGED)) return;
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => {
        setOver(false);
      }}
      onDrop={(event) => {
        event.preventDefault();
        setOver(false);
        const who = event.dataTransfer.getData(DRAGGED);
        if (who !== "") props.onDrop(who);
      }}
    >
      <header className="people-head">
        <h3 id={heading}>
          {props.title} · {props.count}
        </h3>
        {props.head}
      </header>
      {props.children}
    </section>
  );
}

function People(props: {
  groups: Groups;
  people: readonly Person[];
  in: string | null;
  onPut: (participant: string, group: string | null) => void;
}) {
  const text = useText();
  return (
    <ul className="people-list">
      {props.people.map((person) => (
        // eslint-disable-next-line jsx-a11y/no-noninteractive-element-interactions
        <li
          key={person.id}
          className="group-person"
          draggable
          data-testid={`group-person-${person.id}`}
          onDragStart={(event) => {
            event.dataTransfer.setData(DRAGGED, person.id);
            event.dataTransfer.effectAllowed = "move";
          }}
        >
          <span className="person-name">{fullName(person)}</span>
          <select
            className="select"
            aria-label={text.groups.groupOf(fullName(person))}
            data-testid={`group-choice-${person.id}`}
            value={props.in ?? ""}
            onChange={(event) => {
              props.onPut(person.id, event.target.value === "" ? null : event.target.value);
            }}
          >
            <option value="">{text.groups.none}</option>
            {props.groups.list.map((group) => (
              <option key={group.id} value={group.id}>
                {groupName(text, group)}
              </option>
            ))}
          </select>
        </li>
      ))}
    </ul>
  );
}
