import { Suspense, useMemo } from "react";

import type { Player } from "../../core/player";
import { fieldsOf } from "../../core/replay";
import type { Fields } from "../../core/store";
import { derive } from "../../core/value";
import type { ShownField, Timeline } from "../../generated/wire";
import { Swap } from "../icons";
import { SHOWN, shownIn } from "../lesson/shown";
import { useReadable } from "../readable";
import { useText } from "../text";
import { Busy } from "../widgets";

const NOTHING: Fields = new Map();

/** What the class looked at together where the video is now. */
export function useShown(player: Player, timeline: Timeline | null): { fields: Fields; shown: ShownField } | null {
  const at = useMemo(() => {
    const read = timeline === null ? () => NOTHING : fieldsOf(timeline);
    return derive([player.state], ({ timeMs }) => read(timeMs));
  }, [player, timeline]);
  const fields = useReadable(at);
  const shown = shownIn(fields);
  return shown === null ? null : { fields, shown };
}

/** Over the picture or small in its corner; the button changes places. */
export function ShownBeside(props: { fields: Fields; shown: ShownField; large: boolean; onSwap: () => void }) {
  const text = useText();
  const { kind, thing } = props.shown;
  const View = SHOWN[kind];
  return (
    <>
      <section
        className="player-shown"
        aria-label={text.lesson.shown}
        // What is small is a picture only: it takes neither clicks nor the focus.
        inert={!props.large}
        data-testid="player-shown"
        data-kind={kind}
        data-thing={thing}
      >
        {View !== undefined && (
          <Suspense fallback={<Busy label={text.common.loading} />}>
            <View key={`${kind}/${thing}`} fields={props.fields} thing={thing} lesson={null} onFailed={() => undefined} />
          </Suspense>
        )}
      </section>
      <button
        type="button"
        className="icon-button player-swap"
        aria-label={props.large ? text.player.pictureLarge : text.player.shownLarge}
        title={props.large ? text.player.pictureLarge : text.player.shownLarge}
        data-testid="player-swap"
        onClick={props.onSwap}
      >
        <Swap />
      </button>
    </>
  );
}
