"""What a worker says of itself in Redis: key names and the record, read by placement.

``WORKERS_KEY`` is a sorted set of worker ids by the server time in ms of their last sign of life;
``worker_key(id)`` holds the packed record and expires by itself; ``coming_key(id)`` is a sorted set of
lessons that were just placed there, each with how many people it may bring, by the time in ms until which
they may still come. ``lease_key(lesson)`` says which worker has a lesson's media: signalling places and
reclaims by LEASE_SCRIPT, a worker reclaims when Redis forgot it. ``drain_key(id)`` is an operator's: the
worker's record says so from then on.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgpack
import msgspec
from msgspec import Struct

from sfu.model import ParseError
from sfu.rpc.frames import check_shape

WORKERS_KEY: Final = "zvonok:workers"
RECORD_TTL_S: Final = 5
RENEW_EVERY_S: Final = 1.0
LEASE_SCRIPT: Final = Path(__file__).with_name("lease.lua").read_text(encoding="utf-8")


class WorkerRecord(Struct, frozen=True):
    """One worker. ``cpu``: cores used over the last second; ``draining``: takes no new lessons, and those it
    has move at ``drains_at_ms``, ms since 1970."""

    worker: str
    pid: int
    rpc_host: str
    rpc_port: int
    udp_port: int
    addresses: tuple[str, ...]
    plane: str
    lessons: int
    transports: int
    max_transports: int
    cpu: float
    started_at_ms: int
    draining: bool = False
    drains_at_ms: int = 0

    @property
    def takes_lessons(self) -> bool:
        """Whether a lesson may be placed here."""
        return not self.draining and self.transports < self.max_transports


def worker_key(worker: str) -> str:
    """Redis key of a worker's record."""
    return f"zvonok:worker:{worker}"


def coming_key(worker: str) -> str:
    """Redis key of who may still come to a worker."""
    return f"zvonok:coming:{worker}"


def drain_key(worker: str) -> str:
    """Redis key of when a worker's lessons are to move, ms since 1970: it is drained while there is one."""
    return f"zvonok:drain:{worker}"


def lease_key(lesson: str) -> str:
    """Redis key of a lesson's lease."""
    return f"zvonok:{{{lesson}}}:lease"


def live_channel(lesson: str) -> str:
    """On which all is published that happens to a lesson."""
    return f"zvonok:{{{lesson}}}:live"


def reclaim_arguments(
    lesson: str, worker: str, epoch: int, address: tuple[str, int] | None, keep_s: int
) -> list[str | int]:
    """LEASE_SCRIPT's, to write a lease again that Redis lost unless it knows a newer one."""
    return ["reclaim", epoch, worker, epoch, keep_s, live_channel(lesson), address_text(address)]


def address_text(address: tuple[str, int] | None) -> str:
    """``host port``, "" for None."""
    return "" if address is None else f"{address[0]} {address[1]}"


def pack(record: WorkerRecord) -> bytes:
    """The record as msgpack."""
    packed: bytes = msgpack.packb(msgspec.to_builtins(record))
    return packed


def unpack(data: bytes) -> WorkerRecord:
    """The record; raises ParseError."""
    check_shape(data, max_depth=4, max_elements=500)
    try:
        return msgspec.convert(msgpack.unpackb(data), WorkerRecord)
    except (msgspec.ValidationError, ValueError) as error:
        raise ParseError(f"not a worker's record: {error}") from None
