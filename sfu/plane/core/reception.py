"""What arrived of one SSRC: extended numbers, losses, jitter (RFC 3550 appendix A)."""

from __future__ import annotations

from typing import Final

from sfu.rtcp import ReportBlock
from sfu.rtp import Extender

_MAX_MISORDER: Final = 512
_MAX_DROPOUT: Final = 3000


class Reception:
    """Extends sequence numbers and counts, for receiver reports and for the state events."""

    __slots__ = (
        "_base",
        "_clock_rate",
        "_expected_before",
        "_jitter_q4",
        "_numbers",
        "_received_before",
        "_restart",
        "_transit",
        "received",
        "report_arrived_us",
        "report_ntp_middle",
    )

    def __init__(self, clock_rate: int) -> None:
        self._clock_rate = clock_rate
        self._numbers = Extender(16)
        self._base = 0
        self.received = 0
        self._expected_before = 0
        self._received_before = 0
        self._jitter_q4 = 0
        self._transit: int | None = None
        self._restart: int | None = None
        self.report_ntp_middle = 0
        """The middle of the last sender report's NTP time, for LSR; 0 before the first."""
        self.report_arrived_us = 0

    @property
    def highest(self) -> int | None:
        """Highest extended number, None before the first packet."""
        return self._numbers.highest

    def extend(self, sequence: int) -> int | None:
        """The extended number; None when the packet is far from where the stream stands.

        Two consecutive far numbers mean that the sender began anew: ``restarted`` tells.
        """
        numbers = self._numbers
        highest = numbers.highest
        if highest is None:
            self._base = sequence
            return numbers.extend(sequence)
        extended = numbers.nearest(sequence)
        if -_MAX_MISORDER < extended - highest < _MAX_DROPOUT:
            if extended > highest:
                numbers.highest = extended
            return extended
        if self._restart == sequence:
            self._begin_anew(highest, sequence)
            return numbers.highest
        self._restart = (sequence + 1) & 0xFFFF
        return None

    def extend_repair(self, sequence: int) -> int | None:
        """The extended number of a repaired packet; None when it is none that is missing now."""
        highest = self._numbers.highest
        if highest is None:
            return None
        extended = self._numbers.nearest(sequence)
        return extended if -_MAX_MISORDER < extended - highest <= 0 else None

    def _begin_anew(self, highest: int, sequence: int) -> None:
        """Number on above everything known, so that extended numbers never fall."""
        fresh = ((highest >> 16) + 2 << 16) + sequence
        self._numbers.highest = fresh
        self._base = fresh
        self.received = 0
        self._expected_before = self._received_before = 0
        self._transit = None
        self._restart = None

    def arrived(self, timestamp_rtp: int, now_us: int) -> None:
        """Count a packet that came on its own (not by repair); jitter by RFC 3550 section 6.4.1."""
        self.received += 1
        transit = now_us * self._clock_rate // 1_000_000 - timestamp_rtp
        if self._transit is not None:
            difference = abs(transit - self._transit)
            if difference < 10 * self._clock_rate:
                self._jitter_q4 += difference - ((self._jitter_q4 + 8) >> 4)
        self._transit = transit

    def sender_report(self, ntp_middle: int, now_us: int) -> None:
        """A sender report came."""
        self.report_ntp_middle = ntp_middle
        self.report_arrived_us = now_us

    @property
    def heard(self) -> bool:
        """Whether anything came since the last report (RFC 3550 section 6.4)."""
        return self.received != self._received_before

    @property
    def expected(self) -> int:
        """Packets sent as far as the numbers tell."""
        highest = self._numbers.highest
        return 0 if highest is None else highest - self._base + 1

    def report(self, ssrc: int, now_us: int) -> ReportBlock:
        """The next report block; ``fraction_lost`` is since the one before."""
        expected = self.expected
        expected_interval = expected - self._expected_before
        lost_interval = expected_interval - (self.received - self._received_before)
        self._expected_before = expected
        self._received_before = self.received
        fraction = 0
        if expected_interval > 0 and lost_interval > 0:
            fraction = min(255, (lost_interval << 8) // expected_interval)
        dlsr = 0
        if self.report_ntp_middle:
            dlsr = (now_us - self.report_arrived_us) * 65536 // 1_000_000
        return ReportBlock(
            ssrc=ssrc,
            fraction_lost=fraction,
            packets_lost=expected - self.received,
            highest_sequence=(self._numbers.highest or 0) & 0xFFFFFFFF,
            jitter=self._jitter_q4 >> 4,
            lsr=self.report_ntp_middle,
            dlsr=dlsr,
        )
