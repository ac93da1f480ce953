import { useMemo, useState } from "react";

import { elementsOf, mayDraw, PAGE } from "../../../core/board/elements";
import type { LessonSurface } from "../../../core/lesson";
import type { Fields } from "../../../core/store";
import { useReadable, useSize } from "../../readable";
import { useText } from "../../text";
import { useEditor } from "./BoardView";
import { Drawing, PenMarks } from "./Drawing";
import { Pen } from "./icons";
import { usePens } from "./pens";

export interface InkProps {
  readonly fields: Fields;
  /** The board's id: `<slides id>-<page>` over slides. It need not be there: the first stroke makes it. */
  readonly thing: string;
  /** Null where a recording is watched. */
  readonly lesson: LessonSurface | null;
  readonly onFailed: (error: unknown) => void;
}

/**
 * Ink over a page of slides: lies over all of its positioned parent, whose width is the board's 1,200 units. Takes no
 * presses until its "Draw" button is pressed, so that what lies below is used as before.
 */
export function Ink({ fields, thing, lesson, onFailed }: InkProps) {
  const [place, size] = useSize<HTMLDivElement>();
  return (
    <div ref={place} className="board-ink" data-testid="board-ink" data-board={thing}>
      {lesson === null ? (
        <Sheet key={thing} fields={fields} thing={thing} lesson={null} {...size} />
      ) : (
        <LiveInk fields={fields} thing={thing} lesson={lesson} onFailed={onFailed} {...size} />
      )}
    </div>
  );
}

/** The same as what slides lay on each of their pages; `page` is `<slides>-<page>`. */
export function PageInk({ page, ...rest }: Omit<InkProps, "thing"> & { readonly page: string }) {
  return <Ink thing={page} {...rest} />;
}

function LiveInk({ fields, thing, lesson, onFailed, width, height }: InkProps & { lesson: LessonSurface; width: number; height: number }) {
  const text = useText();
  const self = useReadable(lesson.self);
  const may = mayDraw(fields, self, thing);
  const [on, setOn] = useState(false);
  const draws = may && on;
  const { Editor, failed, again } = useEditor(draws);
  return (
    <>
      {draws && Editor !== null && width > 0 ? (
        <Editor key={thing} fields={fields} thing={thing} lesson={lesson} name="" transparent width={width} height={height} onFailed={onFailed} />
      ) : (
        <Sheet key={thing} fields={fields} thing={thing} lesson={lesson} width={width} height={height} />
      )}
      <p role="status" className={failed ? "board-failed" : "hidden"}>
        {failed && (
          <>
            {text.board.notLoaded}{" "}
            <button type="button" className="button small" onClick={again}>
              {text.board.again}
            </button>
          </>
        )}
      </p>
      {may && (
        <button
          type="button"
          className="button small board-ink-on"
          aria-pressed={on}
          data-testid="board-ink-on"
          onClick={() => {
            setOn(!on);
          }}
        >
          <Pen />
          {on ? text.board.inkOff : text.board.inkOn}
        </button>
      )}
    </>
  );
}

function Sheet({ fields, thing, lesson, width, height }: { fields: Fields; thing: string; lesson: LessonSurface | null; width: number; height: number }) {
  const text = useText();
  const elements = useMemo(() => elementsOf(fields, thing), [fields, thing]);
  const pens = usePens(lesson, fields, thing);
  const unit = width === 0 ? 1 : PAGE.width / width;
  return (
    <svg
      viewBox={[0, 0, PAGE.width, Math.max(1, height * unit)].join(" ")}
      preserveAspectRatio="xMinYMin meet"
      role={elements.length === 0 ? undefined : "img"}
      aria-hidden={elements.length === 0}
      aria-label={elements.length === 0 ? undefined : text.board.inkPicture(elements.length)}
      data-elements={elements.length}
    >
      <Drawing elements={elements} />
      {lesson !== null && <PenMarks pens={pens} unit={unit} nameOf={(participant) => lesson.nameOf(participant)} />}
    </svg>
  );
}
