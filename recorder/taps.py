"""What a lesson's worker sends of it: captured under the lease in force, a journal for each tap."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any, Final

from recorder.disk import Disk
from recorder.journal import Writer
from recorder.links import Links
from sfu.model import ParseError
from sfu.rpc import messages as rpc
from sfu.rpc.client import WorkerLost
from signaling.log import LogUnreachable
from signaling.placement import Lease

log = logging.getLogger(__name__)

LOOK_S: Final = 2.0
"""The lease and the worker's capture are looked after this often, whatever was heard."""
REST_S: Final = 1.5
"""How long taps that the worker closes by itself are waited for."""
END_LIMIT_S: Final = 1.5


class NotCaptured(Exception):
    """The worker is not known, not reached, or refuses; it may do otherwise a moment later."""


class Taps:
    """``capture``, again and again, then ``end``; at last ``closed``."""

    def __init__(
        self,
        lesson: str,
        links: Links,
        disk: Disk,
        journal: Callable[[rpc.TapOpened], Writer | None],
        on_error: Callable[[OSError], None],
        wake: asyncio.Event,
    ) -> None:
        """``journal`` makes a tap's journal, None: it is not wanted. ``on_error``: it could not be written.
        ``wake`` is set when something changed that ``capture`` or ``end`` have to do with."""
        self._lesson = lesson
        self._links = links
        self._disk = disk
        self._journal = journal
        self._on_error = on_error
        self._wake = wake
        self._lease: Lease | None = None
        """Where and under what epoch we capture, or are about to."""
        self._last_lease: Lease | None = None
        self._looked_at_s = 0.0
        self._open: dict[int, Writer] = {}
        self._closing: set[asyncio.Task[Any]] = set()

    @property
    def captured(self) -> bool:
        """Whether a worker sends what may be recorded."""
        return self._lease is not None

    def lease_changed(self) -> None:
        """The lesson may be somewhere else now."""
        self._looked_at_s = 0.0
        self._wake.set()

    def link_lost(self, worker: str) -> None:
        """The connection to a worker is gone."""
        if self._lease is not None and self._lease.worker == worker:
            self._let_go()
            self._wake.set()

    def pushed(self, worker: str, push: rpc.Push) -> None:
        """What a worker says."""
        lease = self._lease
        if lease is None or lease.worker != worker or push.epoch != lease.epoch:
            return
        match push:
            case rpc.TapOpened():
                writer = None if push.tap in self._open else self._journal(push)
                if writer is not None:
                    self._open[push.tap] = writer
                    self._disk.add(writer, self._on_error)
            case rpc.TapData():
                writer = self._open.get(push.tap)
                if writer is not None:
                    try:
                        writer.add_packets(push.packets, push.dropped, time.time_ns() // 1000)
                    except ParseError:
                        log.exception("packets not understood", extra={"lesson": self._lesson})
            case rpc.TapClosed():
                writer = self._open.pop(push.tap, None)
                if writer is not None:
                    self._close(writer)
                if not self._open:
                    self._wake.set()
            case _:
                pass

    async def capture(self, *, claimed: bool) -> None:
        """Capture under the lease in force; raises NotCaptured.

        That is asked again and again, which changes nothing, as long as the lesson is surely ours
        (``claimed``): so a capture that the worker lost by whatever way begins anew.
        """
        now_s = time.monotonic()
        if self._lease is not None and now_s - self._looked_at_s < LOOK_S:
            return
        try:
            lease = await self._links.lease(self._lesson)
        except LogUnreachable:
            lease = self._lease or self._last_lease
        if lease is None:
            raise NotCaptured("the lesson has no worker")
        if self._lease is not None and lease != self._lease:
            await self.end(wait=False)
        if self._lease is not None and not claimed:
            return
        self._looked_at_s = now_s
        try:
            link = await self._links.link(lease.worker)
            self._lease = lease  # what is pushed may come before the answer
            reply = await link.request(rpc.Capture(self._lesson, lease.epoch))
        except WorkerLost as error:
            self._let_go()
            raise NotCaptured(str(error)) from None
        if isinstance(reply, rpc.Failed):
            self._let_go()
            raise NotCaptured(reply.code)
        self._last_lease = lease

    async def end(self, *, wait: bool, over: bool = False) -> None:
        """Have the worker send nothing more; what it sent is written.

        With ``wait`` it closes the taps by itself, because nothing may be recorded any more: asked only then,
        it answers at once, and many lessons that end at one time do not wait for each other. ``over``: the
        lesson is no more, so it need not be asked then.
        """
        lease = self._lease
        if lease is None:
            return
        if wait:
            await self._all_closed()
        if self._open or not over:
            try:
                async with asyncio.timeout(END_LIMIT_S):
                    link = await self._links.link(lease.worker)
                    await link.request(rpc.EndCapture(self._lesson, lease.epoch))
            except (WorkerLost, TimeoutError):
                pass
        self._let_go()

    async def closed(self) -> None:
        """Return when every journal that was let go of is closed, or the disk takes too long."""
        if self._closing:
            await asyncio.wait(self._closing, timeout=END_LIMIT_S)

    async def _all_closed(self) -> None:
        try:
            async with asyncio.timeout(REST_S):
                while self._open:
                    self._wake.clear()
                    await self._wake.wait()
        except TimeoutError:
            pass
        self._wake.set()

    def _let_go(self) -> None:
        """We capture nothing (any more): what is open is closed."""
        self._lease = None
        writers, self._open = list(self._open.values()), {}
        if writers:
            self._close(*writers)

    def _close(self, *writers: Writer) -> None:
        task = asyncio.create_task(self._disk.close(*writers))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
