import { useMemo, useRef } from "react";

import { elementsOf, PAGE, type BoardElement } from "../../../core/board/elements";
import { boundsOf, union, type Box } from "../../../core/board/shapes";
import type { LessonSurface } from "../../../core/lesson";
import type { Fields } from "../../../core/store";
import { useSize } from "../../readable";
import { useText } from "../../text";
import { Drawing, PenMarks } from "./Drawing";
import { Fit, ZoomIn, ZoomOut } from "./icons";
import { usePens } from "./pens";
import { useSight } from "./sight";
import { SaveMenu } from "./SaveMenu";

const WHOLE: Box = { x: 0, y: 0, ...PAGE };
const STEP = 1.5;
const KEY_PX = 60;

/** What a board takes: a page at least, and whatever lies beside it. */
export function boxOf(elements: readonly BoardElement[]): Box {
  return union(WHOLE, boundsOf(elements));
}

/** A board for who only looks: the whole page, nearer by fingers, wheel, keys or buttons. */
export function Looker({ fields, thing, lesson, name }: { fields: Fields; thing: string; lesson: LessonSurface | null; name: string }) {
  const text = useText();
  const [place, { width, height }] = useSize<HTMLDivElement>();
  const view = useRef<SVGSVGElement>(null);
  const elements = useMemo(() => elementsOf(fields, thing), [fields, thing]);
  const box = useMemo(() => boxOf(elements), [elements]);
  const sight = useSight(view, box, width, height);
  const pens = usePens(lesson, fields, thing);
  const { seen } = sight;
  const words = elements.filter(({ kind }) => kind === "text").map((element) => element.text);
  return (
    <div ref={place} className="board-look" data-testid="board-look" data-elements={elements.length}>
      {/* The page is moved by arrows once it is larger than its place. */}
      <svg
        ref={view}
        viewBox={[seen.x, seen.y, seen.width, seen.height].join(" ")}
        role="img"
        aria-label={text.board.picture(name, elements.length, words.join(". "))}
        tabIndex={0}
        onKeyDown={(event) => {
          const steps: Record<string, () => void> = {
            ArrowLeft: () => { sight.move(KEY_PX, 0); },
            ArrowRight: () => { sight.move(-KEY_PX, 0); },
            ArrowUp: () => { sight.move(0, KEY_PX); },
            ArrowDown: () => { sight.move(0, -KEY_PX); },
            "+": () => { sight.zoomBy(STEP); },
            "=": () => { sight.zoomBy(STEP); },
            "-": () => { sight.zoomBy(1 / STEP); },
            "0": sight.fit,
          };
          const step = steps[event.key];
          if (step === undefined || event.ctrlKey || event.metaKey) return;
          event.preventDefault();
          step();
        }}
      >
        <rect className="board-page" x={box.x} y={box.y} width={box.width} height={box.height} />
        <Drawing elements={elements} />
        {lesson !== null && <PenMarks pens={pens} unit={sight.unit} nameOf={(participant) => lesson.nameOf(participant)} />}
      </svg>
      <div className="board-buttons" role="group" aria-label={text.board.view}>
        <button type="button" className="icon-button" aria-label={text.board.smaller} data-testid="board-smaller" disabled={sight.zoom === 1} onClick={() => { sight.zoomBy(1 / STEP); }}>
          <ZoomOut />
        </button>
        <button type="button" className="icon-button" aria-label={text.board.whole} data-testid="board-whole" disabled={sight.zoom === 1} onClick={sight.fit}>
          <Fit />
        </button>
        <button type="button" className="icon-button" aria-label={text.board.larger} data-testid="board-larger" disabled={sight.largest} onClick={() => { sight.zoomBy(STEP); }}>
          <ZoomIn />
        </button>
        <SaveMenu boards={[{ name, elements }]} />
      </div>
    </div>
  );
}
