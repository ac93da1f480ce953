"""A whole worker process with aiortc clients: what one sends, the others decode."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from sfu.model import SlotIndex, Source
from tests.media.tracks import Film, Sound
from tests.sfu.media_peer import Desk, MediaPeer, WorkerProcess

TILE = int(SlotIndex.FIRST_TILE)


@pytest_asyncio.fixture
async def worker(tmp_path: Path) -> AsyncIterator[WorkerProcess]:
    async with WorkerProcess.start(tmp_path) as process:
        yield process


@pytest_asyncio.fixture
async def desk(worker: WorkerProcess) -> AsyncIterator[Desk]:
    async with Desk.open(worker) as desk:
        yield desk


@pytest.mark.asyncio
async def test_a_students_slots_carry_the_teachers_camera_and_microphone(desk: Desk) -> None:
    start = time.monotonic()
    await desk.seat("teacher", "teacher", 0, on="camera microphone")
    await desk.seat("student", "student", 1)
    tracks = {Source.MICROPHONE: Sound(start, tone_hz=440), Source.CAMERA: Film(1, start)}
    async with MediaPeer.join(desk, "teacher", tracks), MediaPeer.join(desk, "student") as student:
        await desk.draw("student", {0: 360, 1: 1, 4: 1})
        await student.until(lambda: student.frames.get(0, 0) > 25 and student.frames.get(1, 0) > 50, "media")
        assert desk.shown("student", 0) == ("teacher", "camera", True)
        assert desk.shown("student", 1) == ("teacher", "microphone", True)
