"""What a receiver's line bears, from what its reports say. Pure; described in docs/allocation.md."""

from __future__ import annotations

import math
from collections import deque
from typing import Final, NamedTuple

EVERY_US: Final = 500_000
"""Reports closer together than this are passed over: a browser makes about one a second."""
WINDOW_US: Final = 2_200_000
"""Over so long losses are counted: one report tells of a few packets."""
LEAST_REPORTED: Final = 20
"""Fewer packets in a window tell nothing of loss."""
DEVIATIONS: Final = 2.2
"""Chance, and bursts, may lose more than the line does by so many standard deviations of single losses."""
AWAY_US: Final = 2_500_000
"""Without reports for so long the line was away; those of the same time afterwards tell of that, not of a
queue."""
PICTURES_BPS: Final = 100_000
"""Sent so much, there are pictures, on which browsers report each second; on sound alone each 5 s or so."""
AWAY_FROM_SOUND_US: Final = 9_000_000
LOSS_QUEUE: Final = 0.08
"""Loss above the line's own by which a full queue shows."""
LOSS_CALM: Final = 0.03
QUEUE_MS: Final = 150.0
"""Round trip above the line's own by which a queue that fills shows: in two reports, or with some loss."""
CUT: Final = 0.85
SETTLE_US: Final = 2_000_000
"""What is reported so soon after a cut was sent before it: a slot's reports are up to 1.5 s apart."""
SENT_LESS: Final = 0.7
NOT_CURED: Final = 0.6
"""Loss that is still this share of what it was, though so much less is sent, is the line's own."""
MOST_CUTS: Final = 3
OWN_SMOOTHING: Final = 0.1
"""Share of a calm window's loss that the line's own takes over."""
GROWTH_A_SECOND: Final = 0.12
FIRST_PAUSE_US: Final = 5_000_000
LONGEST_PAUSE_US: Final = 30_000_000
FORGOTTEN_US: Final = 60_000_000
"""After so long without a cut the next growth that fails is a first one again."""
LOWEST_BPS: Final = 40_000
AHEAD: Final = 4.0
"""How far above what is sent a limit may grow: nothing is known of what lies beyond."""
AHEAD_OF_BPS: Final = 200_000
"""More than sound alone, from which a limit could not grow out of itself."""
REMB_SHARE: Final = 0.7
"""A REMB below this share of what is sent may be the sign of a queue."""
RELIEVED_US: Final = 10_000_000
"""A limit that binds nothing for so long is none."""


class Report(NamedTuple):
    """A receiver's line at a moment. Counts are since the beginning; None is what is not known."""

    at_us: int
    bytes_sent: int
    """Media alone: repairs follow losses, and would tell of a wide line where there is a storm of them."""
    pictures_reported: int
    pictures_lost: int
    """Of those reported."""
    sound_reported: int = 0
    sound_lost: int = 0
    round_trip_ms: float | None = None
    remb_bps: int | None = None


class Stretch(NamedTuple):
    """What lies between two reports."""

    elapsed_us: int
    sent_bps: int
    packets: int
    loss: float
    """0..1, 0 where too few packets were reported."""

    @classmethod
    def of_pictures(cls, first: Report, last: Report) -> Stretch:
        """``last`` is later than ``first``."""
        packets = last.pictures_reported - first.pictures_reported
        return cls._between(first, last, packets, last.pictures_lost - first.pictures_lost)

    @classmethod
    def of_sound(cls, first: Report, last: Report) -> Stretch:
        """The same; of sound browsers tell each five seconds."""
        packets = last.sound_reported - first.sound_reported
        return cls._between(first, last, packets, last.sound_lost - first.sound_lost)

    @classmethod
    def _between(cls, first: Report, last: Report, packets: int, lost: int) -> Stretch:
        elapsed_us = last.at_us - first.at_us
        loss = min(1.0, lost / packets) if packets >= LEAST_REPORTED else 0.0
        return cls(elapsed_us, (last.bytes_sent - first.bytes_sent) * 8_000_000 // elapsed_us, packets, loss)

    @property
    def least_loss(self) -> float:
        """What the line loses at least, if not by chance."""
        if not self.loss:
            return 0.0
        return self.loss - DEVIATIONS * math.sqrt(self.loss * (1 - self.loss) / self.packets)

    @property
    def came_bps(self) -> int:
        """What of it arrived."""
        return int(self.sent_bps * (1 - self.loss))


class LineEstimate:
    """One receiver's line. Call ``update`` with each report, then read ``bps``; None: no limit is known."""

    __slots__ = (
        "_away_until_us",
        "_before_cut_bps",
        "_calm_us",
        "_cut",
        "_cut_us",
        "_cuts",
        "_free_since_us",
        "_loss",
        "_lowest_ms",
        "_pause_us",
        "_queued",
        "_reports",
        "_round_trip_ms",
        "_told_of_sound",
        "bps",
    )

    def __init__(self, began_us: int = -AWAY_US) -> None:
        """``began_us``: since when there is this line; what is reported at once tells of another."""
        self.bps: int | None = None
        self._reports: deque[Report] = deque()
        """Of the last window and the newest before it."""
        self._told_of_sound: Report | None = None
        """The last report that told of sound, unless that was before a cut."""
        self._away_until_us = began_us + AWAY_US
        self._loss = 0.0
        """What the line always loses."""
        self._round_trip_ms: float | None = None
        """The shortest seen."""
        self._lowest_ms: float | None = None
        """Round trip since the last report that was taken."""
        self._queued = False
        """The last report told of a queue."""
        self._cuts = 0
        """In a row, without a calm window between."""
        self._cut_us = -FORGOTTEN_US
        self._cut: Stretch | None = None
        """What the first of those cuts rests on."""
        self._before_cut_bps: int | None = None
        self._calm_us = 0
        """When the line was last seen to bear what is sent."""
        self._free_since_us: int | None = None
        self._pause_us = FIRST_PAUSE_US

    def update(self, report: Report, wanted_bps: int) -> None:
        """Take a report; ``wanted_bps``: what would be sent without limit."""
        reports = self._reports
        before = reports[-1] if reports else None
        if report.round_trip_ms is not None:
            lowest_ms = self._lowest_ms
            self._lowest_ms = (
                report.round_trip_ms if lowest_ms is None else min(lowest_ms, report.round_trip_ms)
            )
        if before is not None and report.at_us - before.at_us < EVERY_US:
            return
        # A queue that stands is in every round trip; a busy computer is in some.
        queue_ms, self._lowest_ms = self._queue(self._lowest_ms), None
        if before is not None and _was_away(Stretch.of_pictures(before, report)):
            self._away_until_us = report.at_us + AWAY_US
        if before is None or report.at_us < max(self._away_until_us, self._cut_us + SETTLE_US):
            reports.clear()
            reports.append(report)
            self._told_of_sound = None
            return
        reports.append(report)
        while reports[1].at_us <= report.at_us - WINDOW_US:
            reports.popleft()
        window, last = Stretch.of_pictures(reports[0], report), Stretch.of_pictures(before, report)
        if report.sound_reported > before.sound_reported:
            told, self._told_of_sound = self._told_of_sound, report
            if told is not None and window.packets < LEAST_REPORTED:
                window = Stretch.of_sound(told, report)
        excess = window.least_loss - self._loss
        queued = queue_ms > QUEUE_MS
        if self._cut is not None and not queued and self._is_own(window, self._cut):
            self._loss = window.loss
            self._take_back()
        elif queued and excess <= 0 and self._cuts >= MOST_CUTS:
            self._round_trip_ms = report.round_trip_ms
            self._take_back()
        elif excess > LOSS_QUEUE or (queued and (self._queued or excess > 0)):
            self._congested(report.at_us, window, last)
        elif window.packets >= LEAST_REPORTED and not queued:
            self._calm(report.at_us, window, wanted_bps)
        self._queued = queued
        # Some clients' REMB follows what little is sent, or jitter: something else must speak for it.
        agrees = queue_ms > QUEUE_MS / 3 or window.loss > self._loss + LOSS_CALM
        remb_bps = report.remb_bps
        if agrees and remb_bps is not None and LOWEST_BPS <= remb_bps < REMB_SHARE * last.sent_bps:
            self.bps = remb_bps if self.bps is None else min(self.bps, remb_bps)
            self._cut_us = report.at_us

    def _queue(self, round_trip_ms: float | None) -> float:
        if round_trip_ms is None:
            return 0.0
        if self._round_trip_ms is None or round_trip_ms < self._round_trip_ms:
            self._round_trip_ms = round_trip_ms
        # a route that has become longer is not a queue for ever
        self._round_trip_ms += min(1.0, 0.01 * (round_trip_ms - self._round_trip_ms))
        return round_trip_ms - self._round_trip_ms

    def _congested(self, now_us: int, window: Stretch, last: Stretch) -> None:
        self._free_since_us = None
        if self._cut is None:
            self._cut, self._before_cut_bps = window, self.bps
            if now_us - self._cut_us >= FORGOTTEN_US:
                self._pause_us = FIRST_PAUSE_US
            elif self.bps is not None:
                self._pause_us = min(2 * self._pause_us, LONGEST_PAUSE_US)
        self._cuts += 1
        self._cut_us = now_us
        self._reports.clear()
        came_bps = int(CUT * (last if last.packets >= LEAST_REPORTED else window).came_bps)
        self.bps = max(LOWEST_BPS, came_bps if self.bps is None else min(came_bps, int(CUT * self.bps)))

    def _take_back(self) -> None:
        """The cuts did not cure what they were made for."""
        self.bps = self._before_cut_bps
        self._cuts, self._cut = 0, None

    def _is_own(self, window: Stretch, cut: Stretch) -> bool:
        less = window.sent_bps <= SENT_LESS * cut.sent_bps or self._cuts >= MOST_CUTS
        return less and cut.loss > LOSS_CALM and window.loss >= NOT_CURED * cut.loss

    def _calm(self, now_us: int, window: Stretch, wanted_bps: int) -> None:
        elapsed_us, self._calm_us = min(now_us - self._calm_us, AWAY_FROM_SOUND_US), now_us
        self._cuts, self._cut = 0, None
        self._loss += OWN_SMOOTHING * (window.loss - self._loss)
        if self.bps is None or window.least_loss > self._loss + LOSS_CALM:
            return
        if self.bps < wanted_bps:
            self._free_since_us = None
            if now_us - self._cut_us >= self._pause_us:
                grown = int(self.bps * (1 + GROWTH_A_SECOND * elapsed_us / 1_000_000))
                self.bps = max(self.bps, min(grown, int(AHEAD * max(window.sent_bps, AHEAD_OF_BPS))))
            return
        if self._free_since_us is None:
            self._free_since_us = now_us
        elif now_us - self._free_since_us >= RELIEVED_US:
            self.bps = None
            self._pause_us = FIRST_PAUSE_US


def _was_away(silence: Stretch) -> bool:
    limit_us = AWAY_US if silence.sent_bps >= PICTURES_BPS else AWAY_FROM_SOUND_US
    return silence.elapsed_us >= limit_us


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
