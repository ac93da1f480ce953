"""A real Valkey, signalling with a teacher in a lesson, a worker whose taps a test opens, and recorders."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest_asyncio
from redis.asyncio import Redis

from recorder.app import Recorder
from recorder.maker import Finish
from signaling import wire
from tests.recorder.parts import TapWorker, makes
from tests.signaling import conftest as signalling
from tests.signaling.conftest import Start
from tests.signaling.parts import Person, School, settings, until

clock = signalling.clock
redis = signalling.redis
s3 = signalling.s3
start = signalling.start
valkey = signalling.valkey

StartRecorder = Callable[..., Awaitable[Recorder]]


@pytest_asyncio.fixture
async def worker(redis: Redis, tmp_path: Path, valkey: str) -> AsyncIterator[TapWorker]:
    made = TapWorker(redis, settings(tmp_path, valkey).paths.secret("rpc.key"))
    yield await made.start()
    await made.stop()


@dataclass
class Class:
    """A lesson with its teacher in it."""

    school: School
    lesson: wire.LessonInfo
    teacher: Person
    worker: TapWorker
    recordings: Path
    library: Path

    @property
    def id(self) -> str:
        return self.lesson.lesson

    @property
    def field(self) -> wire.RecordingField | None:
        """The recording as the teacher sees it."""
        value = self.teacher.fields.get("recording")
        return None if value is None else msgspec.convert(value, wire.RecordingField)

    async def record(self, *students: str) -> wire.RecordingField:
        """Press record; the recording once it is on."""
        await self.teacher.done(wire.Record, on=True, students=students)
        return await self.is_on()

    async def is_on(self) -> wire.RecordingField:
        await until(lambda: self.field is not None and self.field.state == "on", "the recording to be on")
        assert self.field is not None
        return self.field

    async def is_off(self) -> wire.RecordingField:
        await until(lambda: self.field is not None and self.field.state == "off", "the recording to be off")
        assert self.field is not None
        return self.field

    async def stop(self) -> None:
        """Press stop, and wait for the recorder to have done so."""
        done = len(self.worker.asked_for_end)
        await self.teacher.done(wire.Record, on=False)
        await until(lambda: len(self.worker.asked_for_end) > done, "the end of the capture")

    async def end(self) -> None:
        """End the lesson; everybody's socket is closed."""
        await self.teacher.send(wire.End(id=1))
        await self.teacher.wait(wire.Closed)


@pytest_asyncio.fixture
async def lesson(start: Start, worker: TapWorker, tmp_path: Path) -> AsyncIterator[Class]:
    school = School(await start())
    teacher = await school.teacher()
    info = await school.lesson(teacher)
    await teacher.enter(info.teacher_link)
    yield Class(school, info, teacher, worker, tmp_path / "recordings", tmp_path / "library")
    await school.close()


@pytest_asyncio.fixture
async def start_recorder(valkey: str, tmp_path: Path, lesson: Class) -> AsyncIterator[StartRecorder]:
    """Start recorders of one folder, closed at the end; signalling is there before."""
    running: list[Recorder] = []

    async def start_one(finish: Any = makes, **overrides: Any) -> Recorder:
        redis_url = overrides.pop("redis_url", valkey)
        recorder = Recorder(settings(tmp_path, redis_url, **overrides), cast("Finish", finish))
        await recorder.start()
        running.append(recorder)
        return recorder

    yield start_one
    for recorder in running:
        await recorder.close()


@pytest_asyncio.fixture
async def recorder(start_recorder: StartRecorder) -> Recorder:
    return await start_recorder()
