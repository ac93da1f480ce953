"""The recorder's bench: what a video costs while its lesson runs, and many lessons that end together."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import av

from loadtest.bench import _journals as journals
from loadtest.bench._lessons import START_US, write_lesson
from recorder.finish import VIDEO_NAME
from recorder.live import Live
from recorder.making import BEAT_US
from recorder.publish import Outcome, Publisher
from sfu.model import Role
from signaling.catalog.store import Catalog, Lesson

_NOW_MS: Final = START_US // 1000


def measure_copy(video: Path, seconds: float) -> float:
    """How many times faster than it plays FFmpeg copies a video's packets into a file, by CPU time."""
    used_s = time.process_time()
    with av.open(str(video)) as source, av.open(str(video.with_suffix(".copy")), "w", format="webm") as copy:
        streams = {stream.index: copy.add_stream_from_template(stream) for stream in source.streams}
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                copy.mux_one(packet)
    used_s = time.process_time() - used_s
    video.with_suffix(".copy").unlink()
    return seconds / used_s


def measure_making(minutes: float, **options: Any) -> float:
    """CPU percent of a core that the video of one lesson takes while it runs, in steps as a recorder makes
    them, all journals being there from the beginning."""
    with tempfile.TemporaryDirectory(prefix="zvonok-bench-") as root:
        folder, library = Path(root) / "recordings" / "rec1", Path(root) / "library"
        write_lesson(folder, minutes, **options)
        live = Live()
        end_us = START_US + round(minutes * 60_000_000)
        used_s = time.process_time()
        for now_us in range(START_US, end_us + BEAT_US, BEAT_US):
            live.advance(folder, library, now_us)
        live.finish(folder, library)
        return 100 * (time.process_time() - used_s) / (minutes * 60)


async def measure_bell(minutes: float, lessons: int) -> list[float]:
    """Seconds from the end of so many lessons until each is published, on one core."""
    cores = os.sched_getaffinity(0)
    with tempfile.TemporaryDirectory(prefix="zvonok-bench-") as root:
        recordings, library = Path(root) / "recordings", Path(root) / "library"
        names = [f"rec{number:03}" for number in range(lessons)]
        first = write_lesson(recordings / names[0], minutes, small=True).folder
        for name in names[1:]:
            shutil.copytree(first, recordings / name, copy_function=os.link)
        catalog = await Catalog.open(f"sqlite+aiosqlite:///{root}/catalog.db")
        await catalog.use_key("key", "t1", _NOW_MS)
        codes = {Role.TEACHER: "bench"}
        await catalog.new_lesson(
            Lesson(journals.LESSON, "t1", "T", "Bench", "Physics", 7, "ended", _NOW_MS, _NOW_MS, codes)
        )
        os.sched_setaffinity(0, {min(cores)})
        publisher = Publisher(catalog, recordings, library)
        try:
            for name in names:
                await publisher.advance(name)
            await asyncio.to_thread(os.sync)  # as the kernel does within 30 s
            began_s = time.monotonic()
            ended: list[float] = []
            for name in names:
                result = await publisher.publish(name, torn=False)
                if result.outcome is not Outcome.READY or not (library / name / VIDEO_NAME).exists():
                    raise RuntimeError(f"a video could not be made: {result.outcome}")
                ended.append(time.monotonic() - began_s)
        finally:
            os.sched_setaffinity(0, cores)
            await publisher.close()
            await catalog.close()
    return ended
