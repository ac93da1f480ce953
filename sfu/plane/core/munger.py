"""Continuous numbers for one slot across packets left out, layers and publishers."""

from __future__ import annotations

from typing import Final

from sfu.plane.core.gaps import Gaps
from sfu.plane.core.packet import Packet

_HISTORY: Final = 64


class Offsets:
    """What is added to a source's numbers and picture ids, from which number on; old ones are forgotten."""

    __slots__ = ("_changes",)

    def __init__(self) -> None:
        self._changes: list[tuple[int, int, int]] = []
        """(first number of the source, number offset, picture offset), oldest first."""

    def hold_from(self, sequence: int, offset: int, picture_offset: int) -> None:
        """From this number on, which is the highest so far or just above it, these hold."""
        changes = self._changes
        if changes and changes[-1][0] >= sequence - 1:
            changes.pop()
        elif len(changes) >= _HISTORY:
            del changes[0]
        changes.append((sequence, offset, picture_offset))

    def at(self, sequence: int) -> tuple[int, int] | None:
        """(number offset, picture offset) of a packet; None when it is older than what is known here."""
        for first, offset, picture_offset in reversed(self._changes):
            if sequence >= first:
                return offset, picture_offset
        return None

    def picture_offset(self, sequence: int) -> int:
        """The picture offset of a packet; for older ones than those known here, the oldest."""
        found = self.at(sequence)
        return self._changes[0][2] if found is None else found[1]


class Munger:
    """Maps a source's extended numbers to the slot's.

    ``start`` at the first packet of each new source or layer, then ``place`` for every packet in
    whatever order they arrive, and ``skip`` for those that are left out. Timestamps and TL0PICIDX
    follow by the offsets, which hold until the next ``start``; picture ids by ``offsets``.
    """

    __slots__ = (
        "_next_sequence",
        "_offset",
        "_picture_offset",
        "_picture_seen",
        "_tl0_highest",
        "first",
        "gaps",
        "highest",
        "offsets",
        "picture_highest",
        "timestamp_highest",
        "timestamp_offset",
        "tl0_offset",
    )

    def __init__(self, first_sequence_number: int) -> None:
        self._next_sequence = first_sequence_number
        self._offset = 0
        self.gaps = Gaps()
        self.offsets = Offsets()
        """Of the present source; another list from each start on."""
        self.first = 0
        """Number of the source with which the present start began."""
        self.highest: int | None = None
        """Highest number of the present source that was placed or skipped, None before a start."""
        self.timestamp_offset = 0
        self.timestamp_highest: int | None = None
        """Highest timestamp that left, extended; None before the first."""
        self._picture_offset = 0
        self._picture_seen: int | None = None
        """Newest picture id of the present source that was placed or skipped."""
        self.picture_highest: int | None = None
        """Newest picture id that left."""
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
        self.first = packet.sequence
        self.highest = packet.sequence - 1
        if self.timestamp_highest is not None and timestamp_rtp <= self.timestamp_highest:
            timestamp_rtp = self.timestamp_highest + 1
        self.timestamp_offset = timestamp_rtp - packet.timestamp
        if packet.picture_id is not None and self.picture_highest is not None:
            self._picture_offset = self.picture_highest + 1 - packet.picture_id
        self._picture_seen = None
        if packet.tl0picidx is not None and self._tl0_highest is not None:
            self.tl0_offset = (self._tl0_highest + 1 - packet.tl0picidx) & 0xFF
        self.offsets = Offsets()
        self.offsets.hold_from(packet.sequence, self._offset, self._picture_offset)
        return timestamp_rtp

    def is_newest(self, sequence: int) -> bool:
        """Whether nothing of the present source from this number on was placed or skipped."""
        return self.highest is not None and sequence > self.highest

    def place(self, packet: Packet) -> tuple[int, int] | None:
        """(extended number in the slot, what to add to the picture id); None when it is older than what is
        known here."""
        sequence = packet.sequence
        highest = self.highest
        if highest is None:
            return None
        if sequence <= highest:
            found = self.offsets.at(sequence)
            if found is None:
                return None
            self.gaps.fill(sequence + found[0])
            return sequence + found[0], found[1]
        if sequence > highest + 1:
            self.gaps.open(highest + 1 + self._offset, sequence + self._offset)
        self.highest = sequence
        self.timestamp_highest = packet.timestamp + self.timestamp_offset
        if packet.picture_id is not None:
            self._see_picture(packet.picture_id)
            self.picture_highest = packet.picture_id + self._picture_offset
            if packet.tl0picidx is not None:
                self._tl0_highest = packet.tl0picidx + self.tl0_offset
        return sequence + self._offset, self._picture_offset

    def skip(self, sequence: int, picture_id: int | None = None) -> bool:
        """Leave a packet out without a gap; False when later ones were sent, so that one remains.

        ``picture_id`` of a frame that is left out: the first time it is told, no id is missing either.
        """
        highest = self.highest
        if highest is None or sequence <= highest:
            return False
        if sequence > highest + 1:
            self.gaps.open(highest + 1 + self._offset, sequence + self._offset)
        self.highest = sequence
        self._offset -= 1
        if picture_id is not None and self._see_picture(picture_id):
            self._picture_offset -= 1
        self.offsets.hold_from(sequence + 1, self._offset, self._picture_offset)
        return True

    def _see_picture(self, picture_id: int) -> bool:
        newer = self._picture_seen is None or picture_id > self._picture_seen
        if newer:
            self._picture_seen = picture_id
        return newer
