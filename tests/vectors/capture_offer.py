"""Capture the offers of a real Chromium: ``python tests/vectors/capture_offer.py [/usr/bin/chromium]``.

Writes chromium_student.sdp (VP8 with RTX and Opus only, 4 send sections with a simulcast camera, 8 + 9
slots), chromium_teacher.sdp (the same with 8 + 24 slots, the full set) and chromium_all_codecs.sdp
(8 + 9 slots without setCodecPreferences) beside itself.
"""

from __future__ import annotations

import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

OFFER = """
async ({tiles, prefer}) => {
  const pc = new RTCPeerConnection({bundlePolicy: 'max-bundle'});
  const codecs = (kind) => RTCRtpReceiver.getCapabilities(kind).codecs.filter((codec) =>
    kind === 'video' ? ['video/VP8', 'video/rtx'].includes(codec.mimeType) : codec.mimeType === 'audio/opus');
  const add = (kind, init) => {
    const transceiver = pc.addTransceiver(kind, init);
    if (prefer) transceiver.setCodecPreferences(codecs(kind));
  };
  add('audio', {direction: 'sendonly'});
  add('video', {direction: 'sendonly', sendEncodings: [
    {rid: 'q', scaleResolutionDownBy: 4}, {rid: 'h', scaleResolutionDownBy: 2}, {rid: 'f'}]});
  add('video', {direction: 'sendonly'});
  add('audio', {direction: 'sendonly'});
  const slots = ['video', 'audio', 'video', 'audio', 'audio', 'audio', 'audio', 'audio'];
  for (const kind of [...slots, ...Array(tiles).fill('video')]) add(kind, {direction: 'recvonly'});
  await pc.setLocalDescription();
  return pc.localDescription.sdp;
}
"""


def main() -> None:
    executable = sys.argv[1] if len(sys.argv) > 1 else "/usr/bin/chromium"
    folder = Path(__file__).parent
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=executable, args=["--no-sandbox", "--disable-gpu", "--no-first-run"]
        )
        print(browser.version)
        page = browser.new_page()
        for name, tiles, prefer in (
            ("chromium_student", 9, True),
            ("chromium_teacher", 24, True),
            ("chromium_all_codecs", 9, False),
        ):
            sdp = page.evaluate(OFFER, {"tiles": tiles, "prefer": prefer})
            (folder / f"{name}.sdp").write_bytes(sdp.encode())
            print(name, len(sdp), sdp.count("\nm="))
        browser.close()


if __name__ == "__main__":
    main()
