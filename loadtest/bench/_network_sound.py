"""Speech beside the network bench's camera: numbered Opus packets, and which of them came in any form."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from struct import Struct
from typing import Final

from loadtest.bench._plane_setting import IDS, OPUS_PT, RED_PT, SOUND_RATE, speech_source_ssrc
from sfu import rtp
from sfu.codecs import red
from sfu.model import ParseError

FRAME_S: Final = 0.02
WITHIN_NS: Final = 200_000_000
PAYLOAD_BYTES: Final = 80
_AUDIBLE: Final = bytes((0x80 | 30,))
"""Voice at -30 dBov (RFC 6464)."""
_MARK: Final = Struct("!BIq")
"""Opus TOC (SILK wideband, 20 ms, mono: RFC 6716 section 3.1), number, ns of the wall clock at sending."""
_TOC: Final = 0x48


class Voice:
    """What a publisher says: one packet per 20 ms, its number and time in its payload."""

    def __init__(self) -> None:
        self.said = 0

    def packet(self) -> bytes:
        """The next one, unprotected."""
        payload = _MARK.pack(_TOC, self.said, time.time_ns())
        packet = rtp.build(
            payload_type=OPUS_PT,
            sequence_number=self.said & 0xFFFF,
            timestamp=round(self.said * FRAME_S * SOUND_RATE) & 0xFFFFFFFF,
            ssrc=speech_source_ssrc(0),
            payload=payload + bytes(PAYLOAD_BYTES - len(payload)),
            marker=self.said == 0,
            extensions={IDS.abs_send_time: bytes(3), IDS.mid: b"1", IDS.audio_level: _AUDIBLE},
        )
        self.said += 1
        return packet


class Ear:
    """Which numbers one receiver has in time, by their own packet or by a later one's redundancy."""

    def __init__(self) -> None:
        self.alone: set[int] = set()
        """Numbers that came in time as a packet's primary."""
        self.heard: set[int] = set()
        """Numbers that came in time in any form."""
        self.red_packets = 0

    def take(self, plain: bytes, arrived_ns: int) -> None:
        """A packet of the slot; what can't be read is as good as lost."""
        payload = plain[rtp.payload_offset(plain) : len(plain) - rtp.padding_length(plain)]
        blocks: list[bytes] = []
        if plain[1] & 0x7F == RED_PT:
            try:
                parts = red.parse(payload)
            except ParseError:
                return
            self.red_packets += 1
            blocks, payload = [block.payload for block in parts.blocks], parts.payload
        for number in self._in_time([payload], arrived_ns):
            self.alone.add(number)
            self.heard.add(number)
        self.heard.update(self._in_time(blocks, arrived_ns))

    def missing_percent(self, first: int, end: int) -> float:
        """Of numbers ``first`` up to ``end``: how many nobody could play."""
        return 100 * sum(1 for number in range(first, end) if number not in self.heard) / (end - first)

    def lost_percent(self, first: int, end: int) -> float:
        """Of the same: how many did not come by themselves."""
        return 100 * sum(1 for number in range(first, end) if number not in self.alone) / (end - first)

    @staticmethod
    def _in_time(payloads: list[bytes], arrived_ns: int) -> list[int]:
        marks = [_MARK.unpack_from(payload) for payload in payloads if len(payload) >= _MARK.size]
        return [number for _, number, said_ns in marks if arrived_ns - said_ns <= WITHIN_NS]


async def speak(voice: Voice, send: Callable[[bytes], None]) -> None:
    """At an even pace, until cancelled."""
    due_s = time.monotonic()
    while True:
        send(voice.packet())
        due_s += FRAME_S
        await asyncio.sleep(max(0.0, due_s - time.monotonic()))
