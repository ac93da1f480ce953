"""Continuous numbers for one slot across packets left out, layers and publishers."""

from __future__ import annotations

from typing import Final

from sfu.plane.core.packet import Packet

_HISTORY: Final = 64


class Munger:
    """Maps a source's extended numbers to the slot's.

    ``start`` at the first packet of each new source or layer, then ``place`` for every packet in
    whatever order they arrive, and ``skip`` for those that are left out. Timestamps, picture ids
    and TL0PICIDX follow by the offsets, which hold until the next ``start``.
    """

    __slots__ = (
        "_history",
        "_next_sequence",
        "_offset",
        "_tl0_highest",
        "highest",
        "picture_highest",
        "picture_offset",
        "timestamp_highest",
        "timestamp_offset",
        "tl0_offset",
    )

    def __init__(self, first_sequence_number: int) -> None:
        self._next_sequence = first_sequence_number
        self._offset = 0
        self._history: list[tuple[int, int]] = []
        """(first number of the source, offset from there on), oldest first."""
        self.highest: int | None = None
        """Highest number of the present source that was placed or skipped, None before a start."""
        self.timestamp_offset = 0
        self.timestamp_highest: int | None = None
        """Highest timestamp that left, extended; None before the first."""
        self.picture_offset = 0
        self.picture_highest: int | None = None
        self.tl0_offset = 0
        self._tl0_highest: int | None = None

    @property
    def next_sequence(self) -> int:
        """The extended number that the next new packet gets."""
        return self._next_sequence if self.highest is None else self.highest + self._offset + 1

    def start(self, packet: Packet, timestamp_rtp: int) -> int:
        """Go on with this packet, at ``timestamp_rtp`` or just after what was sent; returns its time."""
        following = self.next_sequence
        self._offset = following - packet.sequence
        self.highest = packet.sequence - 1
        self._history.clear()
        self._history.append((packet.sequence, self._offset))
        if self.timestamp_highest is not None and timestamp_rtp <= self.timestamp_highest:
            timestamp_rtp = self.timestamp_highest + 1
        self.timestamp_offset = timestamp_rtp - packet.timestamp
        if packet.picture_id is not None and self.picture_highest is not None:
            self.picture_offset = self.picture_highest + 1 - packet.picture_id
        if packet.tl0picidx is not None and self._tl0_highest is not None:
            self.tl0_offset = (self._tl0_highest + 1 - packet.tl0picidx) & 0xFF
        return timestamp_rtp

    def place(self, packet: Packet) -> int | None:
        """The packet's extended number in the slot; None when it is older than what is known here."""
        sequence = packet.sequence
        highest = self.highest
        if highest is None:
            return None
        if sequence <= highest:
            return self._place_late(sequence)
        self.highest = sequence
        self.timestamp_highest = packet.timestamp + self.timestamp_offset
        picture_id = packet.picture_id
        if picture_id is not None:
            self.picture_highest = picture_id + self.picture_offset
            if packet.tl0picidx is not None:
                self._tl0_highest = packet.tl0picidx + self.tl0_offset
        return sequence + self._offset

    def _place_late(self, sequence: int) -> int | None:
        for first, offset in reversed(self._history):
            if sequence >= first:
                return sequence + offset
        return None

    def skip(self, sequence: int) -> bool:
        """Leave a packet out without a gap; False when later ones were sent, so that one remains."""
        if self.highest is None or sequence <= self.highest:
            return False
        self.highest = sequence
        self._offset -= 1
        if self._history and self._history[-1][0] == sequence:
            self._history.pop()
        elif len(self._history) >= _HISTORY:
            del self._history[0]
        self._history.append((sequence + 1, self._offset))
        return True
