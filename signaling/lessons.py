"""All lessons that this process holds: opened when first asked for, ticked, swept, put away."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from sfu.model import Refused
from signaling import metrics
from signaling.archive import Archive
from signaling.lesson import fields
from signaling.live import Limits, LiveLesson
from signaling.log import (
    Clock,
    EventHeard,
    Heard,
    InkHeard,
    LeaseHeard,
    LessonLog,
    LogUnreachable,
    ReactionHeard,
    RestoredHeard,
    SeatHeard,
    StillHeard,
    heed_cancellation,
    stop,
)
from signaling.workers import Workers

log = logging.getLogger(__name__)

TICK_S: Final = 0.25
SYNC_S: Final = 1.0
KEEPER_ROUNDS: Final = 3
"""Each so many rounds of sync a process says which lessons it holds; that note lives for 10 s."""
SWEEP_S: Final = 3.0
LINGER_MS: Final = 30_000
"""A lesson that nothing can happen to is put away after this time."""


class Lessons:
    """``start``, ``get`` lessons, ``close``. Every fault of a lesson stays within it."""

    def __init__(
        self, lesson_log: LessonLog, archive: Archive, workers: Workers, limits: Limits, now_ms: Clock
    ) -> None:
        self._log = lesson_log
        self._archive = archive
        self._workers = workers
        self._limits = limits
        self._now_ms = now_ms
        self._live: dict[str, LiveLesson] = {}
        self._opening: dict[str, asyncio.Lock] = {}
        self._loops: list[asyncio.Task[None]] = []
        self._busy: dict[str, int] = {}
        self._round = 0

    @property
    def count(self) -> int:
        """Lessons held now."""
        return len(self._live)

    def held(self) -> list[LiveLesson]:
        """Every lesson held now."""
        return list(self._live.values())

    @asynccontextmanager
    async def get(self, lesson: str) -> AsyncIterator[LiveLesson]:
        """The lesson, which is not put away meanwhile; raises Refused ``not_found``, ``internal``."""
        self._busy[lesson] = self._busy.get(lesson, 0) + 1
        try:
            yield await self._open(lesson)
        finally:
            self._busy[lesson] -= 1
            if not self._busy[lesson]:
                del self._busy[lesson]

    async def _open(self, lesson: str) -> LiveLesson:
        known = self._live.get(lesson)
        if known is not None and fields.LESSON in known.state:  # it is open
            return known
        lock = self._opening.setdefault(lesson, asyncio.Lock())
        try:
            async with lock:
                known = self._live.get(lesson)
                if known is not None:
                    return known
                live = LiveLesson(lesson, self._log, self._archive, self._workers, self._limits, self._now_ms)
                self._live[lesson] = live
                try:
                    await live.open()
                except BaseException as error:
                    del self._live[lesson]
                    await live.close()
                    if isinstance(error, (*LogUnreachable, SQLAlchemyError)):
                        raise Refused("internal", type(error).__name__) from None
                    raise
                metrics.lessons.set(len(self._live))
                return live
        finally:
            if not lock.locked():
                self._opening.pop(lesson, None)

    # --- running ---------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to hear and to keep time."""
        self._log.start(self._hear)
        self._loops = [
            asyncio.create_task(self._every(TICK_S, self.tick), name="lessons tick"),
            asyncio.create_task(self._every(SYNC_S, self.sync), name="lessons sync"),
            asyncio.create_task(self._every(SWEEP_S, self.sweep), name="lessons sweep"),
        ]

    async def close(self) -> None:
        """Tell every client to come back, copy what is not copied yet, put all away."""
        await stop(*self._loops)
        for live in self.held():
            for client in (*live.clients.values(), *live.lobby.values()):
                client.close("shutting_down", retry=True)
        for live in self.held():
            await live.close()
        self._live.clear()
        try:
            await self._log.withdraw()
        except LogUnreachable:
            pass

    async def tick(self) -> None:
        """Time passes in every lesson."""
        for live in self.held():
            try:
                await live.tick()
            except Refused as refused:
                log.warning("tick refused", extra={"lesson": live.lesson, "code": refused.code})
            except Exception:
                metrics.failures.labels("tick").inc()
                log.exception("tick failed", extra={"lesson": live.lesson})
        metrics.clients.set(sum(len(live.clients) + len(live.lobby) for live in self.held()))
        metrics.workers.set(self._workers.connected)

    async def sync(self) -> None:
        """Say that this process lives; catch up where published events were missed; restore what is lost."""
        held = self.held()
        names = [live.lesson for live in held]
        self._round += 1
        await self._log.announce(names if self._round % KEEPER_ROUNDS == 1 else ())
        numbers = await self._log.numbers(names)
        for live, number in zip(held, numbers, strict=True):
            if number != live.replica.number and not live.closed and live.lesson in self._live:
                try:
                    await live.catch_up()
                except Refused as refused:
                    log.warning("lesson not synced", extra={"lesson": live.lesson, "code": refused.code})

    async def sweep(self) -> None:
        """Take on lessons that no process holds, look after lost people, put away what is idle."""
        for lesson in await self._log.unkept(
            [name for name in await self._log.live_lessons() if name not in self._live]
        ):
            try:
                async with self.get(lesson):
                    log.info("lesson taken on", extra={"lesson": lesson})
            except Refused as refused:
                log.warning("lesson not taken on", extra={"lesson": lesson, "code": refused.code})
                if refused.code == "not_found":
                    await self._log.set_live(lesson, live=False)
        for live in self.held():
            try:
                await live.sweep()
            except Refused as refused:
                log.warning("sweep refused", extra={"lesson": live.lesson, "code": refused.code})
            idle_ms = self._now_ms() - live.idle_since_ms
            if idle_ms > LINGER_MS and not live.needed and live.lesson not in self._busy:
                del self._live[live.lesson]
                await live.close()
                self._archive.forget(live.lesson)
        metrics.lessons.set(len(self._live))

    async def _every(self, period_s: float, work: object) -> None:
        assert callable(work)  # noqa: S101
        while True:
            try:
                await work()
            except LogUnreachable as error:
                log.warning("redis: not reached, trying again", extra={"reason": type(error).__name__})
            except Exception:
                metrics.failures.labels("lessons").inc()
                log.exception("lessons failed")
            heed_cancellation()
            await asyncio.sleep(period_s)

    def _hear(self, heard: Heard) -> None:
        live = self._live.get(heard.lesson)
        if live is None:
            return
        match heard:
            case EventHeard():
                live.hear(heard.event)
            case RestoredHeard():
                live.spawn(live.catch_up())
            case SeatHeard():
                live.seat_taken(heard.participant, heard.seat)
            case StillHeard():
                live.media.hear_still(heard.still)
            case ReactionHeard():
                live.passing.hear_reaction(heard.participant, heard.kind)
            case InkHeard():
                live.passing.hear_ink(heard.process, heard.participant, heard.ink)
            case LeaseHeard():
                live.spawn(live.media.lease_changed())
