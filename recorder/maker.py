"""The process in which videos are made: one at a time, behind the lessons that are being recorded."""

from __future__ import annotations

import asyncio
import logging
import time
from concurrent.futures.process import BrokenProcessPool
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from recorder.apart import Apart
from recorder.disk import is_full
from recorder.folder import repair_all

if TYPE_CHECKING:
    from recorder.finish import Finished
    from recorder.live import Live

log = logging.getLogger(__name__)

TRIES: Final = 3
LIMIT_S: Final = 3600.0
"""Longer than any lesson's video takes; then it is given up."""
STEP_LIMIT_S: Final = 120.0
"""The same for a step of one that is still recorded; others may be finished before it."""


class Finish(Protocol):
    """``recorder.finish.finish``: pure steps over a folder's journals. Can be pickled."""

    def __call__(self, folder: Path, library: Path) -> Finished: ...


class Maker:
    """``make`` videos; ``advance`` those that are still recorded, until ``make`` or ``forget``; ``end`` the
    process. It is started when first needed."""

    def __init__(self, finish: Finish | None = None) -> None:
        """``finish``: of a test, which then makes nothing before the end."""
        self._finish: Finish = finish or _finish
        self._lives = finish is None
        self._live: set[str] = set()
        """Recordings of which the process may have made something."""
        self._apart = Apart()
        self._turn = asyncio.Lock()

    async def make(self, folder: Path, library: Path, *, torn: bool) -> Finished | None:
        """Make the video of a recording's folder in ``library``; None when that fails.

        ``torn``: its journals may not have been closed in order. Raises OSError when there is no room.
        """
        async with self._turn:
            try:
                return await self._make(folder, library, torn=torn)
            finally:
                self._live.discard(folder.name)

    async def advance(self, folder: Path, library: Path) -> bool:
        """Make a bit of a video that is still recorded; whether there is more to make now. What goes wrong is
        logged, and made good at the end."""
        if not self._lives:
            return False
        ids = {"recording": folder.name}
        self._live.add(folder.name)
        try:
            async with asyncio.timeout(STEP_LIMIT_S):
                return await self._apart.run(partial(_advance, folder, library, time.time_ns() // 1000))
        except BrokenProcessPool:
            log.warning("the finishing process died", extra=ids)
        except TimeoutError:
            log.error("the finishing process hangs", extra=ids)
            self._apart.end()
        except Exception:
            log.exception("video not made yet", extra=ids)
        return False

    async def forget(self, recording: str) -> None:
        """Let go of what was made of a recording that is not ours any more."""
        if recording in self._live:
            self._live.discard(recording)
            if self._apart.running:
                try:
                    await self._apart.run(partial(_forget, recording))
                except BrokenProcessPool:
                    pass  # then it is forgotten

    def rest(self) -> None:
        """Nothing is to be made now: without a recording that runs there is no process."""
        if not self._live:
            self._apart.end()

    def end(self) -> None:
        """End the process, whatever it is at. Idempotent."""
        self._apart.end()

    async def _make(self, folder: Path, library: Path, *, torn: bool) -> Finished | None:
        ids = {"recording": folder.name}
        work = partial(_work, self._finish, folder, library, torn=torn)
        for _ in range(TRIES):
            try:
                async with asyncio.timeout(LIMIT_S):
                    return await self._apart.run(work)
            except BrokenProcessPool:
                log.error("the finishing process died", extra=ids)
            except TimeoutError:
                log.error("the finishing process hangs", extra=ids)
                self._apart.end()
                return None
            except asyncio.CancelledError:
                self._apart.end()
                raise
            except OSError as error:
                if is_full(error):
                    raise
                log.exception("video not made", extra=ids)
                return None
            except Exception:
                log.exception("video not made", extra=ids)
                return None
        return None


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
