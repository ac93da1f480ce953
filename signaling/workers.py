"""Connections to workers, shared by all lessons of this process; each worker's pushes find their lesson."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, Final, Protocol

from sfu.rpc import messages as rpc
from sfu.rpc.client import WorkerClient, WorkerLost
from signaling import metrics
from signaling.log import stop
from signaling.placement import Placement

log = logging.getLogger(__name__)

CONNECT_TIMEOUT_S: Final = 2.0
HEARTBEAT_S: Final = 1.0
HEARTBEAT_TIMEOUT_S: Final = 2.0


class Placed(Protocol):
    """One lesson's media as its worker's connection needs it."""

    @property
    def lesson(self) -> str: ...

    @property
    def worker(self) -> str | None:
        """The worker that has the lesson."""

    def hear(self, push: rpc.Push) -> None: ...

    def worker_lost(self) -> None: ...


class Workers:
    """Connections to workers, made when first needed. ``close`` at the end."""

    def __init__(self, placement: Placement, key: bytes) -> None:
        self.placement = placement
        self._key = key
        self._links: dict[str, WorkerClient] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._lessons: dict[str, Placed] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def add(self, media: Placed) -> None:
        """Pushes for this lesson go there from now on."""
        self._lessons[media.lesson] = media

    def discard(self, media: Placed) -> None:
        """This process holds the lesson no longer."""
        if self._lessons.get(media.lesson) is media:
            del self._lessons[media.lesson]

    @property
    def connected(self) -> int:
        """Workers that are connected now."""
        return sum(1 for link in self._links.values() if link.connected)

    async def link(self, worker: str, timeout_s: float = CONNECT_TIMEOUT_S) -> WorkerClient:
        """The connection to a worker; raises WorkerLost, LogUnreachable."""
        lock = self._locks.setdefault(worker, asyncio.Lock())
        async with lock:
            known = self._links.get(worker)
            if known is not None and known.connected:
                return known
            found = (await self.placement.workers()).get(worker)
            if found is None:
                raise WorkerLost("not in the registry")
            client = WorkerClient(
                (found.rpc_host, found.rpc_port), self._key, self._hear, lambda: self._lost(worker)
            )
            await client.connect(timeout_s)
            if client.worker != worker:
                await client.close()
                raise WorkerLost("another worker answers at its address")
            self._links[worker] = client
            self._spawn(self._watch(client))
            return client

    def connected_link(self, worker: str) -> WorkerClient | None:
        """The connection to a worker if there is one now."""
        link = self._links.get(worker)
        return link if link is not None and link.connected else None

    async def close(self) -> None:
        """Close every connection; lessons stay where they are."""
        links, self._links = list(self._links.values()), {}
        await stop(*self._tasks)
        for link in links:
            await link.close()

    async def _watch(self, client: WorkerClient) -> None:
        """A worker that does not answer within HEARTBEAT_TIMEOUT_S is as good as dead."""
        while client.connected:
            try:
                status = await client.request(rpc.GetStatus(), HEARTBEAT_TIMEOUT_S)
            except WorkerLost:
                return
            if isinstance(status, rpc.Status):
                metrics.worker_said(status)
            await asyncio.sleep(HEARTBEAT_S)

    def _hear(self, push: rpc.Push) -> None:
        media = self._lessons.get(push.lesson)
        if media is not None:
            media.hear(push)

    def _lost(self, worker: str) -> None:
        self._links.pop(worker, None)
        self._locks.pop(worker, None)
        metrics.worker_gone(worker)
        log.warning("worker lost", extra={"worker": worker})
        for media in list(self._lessons.values()):
            if media.worker == worker:
                media.worker_lost()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
