import { useState } from "react";

import type { LessonSurface } from "../../core/lesson";
import type { Person, SourceName } from "../../core/types";
import { CameraOff, Close, Hand, Microphone, MicrophoneOff, More, NotRecorded, ScreenOff, View } from "../icons";
import { MenuItem, Popover } from "../popover";
import { useText } from "../text";
import { Dialog } from "../widgets";
import { ChatMuteItem } from "./chat/MuteItem";
import { fullName } from "./initials";
import { CallItem } from "./leading/calling";

interface Props {
  lesson: LessonSurface;
  person: Person;
  onStage: boolean;
  className: string;
  testId: string;
  onFailed: (error: unknown) => void;
}

/** What a leader may do with one person. */
export function PersonMenu({ lesson, person, onStage, className, testId, onFailed }: Props) {
  const text = useText();
  const [removing, setRemoving] = useState(false);
  const name = fullName(person);
  const id = person.id;
  const student = person.role === "student";
  const run = (close: () => void, act: () => Promise<void>) => () => {
    close();
    act().catch(onFailed);
  };
  return (
    <>
      <Popover
        label={text.lesson.menuOf(name)}
        title={text.lesson.menuOf(name)}
        testId={testId}
        className={className}
        face={<More />}
      >
        {(close) => (
          <div className="menu">
            <p className="menu-title">{name}</p>
            {student && <CallItem lesson={lesson} person={person} close={close} onFailed={onFailed} />}
            {person.hand && (
              <MenuItem
                testId={`lower-${id}`}
                icon={<Hand />}
                label={text.people.lowerHand}
                onClick={run(close, () => lesson.lowerHand(id))}
              />
            )}
            {person.on.microphone && (
              <MenuItem
                testId={`mute-${id}`}
                icon={<MicrophoneOff />}
                label={text.people.mute}
                onClick={run(close, () => lesson.mute(id))}
              />
            )}
            {person.on.camera && (
              <MenuItem
                testId={`camera-off-${id}`}
                icon={<CameraOff />}
                label={text.people.cameraOff}
                onClick={run(close, () => lesson.mute(id, "camera"))}
              />
            )}
            {person.on.screen && (
              <MenuItem
                testId={`screen-off-${id}`}
                icon={<ScreenOff />}
                label={text.people.screenOff}
                onClick={run(close, () => lesson.mute(id, "screen"))}
              />
            )}
            <MenuItem
              testId={`stage-${id}`}
              icon={<View />}
              label={onStage ? text.people.stageOff : text.people.stage}
              onClick={run(close, () => lesson.setStage(onStage ? null : id))}
            />
            {student && (
              <MenuItem
                testId={`may-${id}`}
                icon={person.may.microphone ? <MicrophoneOff /> : <Microphone />}
                label={person.may.microphone ? text.people.forbid : text.people.allow}
                onClick={run(close, () => lesson.setPersonMay(id, withMicrophone(person, !person.may.microphone)))}
              />
            )}
            {student && <ChatMuteItem lesson={lesson} participant={id} close={close} onFailed={onFailed} />}
            {student && (
              <MenuItem
                testId={`recorded-${id}`}
                icon={<NotRecorded />}
                label={person.unrecorded?.by_leader === true ? text.people.recordAgain : text.people.doNotRecord}
                {...(person.unrecorded?.by_self === true ? { help: text.people.unrecordedBySelf } : {})}
                onClick={run(close, () => lesson.setRecorded(person.unrecorded?.by_leader === true, id))}
              />
            )}
            {student && (
              <MenuItem
                testId={`remove-${id}`}
                icon={<Close />}
                danger
                label={text.people.remove}
                onClick={() => {
                  close();
                  setRemoving(true);
                }}
              />
            )}
          </div>
        )}
      </Popover>
      {removing && (
        <Dialog
          title={text.people.remove}
          testId="remove-dialog"
          onClose={() => {
            setRemoving(false);
          }}
        >
          <p>{text.people.removeConfirm(name)}</p>
          <div className="dialog-buttons">
            <button
              type="button"
              className="button"
              onClick={() => {
                setRemoving(false);
              }}
            >
              {text.common.cancel}
            </button>
            <button
              type="button"
              className="button danger"
              data-testid="remove-confirm"
              onClick={() => {
                setRemoving(false);
                lesson.remove(id).catch(onFailed);
              }}
            >
              {text.people.removeYes}
            </button>
          </div>
        </Dialog>
      )}
    </>
  );
}

/** The person's rule with the microphone changed and the rest as it is now. */
function withMicrophone(person: Person, may: boolean): SourceName[] {
  const all: SourceName[] = ["microphone", "camera", "screen", "screen_sound"];
  return all.filter((source) => (source === "microphone" ? may : person.may[source]));
}
