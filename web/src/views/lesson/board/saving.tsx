import { createRoot } from "react-dom/client";
import { flushSync } from "react-dom";

import type { BoardElement } from "../../../core/board/elements";
import { pdfOf, type Picture } from "../../../core/board/pdf";
import { boxOf } from "./Looker";
import { Drawing } from "./Drawing";

export interface Sheet {
  readonly name: string;
  readonly elements: readonly BoardElement[];
}

const LONG_SIDE_PX = 3200;
const MARGIN = 40;

/** A board as a picture of its own, and its name as a file's. */
export async function savePng(sheet: Sheet): Promise<void> {
  const canvas = await paint(sheet);
  save(await blobOf(canvas, "image/png"), `${fileName(sheet.name)}.png`);
}

/** Boards as one PDF, a page each. */
export async function savePdf(sheets: readonly Sheet[], name: string): Promise<void> {
  const pictures: Picture[] = [];
  for (const sheet of sheets) {
    const canvas = await paint(sheet);
    const blob = await blobOf(canvas, "image/jpeg", 0.92);
    pictures.push({ jpeg: new Uint8Array(await blob.arrayBuffer()), width: canvas.width, height: canvas.height });
  }
  save(new Blob([pdfOf(pictures)], { type: "application/pdf" }), `${fileName(name)}.pdf`);
}

async function paint({ elements }: Sheet): Promise<HTMLCanvasElement> {
  const box = boxOf(elements);
  const [width, height] = [box.width + 2 * MARGIN, box.height + 2 * MARGIN];
  const scale = LONG_SIDE_PX / Math.max(width, height);
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  const holder = document.createElement("div");
  const root = createRoot(holder);
  flushSync(() => {
    root.render(
      <svg
        xmlns="http://www.w3.org/2000/svg"
        width={canvas.width}
        height={canvas.height}
        viewBox={[box.x - MARGIN, box.y - MARGIN, width, height].join(" ")}
      >
        <Drawing elements={elements} />
      </svg>,
    );
  });
  const markup = holder.innerHTML;
  root.unmount();
  const url = URL.createObjectURL(new Blob([markup], { type: "image/svg+xml" }));
  try {
    const image = new Image();
    image.src = url;
    await image.decode();
    const pen = canvas.getContext("2d");
    if (pen === null) throw new Error("no canvas");
    pen.fillStyle = "#ffffff";
    pen.fillRect(0, 0, canvas.width, canvas.height);
    pen.drawImage(image, 0, 0, canvas.width, canvas.height);
    return canvas;
  } finally {
    URL.revokeObjectURL(url);
  }
}

function blobOf(canvas: HTMLCanvasElement, type: string, quality?: number): Promise<Blob> {
  return new Promise((done, failed) => {
    canvas.toBlob(
      (blob) => {
        if (blob === null) failed(new Error("the picture is too large"));
        else done(blob);
      },
      type,
      quality,
    );
  });
}

function fileName(name: string): string {
  return name.replace(/[\\/:*?"<>|\p{Cc}]+/gu, " ").trim().slice(0, 80) || "board";
}

function save(blob: Blob, name: string): void {
  const url = URL.createObjectURL(blob);
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => {
    URL.revokeObjectURL(url);
  }, 10_000);
}
