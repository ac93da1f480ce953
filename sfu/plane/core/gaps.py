"""Numbers of a slot under which nothing left."""

from __future__ import annotations

from collections import deque
from typing import Final

_MOST: Final = 64


class Gaps:
    """What a publisher's line lost of a slot's numbers: no fault of the receiver's line.

    Only the newest 64 gaps are known.
    """

    __slots__ = ("_gaps",)

    def __init__(self) -> None:
        self._gaps: deque[list[int]] = deque(maxlen=_MOST)
        """[first number, first number behind, how many are missing], oldest first."""

    def open(self, first: int, behind: int) -> None:
        """These numbers are missing from now on; ``behind`` is the next that is not."""
        self._gaps.append([first, behind, behind - first])

    def fill(self, number: int) -> None:
        """A packet left late under this number."""
        for gap in reversed(self._gaps):
            if gap[0] <= number < gap[1]:
                gap[2] = max(0, gap[2] - 1)
                return

    def take(self, highest: int) -> int:
        """How many are missing up to the highest number that the receiver knows; they are told once."""
        missing = 0
        while self._gaps and self._gaps[0][1] <= highest:
            missing += self._gaps.popleft()[2]
        return missing
