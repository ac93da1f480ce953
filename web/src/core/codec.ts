/** One WebSocket message is one msgpack map; its key `t` says which. */

import { decode, encode } from "@msgpack/msgpack";

import { MAX_FRAME_BYTES, type ClientMessage, type ServerMessage } from "../generated/wire";

/** A message of the server in a newer version may have a kind that we do not know: it is passed over. */
const KINDS: Readonly<Record<ServerMessage["t"], true>> = {
  welcome: true,
  waiting: true,
  event: true,
  answer: true,
  done: true,
  refused: true,
  slots: true,
  watched: true,
  still_wanted: true,
  still: true,
  ink: true,
  speakers: true,
  reactions: true,
  sealed: true,
  quality: true,
  media_lost: true,
  moved: true,
  closed: true,
};

/** Raises RangeError when the message is larger than the server takes. */
export function pack(message: ClientMessage): Uint8Array<ArrayBuffer> {
  const bytes = encode(message, { ignoreUndefined: true });
  if (bytes.length > MAX_FRAME_BYTES) throw new RangeError(`message of ${bytes.length} bytes`);
  return bytes;
}

/** null: garbage, or a kind that this version does not know. */
export function unpack(frame: ArrayBuffer): ServerMessage | null {
  let value: unknown;
  try {
    value = decode(frame);
  } catch {
    return null;
  }
  if (typeof value !== "object" || value === null) return null;
  const kind = (value as { t?: unknown }).t;
  return typeof kind === "string" && Object.hasOwn(KINDS, kind) ? (value as ServerMessage) : null;
}

export async function gzip(text: string): Promise<Uint8Array<ArrayBuffer>> {
  const stream = new Blob([text]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

export async function gunzip(bytes: Uint8Array): Promise<string> {
  const stream = new Blob([bytes.slice()]).stream().pipeThrough(new DecompressionStream("gzip"));
  return await new Response(stream).text();
}
