"""A process apart, for what would hold up the lessons that are being recorded."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Final, TypeVar

from config.process import die_with

NICENESS: Final = 10

T = TypeVar("T")


class Apart:
    """One process, started by the first ``run``, gone after ``end``; the next ``run`` starts another."""

    def __init__(self) -> None:
        self._pool: ProcessPoolExecutor | None = None
        self._pid: int | None = None

    async def run(self, work: Callable[[], T]) -> T:
        """Have it done there, after what was asked before; ``work`` can be pickled.

        Raises what it raises, BrokenProcessPool when the process died.
        """
        loop = asyncio.get_running_loop()
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                1, multiprocessing.get_context("spawn"), initializer=_prepare, initargs=(os.getpid(),)
            )
            self._pid = await loop.run_in_executor(self._pool, os.getpid)
        pool = self._pool
        try:
            return await loop.run_in_executor(pool, work)
        except BrokenProcessPool:
            if self._pool is pool:
                self.end()
            raise

    @property
    def running(self) -> bool:
        """Whether there is a process."""
        return self._pool is not None

    def end(self) -> None:
        """Kill it, whatever it is at. Idempotent."""
        pool, pid, self._pool, self._pid = self._pool, self._pid, None, None
        if pool is None:
            return
        pool.shutdown(wait=False, cancel_futures=True)
        if pid is not None:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass


def _prepare(parent: int) -> None:
    """In the other process: it dies with us, leaves stopping to us, and steps back behind lessons."""
    die_with(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(NICENESS)
