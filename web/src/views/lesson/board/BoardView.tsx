import { useEffect, useState, type ComponentType } from "react";

import { mayDraw } from "../../../core/board/elements";
import type { LessonSurface } from "../../../core/lesson";
import type { Fields } from "../../../core/store";
import type { BoardField } from "../../../generated/wire";
import { useReadable, useSize } from "../../readable";
import { useText } from "../../text";
import type { ShownProps } from "../shown";
import type { EditorProps } from "./Editor";
import { Looker } from "./Looker";

/** A board before the class: who may draw gets the editor, everybody else (and a recording) a light picture. */
export function BoardView({ fields, thing, lesson, onFailed }: ShownProps) {
  const name = (fields.get(`board/${thing}`) as BoardField | undefined)?.name ?? "";
  return (
    <div className="board" data-testid="board" data-board={thing}>
      {lesson === null ? (
        <Looker fields={fields} thing={thing} lesson={null} name={name} />
      ) : (
        <Live fields={fields} thing={thing} lesson={lesson} name={name} onFailed={onFailed} />
      )}
    </div>
  );
}

interface LiveProps {
  fields: Fields;
  thing: string;
  lesson: LessonSurface;
  name: string;
  onFailed: (error: unknown) => void;
}

function Live({ fields, thing, lesson, name, onFailed }: LiveProps) {
  const text = useText();
  const self = useReadable(lesson.self);
  const draws = mayDraw(fields, self, thing);
  const { Editor, failed, again } = useEditor(draws);
  const [place, size] = useSize<HTMLDivElement>();
  return (
    <>
      <div ref={place} className="board-place">
        {draws && Editor !== null && size.width > 0 ? (
          <Editor fields={fields} thing={thing} lesson={lesson} name={name} transparent={false} onFailed={onFailed} {...size} />
        ) : (
          <Looker fields={fields} thing={thing} lesson={lesson} name={name} />
        )}
      </div>
      <p role="status" className={failed ? "board-failed" : "hidden"}>
        {failed ? text.board.notLoaded : draws && !self.leads ? text.board.youMay : ""}
        {failed && (
          <button type="button" className="button small" onClick={again}>
            {text.board.again}
          </button>
        )}
      </p>
    </>
  );
}

/** The editor, loaded when somebody may draw for the first time. */
export function useEditor(wanted: boolean) {
  const [Editor, setEditor] = useState<ComponentType<EditorProps> | null>(null);
  const [failed, setFailed] = useState(false);
  const [tries, setTries] = useState(0);
  const missing = wanted && Editor === null;
  useEffect(() => {
    if (!missing) return;
    let over = false;
    import("./Editor").then(
      (loaded) => {
        if (!over) setEditor(() => loaded.default);
      },
      () => {
        if (!over) setFailed(true);
      },
    );
    return () => {
      over = true;
    };
  }, [missing, tries]);
  return {
    Editor,
    failed: failed && missing,
    again: () => {
      setFailed(false);
      setTries((before) => before + 1);
    },
  };
}
