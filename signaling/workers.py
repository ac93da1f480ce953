"""Connections to workers, shared by all lessons of this process; each worker's pushes find their lesson."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Coroutine
from dataclasses import dataclass
from typing import Any, Final, Protocol

from sfu.rpc import messages as rpc
from sfu.rpc.beats import Beats
from sfu.rpc.client import WorkerClient, WorkerGone, WorkerLost
from sfu.rpc.holding import BEAT_S, require_order
from sfu.rpc.node_tls import NodeTls
from signaling import metrics
from signaling.hearing import Hearing
from signaling.log import LogUnreachable, heed_cancellation, stop
from signaling.placement import Placement
from signaling.whereabouts import here, is_gone

log = logging.getLogger(__name__)

CONNECT_TIMEOUT_S: Final = 2.0
RETRY_S: Final = 0.5
"""So long after a try failed its outcome stands for all lessons of that worker."""
CUT_S: Final = 5.0
"""Not heard here for so long, but elsewhere: this process is cut off, the worker is not."""

Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class _Failure:
    """How the last try to connect to a worker failed, and when."""

    kind: type[WorkerLost]
    reason: str
    at_s: float


class Placed(Protocol):
    """One lesson's media as its worker's connection needs it."""

    @property
    def lesson(self) -> str: ...

    @property
    def worker(self) -> str | None:
        """The worker that has the lesson."""

    def hear(self, push: rpc.Push) -> None: ...

    def worker_lost(self) -> None: ...

    def leave(self) -> None: ...


class Workers:
    """Connections to workers, made when first needed. ``run`` tells the other processes which workers are
    heard, and takes on those that nobody hears; ``close`` at the end."""

    def __init__(
        self,
        placement: Placement,
        key: bytes,
        process: str,
        now_s: Callable[[], float] = time.monotonic,
        is_gone: Callable[[str], bool] = is_gone,
        tls: NodeTls | None = None,
    ) -> None:
        """``process``: this process's id; ``is_gone``: as ``whereabouts.is_gone``; ``tls``: for workers of
        other machines."""
        require_order()
        self.placement = placement
        self.hearing = Hearing(here())
        self._is_gone = is_gone
        self._key = key
        self._tls = tls
        self._process = process
        self._now_s = now_s
        self._links: dict[str, WorkerClient] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._failed: dict[str, _Failure] = {}
        self._lost_s: dict[str, float] = {}
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

    async def link(
        self, worker: str, timeout_s: float = CONNECT_TIMEOUT_S, address: Address | None = None
    ) -> WorkerClient:
        """The connection to a worker; raises WorkerLost (WorkerGone when its process is over),
        LogUnreachable. ``address``: where it was, should the registry not know it or not answer."""
        async with self._locks.setdefault(worker, asyncio.Lock()):
            known = self._links.get(worker)
            if known is not None and known.connected:
                return known
            failed = self._failed.get(worker)
            if failed is not None and self._now_s() - failed.at_s < RETRY_S:
                raise failed.kind(failed.reason)
            try:
                client = await self._connect(worker, await self._address(worker, address), timeout_s)
            except WorkerLost as lost:
                self._failed[worker] = _Failure(type(lost), str(lost), self._now_s())
                self._lost_s.setdefault(worker, self._now_s())
                raise
            self._failed.pop(worker, None)
            self._lost_s.pop(worker, None)
            return client

    def connected_link(self, worker: str) -> WorkerClient | None:
        """The connection to a worker if there is one now."""
        link = self._links.get(worker)
        return link if link is not None and link.connected else None

    async def may_move(self, worker: str, lost: WorkerLost) -> bool:
        """Whether lessons may move away from a worker to which there is no connection, for this reason: it is
        over, or has stopped sending because nobody hears it. Raises LogUnreachable."""
        if isinstance(lost, WorkerGone):
            return True
        if self.connected_link(worker) is not None or not self.hearing.may_move(worker, self._now_s()):
            return False
        await self.look()
        return self.hearing.may_move(worker, self._now_s())

    def cut_off(self, worker: str) -> bool:
        """Whether it is this process that is cut off from the worker, while another one hears it."""
        now_s = self._now_s()
        lost_s = self._lost_s.get(worker)
        return lost_s is not None and now_s - lost_s > CUT_S and self.hearing.heard_elsewhere(worker, now_s)

    async def look(self) -> None:
        """Tell the other processes whom this one hears, and see whom they do. Raises LogUnreachable."""
        began_s = self._now_s()
        note = self.hearing.note(worker for worker, link in self._links.items() if link.connected)
        others = await self.placement.tell(self._process, note)
        self.hearing.told(note, began_s)
        await self.placement.forget(self.hearing.saw(others, self._is_gone, self._now_s()))

    async def once(self) -> None:
        """Look; connect to workers with lessons that no process hears; leave those that are drained. Raises
        LogUnreachable."""
        await self.look()
        registered = await self.placement.workers()
        self._forget_all_but({*registered, *self._links, *(media.worker for media in self._lessons.values())})
        for worker, record in registered.items():
            heard = self.connected_link(worker) or self.hearing.heard_elsewhere(worker, self._now_s())
            if record.lessons and not heard:
                self._spawn(self._try_link(worker))
            if record.draining and record.drains_at_ms <= self.placement.now_ms():
                for media in self._of(worker):
                    media.leave()

    def _forget_all_but(self, workers: Collection[str | None]) -> None:
        """A worker that is started anew has another id; of the former one nothing is kept for ever."""
        for kept in (self._failed, self._lost_s):
            for worker in kept.keys() - workers:
                del kept[worker]
        for worker, lock in list(self._locks.items()):
            if worker not in workers and not lock.locked():
                del self._locks[worker]

    async def run(self) -> None:
        """``once`` each second, for ever."""
        while True:
            try:
                await self.once()
            except LogUnreachable as error:
                log.warning("workers not looked after", extra={"reason": type(error).__name__})
            except Exception:
                metrics.failures.labels("workers").inc()
                log.exception("workers not looked after")
            heed_cancellation()
            await asyncio.sleep(BEAT_S)

    async def close(self) -> None:
        """Close every connection; lessons stay where they are."""
        links, self._links = list(self._links.values()), {}
        await stop(*self._tasks)
        for link in links:
            await link.close()
        try:
            await self.look()
        except LogUnreachable:
            pass  # the others see that this process is over, or wait

    async def _address(self, worker: str, known: Address | None) -> Address:
        try:
            found = (await self.placement.workers()).get(worker)
        except LogUnreachable:
            if known is None:
                raise
            return known
        if found is not None:
            return found.rpc_host, found.rpc_port
        if known is None:
            raise WorkerLost("not in the registry")
        return known

    async def _connect(self, worker: str, address: Address, timeout_s: float) -> WorkerClient:
        client = self._client(worker, address)
        await client.connect(timeout_s)
        if client.worker != worker:
            await client.close()
            raise WorkerGone("another worker answers at its address")
        beats = Beats(client, lambda: self.hearing.confirms(worker, self._now_s()), self._heard)
        await beats.once()
        self._links[worker] = client
        try:
            await self.look()
        except LogUnreachable:
            log.warning("redis is away: the worker is not confirmed yet", extra={"worker": worker})
        await beats.once()
        self._beat(beats)
        return client

    def _client(self, worker: str, address: Address) -> WorkerClient:
        return WorkerClient(address, self._key, self._hear, lambda: self._lost(worker), tls=self._tls)

    def _beat(self, beats: Beats) -> None:
        self._spawn(beats.run())

    async def _try_link(self, worker: str) -> None:
        try:
            await self.link(worker)
        except (WorkerLost, *LogUnreachable) as error:
            log.info("worker not reached", extra={"worker": worker, "reason": str(error)})

    def _heard(self, status: rpc.Status) -> None:
        self.hearing.heard(status.worker, self._now_s())
        metrics.worker_said(status)

    def _hear(self, push: rpc.Push) -> None:
        media = self._lessons.get(push.lesson)
        if media is not None:
            media.hear(push)

    def _lost(self, worker: str) -> None:
        self._links.pop(worker, None)
        self._lost_s[worker] = self._now_s()
        metrics.worker_gone(worker)
        log.warning("worker lost", extra={"worker": worker})
        for media in self._of(worker):
            media.worker_lost()

    def _of(self, worker: str) -> list[Placed]:
        return [media for media in self._lessons.values() if media.worker == worker]

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
