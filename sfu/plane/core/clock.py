"""Media time on the server's clock: which server time an RTP timestamp stands for.

A publisher's sender reports tie RTP timestamps to its own NTP clock, and the smallest delay of its
reports ties that clock to ours: one offset a publisher, so that its sound and picture keep their
relation. Until a layer's first report the smallest delay of its packets stands in.
"""

from __future__ import annotations

from typing import Final

_WINDOW_US: Final = 15_000_000
_STEP_US: Final = 1_000_000
"""A delay that grows by more than this is a step of the publisher's clock, not a slow network."""
_PLAUSIBLE_PAST_US: Final = 2_000_000
_PLAUSIBLE_FUTURE_US: Final = 200_000
_DRIFT_PER_US: Final = 5000
"""Without reports a publisher's clock may run slow by 1/5000 (200 ppm)."""


class PublisherClock:
    """The offset from one publisher's NTP time to server time, by the smallest delay seen lately."""

    __slots__ = ("_current_us", "_previous_us", "_rotated_us", "offset_us")

    def __init__(self) -> None:
        self.offset_us: int | None = None
        """Add this to the publisher's NTP time in us; None before the first report."""
        self._current_us: int | None = None
        self._previous_us: int | None = None
        self._rotated_us = 0

    def report(self, ntp_us: int, now_us: int) -> None:
        """A sender report that carries ``ntp_us`` arrived."""
        delay_us = now_us - ntp_us
        if self.offset_us is not None and delay_us > self.offset_us + _STEP_US:
            self._current_us = self._previous_us = None
        if self._current_us is None or now_us - self._rotated_us > _WINDOW_US:
            self._previous_us = self._current_us
            self._current_us = delay_us
            self._rotated_us = now_us
        elif delay_us < self._current_us:
            self._current_us = delay_us
        if self._previous_us is None:
            self.offset_us = self._current_us
        else:
            self.offset_us = min(self._previous_us, self._current_us)


class MediaClock:
    """Between RTP timestamps (extended) of one layer and server time in us."""

    __slots__ = (
        "_anchor_rtp",
        "_anchor_us",
        "_publisher",
        "_rate",
        "_report_ntp_us",
        "_report_rtp",
        "_trusted",
    )

    def __init__(self, rate: int, publisher: PublisherClock) -> None:
        self._rate = rate
        self._publisher = publisher
        self._anchor_us = 0
        self._anchor_rtp: int | None = None
        self._report_ntp_us = 0
        self._report_rtp: int | None = None
        self._trusted = False

    def packet(self, timestamp_rtp: int, now_us: int) -> None:
        """The first packet of a frame arrived in order."""
        if self._anchor_rtp is None:
            self._anchor_rtp, self._anchor_us = timestamp_rtp, now_us
        else:
            elapsed_us = (timestamp_rtp - self._anchor_rtp) * 1_000_000 // self._rate
            expected_us = self._anchor_us + elapsed_us
            late_us = now_us - expected_us
            if late_us < 0 or late_us > _PLAUSIBLE_PAST_US:
                expected_us = now_us
            else:
                expected_us += min(late_us, max(elapsed_us, 0) // _DRIFT_PER_US)
            self._anchor_rtp, self._anchor_us = timestamp_rtp, expected_us
        self._check(timestamp_rtp, now_us)

    def report(self, ntp_us: int, timestamp_rtp: int) -> None:
        """A sender report of this layer; the publisher's clock was told before."""
        self._report_ntp_us = ntp_us
        self._report_rtp = timestamp_rtp
        if self._anchor_rtp is not None:
            self._check(self._anchor_rtp, self._anchor_us)

    def _check(self, timestamp_rtp: int, now_us: int) -> None:
        offset_us = self._publisher.offset_us
        if self._report_rtp is None or offset_us is None:
            self._trusted = False
            return
        told_us = (
            self._report_ntp_us + offset_us + (timestamp_rtp - self._report_rtp) * 1_000_000 // self._rate
        )
        self._trusted = now_us - _PLAUSIBLE_PAST_US <= told_us <= now_us + _PLAUSIBLE_FUTURE_US

    def _point(self) -> tuple[int, int]:
        """A (server time us, timestamp) that belong together."""
        if self._trusted and self._report_rtp is not None and self._publisher.offset_us is not None:
            return self._report_ntp_us + self._publisher.offset_us, self._report_rtp
        return self._anchor_us, self._anchor_rtp or 0

    def server_us(self, timestamp_rtp: int) -> int:
        """Server time of a timestamp; call ``packet`` before the first time."""
        point_us, point_rtp = self._point()
        return point_us + (timestamp_rtp - point_rtp) * 1_000_000 // self._rate

    def timestamp_rtp(self, server_us: int) -> int:
        """The inverse of ``server_us``."""
        point_us, point_rtp = self._point()
        return point_rtp + (server_us - point_us) * self._rate // 1_000_000
