"""Takes people out of videos as SQL asks for it: one video at a time, in a process apart."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from recorder.apart import Apart
from recorder.folder import Busy, is_recording, remove
from signaling.catalog.store import Catalog
from signaling.catalog.withdrawals import Withdrawal

log = logging.getLogger(__name__)

LIMIT_S: Final = 3600.0
RETRY_S: Final = 300.0

Republished = Callable[[str], Awaitable[None]]
"""Told the recording of a video that was exchanged: what is made from it is to be made again."""


class Rewriter:
    """``run`` now and then; ``close`` at the end. Every step can be repeated: whoever is killed in between is
    followed by another, and the video is not shown until then."""

    def __init__(self, catalog: Catalog, library: Path, republished: Republished) -> None:
        self._catalog = catalog
        self._library = library
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
        try:
            with _alone(folder):
                size = await self._rewrite(folder, wanted)
                if size is None:
                    self._later_s[wanted.video] = time.monotonic() + RETRY_S
                    return False
                now_ms = time.time_ns() // 1_000_000
                kept = await self._catalog.withdrawals.done(wanted.video, wanted.participants, size, now_ms)
                if not kept:  # deleted meanwhile
                    await asyncio.to_thread(remove, folder)
                    return False
        except (Busy, FileNotFoundError):
            return False  # another recorder does it, or has the folder
        self._later_s.pop(wanted.video, None)
        log.info(
            "taken out of a video", extra={"recording": wanted.video, "people": len(wanted.participants)}
        )
        await self._republished(wanted.video)
        return True

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
