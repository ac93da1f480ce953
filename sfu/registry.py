"""The worker's sign of life in Redis; the only file of the media side that uses Redis.

Without Redis a worker goes on serving its lessons: it is only not found for new ones.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from typing import Final

from msgspec.structs import replace
from redis.asyncio import Redis
from redis.exceptions import RedisError

from sfu.rpc.registration import (
    LEASE_SCRIPT,
    RECORD_TTL_S,
    RENEW_EVERY_S,
    WORKERS_KEY,
    WorkerRecord,
    drain_key,
    lease_key,
    pack,
    reclaim_arguments,
    worker_key,
)

log = logging.getLogger(__name__)

COMMAND_TIMEOUT_S: Final = 2.0
FORGOTTEN_AFTER_MS: Final = 3_600_000


class Registry:
    """Renews the record that ``record`` returns every RENEW_EVERY_S. ``start``, later ``close``.

    Where Redis does not know the worker (any more) it may have lost all its data: then the leases of the
    lessons that are here, ``leases`` (lesson, epoch), are written again unless there are newer ones.
    """

    def __init__(
        self,
        url: str,
        record: Callable[[], WorkerRecord],
        leases: Callable[[], Iterable[tuple[str, int]]] = tuple,
        keep_s: int = 0,
    ) -> None:
        """``url``: redis://, rediss:// or unix://; ``keep_s``: how long Redis keeps a lease."""
        self._redis = Redis.from_url(
            url,
            socket_timeout=COMMAND_TIMEOUT_S,
            socket_connect_timeout=COMMAND_TIMEOUT_S,
            single_connection_client=False,
            max_connections=2,
        )
        self._record = record
        self._leases = leases
        self._keep_s = keep_s
        self._lease_script = self._redis.register_script(LEASE_SCRIPT)
        self._task: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()
        self.registered = False
        """Whether the last renewal reached Redis."""

    def start(self) -> None:
        """Begin renewing, at once."""
        self._task = asyncio.create_task(self._renew(), name="registry")

    async def close(self) -> None:
        """Take the record away (if Redis answers) and stop. Idempotent."""
        if self._task is None:
            return
        self._stopping.set()
        task, self._task = self._task, None
        # Not by cancelling: the client's own clean-up may swallow that.
        await asyncio.wait([task], timeout=2 * COMMAND_TIMEOUT_S)
        worker = self._record().worker
        try:
            async with asyncio.timeout(COMMAND_TIMEOUT_S):
                await self._redis.delete(worker_key(worker))
                await self._redis.zrem(WORKERS_KEY, worker)
        except (RedisError, OSError, TimeoutError):
            pass  # the record expires by itself
        await self._redis.aclose()

    async def _renew(self) -> None:
        due = time.monotonic()
        told = False
        while not self._stopping.is_set():
            try:
                async with asyncio.timeout(COMMAND_TIMEOUT_S):
                    await self._write(self._record())
                self.registered, told = True, False
            except (RedisError, OSError, TimeoutError) as error:
                if not told:
                    log.warning("redis is away", extra={"reason": type(error).__name__})
                self.registered, told = False, True
            due = max(due + RENEW_EVERY_S, time.monotonic())
            try:
                async with asyncio.timeout(due - time.monotonic()):
                    await self._stopping.wait()
            except TimeoutError:
                pass

    async def _write(self, record: WorkerRecord) -> None:
        now_ms = time.time_ns() // 1_000_000
        if not await self._redis.exists(worker_key(record.worker)):
            for lesson, epoch in self._leases():
                address = record.rpc_host, record.rpc_port
                arguments = reclaim_arguments(lesson, record.worker, epoch, address, self._keep_s)
                await self._lease_script(keys=[lease_key(lesson)], args=arguments)
        drains_at_ms = await self._redis.get(drain_key(record.worker))
        if drains_at_ms is not None:
            record = replace(record, draining=True, drains_at_ms=int(drains_at_ms))
        await self._redis.set(worker_key(record.worker), pack(record), ex=RECORD_TTL_S)
        await self._redis.zadd(WORKERS_KEY, {record.worker: now_ms})
        # Ids of workers that died are not kept for ever.
        await self._redis.zremrangebyscore(WORKERS_KEY, 0, now_ms - FORGOTTEN_AFTER_MS)
