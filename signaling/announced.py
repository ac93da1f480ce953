"""Lessons announced ahead get their worker before the bell, so that at the bell nobody waits for it."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from signaling import metrics
from signaling.catalog.store import Catalog
from signaling.log import Clock, LogUnreachable, heed_cancellation
from signaling.placement import AHEAD_S, EXPECTED, Placement

log = logging.getLogger(__name__)

EVERY_S: Final = 5.0


class Announced:
    """Every process does the same; a lease has one holder, so of all of them one places a lesson."""

    def __init__(self, catalog: Catalog, placement: Placement, now_ms: Clock) -> None:
        self._catalog = catalog
        self._placement = placement
        self._now_ms = now_ms
        self._placed: set[str] = set()
        """Of the lessons that open next, those that are known to have a worker."""

    async def run(self) -> None:
        """For ever: place what opens next. SQL or Redis that does not answer is tried again."""
        while True:
            try:
                await self.place_next()
            except (SQLAlchemyError, *LogUnreachable) as error:
                log.error("announced lessons not placed", extra={"reason": type(error).__name__})
            except Exception:
                metrics.failures.labels("announced").inc()
                log.exception("announced lessons not placed")
            heed_cancellation()
            await asyncio.sleep(EVERY_S)

    async def place_next(self) -> None:
        """Place the lessons that open within AHEAD_S and have no worker yet, one by one, the next one first;
        those for which no worker has room are left for the next time."""
        now_ms = self._now_ms()
        opening = await self._catalog.opening(now_ms, now_ms + AHEAD_S * 1000)
        self._placed &= opening.keys()
        for lesson, opens_at_ms in opening.items():
            if lesson in self._placed:
                continue
            if await self._placement.lease(lesson) is None:
                worker = await self._placement.choose()
                if worker is None:
                    return
                lease = await self._placement.place(lesson, worker, 0, 0)
                if lease.worker == worker:
                    await self._placement.expect(worker, lesson, EXPECTED, opens_at_ms)
            self._placed.add(lesson)
