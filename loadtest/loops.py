"""Recorded RTP: encoded once, then sent round and round with new numbers and times. Pure.

A loop begins with a keyframe, so that it can begin anew whenever one is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from struct import pack_into
from typing import Final

from aiortc.codecs.opus import OpusEncoder
from aiortc.codecs.vpx import Vp8Encoder

from loadtest import tracks
from sfu import rtcp, rtp
from sfu.codecs import vp8

VIDEO_RATE: Final = 90_000
SOUND_FRAMES: Final = 100
_LONG_PICTURE_ID: Final = 1 << 14
"""Two bytes in the descriptor (RFC 7741 section 4.2), which leaves room for any other."""


@dataclass(frozen=True, slots=True)
class Loop:
    """Payloads of each frame, ``ticks`` of the RTP clock after the one before; of sound one a frame."""

    frames: tuple[tuple[bytes, ...], ...]
    ticks: int
    rate: int
    picture_ids: bool

    @property
    def frame_s(self) -> float:
        """From one frame to the next."""
        return self.ticks / self.rate


@cache
def recorded() -> tuple[Loop, Loop]:
    """Sound and picture as ``loadtest.tracks`` makes them. Encodes, once a process: about 0.1 s."""
    return _sound(), _picture()


def _sound() -> Loop:
    encoder = OpusEncoder()
    frames: list[tuple[bytes, ...]] = []
    number = 0
    while len(frames) < SOUND_FRAMES:
        frames += [(payload,) for payload in encoder.encode(tracks.tone(number))[0]]
        number += 1
    return Loop(tuple(frames[:SOUND_FRAMES]), tracks.SAMPLES_A_PACKET, tracks.SAMPLE_RATE, picture_ids=False)


def _picture() -> Loop:
    encoder = Vp8Encoder()
    encoder.picture_id = _LONG_PICTURE_ID
    frames = tuple(
        tuple(encoder.encode(tracks.picture(number), force_keyframe=number == 0)[0])
        for number in range(tracks.LAP)
    )
    return Loop(frames, VIDEO_RATE // tracks.FRAMES_A_SECOND, VIDEO_RATE, picture_ids=True)


class Player:
    """One source that plays a loop."""

    def __init__(self, loop: Loop, *, ssrc: int, payload_type: int, extensions: Mapping[int, bytes]) -> None:
        self._loop = loop
        self._ssrc = ssrc
        self._payload_type = payload_type
        self._extensions = extensions
        self._place = 0
        self._frame = 0
        self._packets = self._octets = 0

    def next(self) -> list[bytes]:
        """The next frame's packets."""
        payloads = self._loop.frames[self._place]
        self._place = (self._place + 1) % len(self._loop.frames)
        packets = []
        for index, payload in enumerate(payloads):
            packets.append(
                rtp.build(
                    payload_type=self._payload_type,
                    sequence_number=self._packets,
                    timestamp=self._frame * self._loop.ticks,
                    ssrc=self._ssrc,
                    payload=self._numbered(payload) if self._loop.picture_ids else payload,
                    # Of sound the marker is the first after silence (RFC 3551), of pictures a frame's last.
                    marker=index == len(payloads) - 1 if self._loop.picture_ids else self._frame == 0,
                    extensions=self._extensions,
                )
            )
            self._packets += 1
            self._octets += len(payload)
        self._frame += 1
        return packets

    def restart(self) -> None:
        """A keyframe is asked for: the loop begins anew with the next frame."""
        self._place = 0

    def report(self, wall_us: int) -> bytes:
        """A sender report: the next frame is due at this time."""
        return rtcp.build_sender_report(
            self._ssrc,
            ntp=rtcp.ntp_from_us(wall_us),
            rtp_timestamp=self._frame * self._loop.ticks,
            packet_count=self._packets,
            octet_count=self._octets,
        )

    def _numbered(self, payload: bytes) -> bytes:
        offset = vp8.parse_descriptor(payload).picture_id_offset
        assert offset is not None
        numbered = bytearray(payload)
        pack_into("!H", numbered, offset, 0x8000 | self._frame & vp8.PICTURE_ID_MASK)
        return bytes(numbered)
