"""What a receiver's line bears, from what its reports say. Pure; described in docs/allocation.md."""

from __future__ import annotations

from typing import Final

EVERY_US: Final = 700_000
"""Reports closer together than this are passed over: a browser makes about one a second."""
AWAY_US: Final = 2_500_000
"""Without reports for so long the line was away; those of the same time afterwards tell of that, not of a
queue."""
LOSS_QUEUE: Final = 0.10
"""Loss above the line's own by which a full queue shows."""
LOSS_CALM: Final = 0.03
QUEUE_MS: Final = 150.0
"""Round trip above the line's own by which a queue that fills shows."""
CUT: Final = 0.85
CUT_EVERY_US: Final = 1_500_000
"""A cut needs this time to show in the reports."""
GROWTH_A_SECOND: Final = 0.08
FIRST_PAUSE_US: Final = 5_000_000
LONGEST_PAUSE_US: Final = 30_000_000
LOWEST_BPS: Final = 40_000
AHEAD: Final = 2.0
"""How far above what is sent a limit may grow: nothing is known of what lies beyond."""
REMB_SHARE: Final = 0.7
"""A REMB below this share of what is sent may be the sign of a queue."""
RELIEVED_US: Final = 10_000_000
"""A limit that binds nothing for so long is none."""


class LineEstimate:
    """One receiver's line. Call ``update`` with each report, then read ``bps``; None: no limit is known."""

    __slots__ = (
        "_at_us",
        "_away_until_us",
        "_before_cut_bps",
        "_calm_since_us",
        "_cut_loss",
        "_cut_us",
        "_cuts",
        "_free_since_us",
        "_loss",
        "_pause_us",
        "_round_trip_ms",
        "bps",
    )

    def __init__(self) -> None:
        self.bps: int | None = None
        self._at_us: int | None = None
        self._away_until_us = 0
        self._loss = 0.0
        """What the line always loses."""
        self._round_trip_ms: float | None = None
        """The shortest seen."""
        self._cuts = 0
        """In a row, without a calm report between."""
        self._cut_us = 0
        self._cut_loss = 0.0
        self._before_cut_bps: int | None = None
        self._calm_since_us: int | None = None
        self._free_since_us: int | None = None
        self._pause_us = FIRST_PAUSE_US

    def update(
        self,
        now_us: int,
        sent_bps: int,
        wanted_bps: int,
        fraction_lost: float | None,
        round_trip_ms: float | None,
        remb_bps: int | None,
    ) -> None:
        """Take a report. ``sent_bps``: since the last one; ``wanted_bps``: what it would be without limit."""
        if self._at_us is not None and now_us - self._at_us < EVERY_US:
            return
        elapsed_us = 0 if self._at_us is None else now_us - self._at_us
        self._at_us = now_us
        if elapsed_us >= AWAY_US:
            self._away_until_us = now_us + AWAY_US
        if now_us < self._away_until_us:
            return
        loss = fraction_lost or 0.0
        queue_ms = self._queue(round_trip_ms)
        if queue_ms > QUEUE_MS or loss > self._loss + LOSS_QUEUE:
            self._congested(now_us, sent_bps, loss, queue_ms)
        else:
            self._calm(now_us, elapsed_us, sent_bps, wanted_bps, loss)
        # Some clients' REMB follows what little is sent, or jitter: something else must speak for it.
        agrees = queue_ms > QUEUE_MS / 3 or loss > self._loss + LOSS_CALM
        if agrees and remb_bps is not None and LOWEST_BPS <= remb_bps < REMB_SHARE * sent_bps:
            self.bps = remb_bps if self.bps is None else min(self.bps, remb_bps)
            self._cut_us = now_us

    def _queue(self, round_trip_ms: float | None) -> float:
        if round_trip_ms is None:
            return 0.0
        if self._round_trip_ms is None or round_trip_ms < self._round_trip_ms:
            self._round_trip_ms = round_trip_ms
        # a route that has become longer is not a queue for ever
        self._round_trip_ms += min(1.0, 0.01 * (round_trip_ms - self._round_trip_ms))
        return round_trip_ms - self._round_trip_ms

    def _congested(self, now_us: int, sent_bps: int, loss: float, queue_ms: float) -> None:
        self._calm_since_us = self._free_since_us = None
        if self._cuts and now_us - self._cut_us < CUT_EVERY_US:
            return
        if self._cuts >= 2 and queue_ms <= QUEUE_MS and loss >= 0.7 * self._cut_loss:
            self._loss = loss
            self.bps = self._before_cut_bps
            self._cuts = 0
            return
        if self._cuts == 0:
            self._before_cut_bps, self._cut_loss = self.bps, loss
            if self.bps is not None:
                self._pause_us = min(2 * self._pause_us, LONGEST_PAUSE_US)
        self._cuts += 1
        self._cut_us = now_us
        came_bps = int(CUT * sent_bps * (1 - loss))
        self.bps = max(LOWEST_BPS, came_bps if self.bps is None else min(came_bps, int(CUT * self.bps)))

    def _calm(self, now_us: int, elapsed_us: int, sent_bps: int, wanted_bps: int, loss: float) -> None:
        self._cuts = 0
        if self._calm_since_us is None:
            self._calm_since_us = now_us
        if loss < self._loss:
            self._loss += 0.2 * (loss - self._loss)
        if self.bps is None or loss > self._loss + LOSS_CALM:
            return
        if self.bps < wanted_bps:
            self._free_since_us = None
            if now_us - self._cut_us >= self._pause_us:
                grown = int(self.bps * (1 + GROWTH_A_SECOND * elapsed_us / 1_000_000))
                self.bps = max(self.bps, min(grown, int(AHEAD * max(sent_bps, LOWEST_BPS))))
            return
        if self._free_since_us is None:
            self._free_since_us = now_us
        elif now_us - self._free_since_us >= RELIEVED_US:
            self.bps = None
            self._pause_us = FIRST_PAUSE_US


class Budget:
    """A limit that does not flap: lower at once, higher by steps."""

    __slots__ = ("_changed_us", "bps")

    UP: Final = 1.2
    UP_EVERY_US: Final = 5_000_000

    def __init__(self) -> None:
        self.bps: int | None = None
        self._changed_us = 0

    def follow(self, estimate_bps: int | None, now_us: int) -> bool:
        """Take the estimate; whether ``bps`` is another now."""
        before = self.bps
        lower = estimate_bps is not None and (before is None or estimate_bps < before)
        higher = before is not None and (estimate_bps is None or estimate_bps >= self.UP * before)
        if lower or (higher and now_us - self._changed_us >= self.UP_EVERY_US):
            self.bps = estimate_bps
        if self.bps == before:
            return False
        self._changed_us = now_us
        return True


class Redundancy:
    """How many earlier packets of sound come along, by loss."""

    __slots__ = ("_low_since_us", "distance")

    STEPS: Final = ((0.08, 2), (0.02, 1))
    DOWN_AFTER_US: Final = 10_000_000

    def __init__(self) -> None:
        self.distance = 0
        self._low_since_us: int | None = None

    def follow(self, fraction_lost: float | None, now_us: int) -> bool:
        """Take the loss; whether ``distance`` is another now."""
        loss = fraction_lost or 0.0
        wanted = next((distance for limit, distance in self.STEPS if loss >= limit), 0)
        if wanted >= self.distance:
            self._low_since_us = None
        elif self._low_since_us is None:
            self._low_since_us = now_us
        low = self._low_since_us is not None and now_us - self._low_since_us >= self.DOWN_AFTER_US
        if wanted > self.distance or low:
            self.distance = wanted
            self._low_since_us = None
            return True
        return False
