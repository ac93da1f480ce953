import { clock } from "../../core/clock";
import type { LessonSurface } from "../../core/lesson";
import { isRunning } from "../../core/recording";
import { Record, Stop } from "../icons";
import { MenuItem } from "../popover";
import { useReadable } from "../readable";
import { useText } from "../text";
import { BarButton } from "./BarButton";
import { useWrittenMs } from "./recording";

interface Props {
  lesson: LessonSurface;
  onRecord: (on: boolean) => void;
}

/** Leaders: starts and stops the recording. How long it has been running is in the strip above the pictures. */
export function RecordButton({ lesson, onRecord }: Props) {
  const text = useText();
  const recording = useReadable(lesson.recording);
  const running = isRunning(recording);
  return (
    <BarButton
      testId="record"
      label={running ? text.recording.stop : text.recording.button}
      hint={running ? text.recording.stopHint : text.recording.buttonHint}
      recording={running}
      busy={recording?.state === "starting"}
      state={recording?.state ?? "off"}
      icon={running ? <Stop /> : <Record />}
      onClick={() => {
        onRecord(!running);
      }}
    />
  );
}

/** The same in a phone's menu. */
export function RecordItem({ lesson, onRecord, close }: Props & { close: () => void }) {
  const text = useText();
  const recording = useReadable(lesson.recording);
  const writtenMs = useWrittenMs(lesson);
  const running = isRunning(recording);
  return (
    <MenuItem
      testId="record"
      state={recording?.state ?? "off"}
      icon={running ? <Stop /> : <Record />}
      label={running ? text.recording.stopHint : text.recording.buttonHint}
      {...(recording?.state === "on" ? { help: clock(writtenMs) } : {})}
      onClick={() => {
        close();
        onRecord(!running);
      }}
    />
  );
}
