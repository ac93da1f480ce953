"""From a recording's folder to its video lesson in the library: one at a time, in a process of its own."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from enum import StrEnum
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from recorder.apart import Apart
from recorder.folder import ENTERED_NAME, Busy, FolderLock, Written, is_recording, remove, repair_all, written
from signaling.catalog.recordings import Published
from signaling.catalog.store import Catalog

if TYPE_CHECKING:
    from recorder.finish import Finished
    from recorder.live import Live

log = logging.getLogger(__name__)

TRIES: Final = 3
LIMIT_S: Final = 3600.0
"""Longer than any lesson's video takes; then it is given up."""
STEP_LIMIT_S: Final = 120.0
"""The same for a step of one that is still recorded; others may be finished before it."""


class Outcome(StrEnum):
    """What became of a recording's folder."""

    READY = "ready"
    EMPTY = "empty"
    """Nothing was recorded in it: no video; the folder is gone."""
    FAILED = "failed"
    """The folder is kept; ``zvonok recorder repair`` tries again."""
    DONE = "done"
    """It was finished before, or deleted by its teacher; the folder is gone."""
    BUSY = "busy"
    """Somebody records or finishes it."""
    LIVE = "live"
    """Its lesson goes on."""
    UNKNOWN = "unknown"
    """Nobody knows its lesson; the folder is kept."""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a recording; ``video`` when it is ready."""

    recording: str
    outcome: Outcome
    video: Published | None = None


class Finish(Protocol):
    """``recorder.finish.finish``: pure steps over a folder's journals. Can be pickled."""

    def __call__(self, folder: Path, library: Path) -> Finished: ...


class Publisher:
    """``publish`` recordings one by one, or ``add`` them for ``run``; ``close`` at the end. What is still
    recorded is made bit by bit by ``advance``, until ``forget``.

    All of it is done by one other process, one thing after the other. Every step can be repeated: whoever is
    killed in between is followed by another. SQL's errors go through.
    """

    def __init__(self, catalog: Catalog, folder: Path, library: Path, finish: Finish | None = None) -> None:
        """``folder``: where recordings' folders are."""
        self._catalog = catalog
        self._folder = folder
        self._library = library
        self._finish: Finish = finish or _finish
        self._lives = finish is None
        self._live: set[str] = set()
        """Recordings of which the other process may have made something."""
        self.given_up: set[str] = set()
        """Recordings that could not be finished in this process's time; not tried again by a sweep."""
        self._waiting: dict[str, bool] = {}
        self._more = asyncio.Event()
        self._now: str | None = None
        self._apart = Apart()

    @property
    def waiting(self) -> int:
        """Recordings that are being finished or wait for it."""
        return len(self._waiting) + (self._now is not None)

    def has(self, recording: str) -> bool:
        """Whether it is being finished or waits for it."""
        return recording == self._now or recording in self._waiting

    def add(self, recording: str, *, torn: bool) -> None:
        """Finish it when its turn comes. ``torn``: its journals may not have been closed in order."""
        self._waiting[recording] = torn or self._waiting.get(recording, False)
        self._more.set()

    async def run(self) -> None:
        """For ever: finish what was added. What SQL keeps from being finished is left to the next sweep."""
        while True:
            while not self._waiting:
                self._more.clear()
                await self._more.wait()
            recording = next(iter(self._waiting))
            torn, self._now = self._waiting.pop(recording), recording
            try:
                await self.publish(recording, torn=torn)
            except (SQLAlchemyError, OSError) as error:
                log.warning(
                    "recording not finished", extra={"recording": recording, "reason": type(error).__name__}
                )
            except Exception:
                log.exception("recording not finished", extra={"recording": recording})
            finally:
                self._now = None
                self._live.discard(recording)
                self._rest()

    async def advance(self, recording: str) -> None:
        """Make what can be made already of a video that is still recorded. What goes wrong is logged, and
        made good at the end."""
        if not self._lives or self.has(recording):
            return
        self._live.add(recording)
        now_us = time.time_ns() // 1000
        work = partial(_advance, self._folder / recording, self._library, now_us)
        more = True
        try:
            while more and not self.has(recording):
                async with asyncio.timeout(STEP_LIMIT_S):
                    more = await self._apart.run(work)
        except BrokenProcessPool:
            log.warning("the finishing process died", extra={"recording": recording})
        except TimeoutError:
            log.error("the finishing process hangs", extra={"recording": recording})
            self._apart.end()
        except Exception:
            log.exception("video not made yet", extra={"recording": recording})

    async def forget(self, recording: str) -> None:
        """This recording is not ours any more: let go of what was made of it."""
        if recording in self._live and not self.has(recording):
            self._live.discard(recording)
            if self._apart.running:
                try:
                    await self._apart.run(partial(_forget, recording))
                except BrokenProcessPool:
                    pass  # then it is forgotten
            self._rest()

    def _rest(self) -> None:
        """Without work there is no other process."""
        if not self._waiting and not self._live and self._now is None:
            self._apart.end()

    async def close(self) -> None:
        """End the process that finishes; what it was at is begun anew by the next one. Idempotent."""
        self._apart.end()

    async def publish(self, recording: str, *, torn: bool) -> Result:
        """Make the video of a lesson that ended and enter it in the library, unless somebody else does.

        The folder goes once SQL says ``ready`` or ``empty``. Raises SQLAlchemyError, OSError.
        """
        started_s = time.monotonic()
        try:
            lock = FolderLock(self._folder / recording, alone=True)
        except Busy:
            return Result(recording, Outcome.BUSY)
        except FileNotFoundError:
            return Result(recording, Outcome.DONE)
        with lock:
            result = await self._publish(recording, torn=torn)
        if result.outcome in (Outcome.FAILED, Outcome.UNKNOWN):
            self.given_up.add(recording)
        log.info(
            "recording finished",
            extra={
                "recording": recording,
                "outcome": result.outcome.value,
                "took_s": round(time.monotonic() - started_s, 1),
            },
        )
        return result

    async def _publish(self, recording: str, *, torn: bool) -> Result:
        folder, rows = self._folder / recording, self._catalog.recordings
        outcome = await self._enter(recording)
        if outcome is None and not await rows.finishing(recording):
            outcome = Outcome.DONE
        if outcome in (Outcome.EMPTY, Outcome.DONE):
            await asyncio.to_thread(remove, folder)
        if outcome is not None:
            return Result(recording, outcome)
        finished = await self._make(recording, torn=torn)
        if finished is None:
            await rows.failed(recording)
            return Result(recording, Outcome.FAILED)
        if finished.state == "empty":
            await rows.empty(recording)
            await asyncio.to_thread(remove, self._library / recording)
            await asyncio.to_thread(remove, folder)
            return Result(recording, Outcome.EMPTY)
        video = Published(
            duration_ms=finished.duration_ms,
            bytes=finished.bytes,
            width=finished.width,
            height=finished.height,
        )
        kept = await rows.published(recording, video, time.time_ns() // 1_000_000)
        if not kept:  # deleted by its teacher meanwhile
            await asyncio.to_thread(remove, self._library / recording)
        await asyncio.to_thread(remove, folder)
        return Result(recording, Outcome.READY, video) if kept else Result(recording, Outcome.DONE)

    async def _enter(self, recording: str) -> Outcome | None:
        """Tell SQL what it may have missed of the recording; None: it can be finished."""
        folder, rows = self._folder / recording, self._catalog.recordings
        known, entered = await rows.exists(recording), (folder / ENTERED_NAME).exists()
        if entered and not known:
            return Outcome.DONE
        told = await asyncio.to_thread(written, folder)
        if not told.parts and not known:
            nothing = told.log_read or (told.lesson is None and not told.young)
            return Outcome.EMPTY if nothing else Outcome.UNKNOWN
        try:
            for part in told.parts:
                if told.lesson is not None:
                    await rows.begin(recording, told.lesson, part.number, part.started_at_ms)
                if part.ended_at_ms is not None and part.reason is not None:
                    await rows.end_part(recording, part.number, part.ended_at_ms, part.reason)
        except IntegrityError:
            log.error("recording of a lesson that nobody knows", extra={"recording": recording})
            return Outcome.UNKNOWN
        (folder / ENTERED_NAME).touch()
        return None

    async def _make(self, recording: str, *, torn: bool) -> Finished | None:
        """Run the steps in the other process; None when they fail."""
        work = partial(_work, self._finish, self._folder / recording, self._library, torn=torn)
        for _ in range(TRIES):
            try:
                async with asyncio.timeout(LIMIT_S):
                    return await self._apart.run(work)
            except BrokenProcessPool:
                log.error("the finishing process died", extra={"recording": recording})
            except TimeoutError:
                log.error("the finishing process hangs", extra={"recording": recording})
                self._apart.end()
                return None
            except Exception:
                log.exception("video not made", extra={"recording": recording})
                return None
        return None


class Sweep:
    """Finds recordings whose folder was left behind: by a kill, or because SQL was away."""

    def __init__(self, catalog: Catalog, folder: Path, over: Callable[[str], Any]) -> None:
        """``over``: a coroutine function that says whether a lesson ended, as its log knows."""
        self._catalog = catalog
        self._folder = folder
        self._over = over

    async def state(self, recording: str) -> tuple[Outcome | None, str | None]:
        """What is to be done with it and of which lesson it is: None: finish it, LIVE: its lesson goes on,
        FAILED: that failed before. Raises SQLAlchemyError, OSError."""
        if not is_recording(recording):
            return Outcome.UNKNOWN, None
        row = await self._catalog.recordings.recording(recording)
        if row is not None:
            if row.state == "failed":
                return Outcome.FAILED, row.lesson
            over = row.lesson_ended or await self._over(row.lesson)
            return (None if over else Outcome.LIVE), row.lesson
        told: Written = await asyncio.to_thread(written, self._folder / recording)
        if told.lesson is None:
            return None, None
        lesson = await self._catalog.lesson(told.lesson)
        over = lesson is None or lesson.state == "ended" or await self._over(told.lesson)
        return (None if over else Outcome.LIVE), told.lesson


# --- in the other process --------------------------------------------------------------------------------


@cache
def _live_ones() -> Live:
    from recorder.live import Live

    return Live()


def _finish(folder: Path, library: Path) -> Finished:
    return _live_ones().finish(folder, library)


def _advance(folder: Path, library: Path, now_us: int) -> bool:
    return _live_ones().advance(folder, library, now_us)


def _forget(recording: str) -> None:
    _live_ones().forget(recording)


def _work(finish: Finish, folder: Path, library: Path, *, torn: bool) -> Finished:
    if torn:
        repair_all(folder)
    return finish(folder, library)
