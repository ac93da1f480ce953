"""Redis away, a slow disk, two recorders, many lessons at one bell."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from recorder.app import Recorder
from recorder.journal import Kind, Writer, dropped_of
from signaling import wire
from signaling.app import Signalling
from signaling.limits import Bucket
from signaling.log import key
from tests.recorder.conftest import Class, StartRecorder
from tests.recorder.parts import TapWorker, makes, taps
from tests.signaling.parts import Clock, School, settings, until
from tests.signaling.test_faults import OwnValkey

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture
async def shaken(tmp_path: Path, clock: Clock) -> AsyncIterator[tuple[Class, Recorder, OwnValkey]]:
    """A lesson that is recorded, on a Redis that will fail."""
    own = OwnValkey(tmp_path / "valkey")
    of_process = settings(tmp_path, own.url)
    redis = Redis.from_url(own.url)
    worker = await TapWorker(redis, of_process.paths.secret("rpc.key")).start()
    signalling = Signalling(of_process, clock)
    await signalling.start()
    school = School(signalling)
    recorder = Recorder(of_process, makes)
    await recorder.start()
    teacher = await school.teacher()
    info = await school.lesson(teacher)
    await teacher.enter(info.teacher_link)
    yield Class(school, info, teacher, worker, tmp_path / "recordings", tmp_path / "library"), recorder, own
    await recorder.close()
    await school.close()
    await signalling.close()
    await worker.stop()
    await redis.aclose()
    own.stop()


@pytest.mark.parametrize("empty", [False, True], ids=["with its data", "without its data"])
async def test_redis_away_and_back_costs_no_packet(
    shaken: tuple[Class, Recorder, OwnValkey], empty: bool
) -> None:
    lesson, recorder, own = shaken
    field = await lesson.record()
    lesson.worker.open_tap(lesson.id, 1)
    lesson.worker.send(lesson.id, 1, b"before")
    own.stop()
    for number in range(20):  # for longer than a renewal takes
        lesson.worker.send(lesson.id, 1, b"away %d" % number)
        await asyncio.sleep(0.1)
    own.start(empty=empty)
    await until(lambda: recorder._is_sure(lesson.id) and lesson.id in lesson.worker.captured, "the claim")
    redis = Redis.from_url(own.url)
    deadline = time.monotonic() + 15
    while await redis.get(key(lesson.id, "recorder")) != recorder.claims.recorder.encode():
        assert time.monotonic() < deadline, "the claim is not ours"
        await asyncio.sleep(0.05)
    await redis.aclose()
    lesson.worker.send(lesson.id, 1, b"after")
    await until(lambda: taps(lesson.recordings)[0].packets[-1:] == [b"after"], "the packet after")
    assert len(taps(lesson.recordings)[0].packets) == 22
    assert lesson.field is not None
    assert (lesson.field.id, lesson.field.part) == (field.id, 1)
    await until(
        lambda: recorder._captures[lesson.id].number >= lesson.teacher.number, "the log to be followed"
    )
    lesson.worker.close_tap(lesson.id, 1)
    await lesson.stop()


async def test_a_disk_that_hangs_holds_up_neither_packets_nor_signs_of_life(
    lesson: Class, recorder: Recorder, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    await lesson.record()
    lesson.worker.open_tap(lesson.id, 1)
    lesson.worker.send(lesson.id, 1, b"first")
    await until(lambda: taps(lesson.recordings) and taps(lesson.recordings)[0].packets, "the first packet")
    slow = 0

    def hang(self: Writer) -> None:
        nonlocal slow
        slow += 1
        time.sleep(2.5)

    monkeypatch.setattr(Writer, "sync", hang)
    recorder.disk.budget._limit = 20_000
    await until(lambda: slow, "the disk to hang")
    for _ in range(5):
        lesson.worker.send(lesson.id, 1, *[bytes(1000)] * 9)
    hanging_since = time.monotonic()
    await until(
        lambda: recorder.disk.budget.taken - recorder.disk.budget.returned > 10_000, "packets that wait"
    )
    renewed_s = recorder._sure[lesson.id]
    await until(lambda: recorder._sure[lesson.id] > renewed_s, "the claim to be renewed", limit_s=2)
    assert time.monotonic() - hanging_since < 2.4, "all that while the disk hung"
    monkeypatch.undo()
    deadline = time.monotonic() + 15
    while accounted(lesson) < 45:
        assert time.monotonic() < deadline, f"{accounted(lesson)} of 45 packets are accounted for"
        lesson.worker.send(lesson.id, 1, b"next")  # the count is written with what comes next
        await asyncio.sleep(0.1)
    assert accounted(lesson) == 45
    assert Kind.DROPPED in [kind for kind, _, _ in taps(lesson.recordings)[0].records]


def accounted(lesson: Class) -> int:
    """Large packets that are in the journal, or counted in it as missing."""
    records = taps(lesson.recordings)[0].records
    dropped = sum(dropped_of(body) for kind, _, body in records if kind == Kind.DROPPED)
    return dropped + sum(kind == Kind.PACKET and len(body) == 1000 for kind, _, body in records)


async def test_two_recorders_never_write_one_lesson(
    lesson: Class, recorder: Recorder, start_recorder: StartRecorder, redis: Redis
) -> None:
    other = await start_recorder()
    for _ in range(5):
        await redis.xadd("zvonok:recorder:work", {"lesson": lesson.id})
    await lesson.record()
    for _ in range(5):
        await redis.xadd("zvonok:recorder:work", {"lesson": lesson.id})
    await until(lambda: recorder.lessons + other.lessons == 1, "one claim")
    await lesson.stop()
    assert recorder.lessons + other.lessons == 1
    assert len(lesson.worker.asked_for_capture) == 1


async def test_a_recorder_that_is_full_leaves_calls_to_others(
    lesson: Class, start_recorder: StartRecorder
) -> None:
    full = await start_recorder(recorder__max_lessons=1)
    await lesson.record()
    second = await another_lesson(lesson)
    await second.teacher.done(wire.Record, on=True, students=())
    assert (await second.is_off()).reason == "no_recorder"
    assert full.lessons == 1
    other = await start_recorder()
    await second.record()
    assert (full.lessons, other.lessons) == (1, 1)


async def another_lesson(lesson: Class) -> Class:
    info = await lesson.school.lesson(lesson.teacher)
    teacher = lesson.school.person()
    teacher.http.cookie_jar.update_cookies({c.key: c.value for c in lesson.teacher.http.cookie_jar})
    await teacher.enter(info.teacher_link)
    return Class(lesson.school, info, teacher, lesson.worker, lesson.recordings, lesson.library)


@pytest.mark.parametrize("count", [12, pytest.param(100, marks=[pytest.mark.long, pytest.mark.timeout(300)])])
async def test_many_lessons_that_end_at_one_bell_are_all_finished(
    lesson: Class, start_recorder: StartRecorder, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Bucket, "take", lambda *_: 0.0)  # one address makes them all
    recorder = await start_recorder()
    lessons = [lesson] + [await another_lesson(lesson) for _ in range(count - 1)]
    await asyncio.gather(*(each.record() for each in lessons))
    for number, each in enumerate(lessons, 1):
        lesson.worker.open_tap(each.id, number)
        lesson.worker.send(each.id, number, os.urandom(100))
    ended_s = time.monotonic()
    for number, each in enumerate(lessons, 1):
        lesson.worker.close_tap(each.id, number)
    await asyncio.gather(*(each.end() for each in lessons))
    await until(lambda: not list(lesson.recordings.iterdir()), "every video", limit_s=60)
    assert len(list(lesson.library.iterdir())) == count
    assert recorder.lessons == 0
    print(f"{count} lessons in the library {time.monotonic() - ended_s:.1f} s after their end")
