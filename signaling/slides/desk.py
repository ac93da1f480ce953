"""Who makes slides: each signalling process, one file at a time, of those that lessons have waiting.

The lessons' own fields are the queue: what waits there is bounded by the rules, and a process that dies
leaves no more behind than a claim of nobody.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from errno import EDQUOT, EFBIG, ENOSPC
from functools import partial
from pathlib import Path
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from sfu.model import Refused
from signaling import metrics
from signaling.catalog.materials import Material
from signaling.files.api import StoreAway
from signaling.lesson import slides as rules
from signaling.lesson.fields import is_ended
from signaling.lessons import Lessons
from signaling.live import LiveLesson
from signaling.log import LessonLog, LogUnreachable, heed_cancellation
from signaling.slides.box import holds
from signaling.slides.making import Fonts, Making, NotMade, Page, Sizes
from signaling.uploads.keeping import Kept
from signaling.wire.slides import SlidesFailure, SlidesForm, SlidesWork

log = logging.getLogger(__name__)

LOOK_S: Final = 0.5
TELL_S: Final = 1.0
"""How often it is told how far it is."""
_FULL: Final = frozenset({ENOSPC, EDQUOT, EFBIG})
_PARTS: Final = ("large.webp", "small.webp", "thumb.webp", "text.txt")


class SlidesDesk:
    """``run`` it. Files are ``<lesson>/<source>``, pages ``<lesson>/<slides>-pages/<n>-<part>``."""

    def __init__(
        self, lessons: Lessons, lesson_log: LessonLog, kept: Kept, making: Making, work: Path
    ) -> None:
        """``work``: a folder for what is being made."""
        self._lessons = lessons
        self._log = lesson_log
        self._kept = kept
        self._making = making
        self._work = work
        self._asked = False

    async def run(self) -> None:
        """Look for what waits, and make it; never ends by itself."""
        swept = False
        try:
            while True:
                try:
                    if not swept:
                        await self.sweep()
                        swept = True
                    while await self.look():
                        pass
                except (*LogUnreachable, SQLAlchemyError, OSError, Refused) as error:
                    log.warning("slides: trying again", extra={"reason": type(error).__name__})
                except Exception:
                    metrics.failures.labels("slides").inc()
                    log.exception("slides failed")
                heed_cancellation()
                await asyncio.sleep(LOOK_S)
        finally:
            await asyncio.to_thread(shutil.rmtree, self._own_folder, ignore_errors=True)

    async def look(self) -> bool:
        """Give up what processes left that are no more, make what waits longest; whether there was any.

        Raises LogUnreachable.
        """
        waiting: list[tuple[int, LiveLesson, str]] = []
        left: list[tuple[LiveLesson, str, str]] = []
        for live in self._lessons.held():
            if is_ended(live.state):
                continue  # nothing changes there any more: it must not stand before others
            for slides, field in rules.all_slides(live.state):
                work: SlidesWork | None = live.state.get(rules.work_of(slides))
                if field.state == "queued":
                    waiting.append((field.at_ms, live, slides))
                elif field.state == "making" and work is not None and work.process is not None:
                    left.append((live, slides, work.process))
        if left:
            alive = await self._log.alive([process for _, _, process in left])
            for live, slides, process in left:
                # What is claimed here while we look is of a making that was broken off.
                if process not in alive or process == self._log.process:
                    await self._tell(live, slides, process, "interrupted")
        if not waiting:
            return False
        _, live, slides = min(waiting, key=lambda each: each[0])
        async with self._lessons.get(live.lesson) as held:
            return await self._take(held, slides)

    async def _take(self, live: LiveLesson, slides: str) -> bool:
        process = self._log.process
        folder = f"{live.lesson}/{slides}"
        taken = await live.execute(lambda state: rules.claim(state, slides, process, folder), None)
        if not taken:
            return False
        if not self._asked:
            self._asked = True
            if not await holds():
                log.warning("slides are made without a box: this system forbids user namespaces")
        began = time.monotonic()
        failure: SlidesFailure | None = None
        try:
            failure = await self._make(live, slides)
        except NotMade as not_made:
            failure = not_made.reason
        except StoreAway:
            failure = "failed"
        except OSError as error:
            failure = "disk_full" if error.errno in _FULL else "failed"
        log.info(
            "slides made" if failure is None else "slides not made",
            extra={
                "lesson": live.lesson,
                "slides": slides,
                "reason": failure or "",
                "seconds": round(time.monotonic() - began, 1),
            },
        )
        if failure is not None:
            await self._tell(live, slides, process, failure)
            await self._forget(live.lesson, slides)
        return True

    async def _make(self, live: LiveLesson, slides: str) -> SlidesFailure | None:
        """Why they were not made; None: they were, or nobody wants them any more. Raises NotMade, OSError."""
        process = self._log.process
        work: SlidesWork | None = live.state.get(rules.work_of(slides))
        if work is None:
            return "gone"
        async with self._folder(slides) as folder:
            source, made = folder / "source", folder / "pages"
            made.mkdir()
            if not await self._kept.files.fetch(f"{live.lesson}/{work.source}", source):
                return "gone"
            await self._enter(live, slides, work, (await asyncio.to_thread(source.stat)).st_size)
            forms: tuple[SlidesForm, ...] = ()
            done, told_at, replaced = 0, 0.0, False
            async with aclosing(self._making.pages(source, work.media_type, made)) as saying:
                async for said in saying:
                    match said:
                        case Sizes():
                            forms = rules.forms_of(said.sizes)
                        case Page():
                            await self._keep(made, rules.pages_of(live.lesson, slides), said.page)
                            done = said.page
                        case Fonts():
                            replaced = said.fonts
                    if time.monotonic() - told_at >= TELL_S:
                        told_at = time.monotonic()
                        tell = partial(rules.tell, slides=slides, process=process, done=done, forms=forms)
                        if not await live.execute(tell, None) and rules.path_of(slides) not in live.state:
                            return "gone"
            if not done or done != sum(count for count, _, _ in forms):
                return "failed"
            finish = partial(rules.finish, slides=slides, process=process, forms=forms, replaced=replaced)
            await live.execute(finish, None)
        return None

    async def _keep(self, made: Path, folder: str, page: int) -> None:
        for part in _PARTS:
            path = made / f"{page}-{part}"
            await self._kept.files.put(f"{folder}/{page}-{part}", path)
            await asyncio.to_thread(path.unlink)

    async def _tell(self, live: LiveLesson, slides: str, process: str, failure: SlidesFailure) -> None:
        fail = partial(rules.fail, slides=slides, process=process, failure=failure)
        try:
            await live.execute(fail, None)
        except Refused as refused:
            log.warning("slides: not told", extra={"lesson": live.lesson, "code": refused.code})

    async def _enter(self, live: LiveLesson, slides: str, work: SlidesWork, size: int) -> None:
        """The pages have a row, so that they are deleted when the lesson's files are. Raises NotMade."""
        field = live.state[rules.path_of(slides)]
        await self._kept.rows.remove((slides,))
        row = Material(slides, live.lesson, field.by, "pages", field.name, work.media_type, size, field.at_ms)
        if not await self._kept.rows.add(row, self._kept.lesson_limit):
            raise NotMade("disk_full")

    async def _forget(self, lesson: str, slides: str) -> None:
        try:
            await self._kept.forget((lesson, slides))
        except (OSError, SQLAlchemyError) as error:
            log.warning("slides: pages left", extra={"reason": type(error).__name__})

    @property
    def _own_folder(self) -> Path:
        return self._work / self._log.process

    @asynccontextmanager
    async def _folder(self, slides: str) -> AsyncIterator[Path]:
        folder = self._own_folder / slides
        try:
            await asyncio.to_thread(folder.mkdir, parents=True)
            yield folder
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    async def sweep(self) -> None:
        """Remove what processes left in the work folder that are no more. Raises LogUnreachable."""
        names = [path.name for path in self._work.iterdir()] if self._work.is_dir() else []
        alive = await self._log.alive(names)
        for name in names:
            if name not in alive:
                await asyncio.to_thread(shutil.rmtree, self._work / name, ignore_errors=True)
