import { Suspense, useMemo } from "react";

import type { Player } from "../../core/player";
import { latestQuiz } from "../../core/quiz";
import { fieldsOf } from "../../core/replay";
import type { PageAddress } from "../../core/slides";
import type { Fields } from "../../core/store";
import { derive } from "../../core/value";
import type { ShownField, Timeline } from "../../generated/wire";
import { Swap } from "../icons";
import { QuestionResult } from "../lesson/quiz/parts";
import { SHOWN } from "../lesson/shown";
import { PageAddresses } from "../lesson/slides/addresses";
import { useReadable } from "../readable";
import { useText } from "../text";
import { Busy } from "../widgets";

const NOTHING: Fields = new Map();

/** What the class had before it where the video is now. */
export function useFields(player: Player, timeline: Timeline | null): Fields {
  const at = useMemo(() => {
    const read = timeline === null ? () => NOTHING : fieldsOf(timeline);
    return derive([player.state], ({ timeMs }) => read(timeMs));
  }, [player, timeline]);
  return useReadable(at);
}

interface Props {
  fields: Fields;
  shown: ShownField;
  pages: PageAddress;
  large: boolean;
  onSwap: () => void;
}

/** What the class looked at together: over the picture or small in its corner; the button changes places. */
export function ShownBeside({ fields, shown: { kind, thing }, pages, large, onSwap }: Props) {
  const text = useText();
  const View = SHOWN[kind];
  return (
    <>
      <section
        className="player-shown"
        aria-label={text.lesson.shown}
        // What is small is a picture only: it takes neither clicks nor the focus.
        inert={!large}
        data-testid="player-shown"
        data-kind={kind}
        data-thing={thing}
      >
        {View !== undefined && (
          <PageAddresses value={pages}>
            <Suspense fallback={<Busy label={text.common.loading} />}>
              <View key={`${kind}/${thing}`} fields={fields} thing={thing} lesson={null} onFailed={() => undefined} />
            </Suspense>
          </PageAddresses>
        )}
      </section>
      <button
        type="button"
        className="icon-button player-swap"
        aria-label={large ? text.player.pictureLarge : text.player.shownLarge}
        title={large ? text.player.pictureLarge : text.player.shownLarge}
        data-testid="player-swap"
        onClick={onSwap}
      >
        <Swap />
      </button>
    </>
  );
}

/** What the class was asked last, with what it was told of the answers by then. */
export function AskedBeside({ player, timeline }: { player: Player; timeline: Timeline }) {
  const text = useText();
  const quiz = latestQuiz(useFields(player, timeline));
  if (quiz === null) return null;
  return (
    <section className="player-quiz" aria-label={text.quiz.tool} data-testid="player-quiz" data-state={quiz.state}>
      <h2>{quiz.title}</h2>
      <ol>
        {quiz.list.map((question) => (
          <li key={question.place}>
            {question.text !== "" && <p className="quiz-asked">{question.text}</p>}
            <QuestionResult question={question} tally={question.tally} given={null} />
          </li>
        ))}
      </ol>
    </section>
  );
}
