/** One RTCPeerConnection: a fixed set of sections, one offer, one answer; later at most ICE restarts. */

import type { IceServer, SourceName } from "../generated/wire";
import { gunzip, gzip } from "./codec";
import {
  CAMERA_RIDS,
  cameraLayers,
  MICROPHONE_MAX_BPS,
  SCREEN_MAX_BPS,
  SCREEN_SOUND_MAX_BPS,
  wantedCodecs,
} from "./encodings";
import { FIRST_TILE, SCREEN_VIDEO, SOURCES, STAGE_VIDEO } from "./store";

export interface OfferBody {
  readonly connection: number;
  readonly sdp: Uint8Array<ArrayBuffer>;
  readonly send: readonly string[];
  readonly slots: readonly string[];
}

/** The server's answer (gzip) and the lease it is of. Rejects with `Failed`. */
export type Negotiate = (offer: OfferBody) => Promise<{ readonly sdp: Uint8Array; readonly lease: number }>;

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
      screen: sendSection(peer, "video", [{ maxBitrate: SCREEN_MAX_BPS }]),
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
    await peer.setRemoteDescription({ type: "answer", sdp });
    this.#lease = answer.lease;
  }

  /** Scales and bitrates for what is really captured. */
  async #tune(source: SourceName): Promise<void> {
    const { sender } = this.#send[source];
    if (source !== "camera" || sender.track === null) return;
    const { width, height } = sender.track.getSettings();
    if (width === undefined || height === undefined) return;
    const layers = cameraLayers(width, height);
    const parameters = sender.getParameters();
    parameters.encodings.forEach((encoding, index) => {
      const byRid = CAMERA_RIDS.findIndex((rid) => rid === encoding.rid);
      Object.assign(encoding, layers[byRid === -1 ? layers.length - 1 - index : byRid]);
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
