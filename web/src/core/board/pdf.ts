/** A PDF (1.4) of pictures, one a page: nothing but what that takes. */

export interface Picture {
  /** JPEG with three colours. */
  readonly jpeg: Uint8Array;
  /** In pixels. */
  readonly width: number;
  readonly height: number;
}

/** Width of a page in points: that of A4 laid across. */
const PAGE_WIDTH = 842;

export function pdfOf(pictures: readonly Picture[]): Uint8Array<ArrayBuffer> {
  const encoder = new TextEncoder();
  const chunks: Uint8Array[] = [];
  const offsets: number[] = [];
  let length = 0;
  const write = (part: string | Uint8Array): void => {
    const bytes = typeof part === "string" ? encoder.encode(part) : part;
    chunks.push(bytes);
    length += bytes.length;
  };
  const object = (number: number, ...parts: (string | Uint8Array)[]): void => {
    offsets[number] = length;
    write(`${String(number)} 0 obj\n`);
    for (const part of parts) write(part);
    write("\nendobj\n");
  };
  write("%PDF-1.4\n");
  const pages = pictures.map((_, index) => 3 + 3 * index);
  object(1, "<< /Type /Catalog /Pages 2 0 R >>");
  object(2, `<< /Type /Pages /Count ${String(pages.length)} /Kids [${pages.map((page) => `${String(page)} 0 R`).join(" ")}] >>`);
  pictures.forEach(({ jpeg, width, height }, index) => {
    const page = 3 + 3 * index;
    const high = Math.round((PAGE_WIDTH * height) / width);
    const draw = `q ${String(PAGE_WIDTH)} 0 0 ${String(high)} 0 0 cm /P Do Q`;
    object(
      page,
      `<< /Type /Page /Parent 2 0 R /MediaBox [0 0 ${String(PAGE_WIDTH)} ${String(high)}] ` +
        `/Resources << /XObject << /P ${String(page + 1)} 0 R >> >> /Contents ${String(page + 2)} 0 R >>`,
    );
    object(
      page + 1,
      `<< /Type /XObject /Subtype /Image /Width ${String(width)} /Height ${String(height)} /ColorSpace /DeviceRGB ` +
        `/BitsPerComponent 8 /Filter /DCTDecode /Length ${String(jpeg.length)} >>\nstream\n`,
      jpeg,
      "\nendstream",
    );
    object(page + 2, `<< /Length ${String(draw.length)} >>\nstream\n${draw}\nendstream`);
  });
  const start = length;
  const count = 3 + 3 * pictures.length;
  write(`xref\n0 ${String(count)}\n0000000000 65535 f \n`);
  for (let number = 1; number < count; number += 1) write(`${String(offsets[number] ?? 0).padStart(10, "0")} 00000 n \n`);
  write(`trailer\n<< /Size ${String(count)} /Root 1 0 R >>\nstartxref\n${String(start)}\n%%EOF\n`);
  const whole = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}
