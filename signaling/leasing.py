"""One lesson's lease as this process knows it: found, taken, moved, written again."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from sfu.rpc.client import WorkerLost
from signaling.log import LogUnreachable
from signaling.placement import EXPECTED, Lease
from signaling.workers import Workers

log = logging.getLogger(__name__)

TRIES: Final = 4
SETTLE_S: Final = 3.0
"""After Redis lost the lesson's lease, whoever had it has so long to write it again."""


class StaleEpoch(Exception):
    """The worker knows a newer lease of the lesson, or was without signalling under this one."""


class Leasing:
    """``lease`` is the one in force, as far as is known here; ``moved(former, lease)`` is told each epoch
    that takes another's place or was given anew, not one that was found.

    Leases only grow: an older epoch never takes the place of a newer one. Redis errors go through.
    """

    def __init__(
        self,
        lesson: str,
        workers: Workers,
        moved: Callable[[Lease | None, Lease], None],
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.lesson = lesson
        self.lease: Lease | None = None
        self._workers = workers
        self._moved = moved
        self._now_s = now_s
        self._highest_epoch = 0
        self._settled_s = 0.0

    async def carry(self, attempt: Callable[[Lease], Awaitable[None]], people: int) -> None:
        """Carry out ``attempt`` at the lesson's worker, wherever that is in the end. Raises WorkerLost.

        ``attempt`` raises WorkerLost, or StaleEpoch when the worker refuses the epoch as older. ``people``:
        how many the lesson brings, should it be placed.
        """
        lost_before = False
        for _ in range(TRIES):
            lease = await self._obtain(people)
            try:
                await attempt(lease)
            except WorkerLost as lost:
                if await self._workers.may_move(lease.worker, lost):
                    await self._place(lease, people)
                elif lost_before:
                    raise
                lost_before = True
            except StaleEpoch:
                await self._renew(lease)
            else:
                return
        raise WorkerLost("no worker takes the lesson")

    async def _obtain(self, people: int) -> Lease:
        """The lease in force; where there is none the lesson is placed."""
        if self.lease is None:
            self.lease = await self._workers.placement.lease(self.lesson)
        if self.lease is None:
            if self._now_s() < self._settled_s:
                raise WorkerLost("whoever had the lesson may say so yet")
            return await self._place(None, people)
        return self.lease

    async def _renew(self, stale: Lease) -> None:
        """The lease in force, or a new one at the same worker."""
        found = await self._workers.placement.lease(self.lesson)
        if found is None or found.epoch <= stale.epoch:
            self._highest_epoch = max(self._highest_epoch, stale.epoch) + 1
            found = await self._workers.placement.place(
                self.lesson, stale.worker, stale.epoch, self._highest_epoch, stale.address
            )
        self._take(found)

    async def leave(self, people: int) -> None:
        """Go to another worker, though this one is well. Raises WorkerLost when none has room."""
        if self.lease is not None:
            await self._place(self.lease, people)

    async def follow(self) -> None:
        """Somebody placed the lesson: take over what Redis has, if it is newer."""
        found = await self._workers.placement.lease(self.lesson)
        if found is not None:
            self._take(found)

    async def reclaim(self, number: int) -> None:
        """Redis lost the lease: it is what it was, or what another process or its worker knows of it.

        ``number``: of the lesson's last event, which a restored lesson has much higher than before: a lease
        that nobody remembers was of a lower epoch.
        """
        if self.lease is None:
            self._highest_epoch = max(self._highest_epoch, number)
            self._settled_s = self._now_s() + SETTLE_S
        else:
            self._take(await self._workers.placement.reclaim(self.lesson, self.lease))

    async def _place(self, former: Lease | None, people: int) -> Lease:
        """At a worker that is heard here, unless somebody was faster; never at the former one."""
        placement = self._workers.placement
        believed = 0 if former is None else former.epoch
        avoid = set() if former is None else {former.worker}
        while (worker := await placement.choose(avoid)) is not None and worker not in avoid:
            try:
                await self._workers.link(worker)
            except WorkerLost:
                avoid.add(worker)
                continue
            lease = await placement.place(self.lesson, worker, believed, max(believed, self._highest_epoch))
            self._take(lease)
            if lease.worker == worker:
                with suppress(*LogUnreachable):  # it has a worker, whether others know or not
                    await placement.expect(worker, self.lesson, max(EXPECTED, people))
            return lease
        raise WorkerLost("no worker has room")

    def _take(self, lease: Lease) -> None:
        former = self.lease
        if former is not None and lease.epoch <= former.epoch:
            return
        self.lease = lease
        self._highest_epoch = max(self._highest_epoch, lease.epoch)
        log.info("lesson placed", extra={"lesson": self.lesson, "worker": lease.worker, "epoch": lease.epoch})
        self._moved(former, lease)
