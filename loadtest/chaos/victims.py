"""The server's parts from outside: which process has which lesson, and what is done to it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final, Self

from loadtest.bench.record import Server
from signaling.log import Client, LogUnreachable, connect, key
from signaling.placement import Lease, Placement

_URL: Final = "ZVONOK_REDIS__URL"
_LOOK_S: Final = 0.02
BACK_LIMIT_S: Final = 30.0


class Victims:
    """A running server's processes and leases. Make it by ``of``, ``close`` at the end."""

    def __init__(self, server: Server, redis: Client) -> None:
        self._server = server
        self._redis = redis
        self._placement = Placement(redis, keep_s=0)
        self._stopped: set[int] = set()

    @classmethod
    def of(cls, server: Server) -> Self:
        """Of a server that has its own Redis: the tree tells its children where that is, and so us."""
        (signalling, *_) = _running(server, "signaling.app")
        entries = Path(f"/proc/{signalling}/environ").read_text().split("\0")
        url = next(value for name, _, value in (entry.partition("=") for entry in entries) if name == _URL)
        password = (server.var / "keys" / "redis.password").read_text().strip()
        return cls(server, connect(url.replace("redis://", f"redis://:{password}@")))

    async def close(self) -> None:
        """Let stopped ones go on, and disconnect."""
        for pid in list(self._stopped):
            self._go_on(pid)
        await self._redis.aclose()

    async def leases(self, lessons: Iterable[str]) -> dict[str, Lease]:
        """Who has each lesson, of those that are placed; raises LogUnreachable."""
        found = {lesson: await self._placement.lease(lesson) for lesson in lessons}
        return {lesson: lease for lesson, lease in found.items() if lease is not None}

    def pid(self, module: str) -> int:
        """The process that runs this module; raises LookupError when none does now."""
        found = _running(self._server, module)
        if not found:
            raise LookupError(f"no process runs {module}")
        return found[0]

    async def worker_pid(self, worker: str) -> int:
        """Process of a worker that is registered; raises LookupError, LogUnreachable."""
        record = (await self._placement.workers()).get(worker)
        if record is None or record.pid not in _running(self._server, "sfu.worker"):
            raise LookupError(f"worker {worker} is not there")
        return record.pid

    def kill(self, pid: int) -> None:
        """Without a chance to say anything."""
        os.kill(pid, signal.SIGKILL)

    async def stop_for(self, pid: int, seconds: float) -> None:
        """It does not run for so long, as if it were cut off; then it goes on where it was."""
        self._stopped.add(pid)
        os.kill(pid, signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            self._go_on(pid)

    async def empty(self) -> None:
        """Redis loses everything it has; raises LogUnreachable."""
        await self._redis.flushall()

    async def registered(self, lessons: Iterable[str], limit_s: float = BACK_LIMIT_S) -> float | None:
        """When Redis has the state and the lease of each of these lessons (monotonic); None when it does not
        in time."""
        names = list(lessons)
        deadline_s = time.monotonic() + limit_s
        while time.monotonic() < deadline_s:
            with contextlib.suppress(*LogUnreachable):
                there = await self._redis.exists(*(key(lesson, "meta") for lesson in names))
                if there == len(names) == len(await self.leases(names)):
                    return time.monotonic()
            await asyncio.sleep(_LOOK_S)
        return None

    async def redis_back(self, limit_s: float = BACK_LIMIT_S) -> float | None:
        """When Redis answers again (monotonic); None when it does not in time."""
        deadline_s = time.monotonic() + limit_s
        while time.monotonic() < deadline_s:
            try:
                await self._redis.ping()
            except LogUnreachable:
                await asyncio.sleep(_LOOK_S)
            else:
                return time.monotonic()
        return None

    def _go_on(self, pid: int) -> None:
        self._stopped.discard(pid)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def _running(server: Server, module: str) -> list[int]:
    return [pid for pid, command in server.processes().items() if module in command]
