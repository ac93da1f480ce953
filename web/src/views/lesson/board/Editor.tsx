import "./letters";

import { CaptureUpdateAction, Excalidraw, MainMenu } from "@excalidraw/excalidraw";
import type { AppState, ExcalidrawImperativeAPI, ExcalidrawInitialDataState, ExcalidrawProps } from "@excalidraw/excalidraw/types";
import "@excalidraw/excalidraw/index.css";
import { useEffect, useMemo, useRef, useState } from "react";

import { elementsOf, PAGE, type Point } from "../../../core/board/elements";
import { PenSender } from "../../../core/board/pens";
import { drawnFor, Scene } from "../../../core/board/scene";
import type { Box } from "../../../core/board/shapes";
import type { LessonSurface } from "../../../core/lesson";
import type { Fields } from "../../../core/store";
import { useReadable } from "../../readable";
import { useWords } from "../../text";
import { Dialog } from "../../widgets";
import { PenMarks } from "./Drawing";
import { Laser } from "./icons";
import { boxOf } from "./Looker";
import { nameParts } from "./names";
import { usePens } from "./pens";

type SceneElements = NonNullable<Parameters<ExcalidrawImperativeAPI["updateScene"]>[0]["elements"]>;

export interface EditorProps {
  readonly fields: Fields;
  readonly thing: string;
  readonly lesson: LessonSurface;
  readonly name: string;
  /** Lies over something else: no ground of its own, and always at the scale at which the page fits the width. */
  readonly transparent: boolean;
  readonly width: number;
  readonly height: number;
  readonly onFailed: (error: unknown) => void;
}

interface Sight {
  readonly scrollX: number;
  readonly scrollY: number;
  readonly zoom: number;
}

const HELVETICA = 2;
/** Keys of Excalidraw that lead out of the lesson (help, frames, pictures), by what they type or by where they are. */
const UNUSED_KEYS: ReadonlySet<string> = new Set(["?", "f", "F", "а", "А"]);
const UNUSED_WITH_CONTROL: ReadonlySet<string> = new Set(["KeyK", "KeyO", "KeyS", "KeyE", "Slash"]);

/** Excalidraw on a board of the lesson: what is finished goes to the lesson, the pen on its way to who looks. */
export default function Editor({ fields, thing, lesson, name, transparent, width, height, onFailed }: EditorProps) {
  const { text, language } = useWords();
  const self = useReadable(lesson.self);
  const [api, setApi] = useState<ExcalidrawImperativeAPI | null>(null);
  const [sight, setSight] = useState<Sight>(() => fitting(transparent, boxOf(elementsOf(fields, thing)), width, height));
  const [laser, setLaser] = useState(false);
  const [clearing, setClearing] = useState(false);
  const elements = useMemo(() => elementsOf(fields, thing), [fields, thing]);
  const pens = usePens(lesson, fields, thing);
  const [sender] = useState(() => new PenSender(thing, (message) => { lesson.tell(message); }));
  const place = useRef<HTMLDivElement>(null);
  const stroke = useRef({ element: "", sent: 0, lasers: 0 });
  const sceneRef = useRef<Scene | null>(null);

  // The first state alone: later ones come by `take`.
  const [initial] = useState<ExcalidrawInitialDataState>(() => ({
    elements: elements.map((element) => drawnFor(element, self)) as unknown as NonNullable<ExcalidrawInitialDataState["elements"]>,
    appState: {
      viewBackgroundColor: transparent ? "transparent" : "#ffffff",
      currentItemFontFamily: HELVETICA,
      currentItemRoughness: 0,
      currentItemFontSize: 28,
      activeTool: { type: "freedraw", customType: null, locked: false, lastActiveTool: null },
      scrollX: sight.scrollX,
      scrollY: sight.scrollY,
      zoom: { value: sight.zoom as AppState["zoom"]["value"] },
    },
  }));

  useEffect(() => {
    if (api === null) return;
    const scene = new Scene(
      {
        board: thing,
        self: { id: self.id, leads: self.leads },
        all: () => api.getSceneElementsIncludingDeleted(),
        put: (next) => {
          api.updateScene({ elements: next as unknown as SceneElements, captureUpdate: CaptureUpdateAction.NEVER });
        },
        working: () => {
          const { cursorButton, newElement, editingTextElement, multiElement } = api.getAppState();
          return { holding: cursorButton === "down", unfinished: (newElement ?? editingTextElement ?? multiElement)?.id ?? null };
        },
        request: (request) => lesson.request(request),
        onFailed,
      },
      elementsOf(lesson.fields.get(), thing),
    );
    sceneRef.current = scene;
    return () => {
      scene.close();
      sceneRef.current = null;
      lesson.tell({ t: "send_ink", board: thing, tool: "away" });
    };
  }, [api, lesson, thing, self.id, self.leads, onFailed]);
  useEffect(() => {
    sceneRef.current?.take(elements);
  }, [elements, api]);
  // Over slides the page always fills the width; a board of its own is fitted until somebody moves it.
  const fitted = useRef(sight);
  useEffect(() => {
    if (api === null) return;
    const { scrollX, scrollY, zoom } = api.getAppState();
    if (!transparent && differ(fitted.current, { scrollX, scrollY, zoom: zoom.value })) return;
    const all = transparent ? PAGE_BOX : boxOf(elementsOf(lesson.fields.get(), thing));
    fitted.current = fitting(transparent, all, width, height);
    lockTo(api, fitted.current);
  }, [api, lesson, thing, transparent, width, height]);

  const onChange: NonNullable<ExcalidrawProps["onChange"]> = (_elements, { newElement, activeTool }) => {
    sceneRef.current?.changed();
    setLaser(activeTool.type === "laser");
    if (newElement?.type !== "freedraw") return;
    const now = stroke.current;
    if (now.element !== newElement.id) stroke.current = { ...now, element: newElement.id, sent: 0 };
    const points = newElement.points as unknown as readonly Point[];
    const added = points.slice(stroke.current.sent).map(([x, y]): Point => [newElement.x + x, newElement.y + y]);
    if (added.length === 0) return;
    stroke.current.sent = newElement.points.length;
    sender.move({ tool: "pen", element: newElement.id, points: added, stroke: newElement.strokeColor, thick: newElement.strokeWidth });
  };
  const onPointerUpdate: NonNullable<ExcalidrawProps["onPointerUpdate"]> = ({ pointer: { x, y, tool }, button }) => {
    if (tool === "laser" && button === "down") {
      sender.move({ tool: "laser", element: `laser-${String(stroke.current.lasers)}`, points: [[x, y]] });
      return;
    }
    if (tool === "laser") stroke.current.lasers += 1;
    if (button === "up") sender.move({ tool: "pointer", x, y, element: null });
  };

  useEffect(() => (place.current === null ? undefined : nameParts(place.current, text.board)), [text]);

  return (
    <div
      ref={place}
      className={transparent ? "board-edit transparent" : "board-edit"}
      data-testid="board-edit"
      data-elements={elements.length}
      onKeyDownCapture={(event) => {
        const typing = event.target instanceof HTMLElement && event.target.closest("textarea, input:not([type=radio])") !== null;
        const control = event.ctrlKey || event.metaKey;
        if (control ? UNUSED_WITH_CONTROL.has(event.code) && !(typing && event.code === "KeyE") : !typing && UNUSED_KEYS.has(event.key)) {
          event.stopPropagation();
          if (control) event.preventDefault();
        }
      }}
    >
      <Excalidraw
        excalidrawAPI={setApi}
        initialData={initial}
        langCode={language === "ru" ? "ru-RU" : "en"}
        theme="light"
        name={name}
        isCollaborating
        handleKeyboardGlobally={false}
        aiEnabled={false}
        validateEmbeddable={false}
        UIOptions={UI}
        onChange={onChange}
        onPointerUpdate={onPointerUpdate}
        onScrollChange={(scrollX, scrollY, { value }) => {
          if (transparent && api !== null) {
            const locked = fitting(true, PAGE_BOX, width, height);
            if (differ(locked, { scrollX, scrollY, zoom: value })) lockTo(api, locked);
          }
          setSight({ scrollX, scrollY, zoom: value });
        }}
        renderTopRightUI={(isMobile) => (isMobile ? (
          <button
            type="button"
            className="icon-button board-laser"
            aria-label={text.board.laser}
            title={text.board.laser}
            aria-pressed={laser}
            data-testid="board-laser"
            onClick={() => api?.setActiveTool({ type: laser ? "freedraw" : "laser" })}
          >
            <Laser />
          </button>
        ) : null)}
      >
        <MainMenu>
          <MainMenu.Item data-testid="board-menu-png" onSelect={() => { void import("./saving").then((saving) => saving.savePng({ name, elements })).catch(onFailed); }}>
            {text.board.savePng}
          </MainMenu.Item>
          <MainMenu.Item data-testid="board-menu-pdf" onSelect={() => { void import("./saving").then((saving) => saving.savePdf([{ name, elements }], name)).catch(onFailed); }}>
            {text.board.savePdf}
          </MainMenu.Item>
          {self.leads && (
            <MainMenu.Item data-testid="board-menu-clear" onSelect={() => { setClearing(true); }}>
              {text.board.clear}
            </MainMenu.Item>
          )}
        </MainMenu>
      </Excalidraw>
      {clearing && (
        <Dialog title={text.board.clear} testId="board-clear-dialog" onClose={() => { setClearing(false); }}>
          <p>{text.board.clearAsk}</p>
          <div className="dialog-buttons">
            <button type="button" className="button" onClick={() => { setClearing(false); }}>
              {text.common.cancel}
            </button>
            <button
              type="button"
              className="button danger"
              data-testid="board-clear-yes"
              onClick={() => {
                setClearing(false);
                lesson.request({ t: "board_clear", board: thing }).catch(onFailed);
              }}
            >
              {text.board.clear}
            </button>
          </div>
        </Dialog>
      )}
      <svg
        className="board-pens"
        viewBox={[-sight.scrollX, -sight.scrollY, width / sight.zoom, height / sight.zoom].join(" ")}
        aria-hidden="true"
      >
        <PenMarks pens={pens} unit={1 / sight.zoom} nameOf={(participant) => lesson.nameOf(participant)} />
      </svg>
    </div>
  );
}

const UI = {
  canvasActions: {
    changeViewBackgroundColor: false,
    clearCanvas: false,
    export: false,
    loadScene: false,
    saveAsImage: false,
    saveToActiveFile: false,
    toggleTheme: false,
  },
  tools: { image: false },
} as const;

const PAGE_BOX: Box = { x: 0, y: 0, ...PAGE };
/** Room for the tools above the page, and for their settings beside it where it is wide. */
const TOOLS_PX = 64;
const SETTINGS_PX = 225;
const WIDE_PX = 1000;

function fitting(transparent: boolean, box: Box, width: number, height: number): Sight {
  if (transparent) return { scrollX: 0, scrollY: 0, zoom: Math.max(0.1, width / PAGE.width) };
  const beside = width < WIDE_PX ? 0 : SETTINGS_PX;
  const zoom = Math.max(0.1, Math.min(1, (width - beside) / box.width, (height - TOOLS_PX) / box.height));
  return { scrollX: (width + beside) / zoom / 2 - box.x - box.width / 2, scrollY: (height + TOOLS_PX) / zoom / 2 - box.y - box.height / 2, zoom };
}

function lockTo(api: ExcalidrawImperativeAPI, { scrollX, scrollY, zoom }: Sight): void {
  api.updateScene({
    appState: { scrollX, scrollY, zoom: { value: zoom as AppState["zoom"]["value"] } },
    captureUpdate: CaptureUpdateAction.NEVER,
  });
}

function differ(a: Sight, b: Sight): boolean {
  return Math.abs(a.scrollX - b.scrollX) > 0.01 || Math.abs(a.scrollY - b.scrollY) > 0.01 || Math.abs(a.zoom - b.zoom) > 0.0001;
}
