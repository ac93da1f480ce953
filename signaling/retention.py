"""Deletes what is older than the settings keep: videos; files, log, chat and attendance of lessons."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from config.sections import Retention as Days
from signaling import metrics
from signaling.catalog.audit import SERVER, Entry
from signaling.catalog.store import Catalog
from signaling.library import delete_for_ever
from signaling.library_files import LibraryFiles
from signaling.log import Clock
from signaling.uploads.keeping import Kept

log = logging.getLogger(__name__)

EVERY_S: Final = 3600.0
_DAY_MS: Final = 24 * 3600 * 1000


class Retention:
    """Several processes may do it at once: what one has deleted the other does not find."""

    def __init__(self, catalog: Catalog, files: LibraryFiles, kept: Kept, days: Days, now_ms: Clock) -> None:
        self._catalog = catalog
        self._kept = kept
        self._files = files
        self._days = days
        self._now_ms = now_ms

    async def run(self) -> None:
        """For ever: once an hour."""
        while True:
            try:
                await self.sweep()
            except (SQLAlchemyError, OSError) as error:
                log.error("old things not deleted", extra={"reason": type(error).__name__})
            except Exception:
                metrics.failures.labels("retention").inc()
                log.exception("retention failed")
            await asyncio.sleep(EVERY_S)

    async def sweep(self) -> None:
        """Delete what is too old now. Raises SQLAlchemyError, OSError."""
        if self._days.videos_days:
            await self._videos(self._now_ms() - self._days.videos_days * _DAY_MS)
        if self._days.lessons_days:
            await self._lessons(self._now_ms() - self._days.lessons_days * _DAY_MS)

    async def _videos(self, before_ms: int) -> None:
        count = 0
        while videos := await self._catalog.keeping.old_videos(before_ms):
            for video in videos:
                count += await delete_for_ever(
                    self._catalog.recordings, self._files, video, SERVER, self._now_ms()
                )
        if count:
            await self._catalog.audit.add(Entry(self._now_ms(), "retention", SERVER, "videos", count))
            log.info("old videos deleted", extra={"videos": count})

    async def _lessons(self, before_ms: int) -> None:
        while files := await self._catalog.materials.old(before_ms):
            await self._kept.forget(*files)
            log.info("old files deleted", extra={"files": len(files)})
        while True:
            gone = await self._catalog.keeping.forget_lessons(before_ms, self._now_ms())
            if not gone.lessons:
                return
            extra = {"lessons": gone.lessons, "events": gone.events, "people": gone.people}
            log.info("old lessons forgotten", extra=extra)
