import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { gzip } from "../../src/core/codec";
import { Peer } from "../../src/core/peer";

const section = () => ({
  mid: "0",
  receiver: { track: null, getSynchronizationSources: () => [] },
  sender: { track: null, getParameters: () => ({ encodings: [] }), setParameters: () => Promise.resolve() },
  setCodecPreferences: () => undefined,
});

class FakeConnection {
  static answers: string[] = [];
  connectionState = "connected";
  localDescription = { sdp: "offer" };
  onconnectionstatechange: (() => void) | null = null;
  addTransceiver = section;
  createOffer = () => Promise.resolve({ type: "offer", sdp: "restart" });
  setLocalDescription = () => Promise.resolve();
  setRemoteDescription = ({ sdp }: { sdp: string }) => {
    FakeConnection.answers.push(sdp);
    return Promise.resolve();
  };
}

describe("an answer of another worker", () => {
  beforeEach(() => {
    FakeConnection.answers = [];
    vi.stubGlobal("RTCPeerConnection", FakeConnection);
    vi.stubGlobal("RTCRtpReceiver", { getCapabilities: () => null });
    vi.stubGlobal("RTCRtpSender", { getCapabilities: () => null });
  });
  afterEach(() => vi.unstubAllGlobals());

  it("is not put upon a connection that the former worker made", async () => {
    const leases = [1, 1, 2];
    const negotiate = async () => ({ sdp: await gzip(`answer ${leases[0]}`), lease: leases.shift() ?? 0 });
    const peer = new Peer(1, 0, [], negotiate, () => undefined);
    await peer.open();
    await peer.restart();
    expect(FakeConnection.answers).toEqual(["answer 1", "answer 1"]);
    await expect(peer.restart()).rejects.toMatchObject({ code: "worker_lost" });
    expect(FakeConnection.answers).toHaveLength(2);
    expect(peer.lease).toBe(1);
  });
});
