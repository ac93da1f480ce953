import { useState } from "react";

import { PICKED_SHOWN_MS, pickedIn, turnsIn } from "../../../core/leading";
import type { PickedField } from "../../../generated/wire";
import { useReadable } from "../../readable";
import { useText } from "../../text";
import { Toggle } from "../../widgets";
import { fullName } from "../initials";
import type { Tool, ToolProps } from "../tools";
import { useServerNow } from "./clock";
import { Dice, ToBoard } from "./icons";

export const PICKER_TOOL: Tool = {
  name: "picker",
  for: "leaders",
  Icon: Dice,
  label: (text) => text.picker.tool,
  help: (text) => text.picker.help,
  Panel: PickerPanel,
};

/** Leaders draw a student, and say who can be drawn. */
function PickerPanel({ lesson, onFailed }: ToolProps) {
  const text = useText();
  const fields = useReadable(lesson.fields);
  const students = useReadable(lesson.people).filter((person) => !person.leads);
  const [tellAll, setTellAll] = useState(true);
  const picked = pickedIn(fields, true);
  const turns = turnsIn(fields);
  const there = students.some((person) => person.id === picked?.participant);
  return (
    <div className="leading-panel">
      <button
        type="button"
        className="button primary large"
        data-testid="pick"
        disabled={students.length === 0}
        onClick={() => {
          lesson.request({ t: "pick", public: tellAll }).catch(onFailed);
        }}
      >
        <Dice />
        {picked === null ? text.picker.pick : text.picker.again}
      </button>
      <Toggle checked={tellAll} label={text.picker.tellAll} testId="pick-tell-all" onChange={setTellAll} />
      {picked !== null && (
        <section className="picked" role="status" data-testid="picked-panel" data-participant={picked.participant}>
          <h3>{text.picker.result}</h3>
          <p className="picked-name">{lesson.nameOf(picked.participant)}</p>
          {!fields.has("picked") && <p className="field-note">{text.picker.quiet}</p>}
          {there ? (
            <button
              type="button"
              className="button"
              data-testid="pick-call"
              disabled={fields.has(`called/${picked.participant}`) || fields.has(`at_board/${picked.participant}`)}
              onClick={() => {
                lesson.request({ t: "call", participant: picked.participant }).catch(onFailed);
              }}
            >
              <ToBoard />
              {text.calling.call}
            </button>
          ) : (
            <p className="field-note">{text.picker.gone}</p>
          )}
        </section>
      )}
      <h3>{text.picker.who}</h3>
      {students.length === 0 && <p className="note">{text.picker.nobody}</p>}
      <ul className="people-list">
        {students.map((person) => {
          const turn = turns.get(person.id);
          const had = turn?.had === true ? ` · ${text.picker.had}` : "";
          return (
            <li key={person.id} data-testid={`pickable-${person.id}`} data-had={turn?.had === true}>
              <Toggle
                checked={turn?.excluded !== true}
                label={fullName(person) + had}
                testId={`pickable-toggle-${person.id}`}
                onChange={(on) => {
                  lesson.request({ t: "set_pickable", participant: person.id, on }).catch(onFailed);
                }}
              />
            </li>
          );
        })}
      </ul>
    </div>
  );
}

/** Everybody's, when everybody is told: who was drawn just now. */
export function PickedCard({ lesson }: ToolProps) {
  const picked = pickedIn(useReadable(lesson.fields), false);
  return picked === null ? null : <Told key={picked.at_ms} lesson={lesson} picked={picked} />;
}

function Told({ lesson, picked }: Pick<ToolProps, "lesson"> & { picked: PickedField }) {
  const text = useText();
  const self = useReadable(lesson.self);
  const nowMs = useServerNow(lesson, picked.at_ms + PICKED_SHOWN_MS);
  if (nowMs - picked.at_ms > PICKED_SHOWN_MS) return null;
  const me = picked.participant === self.id;
  return (
    <section className={me ? "leading-card strong" : "leading-card"} role="status" data-testid="picked">
      <p>
        <b>
          <Dice />
          {me ? text.picker.you : text.picker.chosen(lesson.nameOf(picked.participant))}
        </b>
      </p>
    </section>
  );
}
