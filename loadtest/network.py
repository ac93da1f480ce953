"""A bad network as a value: whether, and when, a datagram arrives that is sent now.

One ``Link`` is one direction of a line. It knows no clock and no socket, so the same seed and the same times
give the same fate to every datagram, in a test with a made-up clock and in ``loadtest.proxy`` in real time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

_MAX_LOSS: Final = 0.99


@dataclass(frozen=True, slots=True)
class Impairment:
    """What one direction does to datagrams. The default does nothing."""

    loss: float = 0.0
    """Share of datagrams that are lost, in the long run: 0 to 0.99."""
    loss_burst: float = 1.0
    """Mean length of a run of losses, at least 1; at 1 each is lost by itself (Gilbert's model)."""
    delay_ms: float = 0.0
    """One way."""
    jitter_ms: float = 0.0
    """Up to so much more, evenly; order is kept, as in one queue."""
    reorder: float = 0.0
    """Share of datagrams that ``reorder_ms`` holds back, past the ones behind them."""
    reorder_ms: float = 20.0
    rate_kbit_s: float | None = None
    """Bottleneck before the delay; None: none."""
    queue_ms: float = 200.0
    """What the bottleneck holds at most, as time at its rate; what comes then is lost."""

    def __post_init__(self) -> None:
        if not 0 <= self.loss <= _MAX_LOSS or not 0 <= self.reorder <= 1 or self.loss_burst < 1:
            raise ValueError("loss is 0 to 0.99, reorder 0 to 1, loss_burst at least 1")
        if min(self.delay_ms, self.jitter_ms, self.reorder_ms, self.queue_ms) < 0:
            raise ValueError("times are not negative")
        if self.rate_kbit_s is not None and self.rate_kbit_s <= 0:
            raise ValueError("a rate is above 0")
        if self.loss * (self.loss_burst + 1) > self.loss_burst:
            raise ValueError("so much loss comes in longer bursts only")


CLEAN: Final = Impairment()
BAD_LINES: Final = (
    Impairment(loss=0.02, delay_ms=40, jitter_ms=20),
    Impairment(loss=0.05, loss_burst=3, delay_ms=20, jitter_ms=30),
    Impairment(loss=0.01, delay_ms=60, jitter_ms=10, rate_kbit_s=600),
    Impairment(loss=0.1, delay_ms=10, jitter_ms=5),
)
"""What listeners of a load test get in turn."""
MEAN_LOSS_PERCENT: Final = 100 * sum(line.loss for line in BAD_LINES) / len(BAD_LINES)


@dataclass(slots=True)
class Fates:
    """What became of a link's datagrams."""

    sent: int = 0
    octets: int = 0
    """Of those sent."""
    lost: int = 0
    """By chance."""
    dropped: int = 0
    """By the bottleneck's full queue."""


class Link:
    """One direction. ``steps`` are (from which time on, in us; impairment), ascending; the first holds from
    the beginning."""

    def __init__(self, steps: Impairment | Sequence[tuple[int, Impairment]], seed: int) -> None:
        self._steps = [(0, steps)] if isinstance(steps, Impairment) else list(steps)
        self._chance = Random(seed)
        self._step = 0
        self._in_burst = False
        self._free_us = 0
        self._last_us = 0
        self.fates = Fates()

    @property
    def impairment(self) -> Impairment:
        """What holds now."""
        return self._steps[self._step][1]

    def change(self, impairment: Impairment) -> None:
        """This holds from now on, whatever the steps said."""
        self._steps, self._step = [(0, impairment)], 0

    def send(self, now_us: int, length: int) -> int | None:
        """When a datagram of ``length`` octets arrives, in us; None: never. Times don't go back."""
        while self._step + 1 < len(self._steps) and self._steps[self._step + 1][0] <= now_us:
            self._step += 1
        impairment = self.impairment
        self.fates.sent += 1
        self.fates.octets += length
        out_us = now_us
        if impairment.rate_kbit_s is not None:
            begin_us = max(now_us, self._free_us)
            if begin_us - now_us > impairment.queue_ms * 1000:
                self.fates.dropped += 1
                return None
            out_us = self._free_us = begin_us + round(length * 8000 / impairment.rate_kbit_s)
        if self._is_lost(impairment):
            self.fates.lost += 1
            return None
        jitter_ms = self._chance.random() * impairment.jitter_ms
        arrives_us = out_us + round((impairment.delay_ms + jitter_ms) * 1000)
        if self._chance.random() < impairment.reorder:
            return arrives_us + round(impairment.reorder_ms * 1000)
        self._last_us = max(self._last_us, arrives_us)
        return self._last_us

    def _is_lost(self, impairment: Impairment) -> bool:
        """Gilbert: a good and a bad state; in the bad one everything is lost."""
        loss, burst = impairment.loss, impairment.loss_burst
        if burst == 1:
            self._in_burst = False
            return self._chance.random() < loss
        change = 1 / burst if self._in_burst else loss / (burst * (1 - loss))
        if self._chance.random() < change:
            self._in_burst = not self._in_burst
        return self._in_burst
