"""Leaves silence out of what is forwarded, as a sender's own DTX would (RFC 7587 section 3.1.3)."""

from __future__ import annotations

from enum import Enum, auto
from typing import Final

from sfu.plane.core.packet import Packet

AUDIBLE_DBOV: Final = 80
"""Levels (-dBov, RFC 6464) above this are silence, far below a quiet room: nothing that is heard is cut."""
HANG_US: Final = 400_000
"""How long silence is forwarded after the last audible packet: the end of a word, a breath."""
_EVERY_US: Final = 400_000
"""One packet of this time goes on: receivers keep their clock and their comfort noise."""
_ONE_FRAME: Final = 0xFC
"""Bits of an Opus packet's first byte: its kind stays, it holds one frame (RFC 6716 section 3.1)."""


class Passage(Enum):
    """How much of a packet of sound goes on."""

    WHOLE = auto()
    COMFORT = auto()
    """An empty frame stands for it: the receiver makes the noise, and waits for what comes next until its own
    time. Without it the sound after a pause would come late."""
    NOTHING = auto()


class SilenceGate:
    """One layer's. Opens with the very packet that is audible: no first syllable is lost."""

    __slots__ = ("_audible_us", "_passed_us")

    def __init__(self) -> None:
        self._audible_us: int | None = None
        self._passed_us: int | None = None

    def passes(self, level: int | None, now_us: int) -> Passage:
        """What goes on of a packet with this level byte (None: it carries none)."""
        if self._audible_us is None or level is None or level & 0x7F <= AUDIBLE_DBOV:
            self._audible_us = now_us
            self._passed_us = None
            return Passage.WHOLE
        if now_us - self._audible_us < HANG_US:
            return Passage.WHOLE
        if self._passed_us is not None and now_us - self._passed_us < _EVERY_US:
            return Passage.NOTHING
        self._passed_us = now_us
        return Passage.COMFORT


def comfort(packet: Packet) -> Packet:
    """What stands for a silent packet: its first byte, an Opus frame of no length (RFC 6716 section 3.1)."""
    empty = Packet(packet.sequence, packet.timestamp, packet.marker, bytes([packet.payload[0] & _ONE_FRAME]))
    empty.level = packet.level
    return empty
