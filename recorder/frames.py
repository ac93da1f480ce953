"""VP8 frames of one RTP stream: ordered, whole, and never one that builds on a missing one (RFC 7741).

Pure: packets go in as they arrived, frames come out as places of their pieces in the journal.
"""

from __future__ import annotations

from array import array
from typing import Final

from sfu.codecs.vp8 import parse_descriptor
from sfu.model import ParseError

REORDER_US: Final = 3_000_000
"""How long a missing packet is waited for: workers ask for it for a second, then it still has its way."""
REORDER_PACKETS: Final = 1024
OVERLAP_US: Final = 200_000
"""A layer that takes over may begin with a picture so much older than the former one's last: that is copied
until the new one's keyframe is there."""
_EARLIER: Final = 32
"""How many packets may overtake a stream's first one."""
LENGTH_BITS: Final = 16
"""A place in a journal is one number: the offset of its first byte, then the length in this many bits."""
_LONGEST: Final = tuple(
    2 + 2 * bool(present & 0x80) + bool(present & 0x40) + bool(present & 0x30) for present in range(256)
)
"""Length of a descriptor by its second byte, picture ids taken for two bytes (RFC 7741 section 4.2)."""
LENGTH_MASK: Final = (1 << LENGTH_BITS) - 1


def span(where: int) -> tuple[int, int]:
    """First and last byte (exclusive) of a place in a journal."""
    offset = where >> LENGTH_BITS
    return offset, offset + (where & LENGTH_MASK)


class Frames:
    """Whole frames of a tap, in decoding order, as columns; the first ``base`` are forgotten.

    ``layer`` numbers the RTP stream, ``rtp`` is extended, ``receive_us`` is the first packet's, ``key`` is 0
    or 1, ``where`` the places of a frame's pieces (see :func:`span`). ``width`` and ``height`` are in pixels,
    0 for frames that are not keyframes.
    """

    __slots__ = ("base", "height", "key", "layer", "layer_now", "receive_us", "rtp", "where", "width")

    def __init__(self) -> None:
        self.base = 0
        self.layer_now = -1
        """The layer that the last frame is of. Another one takes over with a keyframe, for good: what still
        comes of the former is left out."""
        self.layer = array("H")
        self.rtp = array("q")
        self.receive_us = array("q")
        self.key = array("B")
        self.width = array("H")
        self.height = array("H")
        self.where: list[list[int]] = []

    def __len__(self) -> int:
        return len(self.rtp)

    def forget(self, count: int) -> None:
        """Forget the ``count`` oldest."""
        self.base += count
        for column in (
            self.layer, self.rtp, self.receive_us, self.key, self.width, self.height, self.where,
        ):  # fmt: skip
            del column[:count]


class Assembler:
    """One RTP stream's packets to frames. Call ``add`` for each packet, and ``settle`` now and then.

    A frame that misses a packet is left out together with all that follow until the next keyframe; a gap
    between frames over which the picture id counts on by one was padding and breaks nothing.
    """

    __slots__ = (
        "_frames",
        "_gap",
        "_height",
        "_key",
        "_last_start",
        "_layer",
        "_next",
        "_open",
        "_pending",
        "_pieces",
        "_receive_us",
        "_rtp",
        "_rtp_32",
        "_wants_key",
        "_width",
        "left_out",
    )

    def __init__(self, frames: Frames, layer: int) -> None:
        self._frames = frames
        self._layer = layer
        self._next = -1
        self._pending: dict[int, tuple[int, int, bytes, int]] = {}
        self._open = False
        self._gap = False
        self._wants_key = True
        self._pieces: list[int] = []
        self._rtp = 0
        self._rtp_32 = -1
        self._receive_us = 0
        self._key = 0
        self._width = self._height = 0
        self._last_start: tuple[bytes, int, int] | None = None
        self.left_out = 0
        """Frames seen but not kept, because something before them or in them is missing."""

    def add(self, number: int, rtp: int, time_us: int, packet: bytes, offset: int) -> None:
        """Take one packet: 16-bit sequence number, 32-bit timestamp, receive time, bytes, and the offset at
        which they begin in the journal."""
        if number == self._next and not self._pending:
            self._next = (number + 1) & 0xFFFF
            self._take(rtp, time_us, packet, offset)
            return
        if self._next < 0:
            self._next = (number - _EARLIER) & 0xFFFF
        ahead = (number - self._next) & 0xFFFF
        if ahead >= 0x8000:
            return  # a second time, or too late
        self._pending[number] = (rtp, time_us, packet, offset)
        if not ahead:
            self._drain()
        pending = self._pending
        while pending:
            oldest_us = pending[next(iter(pending))][1]
            if len(pending) <= REORDER_PACKETS and time_us - oldest_us <= REORDER_US:
                break
            self._skip()

    def settle(self, before_us: int) -> None:
        """All that was received before is known: what is missing for longer than REORDER_US stays missing."""
        pending, old_us = self._pending, before_us - REORDER_US
        while pending and pending[next(iter(pending))][1] < old_us:
            self._skip()
        if self._open and not pending and self._receive_us < old_us:
            self._finish()

    def _drain(self) -> None:
        while (waiting := self._pending.pop(self._next, None)) is not None:
            self._next = (self._next + 1) & 0xFFFF
            self._take(*waiting)

    def _skip(self) -> None:
        """Give up what is missing before the first packet that waits."""
        base = self._next
        self._next = min(self._pending, key=lambda number: (number - base) & 0xFFFF)
        if self._open:
            self._open = False
            self._wants_key = True
            self.left_out += 1
        self._gap = True
        self._drain()

    def _take(self, rtp: int, time_us: int, packet: bytes, offset: int) -> None:
        try:
            first = packet[0]
            end = len(packet)
            if first == 0x90:  # an extension block and nothing else out of the ordinary
                begin = 16 + (packet[14] << 10 | packet[15] << 2)
            else:
                begin = 12 + 4 * (first & 0x0F)
                if first & 0x10:
                    begin += 4 + 4 * (packet[begin + 2] << 8 | packet[begin + 3])
                if first & 0x20:
                    end -= packet[-1]
            if begin >= end:
                return  # padding only
            descriptor = packet[begin]
            if descriptor & 0x80:
                present = packet[begin + 1]
                pos = begin + _LONGEST[present]
                if present & 0x80 and not packet[begin + 2] & 0x80:
                    pos -= 1
            else:
                pos = begin + 1
            if pos >= end:
                self._break()
                return
            if descriptor & 0x17 == 0x10:
                if self._open:
                    self._finish()
                if self._gap:
                    self._close_gap(packet, begin, end)
                self._open = True
                self._last_start = (packet, begin, end)
                if self._rtp_32 < 0:
                    self._rtp = rtp
                else:
                    ahead = (rtp - self._rtp_32) & 0xFFFFFFFF
                    self._rtp += ahead if ahead < 0x80000000 else ahead - 0x100000000
                self._rtp_32 = rtp
                self._receive_us = time_us
                self._pieces = [(offset + pos) << LENGTH_BITS | (end - pos)]
                if packet[pos] & 1:
                    self._key = self._width = self._height = 0
                else:
                    self._key = 1
                    if packet[pos + 3 : pos + 6] != b"\x9d\x01\x2a" or pos + 10 > end:
                        self._break()
                        return
                    self._width = (packet[pos + 7] << 8 | packet[pos + 6]) & 0x3FFF
                    self._height = (packet[pos + 9] << 8 | packet[pos + 8]) & 0x3FFF
            elif self._open and rtp == self._rtp_32:
                self._pieces.append((offset + pos) << LENGTH_BITS | (end - pos))
            else:
                self._break()
                return
            if packet[1] & 0x80:
                self._finish()
        except IndexError:
            self._break()

    def _close_gap(self, packet: bytes, begin: int, end: int) -> None:
        self._gap = False
        if self._wants_key:
            return
        former, now = self._last_start, None
        if former is not None:
            try:
                before = parse_descriptor(former[0][former[1] : former[2]])
                now = parse_descriptor(packet[begin:end])
            except ParseError:
                now = None
        if (
            now is None
            or now.picture_id is None
            or before.picture_id is None
            or (now.picture_id - before.picture_id) % (1 << now.picture_id_bits) != 1
        ):
            self._wants_key = True

    def _break(self) -> None:
        """A packet that fits nowhere: its frame is not whole."""
        self._open = False
        self._wants_key = True
        self.left_out += 1

    def _finish(self) -> None:
        self._open = False
        if self._key:
            if not (self._width and self._height):
                self._break()
                return
            self._wants_key = False
        elif self._wants_key:
            self.left_out += 1
            return
        frames = self._frames
        if frames.layer_now != self._layer:
            if not self._key or (len(frames) and self._receive_us < frames.receive_us[-1] - OVERLAP_US):
                self.left_out += 1
                return
            frames.layer_now = self._layer
        frames.layer.append(self._layer)
        frames.rtp.append(self._rtp)
        frames.receive_us.append(self._receive_us)
        frames.key.append(self._key)
        frames.width.append(self._width)
        frames.height.append(self._height)
        frames.where.append(self._pieces)
