import { useEffect, useState } from "react";

import type { Fields } from "../../../core/store";
import { Pens, type Pen } from "../../../core/board/pens";
import type { LessonSurface } from "../../../core/lesson";
import { useReadable } from "../../readable";

const TIDY_MS = 250;

/** Others' pens on this board; always none without a lesson. */
export function usePens(lesson: LessonSurface | null, fields: Fields, board: string): readonly Pen[] {
  const [pens] = useState(() => new Pens(board));
  useEffect(
    () =>
      lesson?.onPassing((message) => {
        if (message.t === "ink") pens.add(message, performance.now());
      }),
    [lesson, pens],
  );
  const all = useReadable(pens.pens);
  const some = all.length > 0;
  useEffect(() => {
    if (!some) return;
    const tidy = () => {
      pens.tidy(performance.now(), (element) => fields.has(`board/${board}/e/${element}`));
    };
    tidy();
    const timer = setInterval(tidy, TIDY_MS);
    return () => {
      clearInterval(timer);
    };
  }, [pens, some, fields, board]);
  return all;
}
