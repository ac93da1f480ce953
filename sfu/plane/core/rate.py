"""What one publisher may send: bits and packets a second."""

from __future__ import annotations

from typing import Final

MAX_PACKETS_PER_S: Final = 4000
_BURST_US: Final = 500_000
_REFILL_US: Final = 10_000


class IngressCap:
    """Two token buckets of half a second each, refilled only when one runs dry."""

    __slots__ = ("_byte_burst", "_bytes", "_bytes_per_s", "_packet_burst", "_packets", "_refilled_us")

    def __init__(self, max_bps: int, now_us: int) -> None:
        self._bytes_per_s = max_bps // 8
        self._byte_burst = self._bytes_per_s * _BURST_US // 1_000_000
        self._packet_burst = MAX_PACKETS_PER_S * _BURST_US // 1_000_000
        self._bytes = self._byte_burst
        self._packets = self._packet_burst
        self._refilled_us = now_us

    def admit(self, length: int, now_us: int) -> bool:
        """Whether a packet of this many bytes is within the cap; it is taken off if so."""
        if self._bytes < length or self._packets < 1:
            elapsed_us = now_us - self._refilled_us
            if elapsed_us < _REFILL_US:
                return False
            self._refilled_us = now_us
            self._bytes = min(self._byte_burst, self._bytes + self._bytes_per_s * elapsed_us // 1_000_000)
            self._packets = min(
                self._packet_burst, self._packets + MAX_PACKETS_PER_S * elapsed_us // 1_000_000
            )
            if self._bytes < length or self._packets < 1:
                return False
        self._bytes -= length
        self._packets -= 1
        return True
