"""Takes people out of videos as SQL asks for it: one video at a time, in a process apart."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from recorder.apart import Apart
from recorder.folder import Busy, is_recording, remove
from signaling.catalog.store import Catalog
from signaling.catalog.takes import TAKES_NAME
from signaling.catalog.withdrawals import Withdrawal
from signaling.files.api import Files, StoreAway, remove_all
from signaling.files.folder import FolderFiles
from signaling.log import LogUnreachable

log = logging.getLogger(__name__)

LIMIT_S: Final = 3600.0
RETRY_S: Final = 300.0
AWAY_S: Final = 30.0
KEPT: Final = ("video.webm", "timeline.json", TAKES_NAME)
"""A video's files, in the order in which they are exchanged."""

Turn = Callable[[str], AbstractAsyncContextManager[bool]]
Republished = Callable[[str], Awaitable[None]]
"""Told the recording of a video that was exchanged: what is made from it is to be made again."""


class Rewriter:
    """``run`` now and then; ``close`` at the end. Every step can be repeated: whoever is killed in between is
    followed by another, and the video is not shown until then."""

    def __init__(
        self,
        catalog: Catalog,
        library: Path,
        republished: Republished,
        *,
        files: Files | None = None,
        turn: Turn | None = None,
    ) -> None:
        """Videos are rewritten in ``library`` and kept in ``files``, which is that folder unless they are
        given. ``turn``: nobody on another machine is at a recording meanwhile."""
        self._catalog = catalog
        self._library = library
        self._files = files or FolderFiles(library)
        self._turn = turn or _mine
        self._republished = republished
        self._apart = Apart()
        self._later_s: dict[str, float] = {}
        """Videos that could not be rewritten, with when (monotonic) that is tried again."""

    async def run(self) -> int:
        """Do what waits; how many videos are done. One that cannot be made stays hidden, and is tried again.
        Raises SQLAlchemyError."""
        count = 0
        try:
            for wanted in await self._catalog.withdrawals.waiting():
                if time.monotonic() >= self._later_s.get(wanted.video, 0) and is_recording(wanted.video):
                    count += await self._one(wanted)
        finally:
            self._apart.end()
        return count

    def close(self) -> None:
        """End the process that rewrites. Idempotent."""
        self._apart.end()

    async def _one(self, wanted: Withdrawal) -> bool:
        folder = self._library / wanted.video
        elsewhere = self._files.local(f"{wanted.video}/{KEPT[0]}") is None
        try:
            if elsewhere:
                await asyncio.to_thread(partial(folder.mkdir, mode=0o700, parents=True, exist_ok=True))
            async with self._turn(wanted.video) as mine:
                if not mine:
                    return False
                with _alone(folder):
                    return await self._exchange(folder, wanted, elsewhere=elsewhere)
        except (Busy, FileNotFoundError):
            return False  # another recorder does it, or has the folder
        except (StoreAway, *LogUnreachable) as error:
            log.warning("video not rewritten", extra={"recording": wanted.video, "reason": str(error)})
            self._later_s[wanted.video] = time.monotonic() + AWAY_S
            return False

    async def _exchange(self, folder: Path, wanted: Withdrawal, *, elsewhere: bool) -> bool:
        if elsewhere:
            for name in KEPT:
                if not await self._files.fetch(f"{wanted.video}/{name}", folder / name):
                    await asyncio.to_thread((folder / name).unlink, missing_ok=True)
        size = await self._rewrite(folder, wanted)
        if size is None:
            self._later_s[wanted.video] = time.monotonic() + RETRY_S
            return False
        if elsewhere:
            await self._put(folder)
        now_ms = time.time_ns() // 1_000_000
        kept = await self._catalog.withdrawals.done(wanted.video, wanted.participants, size, now_ms)
        if not kept:  # deleted meanwhile
            await remove_all(self._files, f"{wanted.video}/")
        if elsewhere or not kept:
            await asyncio.to_thread(remove, folder)
        if not kept:
            return False
        self._later_s.pop(wanted.video, None)
        log.info(
            "taken out of a video", extra={"recording": wanted.video, "people": len(wanted.participants)}
        )
        await self._republished(wanted.video)
        return True

    async def _put(self, folder: Path) -> None:
        """Put it in the place of what is in the store; who is in it is told last, as in the folder."""
        there = await self._files.below(f"{folder.name}/")
        derived = [each.name for each in there if each.name.partition("/")[2] not in KEPT]
        await self._files.remove(*derived)
        for name in KEPT:
            await self._files.put(f"{folder.name}/{name}", folder / name)

    async def _rewrite(self, folder: Path, wanted: Withdrawal) -> int | None:
        try:
            async with asyncio.timeout(LIMIT_S):
                return await self._apart.run(partial(_erase, folder, wanted))
        except (BrokenProcessPool, TimeoutError) as error:
            log.error(
                "video not rewritten", extra={"recording": wanted.video, "reason": type(error).__name__}
            )
            self._apart.end()
        except Exception:
            log.exception("video not rewritten", extra={"recording": wanted.video})
        return None


def _erase(folder: Path, wanted: Withdrawal) -> int:
    from recorder.erasure import Words, erase

    words = Words(wanted.title, wanted.subject, wanted.grade, wanted.teacher_name)
    return erase(folder, frozenset(wanted.participants), words)


@asynccontextmanager
async def _mine(_recording: str) -> AsyncGenerator[bool, None]:
    yield True


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Nobody else rewrites this folder meanwhile; the kernel lets go when the process dies. Raises Busy,
    FileNotFoundError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise Busy from None
    finally:
        os.close(descriptor)
