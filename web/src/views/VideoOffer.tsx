import { useState } from "react";

import * as api from "../core/api";
import type { VideoState } from "../core/types";
import { Film } from "./icons";
import { usePolling } from "./polling";
import { useText } from "./text";
import { Busy, Link } from "./widgets";

/** The recorder takes up a lesson some seconds after its end; so often "none" is not believed. */
const NONE_BELIEVED_AFTER = 8;

interface Props {
  /** Of any of the lesson's links. */
  code: string;
  /** As known now; null: none. */
  state: VideoState | null;
  /** The lesson was recorded, so there will be one. */
  expected?: boolean;
}

/** After a lesson: the way to its video, or that it is being made; nothing for a lesson that was not recorded. */
export function VideoOffer({ code, state: first, expected = false }: Props) {
  const text = useText();
  const [state, setState] = useState(first);
  const [none, setNone] = useState(0);
  const waits = state === "processing" || (state === null && expected && none < NONE_BELIEVED_AFTER);
  usePolling(waits, async () => {
    const info = await api.link(code);
    setState(info.video_state);
    if (info.video_state === null) setNone(none + 1);
  });
  if (state === null && !waits) return null;
  return (
    <div className="video-offer" role="status">
      {state === "ready" ? (
        <>
          <p>{text.video.ready}</p>
          <Link to={`/watch/${code}`} className="button primary large" testId="watch-video">
            <Film />
            {text.video.watch}
          </Link>
        </>
      ) : state === "failed" ? (
        <p data-testid="video-failed">{text.video.failed}</p>
      ) : (
        <div data-testid="video-processing">
          <Busy label={text.video.making} />
        </div>
      )}
    </div>
  );
}
