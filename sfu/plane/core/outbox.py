"""What the core puts out: datagrams, events, counters."""

from __future__ import annotations

from dataclasses import replace

from sfu.plane.api import Counters, Drop, Event
from sfu.plane.core.ice import SocketAddress


class Outbox:
    """Drained by the shell: ``datagrams`` after every call, ``ready`` events likewise.

    ``batched`` events become ready with the next batch, ten times a second.
    """

    __slots__ = ("batched", "counters", "datagrams", "ready")

    def __init__(self) -> None:
        self.datagrams: list[tuple[bytes, SocketAddress]] = []
        self.ready: list[Event] = []
        self.batched: list[Event] = []
        self.counters = Counters(dropped=dict.fromkeys(Drop, 0))

    def drop(self, reason: Drop, count: int = 1) -> None:
        """Count what went no further."""
        self.counters.dropped[reason] += count

    def send(self, datagram: bytes, address: SocketAddress) -> None:
        """Queue one datagram."""
        self.datagrams.append((datagram, address))
        self.counters.datagrams_out += 1
        self.counters.bytes_out += len(datagram)

    def copy_counters(self) -> Counters:
        """The totals so far; reasons that never occurred are left out."""
        dropped = {reason: count for reason, count in self.counters.dropped.items() if count}
        return replace(self.counters, dropped=dropped)
