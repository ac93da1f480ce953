import { useState } from "react";

import { boardsOf, elementsOf, mayAllDraw, type Board } from "../../../core/board/elements";
import type { LessonSurface } from "../../../core/lesson";
import type { Fields } from "../../../core/store";
import type { Person } from "../../../core/types";
import type { ShownField } from "../../../generated/wire";
import { useReadable } from "../../readable";
import { useText } from "../../text";
import { Field, Toggle } from "../../widgets";
import { fullName } from "../initials";
import type { ToolProps } from "../tools";
import { Bin, Pen, Plus } from "./icons";
import { SaveMenu } from "./SaveMenu";

/** Boards of the lesson, and who may draw on them. */
export function BoardsPanel({ lesson, onFailed }: ToolProps) {
  const text = useText();
  const fields = useReadable(lesson.fields);
  const boards = boardsOf(fields);
  const shown = fields.get("shown") as ShownField | undefined;
  const before = shown?.kind === "board" ? shown.thing : null;
  const make = () => {
    const board = crypto.getRandomValues(new Uint32Array(2)).reduce((id, part) => id + part.toString(36), "b");
    lesson.request({ t: "board_make", board, name: text.board.nameOf(boards.length + 1), show: true }).catch(onFailed);
  };
  return (
    <div className="boards">
      <button type="button" className="button primary" data-testid="board-new" onClick={make}>
        <Plus />
        {text.board.make}
      </button>
      {boards.length === 0 && <p className="boards-note">{text.board.none}</p>}
      <ul className="boards-list" aria-label={text.board.title}>
        {boards.map((board) => (
          <BoardLine key={board.id} board={board} fields={fields} shown={board.id === before} lesson={lesson} onFailed={onFailed} />
        ))}
      </ul>
      {boards.length > 1 && (
        <div className="boards-all">
          {text.board.all}
          <SaveMenu boards={boards.map(({ id, name }) => ({ name, elements: elementsOf(fields, id) }))} />
        </div>
      )}
      <Rights lesson={lesson} fields={fields} onFailed={onFailed} />
    </div>
  );
}

function BoardLine({ board, fields, shown, lesson, onFailed }: {
  board: Board;
  fields: Fields;
  shown: boolean;
  lesson: LessonSurface;
  onFailed: (error: unknown) => void;
}) {
  const text = useText();
  const [doing, setDoing] = useState<"naming" | "removing" | null>(null);
  const [name, setName] = useState("");
  const elements = elementsOf(fields, board.id).length;
  const ask = (request: Parameters<LessonSurface["request"]>[0]) => {
    setDoing(null);
    lesson.request(request).catch(onFailed);
  };
  return (
    <li className={shown ? "board-line shown-now" : "board-line"} data-testid={`board-line-${board.id}`} data-name={board.name}>
      <div className="board-name">
        <b>{board.name}</b>
        <small>{shown ? text.board.isShown : text.board.marks(elements)}</small>
      </div>
      <div className="board-actions">
        <button
          type="button"
          className={shown ? "button small" : "button small primary"}
          data-testid={shown ? "board-hide" : "board-show"}
          onClick={() => {
            ask(shown ? { t: "show" } : { t: "show", kind: "board", thing: board.id });
          }}
        >
          {shown ? text.board.hide : text.board.show}
          <span className="hidden"> {board.name}</span>
        </button>
        <button
          type="button"
          className="icon-button"
          aria-label={text.board.rename(board.name)}
          title={text.board.rename(board.name)}
          data-testid="board-rename"
          onClick={() => {
            setName(board.name);
            setDoing(doing === "naming" ? null : "naming");
          }}
        >
          <Pen />
        </button>
        <button
          type="button"
          className="icon-button"
          aria-label={text.board.remove(board.name)}
          title={text.board.remove(board.name)}
          data-testid="board-remove"
          onClick={() => {
            setDoing(doing === "removing" ? null : "removing");
          }}
        >
          <Bin />
        </button>
      </div>
      {doing === "naming" && (
        <form
          className="board-form"
          onSubmit={(event) => {
            event.preventDefault();
            ask({ t: "board_name", board: board.id, name });
          }}
        >
          <Field label={text.board.name}>
            {(ids) => (
              <input
                {...ids}
                value={name}
                maxLength={60}
                required
                data-testid="board-name-input"
                // eslint-disable-next-line jsx-a11y/no-autofocus -- the button that was pressed asks for exactly this
                autoFocus
                onChange={(event) => {
                  setName(event.target.value);
                }}
              />
            )}
          </Field>
          <button type="submit" className="button small primary" data-testid="board-name-save">
            {text.board.saveName}
          </button>
        </form>
      )}
      {doing === "removing" && (
        <div className="board-form" role="group" aria-label={text.board.remove(board.name)}>
          <p>{text.board.removeAsk}</p>
          <button
            type="button"
            className="button small danger"
            data-testid="board-remove-yes"
            onClick={() => {
              ask({ t: "board_remove", board: board.id });
            }}
          >
            {text.board.removeYes}
          </button>
          {elements > 0 && (
            <button
              type="button"
              className="button small"
              data-testid="board-clear"
              onClick={() => {
                ask({ t: "board_clear", board: board.id });
              }}
            >
              {text.board.clear}
            </button>
          )}
          <button
            type="button"
            className="button small"
            onClick={() => {
              setDoing(null);
            }}
          >
            {text.common.cancel}
          </button>
        </div>
      )}
    </li>
  );
}

function Rights({ lesson, fields, onFailed }: { lesson: LessonSurface; fields: Fields; onFailed: (error: unknown) => void }) {
  const text = useText();
  const people = useReadable(lesson.people);
  const students = people.filter((person) => !person.leads);
  const all = mayAllDraw(fields);
  const set = (on: boolean, person: Person | null) => {
    lesson.request({ t: "set_ink", on, ...(person === null ? {} : { participant: person.id }) }).catch(onFailed);
  };
  return (
    <section className="board-rights" aria-labelledby="board-rights">
      <h3 id="board-rights">{text.board.who}</h3>
      <p className="boards-note">{text.board.whoNote}</p>
      <Toggle
        checked={all}
        label={text.board.everybody}
        testId="ink-all"
        onChange={(on) => {
          set(on, null);
        }}
      />
      {!all &&
        students.map((person) => (
          <Toggle
            key={person.id}
            checked={fields.get(`ink/${person.id}`) === true}
            label={fullName(person)}
            testId={`ink-${person.id}`}
            onChange={(on) => {
              set(on, person);
            }}
          />
        ))}
    </section>
  );
}
