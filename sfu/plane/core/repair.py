"""How much may be sent again: as much as was sent, a packet once a round trip."""

from __future__ import annotations

from typing import Final

_MIN_INTERVAL_US: Final = 20_000
_MAX_OCTETS: Final = 64 * 1024
"""What may be saved up: a thin line that gets it all at once is full for a second or two."""
_MAX_REMEMBERED: Final = 512


class RepairBudget:
    """One slot's repairs."""

    __slots__ = ("_earned_octets", "_octets", "_repaired_us")

    def __init__(self) -> None:
        self._octets = 0
        self._earned_octets = 0
        self._repaired_us: dict[int, int] = {}

    def allow(self, sequence: int, length: int, sent_octets: int, now_us: int, round_trip_us: int) -> bool:
        """Whether the packet of this extended number may go again; it is taken off if so.

        ``sent_octets`` is all that the slot ever sent, repairs not counted.
        """
        self._octets = min(_MAX_OCTETS, self._octets + sent_octets - self._earned_octets)
        self._earned_octets = sent_octets
        repaired_us = self._repaired_us
        last_us = repaired_us.get(sequence)
        if last_us is not None and now_us - last_us < max(_MIN_INTERVAL_US, round_trip_us):
            return False
        if not self.take(length):
            return False
        repaired_us.pop(sequence, None)
        repaired_us[sequence] = now_us
        if len(repaired_us) > _MAX_REMEMBERED:
            del repaired_us[next(iter(repaired_us))]
        return True

    def take(self, length: int) -> bool:
        """Whether there is room for so many octets more; they are taken off if so."""
        if self._octets < length:
            return False
        self._octets -= length
        return True
