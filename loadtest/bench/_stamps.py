"""When a packet was sent, told in its payload, and when the kernel had it again."""

from __future__ import annotations

import socket
import statistics
import struct
import time
from collections.abc import Sequence
from typing import Final

STAMP: Final = struct.Struct("!q")
"""Nanoseconds of the wall clock at sending; the last bytes of a payload."""
_SO_TIMESTAMPNS: Final = 35
_TIMESPEC: Final = struct.Struct("@qq")
_ANCILLARY_BYTES: Final = 64


def want_arrival(sock: socket.socket) -> None:
    """Let the kernel say when each datagram came (socket(7), SO_TIMESTAMPNS)."""
    sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)


def receive(sock: socket.socket) -> tuple[bytes, int, tuple[str, int]]:
    """A datagram, when the kernel had it (ns of the wall clock), its sender; raises BlockingIOError."""
    data, ancillary, _, address = sock.recvmsg(2048, _ANCILLARY_BYTES)
    for level, kind, content in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, _SO_TIMESTAMPNS):
            seconds, nanoseconds = _TIMESPEC.unpack_from(content)
            return data, seconds * 1_000_000_000 + nanoseconds, address
    return data, time.time_ns(), address


def latency_ms(plain: bytes, arrived_ns: int) -> float:
    """From the stamp in an RTP packet's payload, before padding (RFC 3550 section 5.1), to its arrival."""
    end = len(plain) - (plain[-1] if plain[0] & 0x20 else 0)
    return float(arrived_ns - STAMP.unpack_from(plain, end - STAMP.size)[0]) / 1e6


def percentiles(latencies: Sequence[float]) -> dict[str, float]:
    """p50_ms, p99_ms, most_ms; raises ValueError for fewer than 100."""
    if len(latencies) < 100:
        raise ValueError(f"only {len(latencies)} packets were sampled")
    cuts = statistics.quantiles(latencies, n=100, method="inclusive")
    return {
        "sampled": len(latencies),
        "p50_ms": round(cuts[49], 3),
        "p99_ms": round(cuts[98], 3),
        "most_ms": round(max(latencies), 3),
    }
