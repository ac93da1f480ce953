"""Everything that touches the disk while lessons are recorded, in one thread: a disk that is slow or full
holds up neither packets nor signs of life."""

from __future__ import annotations

import asyncio
import errno
import logging
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

from recorder.journal import Budget, Writer

log = logging.getLogger(__name__)

FLUSH_S: Final = 0.2
SYNC_EVERY: Final = 10
"""Flushes from one fdatasync to the next."""
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})

T = TypeVar("T")
OnError = Callable[[OSError], None]


def is_full(error: OSError) -> bool:
    """Whether there was no room."""
    return error.errno in _FULL


class Disk:
    """``run`` it as a task, ``open`` and ``close`` journals, ``shut`` it at the end.

    What the writers hold in memory is bounded by one ``budget``; see ``Writer`` for what happens beyond it.
    """

    def __init__(
        self, folder: Path, now_us: Callable[[], int], reserve_bytes: int, on_low: Callable[[], None]
    ) -> None:
        """``on_low`` is called about every 2 s while less than ``reserve_bytes`` are free in ``folder``."""
        self.budget = Budget()
        self.free_bytes = 0
        """Bytes free, as last looked at."""
        self.sync_s = 0.0
        """How long the last fdatasync of all journals took."""
        self._folder = folder
        self._now_us = now_us
        self._reserve_bytes = reserve_bytes
        self._on_low = on_low
        self._open: dict[Writer, OnError] = {}
        self._unsynced: set[Writer] = set()
        self._thread = ThreadPoolExecutor(1, "disk")

    @property
    def low(self) -> bool:
        """Whether there is too little room to record."""
        return self.free_bytes < self._reserve_bytes

    @property
    def journals(self) -> int:
        """Journals that are open."""
        return len(self._open)

    async def call(self, work: Callable[[], T]) -> T:
        """Carry something out in the disk's thread; what it raises goes through."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def look(self) -> bool:
        """See how much is free; whether it is enough. Raises OSError."""
        self.free_bytes = (await self.call(lambda: shutil.disk_usage(self._folder))).free
        return not self.low

    def add(self, writer: Writer, on_error: OnError) -> None:
        """Write what is added to it from now on. Its file is opened by the next flush.

        ``on_error`` is called once, on the loop, when that fails; the journal is then closed.
        """
        self._open[writer] = on_error

    async def open(self, writer: Writer, on_error: OnError) -> None:
        """As ``add``, but open its file now; raises OSError."""
        await self.call(writer.open)
        self._open[writer] = on_error

    async def close(self, *writers: Writer) -> None:
        """Write the rest and the end of these journals; what cannot be written is logged."""
        open_ones = [writer for writer in writers if self._open.pop(writer, None) is not None]
        if open_ones:
            for error in await self.call(lambda: self._close(open_ones)):
                log.error("journal not closed", extra={"reason": error.strerror})

    async def run(self) -> None:
        """For ever: flush every FLUSH_S; then and now sync and look for room."""
        turn = 0
        due = asyncio.get_running_loop().time()
        while True:
            turn += 1
            await self._turn(sync=turn % SYNC_EVERY == 0)
            due = max(due + FLUSH_S, asyncio.get_running_loop().time())
            await asyncio.sleep(due - asyncio.get_running_loop().time())

    async def shut(self) -> None:
        """Close every journal in order and end the thread."""
        await self.close(*self._open)
        self._thread.shutdown(wait=False)

    async def _turn(self, *, sync: bool) -> None:
        writers = list(self._open)
        try:
            failed = await self.call(lambda: self._write(writers, sync=sync))
            for writer, error in failed:
                on_error = self._open.pop(writer, None)
                if on_error is not None:
                    on_error(error)
            if sync:
                await self.look()
                if self.low:
                    self._on_low()
        except OSError as error:
            log.error("room not known", extra={"reason": error.strerror})
        except Exception:
            log.exception("journals not written")

    # --- in the thread ---------------------------------------------------------------------------------

    def _write(self, writers: list[Writer], *, sync: bool) -> list[tuple[Writer, OSError]]:
        failed: list[tuple[Writer, OSError]] = []
        started_us = self._now_us()
        for writer in writers:
            try:
                if not writer.opened and not writer.over:
                    writer.open()
                if writer.pending:
                    self._unsynced.add(writer)
                    writer.flush()
                if sync and writer in self._unsynced:
                    self._unsynced.discard(writer)
                    writer.sync()
            except OSError as error:
                writer.discard()
                self._unsynced.discard(writer)
                failed.append((writer, error))
        if sync:
            self.sync_s = (self._now_us() - started_us) / 1e6
        return failed

    def _close(self, writers: list[Writer]) -> list[OSError]:
        failed: list[OSError] = []
        for writer in writers:
            self._unsynced.discard(writer)
            try:
                if not writer.opened and not writer.over:
                    writer.open()
                writer.close(self._now_us())
            except OSError as error:
                writer.discard()
                failed.append(error)
        return failed
