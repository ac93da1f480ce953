/** One RTCPeerConnection: a fixed set of sections, one offer, one answer; later at most ICE restarts. */

import type { IceServer, SourceName, Watched } from "../generated/wire";
import { gunzip, gzip } from "./codec";
import {
  CAMERA_RIDS,
  cameraLayers,
  MICROPHONE_MAX_BPS,
  screenLayers,
  SCREEN_RIDS,
  SCREEN_SOUND_MAX_BPS,
  wantedCodecs,
} from "./encodings";
import { Failed } from "./types";
import type { PeerTotals } from "./vitals";
import { FIRST_TILE, SCREEN_VIDEO, SOURCES, STAGE_VIDEO } from "./store";

export interface OfferBody {
  readonly connection: number;
  readonly sdp: Uint8Array<ArrayBuffer>;
  readonly send: readonly string[];
  readonly slots: readonly string[];
}

/** The server's answer (gzip) and the lease it is of. Rejects with `Failed`. */
export type Negotiate = (offer: OfferBody) => Promise<{ readonly sdp: Uint8Array; readonly lease: number }>;

/** Layers of one's pictures that anybody gets, lowest first; what is missing counts as watched. */
export type Watching = Pick<Watched, "camera" | "screen">;

/** Kind of the slot at this index of the receive sections. */
export function slotKind(index: number): "audio" | "video" {
  return index === STAGE_VIDEO || index === SCREEN_VIDEO || index >= FIRST_TILE ? "video" : "audio";
}

/** Calling rule: `open` once, then `restart` at will, then `close`. */
export class Peer {
  readonly connection: number;
  readonly #negotiate: Negotiate;
  readonly #peer: RTCPeerConnection;
  readonly #send: Readonly<Record<SourceName, RTCRtpTransceiver>>;
  readonly #slots: readonly RTCRtpTransceiver[];
  #lease: number | null = null;
  #watched: Watching = { camera: [], screen: [] };
  /** Parameters are read, changed and written back: one after the other. */
  #tuning: Promise<void> = Promise.resolve();

  constructor(
    connection: number,
    tiles: number,
    iceServers: readonly IceServer[],
    negotiate: Negotiate,
    onState: (state: RTCPeerConnectionState) => void,
  ) {
    this.connection = connection;
    this.#negotiate = negotiate;
    const peer = new RTCPeerConnection({
      bundlePolicy: "max-bundle",
      rtcpMuxPolicy: "require",
      iceServers: iceServers.map(({ urls, username, credential }) => ({
        urls: [...urls],
        ...(username === null ? {} : { username }),
        ...(credential === null ? {} : { credential }),
      })),
    });
    this.#peer = peer;
    peer.onconnectionstatechange = () => onState(peer.connectionState);
    this.#send = {
      microphone: sendSection(peer, "audio", [{ maxBitrate: MICROPHONE_MAX_BPS }]),
      camera: sendSection(
        peer,
        "video",
        cameraLayers(1280, 720).map((layer, index) => ({ rid: CAMERA_RIDS[index] ?? "", ...layer })),
      ),
      screen: sendSection(
        peer,
        "video",
        screenLayers(1920, 1080).map((layer, index) => ({ rid: SCREEN_RIDS[index] ?? "", ...layer })),
      ),
      screen_sound: sendSection(peer, "audio", [{ maxBitrate: SCREEN_SOUND_MAX_BPS }]),
    };
    this.#slots = Array.from({ length: FIRST_TILE + tiles }, (_, index) => {
      const kind = slotKind(index);
      const section = peer.addTransceiver(kind, { direction: "recvonly" });
      prefer(section, RTCRtpReceiver.getCapabilities(kind));
      return section;
    });
  }

  /** The lease of the answer; null before it. */
  get lease(): number | null {
    return this.#lease;
  }

  get state(): RTCPeerConnectionState {
    return this.#peer.connectionState;
  }

  /** The slot's track, the same for the connection's whole life. */
  track(slot: number): MediaStreamTrack | null {
    return this.#slots[slot]?.receiver.track ?? null;
  }

  /** Offers and takes the answer. Candidates are not sent: the server learns our addresses from our checks. */
  async open(): Promise<void> {
    await this.#peer.setLocalDescription();
    await this.#exchange();
    for (const source of SOURCES) await this.#tune(source);
  }

  /** New ICE credentials for the same connection; media keys and sections stay. */
  async restart(): Promise<void> {
    await this.#peer.setLocalDescription(await this.#peer.createOffer({ iceRestart: true }));
    await this.#exchange();
  }

  /** Puts this track into the section from now on; null: nothing is sent. Not owned. */
  async send(source: SourceName, track: MediaStreamTrack | null): Promise<void> {
    await this.#send[source].sender.replaceTrack(track);
    if (this.#lease !== null) await this.#tune(source);
  }

  /** Which layers anybody gets, lowest first: the others are not sent, until told otherwise. */
  async watch({ camera, screen }: Watching): Promise<void> {
    this.#watched = { camera, screen };
    await Promise.all([this.#tune("camera"), this.#tune("screen")]);
  }

  /** Changes whenever something comes from the worker: media, or else its report on what is sent. */
  async pulse(): Promise<string> {
    let heard = 0;
    for (const { receiver } of this.#slots)
      for (const source of receiver.getSynchronizationSources()) heard = Math.max(heard, source.timestamp);
    const sender = SOURCES.map((source) => this.#send[source].sender).find(({ track }) => track !== null);
    if (sender === undefined) return String(heard);
    let reported = 0;
    for (const each of (await sender.getStats()).values() as Iterable<RTCStats>)
      if (each.type === "remote-inbound-rtp") reported = Math.max(reported, each.timestamp);
    return `${heard} ${reported}`;
  }

  /** What it carried so far. */
  async totals(): Promise<PeerTotals> {
    const totals = { downBytes: 0, upBytes: 0, framesDecoded: 0, framesDropped: 0, encoderLimited: false };
    for (const each of (await this.#peer.getStats()).values() as Iterable<RTCStats>) {
      if (each.type === "transport") {
        const { bytesReceived = 0, bytesSent = 0 } = each as RTCTransportStats;
        totals.downBytes += bytesReceived;
        totals.upBytes += bytesSent;
      } else if (each.type === "inbound-rtp") {
        const { framesDecoded = 0, framesDropped = 0 } = each as RTCInboundRtpStreamStats;
        totals.framesDecoded += framesDecoded;
        totals.framesDropped += framesDropped;
      } else if (each.type === "outbound-rtp") {
        totals.encoderLimited ||= (each as RTCOutboundRtpStreamStats & { qualityLimitationReason?: string }).qualityLimitationReason === "cpu";
      }
    }
    return totals;
  }

  close(): void {
    this.#peer.onconnectionstatechange = null;
    this.#peer.close();
  }

  async #exchange(): Promise<void> {
    const peer = this.#peer;
    const answer = await this.#negotiate({
      connection: this.connection,
      sdp: await gzip(peer.localDescription?.sdp ?? ""),
      send: SOURCES.map((source) => this.#send[source].mid ?? ""),
      slots: this.#slots.map(({ mid }) => mid ?? ""),
    });
    const sdp = await gunzip(answer.sdp);
    if (peer.connectionState === "closed") return;
    // another worker has the lesson by now: it knows nothing of this connection, whatever it answered
    if (this.#lease !== null && answer.lease !== this.#lease) throw new Failed("worker_lost");
    await peer.setRemoteDescription({ type: "answer", sdp });
    this.#lease = answer.lease;
  }

  /** Scales and bitrates for what is really captured; what nobody gets is not sent. */
  #tune(source: SourceName): Promise<void> {
    if (source !== "camera" && source !== "screen") return Promise.resolve();
    this.#tuning = this.#tuning.then(() => this.#setParameters(source));
    return this.#tuning;
  }

  async #setParameters(source: "camera" | "screen"): Promise<void> {
    const { sender } = this.#send[source];
    if (this.#lease === null || sender.track === null || this.#peer.connectionState === "closed") return;
    const { width, height } = sender.track.getSettings();
    const layersOf = source === "screen" ? screenLayers : cameraLayers;
    const layers = width === undefined || height === undefined ? [] : layersOf(width, height);
    const rids: readonly string[] = source === "screen" ? SCREEN_RIDS : CAMERA_RIDS;
    const watched = this.#watched[source];
    const parameters = sender.getParameters();
    parameters.encodings.forEach((encoding, index) => {
      const known = rids.indexOf(encoding.rid ?? "");
      // without simulcast there is one encoding, and it is the full one
      const layer = known !== -1 ? known : rids.length - 1 - index;
      const wanted = layers[layer] ?? { active: true };
      const place = parameters.encodings.length === 1 ? 0 : layer;
      Object.assign(encoding, wanted, { active: wanted.active && (watched[place] ?? true) });
    });
    // A browser that does not take them goes on with those of the offer.
    await sender.setParameters(parameters).catch(() => undefined);
  }
}

function sendSection(
  peer: RTCPeerConnection,
  kind: "audio" | "video",
  sendEncodings: RTCRtpEncodingParameters[],
): RTCRtpTransceiver {
  const section = peer.addTransceiver(kind, { direction: "sendonly", sendEncodings });
  prefer(section, RTCRtpSender.getCapabilities(kind));
  return section;
}

function prefer(section: RTCRtpTransceiver, capabilities: RTCRtpCapabilities | null): void {
  const codecs = wantedCodecs(capabilities?.codecs ?? []);
  if (codecs.length === 0) return; // the browser tells nothing: it offers all it has
  try {
    section.setCodecPreferences(codecs);
  } catch {
    // an older browser without this call: a larger offer, the same answer
  }
}
