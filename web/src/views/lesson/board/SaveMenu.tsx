import { useState } from "react";

import { Popover } from "../../popover";
import { useText } from "../../text";
import { Save } from "./icons";
import type * as saving from "./saving";

type Saving = typeof saving;

/** Keeps a board as a picture or a PDF on this device. */
export function SaveMenu({ boards, className = "icon-button" }: { boards: readonly saving.Sheet[]; className?: string }) {
  const text = useText();
  const [failed, setFailed] = useState(false);
  const keep = (work: (loaded: Saving) => Promise<void>) => {
    setFailed(false);
    import("./saving").then(work).catch(() => {
      setFailed(true);
    });
  };
  const first = boards[0];
  return (
    <>
      <Popover label={text.board.save} title={text.board.save} testId="board-save" className={className} face={<Save />}>
        {(close) => (
          <div className="menu">
            <button
              type="button"
              className="menu-item"
              data-testid="board-save-png"
              onClick={() => {
                close();
                if (first !== undefined) keep((loaded) => loaded.savePng(first));
              }}
            >
              {text.board.savePng}
            </button>
            <button
              type="button"
              className="menu-item"
              data-testid="board-save-pdf"
              onClick={() => {
                close();
                keep((loaded) => loaded.savePdf(boards, first?.name ?? ""));
              }}
            >
              {text.board.savePdf}
            </button>
          </div>
        )}
      </Popover>
      <span role="alert" className={failed ? "board-failed" : "hidden"}>
        {failed ? text.board.saveFailed : ""}
      </span>
    </>
  );
}
