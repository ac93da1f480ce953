import { useEffect, useMemo, useRef, useState } from "react";

import { together } from "../../core/groups";
import type { LessonSurface } from "../../core/lesson";
import type { Fields } from "../../core/store";
import type { Person, Slot } from "../../core/types";
import type { ShownField } from "../../generated/wire";
import { Back, Next } from "../icons";
import { useReadable, useSize } from "../readable";
import { useText } from "../text";
import { arrange, paging, type Layout, type Rect } from "./arrange";
import { Avatar, Frame, FrameButtons, Plate, SlotVideo } from "./Frame";
import { fullName } from "./initials";
import { SHOWN, shownTo } from "./shown";
import { StillPicture, stillPlaces } from "./Still";

interface Props {
  lesson: LessonSurface;
  layout: Layout;
  onPin: (participant: string | null) => void;
  onFailed: (error: unknown) => void;
  /** What stands in an empty lesson beside one's own picture. */
  alone: React.ReactNode;
}

/** The pictures of a lesson. Every slot has one frame for good; only rectangles and names change. */
export function SceneView({ lesson, layout, onPin, onFailed, alone }: Props) {
  const text = useText();
  const [box, size] = useSize<HTMLDivElement>();
  const picture = useReadable(lesson.picture);
  const everybody = useReadable(lesson.people);
  const self = useReadable(lesson.self);
  const speakers = useReadable(lesson.speakers);
  const rules = useReadable(lesson.lesson);
  const connected = useReadable(lesson.connection).media === "connected";
  const camera = useReadable(lesson.sources).camera;
  const { lite } = useReadable(lesson.saving);
  const stills = useReadable(lesson.stills);
  const fields = useReadable(lesson.fields);
  const people = useMemo(() => together(fields, everybody, self.id), [fields, everybody, self.id]);
  const [wantedPage, setWantedPage] = useState(0);
  const [touched, setTouched] = useState<string | null>(null);

  const byId = useMemo(() => new Map(people.map((person) => [person.id, person])), [people]);
  const me = byId.get(self.id) ?? null;
  const still = lite ? stillPlaces(stills, people) : null;
  const stagePerson = personIn(picture.stage, byId) ?? still?.stage ?? null;
  const screenPerson = personIn(picture.screen, byId) ?? still?.screen ?? null;
  // The one still there is has the large place.
  const effective = layout === "gallery" && (picture.pin !== null || lite) ? "speaker" : layout;
  const stageDrawn = stagePerson !== null && effective !== "gallery";

  const others = people.filter((person) => !person.self && !(stageDrawn && person.id === stagePerson.id));
  // Until the server has told who is where (or cannot), everybody is shown by name.
  const told = connected && [picture.stage, ...picture.tiles].some((slot) => slot.participant !== null);
  const withCamera = told ? others.filter((person) => person.on.camera) : [];
  const without = others.filter((person) => !withCamera.includes(person));
  const pages = paging(wantedPage, picture.tiles.length, withCamera.length, without.length);
  const tiles = pages.cameras
    ? picture.tiles.filter((slot) => {
        const person = personIn(slot, byId);
        return person !== null && !person.self && !(stageDrawn && person.id === stagePerson.id);
      })
    : [];
  const avatars = without.slice(pages.withoutFrom, pages.withoutTo);

  useEffect(() => {
    lesson.setPage(pages.cameraPage);
  }, [lesson, pages.cameraPage]);

  const shown = shownTo(fields, self.id);
  const places = arrange({
    ...size,
    layout: effective,
    shown: shown !== null,
    screen: screenPerson !== null,
    stage: stagePerson !== null,
    large: picture.pin === null ? "shown" : "stage",
    cells: 1 + tiles.length + avatars.length,
  });
  const cells = [...places.cells];
  const selfRect = cells.shift() ?? null;
  const tileRects = new Map<number, Rect>();
  for (const tile of tiles) {
    const rect = cells.shift();
    if (rect !== undefined) tileRects.set(tile.index, rect);
  }

  const buttons = (person: Person) => (
    <FrameButtons
      lesson={lesson}
      person={person}
      pinned={picture.pin === person.id}
      leads={self.leads}
      onStage={rules?.stage === person.id}
      touched={touched === person.id}
      onPin={onPin}
      onFailed={onFailed}
    />
  );
  const speaks = (person: Person | null) => person !== null && speakers.includes(person.id);

  return (
    <div className="scene-box">
      <div
        ref={box}
        className="scene"
        role="region"
        aria-label={text.lesson.area}
        data-testid="scene"
        data-layout={effective}
        // A finger cannot hover: a touched picture shows its buttons until another is touched.
        onPointerUp={(event) => {
          if (event.pointerType !== "touch" || !(event.target instanceof Element)) return;
          if (event.target.closest("button") !== null) return;
          const of = event.target.closest<HTMLElement>(".frame")?.dataset["participant"] ?? null;
          setTouched(of === touched ? null : of);
        }}
      >
        {shown !== null && <ShownFrame rect={places.shown} lesson={lesson} fields={fields} shown={shown} onFailed={onFailed} />}
        <Frame
          rect={places.stage}
          kind="stage"
          large={places.large === "stage"}
          person={stagePerson}
          speaking={speaks(stagePerson)}
          testId="stage"
          label={text.lesson.stage}
          video={<SlotVideo lesson={lesson} index={picture.stage.index} live={picture.stage.live} />}
        >
          {stagePerson !== null && (
            <>
              {!picture.stage.live && <Avatar id={stagePerson.id} name={stagePerson.name} />}
              {lite && !picture.stage.live && screenPerson === null && (
                <StillPicture lesson={lesson} person={stagePerson} source="camera" />
              )}
              <Plate person={stagePerson} />
              {buttons(stagePerson)}
            </>
          )}
        </Frame>
        <Frame
          rect={places.screen}
          kind="screen"
          large={places.large === "screen"}
          person={screenPerson}
          speaking={false}
          testId="screen"
          label={screenPerson === null ? text.bar.screen : text.lesson.screenOf(fullName(screenPerson))}
          video={<SlotVideo lesson={lesson} index={picture.screen.index} live={picture.screen.live} />}
        >
          {screenPerson !== null && (
            <>
              {lite && !picture.screen.live && <StillPicture lesson={lesson} person={screenPerson} source="screen" />}
              <Plate person={screenPerson} screen text={text.lesson.screenOf(fullName(screenPerson))} />
            </>
          )}
        </Frame>
        <Frame
          rect={selfRect}
          kind="tile"
          large={false}
          person={me}
          speaking={speaks(me)}
          testId={`tile-${self.id}`}
          label={text.lesson.you}
          video={<OwnVideo stream={camera.stream} />}
        >
          {camera.stream === null && <Avatar id={self.id} name={self.name} />}
          {me !== null && <Plate person={me} text={`${fullName(me)} (${text.common.you})`} />}
        </Frame>
        {picture.tiles.map((slot) => {
          const rect = tileRects.get(slot.index) ?? null;
          const person = rect === null ? null : personIn(slot, byId);
          return (
            <Frame
              key={slot.index}
              rect={rect}
              kind="tile"
              large={false}
              person={person}
              speaking={speaks(person)}
              testId={person === null ? undefined : `tile-${person.id}`}
              label={text.lesson.tile(person === null ? "" : fullName(person))}
              video={<SlotVideo lesson={lesson} index={slot.index} live={slot.live} />}
            >
              {person !== null && (
                <>
                  {!slot.live && <Avatar id={person.id} name={person.name} />}
                  <Plate person={person} />
                  {buttons(person)}
                </>
              )}
            </Frame>
          );
        })}
        {avatars.map((person, index) => {
          const rect = cells[index] ?? null;
          return rect === null ? null : (
            <Frame
              key={person.id}
              rect={rect}
              kind="tile"
              large={false}
              person={person}
              speaking={speaks(person)}
              testId={`tile-${person.id}`}
              label={text.lesson.tile(fullName(person))}
            >
              <Avatar id={person.id} name={person.name} />
              <Plate person={person} />
              {buttons(person)}
            </Frame>
          );
        })}
        {everybody.length <= 1 && alone}
      </div>
      {pages.pages > 1 && effective !== "focus" && (
        <nav className="pager" aria-label={text.lesson.pageNext}>
          <button
            type="button"
            className="icon-button"
            aria-label={text.lesson.pageBack}
            data-testid="page-back"
            disabled={pages.page === 0}
            onClick={() => {
              setWantedPage(pages.page - 1);
            }}
          >
            <Back />
          </button>
          <span data-testid="page">{text.lesson.page(pages.page + 1, pages.pages)}</span>
          <button
            type="button"
            className="icon-button"
            aria-label={text.lesson.pageNext}
            data-testid="page-next"
            disabled={pages.page + 1 >= pages.pages}
            onClick={() => {
              setWantedPage(pages.page + 1);
            }}
          >
            <Next />
          </button>
        </nav>
      )}
    </div>
  );
}

/** What the class looks at together; it stays in the page under another one that is large. */
function ShownFrame({ rect, fields, shown, ...props }: {
  rect: Rect | null;
  lesson: LessonSurface;
  fields: Fields;
  shown: ShownField;
  onFailed: (error: unknown) => void;
}) {
  const text = useText();
  const View = SHOWN[shown.kind];
  return (
    <section
      className="shown"
      hidden={rect === null}
      style={rect ?? undefined}
      aria-label={text.lesson.shown}
      data-testid="shown"
      data-kind={shown.kind}
      data-thing={shown.thing}
    >
      {View !== undefined && <View key={`${shown.kind}/${shown.thing}`} fields={fields} thing={shown.thing} {...props} />}
    </section>
  );
}

function personIn(slot: Slot, people: ReadonlyMap<string, Person>): Person | null {
  return slot.participant === null ? null : (people.get(slot.participant) ?? null);
}

function OwnVideo({ stream }: { stream: MediaStream | null }) {
  const video = useRef<HTMLVideoElement>(null);
  useEffect(() => {
    if (video.current !== null) video.current.srcObject = stream;
  }, [stream]);
  return (
    <div className={stream === null ? "slot own" : "slot own live"}>
      <video ref={video} autoPlay playsInline muted data-testid="own-video" />
    </div>
  );
}
