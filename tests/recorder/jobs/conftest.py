"""A database with a lesson, a video lesson of 3 s, and jobs processes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from recorder.finish import finish
from recorder.jobs import app
from recorder.jobs.app import JobWorker
from signaling.catalog.store import Catalog
from tests.recorder.jobs.parts import ODD, Begin
from tests.recorder.made import Lesson, beeps
from tests.signaling.parts import settings
from tests.signaling.test_recordings import taught


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video lesson of 3 s: the teacher is seen, a student is heard."""
    lesson = Lesson(tmp_path_factory.mktemp("lesson"), people={"t1": "teacher", "s1": "student"})
    lesson.on(0)
    lesson.shows(1, 0, 3)
    lesson.sounds(beeps(), 0, 3, participant="s1")
    lesson.off(3)
    lesson.event(3, "ended", {})
    lesson.write_log()
    assert finish(lesson.folder, lesson.library).state == "ready"
    return lesson.library / lesson.folder.name


@pytest_asyncio.fixture
async def catalog(tmp_path: Path) -> AsyncIterator[Catalog]:
    made = await Catalog.open(settings(tmp_path, "redis://").sql.url)
    await made.use_key("k0", "main", 1)
    await taught(made, "l")
    yield made
    await made.close()


@pytest_asyncio.fixture
async def begin(
    tmp_path: Path, valkey: str, redis: Redis, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Begin]:
    """Start jobs processes of one folder; quick to look, closed at the end."""
    monkeypatch.setattr(app, "HOLD_S", 0.1)
    monkeypatch.setattr(app, "LOOK_S", 0.2)
    running: list[JobWorker] = []

    async def begin_one(
        command: tuple[str, ...] = ODD, url: str = valkey, var: Path = tmp_path, **overrides: Any
    ) -> JobWorker:
        worker = JobWorker(settings(var, url, **overrides), command)
        await worker.start()
        running.append(worker)
        return worker

    yield begin_one
    for worker in running:
        await worker.close()
