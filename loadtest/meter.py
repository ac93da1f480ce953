"""What the load itself costs: CPU of this process over a time, and how late its loop was.

Pure: whoever ticks brings the times.
"""

from __future__ import annotations

from collections import deque
from itertools import pairwise
from typing import Final

from msgspec import Struct

TICK_S: Final = 0.1
_KEPT: Final = 100_000
_PEAK_S: Final = 1.0


class Usage(Struct, frozen=True):
    """One process over ``seconds``. ``cores``: CPU time of all its threads a second; ``peak``: in its busiest
    second; ``lag_ms``: the most that its loop was late."""

    name: str
    seconds: float
    cores: float
    peak: float
    lag_ms: float


class Meter:
    """The last hours of one process, looked at every ``TICK_S``."""

    def __init__(self) -> None:
        self._ticks: deque[tuple[float, float, float]] = deque(maxlen=_KEPT)

    def tick(self, now_s: float, cpu_s: float) -> None:
        """Note the process's CPU time until now."""
        late_s = now_s - self._ticks[-1][0] - TICK_S if self._ticks else 0.0
        self._ticks.append((now_s, cpu_s, max(0.0, late_s)))

    def usage(self, name: str, since_s: float, until_s: float) -> Usage:
        """Over these times; all zero when nothing was noted in them."""
        ticks = [tick for tick in self._ticks if since_s <= tick[0] <= until_s]
        if len(ticks) < 2:
            return Usage(name, 0.0, 0.0, 0.0, 0.0)
        seconds = ticks[-1][0] - ticks[0][0]
        cores = (ticks[-1][1] - ticks[0][1]) / seconds
        marks = [ticks[0]]
        for tick in ticks[1:]:
            if tick[0] - marks[-1][0] >= _PEAK_S:
                marks.append(tick)
        peaks = [(after[1] - before[1]) / (after[0] - before[0]) for before, after in pairwise(marks)]
        return Usage(name, seconds, cores, max([cores, *peaks]), max(tick[2] for tick in ticks[1:]) * 1000)
