import { useState } from "react";

import type { LessonSurface } from "../../core/lesson";
import { useText } from "../text";
import { Dialog } from "../widgets";

/** Leaving is asked for once; the teacher chooses between leaving and ending for all. */
export function EndDialog(props: {
  lesson: LessonSurface;
  teacher: boolean;
  onClose: () => void;
  onFailed: (error: unknown) => void;
}) {
  const text = useText();
  const [busy, setBusy] = useState(false);
  const run = async (act: () => Promise<void>) => {
    setBusy(true);
    try {
      await act();
    } catch (error) {
      setBusy(false);
      props.onClose();
      props.onFailed(error);
    }
  };
  return (
    <Dialog title={props.teacher ? text.end.title : text.end.student} testId="end-dialog" onClose={props.onClose}>
      {props.teacher ? (
        <div className="choices">
          <button
            type="button"
            className="choice"
            data-testid="leave"
            disabled={busy}
            onClick={() => {
              void run(() => props.lesson.leave());
            }}
          >
            <b>{text.end.leave}</b>
            <span>{text.end.leaveStays}</span>
          </button>
          <button
            type="button"
            className="choice danger"
            data-testid="end-lesson"
            disabled={busy}
            onClick={() => {
              void run(() => props.lesson.end());
            }}
          >
            <b>{text.end.end}</b>
            <span>{text.end.endHelp}</span>
          </button>
        </div>
      ) : (
        <div className="dialog-buttons">
          <button type="button" className="button" onClick={props.onClose}>
            {text.common.cancel}
          </button>
          <button
            type="button"
            className="button danger"
            data-testid="leave-confirm"
            disabled={busy}
            onClick={() => {
              void run(() => props.lesson.leave());
            }}
          >
            {text.end.studentYes}
          </button>
        </div>
      )}
    </Dialog>
  );
}
