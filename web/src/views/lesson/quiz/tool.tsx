import { lazy, Suspense } from "react";

import { useText } from "../../text";
import { Busy } from "../../widgets";
import type { Tool } from "../tools";
import { QuizIcon } from "./icons";

// Only leaders make quizzes; the card of those who answer is there at once.
const QuizPanel = lazy(() => import("./QuizPanel"));

export const QUIZ_TOOL: Tool = {
  name: "quiz",
  for: "leaders",
  Icon: QuizIcon,
  label: (text) => text.quiz.tool,
  help: (text) => text.quiz.toolHelp,
  Panel: function Panel(props) {
    const text = useText();
    return (
      <Suspense fallback={<Busy label={text.common.loading} />}>
        <QuizPanel {...props} />
      </Suspense>
    );
  },
};
