"""What came of one RTP source, by its sequence numbers alone: gaps, duplicates, order. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from sfu import rtp

REMEMBERED: Final = 2048
"""So many of the last numbers are told apart; whatever is older counts as a duplicate."""


class Count(Struct, frozen=True):
    """Packets. ``received`` are different ones, ``repaired`` of them were sent again on request,
    ``reordered`` came after a later one; ``lost`` never came; ``duplicates`` came once more."""

    received: int = 0
    lost: int = 0
    duplicates: int = 0
    reordered: int = 0
    repaired: int = 0

    @property
    def lost_percent(self) -> float:
        """Of all that were sent, as far as numbers tell; 0 of nothing."""
        sent = self.received + self.lost
        return 100 * self.lost / sent if sent else 0.0


def total(counts: Iterable[Count]) -> Count:
    """All of them together."""
    every = list(counts)
    return Count(*(sum(getattr(each, name) for each in every) for name in Count.__struct_fields__))


class Continuity:
    """One source from its first packet on. What comes from before that is not counted."""

    def __init__(self) -> None:
        self._numbers = rtp.Extender(16)
        self._first = 0
        self._received = self._duplicates = self._reordered = self._repaired = 0
        self.missing: dict[int, int] = {}
        """Extended numbers of the last ``REMEMBERED`` that have not come, ascending; how often each was asked
        for is its owner's to note."""

    @property
    def highest(self) -> int:
        """Extended; -1 before the first."""
        return -1 if self._numbers.highest is None else self._numbers.highest

    @property
    def count(self) -> Count:
        """So far."""
        sent = self.highest - self._first + 1 if self.highest >= 0 else 0
        return Count(self._received, sent - self._received, self._duplicates, self._reordered, self._repaired)

    def take(self, number: int) -> bool:
        """A packet with this number (16 bits); whether there is a gap before it that was not known."""
        before = self._numbers.highest
        extended = self._numbers.extend(number)
        if before is None:
            self._first = extended
        if before is None or extended > before:
            self._received += 1
            if before is None or extended == before + 1:
                return False
            self.missing.update(dict.fromkeys(range(max(before + 1, extended - REMEMBERED), extended), 0))
            for old in list(self.missing)[:-REMEMBERED]:
                del self.missing[old]
            return True
        if self.missing.pop(extended, None) is not None:
            self._received += 1
            self._reordered += 1
        elif extended >= self._first:
            self._duplicates += 1
        return False

    def repair(self, number: int) -> None:
        """This packet (16 bits) came as a repair (RFC 4588); one that is not missing is no duplicate: it was
        asked for before it came."""
        if self.missing.pop(self._numbers.nearest(number), None) is not None:
            self._received += 1
            self._repaired += 1


class Pause:
    """The longest time without a packet, from the first one on."""

    def __init__(self) -> None:
        self._last_s: float | None = None
        self._longest_s = 0.0

    def take(self, now_s: float) -> None:
        """A packet came."""
        if self._last_s is not None and now_s - self._last_s > self._longest_s:
            self._longest_s = now_s - self._last_s
        self._last_s = now_s

    def longest_s(self, now_s: float) -> float:
        """Until now; 0 when nothing ever came."""
        return max(self._longest_s, self.current_s(now_s))

    def current_s(self, now_s: float) -> float:
        """Since the last packet; 0 when nothing ever came."""
        return 0.0 if self._last_s is None else now_s - self._last_s


class Heard(Struct, frozen=True):
    """What one listener got. ``pause_ms``: the longest without sound; ``moves``: how often their media was
    lost and made anew."""

    sound: Count
    picture: Count
    pause_ms: float
    moves: int
