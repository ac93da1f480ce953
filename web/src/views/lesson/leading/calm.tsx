import { useEffect, useRef, useState } from "react";

import { calmOf, isCalm } from "../../../core/leading";
import type { LessonSurface } from "../../../core/lesson";
import type { Sealed } from "../../../generated/wire";
import { localeOf } from "../../../i18n";
import { Close } from "../../icons";
import { MenuItem } from "../../popover";
import { useReadable } from "../../readable";
import { remember, remembered } from "../../remember";
import { useText, useWords } from "../../text";
import { Dialog } from "../../widgets";
import { BarButton } from "../BarButton";
import type { ToolProps } from "../tools";
import { Quiet } from "./icons";

/** Of which calm the sealed minute was put away. */
const CLOSED = "calm.closed";

/** Leaders: one press stops all that comes from students, the next one lets it be again. */
export function CalmButton({ lesson, onFailed }: ToolProps) {
  const text = useText();
  const on = isCalm(useReadable(lesson.fields));
  return (
    <BarButton
      testId="calm"
      label={on ? text.calm.release : text.calm.button}
      hint={on ? text.calm.releaseHint : text.calm.hint}
      active={on}
      pressed={on}
      icon={<Quiet />}
      onClick={() => {
        lesson.request({ t: "calm", on: !on }).catch(onFailed);
      }}
    />
  );
}

/** The same in a phone's menu. */
export function CalmItem({ lesson, onFailed, close }: ToolProps & { close: () => void }) {
  const text = useText();
  const on = isCalm(useReadable(lesson.fields));
  return (
    <MenuItem
      testId="calm"
      icon={<Quiet />}
      label={on ? text.calm.releaseHint : text.calm.hint}
      pressed={on}
      onClick={() => {
        close();
        lesson.request({ t: "calm", on: !on }).catch(onFailed);
      }}
    />
  );
}

/** While it is calm: what that means, for leaders with the way out of it. */
export function CalmCard({ lesson, onFailed }: ToolProps) {
  const self = useReadable(lesson.self);
  return self.leads ? <OfLeaders lesson={lesson} onFailed={onFailed} /> : <OfStudents lesson={lesson} onFailed={onFailed} />;
}

function OfLeaders({ lesson, onFailed }: ToolProps) {
  const text = useText();
  const calm = calmOf(useReadable(lesson.fields));
  const [sealed, setSealed] = useState<Sealed | null>(null);
  const [closed, setClosed] = useState(() => remembered(CLOSED));
  useEffect(
    () =>
      lesson.onPassing((message) => {
        if (message.t === "sealed") setSealed(message);
      }),
    [lesson],
  );
  if (calm === null || (!calm.on && closed === String(calm.at_ms))) return null;
  return (
    <>
      <section className="leading-card warn" data-testid="calm-card" data-on={calm.on}>
        {calm.on && <p role="status">{text.calm.leaders}</p>}
        <div className="leading-buttons">
          {calm.on && (
            <button
              type="button"
              className="button primary"
              data-testid="calm-release"
              onClick={() => {
                lesson.request({ t: "calm", on: false }).catch(onFailed);
              }}
            >
              {text.calm.release}
            </button>
          )}
          <button
            type="button"
            className="button"
            data-testid="calm-sealed"
            onClick={() => {
              lesson.request({ t: "read_sealed" }).catch(onFailed);
            }}
          >
            {text.calm.sealed}
          </button>
          {!calm.on && (
            <button
              type="button"
              className="icon-button"
              aria-label={text.banner.dismiss}
              onClick={() => {
                setClosed(String(calm.at_ms));
                remember(CLOSED, String(calm.at_ms));
              }}
            >
              <Close />
            </button>
          )}
        </div>
      </section>
      {sealed !== null && (
        <SealedDialog
          sealed={sealed}
          onClose={() => {
            setSealed(null);
          }}
        />
      )}
    </>
  );
}

function SealedDialog({ sealed, onClose }: { sealed: Sealed; onClose: () => void }) {
  const { text, language } = useWords();
  const time = new Intl.DateTimeFormat(localeOf(language), { timeStyle: "medium" });
  return (
    <Dialog title={text.calm.sealedTitle} testId="sealed-dialog" onClose={onClose}>
      <p className="note">{text.calm.sealedHelp}</p>
      {sealed.messages.length === 0 ? (
        <p>{text.calm.sealedNone}</p>
      ) : (
        <ol className="sealed">
          {sealed.messages.map((message, index) => (
            <li key={index} data-testid="sealed-message">
              <small>
                {time.format(message.at_ms)} · {message.name}
                {!message.kept && ` · ${text.calm.deleted}`}
              </small>
              <p>{message.text}</p>
            </li>
          ))}
        </ol>
      )}
    </Dialog>
  );
}

function OfStudents({ lesson, onFailed }: ToolProps) {
  const text = useText();
  const on = isCalm(useReadable(lesson.fields));
  const camera = useCameraBefore(lesson, on);
  const [over, setOver] = useState(false);
  const [was, setWas] = useState(on);
  if (was !== on) {
    setWas(on);
    setOver(!on);
  }
  const close = () => {
    setOver(false);
  };
  if (on)
    return (
      <section className="leading-card strong" role="status" data-testid="calm-card" data-on="true">
        <p>
          <b>
            <Quiet />
            {text.calm.title}
          </b>
          <small>{text.calm.students}</small>
        </p>
      </section>
    );
  if (!over) return null;
  return (
    <section className="leading-card urgent" role="status" data-testid="calm-over">
      <p>{text.calm.over}</p>
      {camera && (
        <button
          type="button"
          className="button"
          data-testid="calm-camera"
          onClick={() => {
            close();
            lesson.setSource("camera", true).catch(onFailed);
          }}
        >
          {text.calm.cameraOn}
        </button>
      )}
      <button type="button" className="icon-button" aria-label={text.banner.dismiss} onClick={close}>
        <Close />
      </button>
    </section>
  );
}

/** Whether one's own camera was on when it became calm; its own light is not turned on without a press. */
function useCameraBefore(lesson: LessonSurface, calm: boolean): boolean {
  const before = useRef(false);
  const [camera, setCamera] = useState(false);
  useEffect(() => {
    const look = () => {
      const on = lesson.people.get().find((person) => person.self)?.on.camera === true;
      if (!isCalm(lesson.fields.get())) before.current = on;
    };
    look();
    return lesson.people.subscribe(look);
  }, [lesson]);
  useEffect(() => {
    if (calm) setCamera(before.current);
  }, [calm]);
  return camera;
}
