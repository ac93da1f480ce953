"""Videos whose jobs wait, and waiting for these."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from recorder.jobs.app import JobWorker
from recorder.jobs.files import DRAFTS, MADE
from recorder.withdrawal import KEPT
from signaling.catalog.jobs import Job
from signaling.catalog.recordings import Published
from signaling.catalog.store import Catalog
from signaling.wire import JobStep

Begin = Callable[..., Awaitable[JobWorker]]
ALL_MADE = sorted(name for made in MADE.values() for name in made)
ODD = (sys.executable, str(Path(__file__).with_name("odd_step.py")))
"""In the place of ``recorder.jobs.step``: does what the file ``do`` beside the video says."""


async def publish(catalog: Catalog, folder: Path, film: Path | None = None) -> Path:
    """A video with its files; jobs wait. Its folder."""
    target = folder / "library" / "r1"
    target.mkdir(parents=True, exist_ok=True)
    for name in KEPT:
        (target / name).write_bytes((film / name).read_bytes() if film is not None else b"")
    await catalog.recordings.begin("r1", "l", 1, 1)
    assert await catalog.recordings.finishing("r1")
    assert await catalog.recordings.published("r1", Published(3_000, 1, 320, 180), now_ms())
    return target


async def again(catalog: Catalog) -> None:
    """The video has changed."""
    assert await catalog.withdrawals.ask("r1", ("somebody",), "main", now_ms())
    assert await catalog.withdrawals.done("r1", ("somebody",), 1, now_ms())


def now_ms() -> int:
    return time.time_ns() // 1_000_000


async def job(catalog: Catalog, step: JobStep, wanted: Callable[[Job], bool], what: str) -> Job:
    deadline = time.monotonic() + 40
    while True:
        found = await catalog.jobs.job("r1", step)
        if found is not None and wanted(found):
            return found
        assert time.monotonic() < deadline, f"{what}: {found}"
        await asyncio.sleep(0.02)


async def is_done(catalog: Catalog, *steps: JobStep) -> None:
    for step in steps:
        found = await job(catalog, step, lambda each: each.state in ("done", "failed"), "done")
        assert (found.state, found.error) == ("done", None)


def drafts(folder: Path) -> list[Path]:
    parent = folder / "library" / DRAFTS
    return list(parent.iterdir()) if parent.exists() else []
