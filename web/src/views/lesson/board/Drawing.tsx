import { memo } from "react";

import type { BoardElement } from "../../../core/board/elements";
import type { Pen } from "../../../core/board/pens";
import { headsOf, outline, pathOf, polyline } from "../../../core/board/shapes";

/** Everything on a board as SVG, from back to front. */
export function Drawing({ elements }: { elements: readonly BoardElement[] }) {
  return elements.map((element) => <Shape key={element.id} element={element} />);
}

const Shape = memo(function Shape({ element }: { element: BoardElement }) {
  const { x, y, width, height, angle } = element;
  const turn = angle === 0 ? "" : ` rotate(${String((angle * 180) / Math.PI)} ${String(width / 2)} ${String(height / 2)})`;
  return (
    <g transform={`translate(${String(x)} ${String(y)})${turn}`} opacity={element.opacity === 100 ? undefined : element.opacity / 100} data-element={element.id}>
      {element.kind === "text" ? <Lines element={element} /> : <Line element={element} />}
    </g>
  );
});

function Line({ element }: { element: BoardElement }) {
  const { kind, stroke, fill, thick } = element;
  if (kind === "freedraw") return <path d={pathOf(element)} fill={stroke} />;
  const dashes = { solid: undefined, dashed: `${String(8 + thick)} ${String(7 + thick)}`, dotted: `${String(1.5)} ${String(5 + thick)}` };
  const heads = headsOf(element);
  const pen = { stroke: paint(stroke), strokeWidth: thick, strokeLinecap: "round", strokeLinejoin: "round" } as const;
  return (
    <>
      <path d={pathOf(element)} fill={paint(fill)} strokeDasharray={dashes[element.line]} {...pen} />
      {heads !== "" && <path d={heads} fill="none" {...pen} />}
    </>
  );
}

function paint(colour: string): string {
  return colour === "transparent" ? "none" : colour;
}

const SANS = "Helvetica, Arial, 'Liberation Sans', sans-serif";
const MONO = "'Cascadia Mono', 'DejaVu Sans Mono', monospace";
const ANCHOR = { left: "start", center: "middle", right: "end" } as const;
const AT = { left: 0, center: 0.5, right: 1 } as const;
/** Of Helvetica and what stands for it, in parts of the letters' size. */
const ASCENT = 0.905;
const DESCENT = 0.212;

function Lines({ element }: { element: BoardElement }) {
  const { size, spacing, align, width } = element;
  const high = size * spacing;
  const base = (high - size * (ASCENT + DESCENT)) / 2 + size * ASCENT;
  return (
    <text
      fill={element.stroke}
      fontSize={size}
      fontFamily={element.font === 3 || element.font === 8 ? MONO : SANS}
      textAnchor={ANCHOR[align]}
      xmlSpace="preserve"
    >
      {element.text.split("\n").map((line, index) => (
        <tspan key={index} x={AT[align] * width} y={base + index * high}>
          {line}
        </tspan>
      ))}
    </text>
  );
}

/** Others' pens as they move. `unit`: how large a pixel of the screen is in the board's units. */
export function PenMarks({ pens, unit, nameOf }: { pens: readonly Pen[]; unit: number; nameOf: (participant: string) => string }) {
  return pens.map(({ participant, at: [x, y], strokes }) => (
    <g key={participant} data-testid={`pen-${participant}`} pointerEvents="none">
      {strokes.map(({ element, points, stroke, thick, laser }) =>
        laser ? (
          <path key={element} d={polyline(points, true)} fill="none" stroke="#e03131" strokeWidth={4 * unit} strokeLinecap="round" opacity={0.8} />
        ) : (
          <path key={element} d={outline(points, [], thick)} fill={stroke} data-stroke={element} />
        ),
      )}
      <g transform={`translate(${String(x)} ${String(y)}) scale(${String(unit)})`}>
        <circle r={5} fill="#e03131" stroke="#ffffff" strokeWidth={1.5} />
        <text x={9} y={-7} className="pen-name" fontSize={12}>
          {nameOf(participant)}
        </text>
      </g>
    </g>
  ));
}
