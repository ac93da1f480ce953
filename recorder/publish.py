"""From a recording's folder to its video lesson in the library: one at a time, in a process of its own.

Its steps can be repeated, so that a kill between any two loses nothing: journals of other machines are
fetched, the video is made here, put into the library and verified, SQL is told, the journals go.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from recorder.elsewhere import Elsewhere, Sources
from recorder.folder import ENTERED_NAME, Busy, FolderLock, Written, is_recording, journals, remove, written
from recorder.maker import Finish, Maker
from signaling.catalog.recordings import Published
from signaling.catalog.store import Catalog
from signaling.catalog.takes import TAKES_NAME
from signaling.files.api import Files, remove_all
from signaling.files.folder import FolderFiles
from signaling.log import LogUnreachable

log = logging.getLogger(__name__)

AT_ONCE: Final = 4
"""Recordings that are brought to and from a store at once; their videos are made one by one."""
FIRST_WAIT_S: Final = 1.0
LONGEST_WAIT_S: Final = 30.0
"""What could not be done now is tried again after this time, doubled each time up to the longest."""
MADE_NAME: Final = "made"
"""In a recording's folder: what its video, which lies here until it is put away, is and was made of."""
FILES: Final = ("timeline.json", TAKES_NAME, "video.webm")
"""What is put into the library."""


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
    LATE = "late"
    """Its video was made without what is here, and the rest is gone: the folder is kept."""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a recording; ``video`` when it is ready."""

    recording: str
    outcome: Outcome
    video: Published | None = None


class _Made(Struct, frozen=True):
    """What ``MADE_NAME`` holds."""

    video: Published
    sources: Sources | None


@dataclass(slots=True)
class _Job:
    """A recording that is to be finished, at ``due_s`` (monotonic) or later."""

    torn: bool
    due_s: float
    wait_s: float


class Publisher:
    """``publish`` recordings one by one, or ``add`` them for ``run``; ``close`` at the end. What is still
    recorded is made bit by bit by ``advance``, until ``forget``.

    Every step can be repeated: whoever is killed in between is followed by another.
    """

    def __init__(
        self,
        catalog: Catalog,
        folder: Path,
        library: Path,
        finish: Finish | None = None,
        *,
        files: Files | None = None,
        elsewhere: Elsewhere | None = None,
        first_wait_s: float = FIRST_WAIT_S,
        on_ready: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """``folder``: where recordings' folders are. Videos are made in ``library`` and put into ``files``,
        which is that folder unless they are given. ``elsewhere``: there are recorders with other folders.
        ``on_ready`` follows each video that ``run`` publishes, and must not raise."""
        self._on_ready = on_ready
        self._catalog = catalog
        self._folder = folder
        self._library = library
        self._files = files or FolderFiles(library)
        self._elsewhere = elsewhere
        self._first_wait_s = first_wait_s
        self.given_up: set[str] = set()
        """Recordings that could not be finished in this process's time; not tried again by a sweep."""
        self._waiting: dict[str, _Job] = {}
        self._more = asyncio.Event()
        self._now: set[str] = set()
        self._maker = Maker(finish)

    @property
    def waiting(self) -> int:
        """Recordings that are being finished or wait for it."""
        return len(self._waiting) + len(self._now)

    def has(self, recording: str) -> bool:
        """Whether it is being finished or waits for it."""
        return recording in self._now or recording in self._waiting

    def add(self, recording: str, *, torn: bool) -> None:
        """Finish it when its turn comes. ``torn``: its journals may not have been closed in order."""
        known = self._waiting.get(recording)
        if known is None:
            self._waiting[recording] = _Job(torn, time.monotonic(), self._first_wait_s)
        else:
            known.torn = known.torn or torn
        self._more.set()

    async def run(self) -> None:
        """For ever: finish what was added. What cannot be done now, because SQL or the store is away or the
        disk is full, waits, longer each time, and others are finished meanwhile."""
        room = asyncio.Semaphore(1 if self._elsewhere is None else AT_ONCE)
        async with asyncio.TaskGroup() as group:
            while True:
                await room.acquire()
                recording = await self._next()
                job = self._waiting.pop(recording)
                self._now.add(recording)
                group.create_task(self._one(recording, job)).add_done_callback(lambda _: room.release())

    async def _one(self, recording: str, job: _Job) -> None:
        ready = False
        try:
            ready = (await self.publish(recording, torn=job.torn)).outcome is Outcome.READY
        except (SQLAlchemyError, OSError, *LogUnreachable) as error:
            if job.wait_s == self._first_wait_s:
                log.warning(
                    "recording not finished, trying again",
                    extra={"recording": recording, "reason": type(error).__name__},
                )
            due_s = time.monotonic() + job.wait_s
            self._waiting[recording] = _Job(job.torn, due_s, min(job.wait_s * 2, LONGEST_WAIT_S))
            self._more.set()
        except Exception:
            log.exception("recording not finished", extra={"recording": recording})
        finally:
            self._now.discard(recording)
            self._rest()
        if ready and self._on_ready is not None:
            await self._on_ready()

    async def advance(self, recording: str) -> None:
        """Make what can be made already of a video that is still recorded."""
        while not self.has(recording) and await self._maker.advance(self._folder / recording, self._library):
            pass

    async def forget(self, recording: str) -> None:
        """This recording is not ours any more: let go of what was made of it."""
        if not self.has(recording):
            await self._maker.forget(recording)
            self._rest()

    def _rest(self) -> None:
        if not self._now and not any(job.due_s <= time.monotonic() for job in self._waiting.values()):
            self._maker.rest()

    async def _next(self) -> str:
        """Wait for the recording that is due first."""
        while True:
            self._more.clear()
            first = min(self._waiting, key=lambda recording: self._waiting[recording].due_s, default=None)
            wait_s = None if first is None else self._waiting[first].due_s - time.monotonic()
            if first is not None and wait_s is not None and wait_s <= 0:
                return first
            try:
                async with asyncio.timeout(wait_s):
                    await self._more.wait()
            except TimeoutError:
                pass

    async def close(self) -> None:
        """End the process that finishes; what it was at is begun anew by the next one. Idempotent."""
        self._maker.end()

    async def publish(self, recording: str, *, torn: bool) -> Result:
        """Make the video of a lesson that ended and enter it in the library, unless somebody else does.

        The folder goes once SQL says ``ready`` or ``empty``. Raises SQLAlchemyError, OSError, and with
        ``elsewhere`` StoreAway, LogUnreachable: then it is to be tried again.
        """
        started_s = time.monotonic()
        folder = self._folder / recording
        if self._elsewhere is not None:
            await asyncio.to_thread(partial(folder.mkdir, mode=0o700, parents=True, exist_ok=True))
        try:
            lock = FolderLock(folder, alone=True)
        except Busy:
            return Result(recording, Outcome.BUSY)
        except FileNotFoundError:
            return Result(recording, Outcome.DONE)
        with lock:
            if self._elsewhere is None:
                result = await self._publish(recording, torn=torn)
            else:
                result = await self._publish_shared(recording, self._elsewhere)
        if result.outcome in (Outcome.FAILED, Outcome.UNKNOWN, Outcome.LATE):
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

    async def _publish_shared(self, recording: str, elsewhere: Elsewhere) -> Result:
        """As ``_publish``, of everything that is in the store, where others may be at it."""
        folder = self._folder / recording
        async with elsewhere.turn(recording) as mine:
            if not mine:
                return Result(recording, Outcome.BUSY)
            row = await self._catalog.recordings.recording(recording)
            if row is None and (folder / ENTERED_NAME).exists():
                await self._forget(recording, deleted=True)
                return Result(recording, Outcome.DONE)
            if row is not None and row.state in ("ready", "empty"):
                outcome = await self._look_again(recording, elsewhere)
                if outcome is Outcome.DONE:
                    await self._remove(recording)
                if outcome is not None:
                    return Result(recording, outcome)
            made_of = await elsewhere.gather(recording)
            return await self._publish(recording, torn=True, made_of=made_of)

    async def _look_again(self, recording: str, elsewhere: Elsewhere) -> Outcome | None:
        """Of a recording that was published: None when its video is to be made again, of more."""
        noted, there = await elsewhere.made_of(recording), await elsewhere.here(recording)
        left = await asyncio.to_thread(self._holds_unsealed, recording, elsewhere)
        if noted is None and there.pieces:  # killed before it could be noted
            return None
        if noted is not None and not noted.complete:
            await elsewhere.shipper.seal(recording)
            there = await elsewhere.here(recording)
            return None if there.complete or there.more_than(noted) else Outcome.DONE
        if left or (noted is not None and there.more_than(noted)):
            log.error("journals came too late for their video, kept", extra={"recording": recording})
            return Outcome.LATE
        if noted is not None:
            await elsewhere.published(recording, noted)
        return Outcome.DONE

    async def _publish(self, recording: str, *, torn: bool, made_of: Sources | None = None) -> Result:
        rows = self._catalog.recordings
        outcome = await self._enter(recording)
        if outcome is None and not await rows.finishing(recording, again=made_of is not None):
            outcome = Outcome.DONE
        if outcome in (Outcome.EMPTY, Outcome.DONE):
            await self._forget(recording, made_of, deleted=outcome is Outcome.DONE and made_of is not None)
        if outcome is not None:
            return Result(recording, outcome)
        video = await self._made(recording, torn=torn, made_of=made_of)
        if video is None:
            await rows.failed(recording)
            return Result(recording, Outcome.FAILED)
        if not video.bytes:
            await rows.empty(recording)
            await asyncio.to_thread(remove, self._library / recording)
            await self._forget(recording, made_of)
            return Result(recording, Outcome.EMPTY)
        for name in FILES:
            made = self._library / recording / name
            if made.exists():
                await self._files.put(f"{recording}/{name}", made)
        if not await rows.published(recording, video, time.time_ns() // 1_000_000):
            await self._forget(recording, deleted=True)  # by its teacher, meanwhile
            return Result(recording, Outcome.DONE)
        await self._forget(recording, made_of)
        return Result(recording, Outcome.READY, video)

    async def _forget(self, recording: str, made_of: Sources | None = None, *, deleted: bool = False) -> None:
        """The journals are not needed any more; ``deleted``: nor is anything else of it."""
        if deleted:
            await remove_all(self._files, f"{recording}/")
            await asyncio.to_thread(remove, self._library / recording)
        if self._elsewhere is not None and deleted:
            await self._elsewhere.forget(recording)
        elif self._elsewhere is not None and made_of is not None:
            await self._elsewhere.published(recording, made_of)
        await self._remove(recording)

    async def _remove(self, recording: str) -> None:
        """Nothing of it is needed on this disk any more."""
        if self._files.local(f"{recording}/{FILES[-1]}") is None:
            await asyncio.to_thread(remove, self._library / recording)
        await asyncio.to_thread(_remove_journals, self._folder / recording)
        if self._elsewhere is not None:
            self._elsewhere.shipper.forget(recording)

    def _holds_unsealed(self, recording: str, elsewhere: Elsewhere) -> bool:
        return bool(journals(self._folder / recording)) and not elsewhere.is_sealed(recording)

    async def _made(self, recording: str, *, torn: bool, made_of: Sources | None) -> Published | None:
        """Make the video, unless it lies here made of the same; ``bytes`` is 0 when there is nothing in it.
        None: it cannot be made. Raises OSError when there is no room."""
        note = self._folder / recording / MADE_NAME
        if made_of is not None:
            known = await asyncio.to_thread(_read_made, note)
            path = self._library / recording / FILES[-1]
            if known is not None and known.sources == made_of and _size(path) == known.video.bytes:
                return known.video
        finished = await self._maker.make(self._folder / recording, self._library, torn=torn)
        if finished is None:
            return None
        if finished.state == "empty":
            return Published(0, 0, 0, 0)
        video = Published(finished.duration_ms, finished.bytes, finished.width, finished.height)
        if made_of is not None:
            await asyncio.to_thread(note.write_bytes, msgspec.json.encode(_Made(video, made_of)))
        return video

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


def _remove_journals(folder: Path) -> None:
    """Journals first: those that a kill leaves without the rest would count as never brought to the store."""
    for path in journals(folder):
        path.unlink(missing_ok=True)
    remove(folder)


def _read_made(note: Path) -> _Made | None:
    try:
        return msgspec.json.decode(note.read_bytes(), type=_Made)
    except (FileNotFoundError, msgspec.MsgspecError):
        return None


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else -1
