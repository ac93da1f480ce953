import { hardest, heatMap, progress, type Cell, type Quiz } from "../../../core/quiz";
import type { Fields } from "../../../core/store";
import { useText } from "../../text";

const SIGNS: Record<Cell, string> = { right: "✓", wrong: "✕", answered: "●", missing: "–" };

/** Names by questions: who answered what, and the same as a sentence. */
export function HeatMap({ fields, quiz }: { fields: Fields; quiz: Quiz }) {
  const text = useText();
  const rows = heatMap(fields, quiz);
  const { all, done } = progress(rows);
  const hard = hardest(rows);
  return (
    <div className="quiz-map">
      <p role="status" data-testid="quiz-summary">
        {text.quiz.allAnswered(done, all)} {hard !== null && text.quiz.hardest(hard.place + 1, Math.round(hard.share * 100))}
      </p>
      {/* A wide table scrolls by itself, so it must be reachable by keyboard. */}
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
      <div className="table-box" tabIndex={0} role="region" aria-label={text.quiz.map}>
        <table data-testid="quiz-map">
          <thead>
            <tr>
              <th scope="col">{text.quiz.mapName}</th>
              {quiz.list.map((question) => (
                <th key={question.place} scope="col" title={question.text} aria-label={text.quiz.question(question.place + 1)}>
                  {question.place + 1}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => (
              <tr key={row.participant} data-testid={`quiz-row-${row.participant}`} data-name={row.name}>
                <th scope="row">
                  {row.name}
                  {!row.here && <small> ({text.quiz.away})</small>}
                </th>
                {row.cells.map((cell, place) => (
                  <td key={place} data-cell={cell}>
                    <span aria-hidden="true">{SIGNS[cell]}</span>
                    <span className="hidden">{text.quiz.cells[cell]}</span>
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <p className="note" aria-hidden="true">
        {text.quiz.legend}
      </p>
    </div>
  );
}
