"""Which worker has a lesson's media: the workers' registry, and leases with a growing epoch, in Redis."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sfu.model import ParseError
from sfu.rpc.registration import WORKERS_KEY, WorkerRecord, unpack, worker_key
from signaling.log import Client, key

log = logging.getLogger(__name__)

_SCRIPT: Final = Path(__file__).with_name("lease.lua").read_text(encoding="utf-8")


@dataclass(frozen=True, slots=True)
class Lease:
    """A lesson's media is at ``worker``; every command carries ``epoch``."""

    worker: str
    epoch: int


def choose(workers: Iterable[WorkerRecord], avoid: Collection[str] = ()) -> WorkerRecord | None:
    """The worker with the most room; None when all are full, draining or to be avoided."""
    free = [
        worker
        for worker in workers
        if worker.worker not in avoid and not worker.draining and worker.transports < worker.max_transports
    ]
    return min(
        free, key=lambda w: (w.transports / w.max_transports, w.lessons, w.cpu, w.worker), default=None
    )


class Placement:
    """Leases and registry. Redis errors go through as they are."""

    def __init__(self, redis: Client, keep_s: int) -> None:
        self._redis = redis
        self._keep_s = keep_s
        self._script = redis.register_script(_SCRIPT)

    async def workers(self) -> dict[str, WorkerRecord]:
        """Every worker that announced itself within the last seconds, by id."""
        names = [name.decode() for name in await self._redis.zrange(WORKERS_KEY, 0, -1)]
        if not names:
            return {}
        async with self._redis.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.get(worker_key(name))
            packed = await pipe.execute()
        found: dict[str, WorkerRecord] = {}
        for name, data in zip(names, packed, strict=True):
            if data is None:
                continue
            try:
                found[name] = unpack(data)
            except ParseError as error:
                log.warning("worker passed over", extra={"worker": name, "reason": str(error)})
        return found

    async def lease(self, lesson: str) -> Lease | None:
        """The lease in force, None when the lesson was never placed."""
        worker, epoch = await self._redis.hmget(key(lesson, "lease"), ["worker", "epoch"])
        return None if worker is None or epoch is None else Lease(worker.decode(), int(epoch))

    async def place(self, lesson: str, worker: str, believed_epoch: int, highest_epoch: int) -> Lease:
        """Lease the lesson to ``worker`` if ``believed_epoch`` is still in force; the lease in force."""
        answer: Any = await self._script(
            keys=[key(lesson, "lease")],
            args=["place", believed_epoch, worker, highest_epoch, self._keep_s, key(lesson, "live")],
        )
        return Lease(answer[0].decode(), int(answer[1]))

    async def reclaim(self, lesson: str, lease: Lease) -> Lease:
        """Write a lease again that Redis lost, unless it knows a newer one; the lease in force."""
        answer: Any = await self._script(
            keys=[key(lesson, "lease")],
            args=["reclaim", lease.epoch, lease.worker, lease.epoch, self._keep_s, key(lesson, "live")],
        )
        return Lease(answer[0].decode(), int(answer[1]))
