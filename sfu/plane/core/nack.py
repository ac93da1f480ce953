"""Which packets of a publisher are missing, and when to ask for them again."""

from __future__ import annotations

from typing import Final

MAX_MISSING: Final = 256
MAX_TRIES: Final = 10
_REORDERING_US: Final = 10_000
"""A packet may come this much after its followers before it is asked for."""
_MAX_AGE_US: Final = 1_000_000
_MIN_RETRY_US: Final = 30_000


class NackList:
    """Extended numbers that are missing, each with when it is next asked for, how often it was, since when
    it is missing and when it was asked for last."""

    __slots__ = ("_missing", "round_trip_us")

    def __init__(self) -> None:
        self._missing: dict[int, tuple[int, int, int, int]] = {}
        self.round_trip_us: int | None = None
        """From a request to its repair, smoothed; only of what was asked for once. None before the first."""

    def __bool__(self) -> bool:
        return bool(self._missing)

    def gap(self, first: int, end: int, now_us: int) -> None:
        """Numbers ``first`` up to but not including ``end`` were left out by the packet just received."""
        first = max(first, end - MAX_MISSING)
        for sequence in range(first, end):
            self._missing[sequence] = (now_us + _REORDERING_US, 0, now_us, now_us)
        while len(self._missing) > MAX_MISSING:
            del self._missing[next(iter(self._missing))]

    def received(self, sequence: int) -> None:
        """A late packet came."""
        self._missing.pop(sequence, None)

    def repaired(self, sequence: int, now_us: int) -> None:
        """A packet came again that was asked for."""
        missing = self._missing.pop(sequence, None)
        if missing is None or missing[1] != 1:
            return
        sample_us = now_us - missing[3]
        before_us = self.round_trip_us
        self.round_trip_us = sample_us if before_us is None else before_us + (sample_us - before_us) // 8

    def due(self, now_us: int, round_trip_us: int) -> list[int]:
        """What to ask for now, ascending; gives up after MAX_TRIES or a second."""
        asked: list[int] = []
        given_up: list[int] = []
        retry_us = max(_MIN_RETRY_US, round_trip_us + round_trip_us // 4)
        for sequence, (next_us, tries, since_us, _) in self._missing.items():
            if now_us - since_us > _MAX_AGE_US or tries >= MAX_TRIES:
                given_up.append(sequence)
            elif next_us <= now_us:
                asked.append(sequence)
        for sequence in given_up:
            del self._missing[sequence]
        for sequence in asked:
            _, tries, since_us, _ = self._missing[sequence]
            self._missing[sequence] = (now_us + retry_us, tries + 1, since_us, now_us)
        asked.sort()
        return asked

    def clear(self) -> None:
        """Forget everything."""
        self._missing.clear()
