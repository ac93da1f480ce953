"""Connections to workers, shared by all captures of this process; what a worker pushes finds its capture."""

from __future__ import annotations

import asyncio
import logging
from typing import Final, Protocol

from sfu.rpc import messages as rpc
from sfu.rpc.client import WorkerClient, WorkerLost
from sfu.rpc.node_tls import NodeTls
from signaling.log import LogUnreachable, stop
from signaling.placement import Lease, Placement

log = logging.getLogger(__name__)

CONNECT_LIMIT_S: Final = 2.0
HEARTBEAT_S: Final = 1.0
HEARTBEAT_LIMIT_S: Final = 5.0


class Listener(Protocol):
    """A capture as connections know it; nothing raises or blocks."""

    def pushed(self, worker: str, push: rpc.Push) -> None: ...

    def link_lost(self, worker: str) -> None: ...


class Links:
    """Made when first needed; ``close`` at the end."""

    def __init__(self, placement: Placement, key: bytes, tls: NodeTls | None = None) -> None:
        """``tls``: for workers of other machines."""
        self.placement = placement
        self._key = key
        self._tls = tls
        self._clients: dict[str, WorkerClient] = {}
        self._addresses: dict[str, tuple[str, int]] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._listeners: dict[str, Listener] = {}
        self._watching: set[asyncio.Task[None]] = set()

    def add(self, lesson: str, listener: Listener) -> None:
        """What is pushed of this lesson goes there from now on."""
        self._listeners[lesson] = listener

    def discard(self, lesson: str, listener: Listener) -> None:
        """Nothing more goes there."""
        if self._listeners.get(lesson) is listener:
            del self._listeners[lesson]

    @property
    def connected(self) -> int:
        """Workers that are connected now."""
        return sum(client.connected for client in self._clients.values())

    async def lease(self, lesson: str) -> Lease | None:
        """The lease in force; raises LogUnreachable."""
        return await self.placement.lease(lesson)

    async def link(self, worker: str) -> WorkerClient:
        """The connection to a worker; raises WorkerLost."""
        async with self._locks.setdefault(worker, asyncio.Lock()):
            known = self._clients.get(worker)
            if known is not None and known.connected:
                return known
            client = WorkerClient(
                await self._address(worker),
                self._key,
                lambda push: self._pushed(worker, push),
                lambda: self._lost(worker),
                kind="recorder",
                tls=self._tls,
            )
            await client.connect(CONNECT_LIMIT_S)
            if client.worker != worker:
                await client.close()
                raise WorkerLost("another worker answers at its address")
            self._clients[worker] = client
            task = asyncio.create_task(self._watch(client), name=f"link {worker}")
            self._watching.add(task)
            task.add_done_callback(self._watching.discard)
            return client

    async def close(self) -> None:
        """Disconnect; workers end our captures."""
        clients, self._clients = list(self._clients.values()), {}
        if self._watching:
            await stop(*self._watching)
        for client in clients:
            await client.close()

    async def _address(self, worker: str) -> tuple[str, int]:
        """Where a worker listens; the last known place while Redis does not answer."""
        try:
            found = (await self.placement.workers()).get(worker)
        except LogUnreachable:
            if worker in self._addresses:
                return self._addresses[worker]
            raise WorkerLost("its address is not known, redis is away") from None
        if found is None:
            raise WorkerLost("not in the registry")
        self._addresses[worker] = found.rpc_host, found.rpc_port
        return self._addresses[worker]

    async def _watch(self, client: WorkerClient) -> None:
        """A worker that does not answer is as good as dead: the request that fails drops the connection."""
        try:
            while client.connected:
                await client.request(rpc.GetStatus(), HEARTBEAT_LIMIT_S)
                await asyncio.sleep(HEARTBEAT_S)
        except WorkerLost:
            pass

    def _pushed(self, worker: str, push: rpc.Push) -> None:
        listener = self._listeners.get(push.lesson)
        if listener is not None:
            listener.pushed(worker, push)

    def _lost(self, worker: str) -> None:
        self._clients.pop(worker, None)
        log.warning("worker lost", extra={"worker": worker})
        for listener in list(self._listeners.values()):
            listener.link_lost(worker)
