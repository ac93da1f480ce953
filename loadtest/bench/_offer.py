"""Offers as Chromium writes them, so that a bench's server has a browser's text to read."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from typing import Final

from loadtest.bench._peer import Identity, Peer
from sfu.model import SEND_SECTIONS, MediaKind, SlotIndex, slot_kind
from sfu.plane.api import ExtensionIds

SOUND_PT: Final = 111
VIDEO_PT: Final = 96
RTX_PT: Final = 97
IDS: Final = ExtensionIds(mid=4, rid=10, repaired_rid=11, abs_send_time=2, audio_level=1)
"""Of the sections below."""

_SOUND: Final = """\
a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level
a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time
a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01
a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid
"""
_SOUND_CODEC: Final = """\
a=rtcp-mux
a=rtcp-rsize
a=rtcp-xr:rcvr-rtt=all
a=rtpmap:111 opus/48000/2
a=rtcp-fb:111 transport-cc
a=fmtp:111 minptime=10;useinbandfec=1
"""
_VIDEO: Final = """\
a=extmap:14 urn:ietf:params:rtp-hdrext:toffset
a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time
a=extmap:13 urn:3gpp:video-orientation
a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01
a=extmap:5 http://www.webrtc.org/experiments/rtp-hdrext/playout-delay
a=extmap:6 http://www.webrtc.org/experiments/rtp-hdrext/video-content-type
a=extmap:7 http://www.webrtc.org/experiments/rtp-hdrext/video-timing
a=extmap:8 http://www.webrtc.org/experiments/rtp-hdrext/color-space
a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid
a=extmap:10 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id
a=extmap:11 urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id
a=extmap:12 https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension
a=extmap:9 http://www.webrtc.org/experiments/rtp-hdrext/video-layers-allocation00
"""
_VIDEO_CODEC: Final = """\
a=rtcp-mux
a=rtcp-rsize
a=rtcp-xr:rcvr-rtt=all
a=rtpmap:96 VP8/90000
a=rtcp-fb:96 goog-remb
a=rtcp-fb:96 transport-cc
a=rtcp-fb:96 ccm fir
a=rtcp-fb:96 nack
a=rtcp-fb:96 nack pli
a=rtpmap:97 rtx/90000
a=fmtp:97 apt=96
"""


@dataclass(frozen=True, slots=True)
class BrowserOffer:
    """An offer and what the signalling wants to know beside it."""

    sdp: bytes
    """gzip-compressed."""
    send: tuple[str, ...]
    slots: tuple[str, ...]


def ssrc_of(first: int, section: int) -> int:
    """SSRC of a send section (place in SEND_SECTIONS) of an offer made with ``first``."""
    return first + 2 * section


def browser_offer(peer: Peer, identity: Identity, first_ssrc: int, tiles: int) -> BrowserOffer:
    """Four send sections, the fixed slots and ``tiles``; each send section announces its SSRC (one layer)."""
    count = SlotIndex.FIRST_TILE + tiles
    mids = [str(number) for number in range(len(SEND_SECTIONS) + count)]
    lines = [
        "v=0\no=- 8982546438238519330 2 IN IP4 127.0.0.1\ns=-\nt=0 0\n",
        f"a=group:BUNDLE {' '.join(mids)}\na=extmap-allow-mixed\na=msid-semantic: WMS\n",
    ]
    shared = (
        f"c=IN IP4 0.0.0.0\na=rtcp:9 IN IP4 0.0.0.0\na=ice-ufrag:{peer.ufrag}\na=ice-pwd:{peer.pwd}\n"
        f"a=ice-options:trickle\na=fingerprint:sha-256 {identity.fingerprint}\na=setup:actpass\n"
    )

    def section(mid: str, kind: MediaKind, direction: str, ssrc: int = 0) -> None:
        sound = kind is MediaKind.AUDIO
        head = (
            f"m=audio 9 UDP/TLS/RTP/SAVPF {SOUND_PT}"
            if sound
            else (f"m=video 9 UDP/TLS/RTP/SAVPF {VIDEO_PT} {RTX_PT}")
        )
        stream = f"a=msid:- track{mid}\n" if ssrc else ""
        lines.append(f"{head}\n{shared}a=mid:{mid}\n{_SOUND if sound else _VIDEO}a={direction}\n{stream}")
        lines.append(_SOUND_CODEC if sound else _VIDEO_CODEC)
        if ssrc:
            repair = "" if sound else f"a=ssrc-group:FID {ssrc} {ssrc + 1}\n"
            both = (ssrc,) if sound else (ssrc, ssrc + 1)
            lines.append(repair)
            lines.extend(f"a=ssrc:{each} cname:bench\na=ssrc:{each} msid:- track{mid}\n" for each in both)

    for number, source in enumerate(SEND_SECTIONS):
        section(mids[number], source.media_kind, "sendonly", ssrc_of(first_ssrc, number))
    for index in range(count):
        section(mids[len(SEND_SECTIONS) + index], slot_kind(index), "recvonly")
    text = "".join(lines).replace("\n", "\r\n")
    return BrowserOffer(
        gzip.compress(text.encode(), 1), tuple(mids[: len(SEND_SECTIONS)]), tuple(mids[len(SEND_SECTIONS) :])
    )
