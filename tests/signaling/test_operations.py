"""What the operator sees of lessons and ends of them, whether a process holds them or not."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from msgspec import UNSET
from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from sfu.model import Refused, Role
from sfu.rpc import messages as rpc
from signaling import wire
from signaling.catalog.store import Catalog
from signaling.log import LessonLog, connect, key, stop
from signaling.operations import OPERATOR, Operations, SeenLesson
from signaling.placement import Placement
from signaling.workers import Workers
from tests.signaling.parts import Clock, FakeWorker, School, until, until_answer

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture
async def operations(school: School, valkey: str, clock: Clock) -> AsyncIterator[Operations]:
    """With connections of its own, as a command has them."""
    settings = school.signalling._settings
    catalog = await Catalog.open(settings.sql.url, migrate=False)
    redis = connect(valkey)
    lesson_log = LessonLog(redis, 3600, clock, "operator")
    workers = Workers(Placement(redis, 3600), settings.paths.secret("rpc.key"), "operator")
    yield Operations(catalog, lesson_log, workers, clock)
    await workers.close()
    await lesson_log.close()
    await catalog.close()


async def seen(operations: Operations, lesson: str, *, names: bool = False) -> SeenLesson:
    found = await operations.inspect(lesson, names=names)
    assert found is not None
    return found


async def end(operations: Operations, lesson: str) -> int:
    """The number of the event, 0 when it had ended."""
    told: list[int] = []
    assert await operations.end(lesson, told.append) is bool(told)
    return told[0] if told else 0


async def test_what_is_live_is_listed_and_seen_from_all_sides(school: School, operations: Operations) -> None:
    assert await operations.running() == []
    teacher = await school.teacher("anna")
    lesson = await school.lesson(teacher)
    await school.lesson(teacher, title="made, never begun")
    await teacher.enter(lesson.teacher_link)
    student = school.person()
    await student.enter(lesson.student_link, "Маша")
    (running,) = await operations.running()
    assert (running.lesson, running.title, running.teacher) == (lesson.lesson, "Optics", "anna")
    assert (running.state, running.people, running.worker) == ("live", 2, "w0")
    assert running.since_ms == teacher.fields["lesson"]["started_at_ms"]

    found = await seen(operations, lesson.lesson)
    assert (found.state, found.read_from, found.held) == ("live", "redis", True)
    assert [(p.participant, p.role, p.here) for p in found.people] == [
        (teacher.me, "teacher", True), (student.me, "student", True),
    ]  # fmt: skip
    assert {person.name for person in found.people} == {UNSET}
    assert {p.name for p in (await seen(operations, lesson.lesson, names=True)).people} == {
        "Анна Петровна", "Маша",
    }  # fmt: skip
    assert (found.worker, found.worker_registered, found.epoch) == ("w0", True, 1)
    assert found.number == found.events_redis == teacher.number
    await school.signalling.archive.flush()
    found = await seen(operations, lesson.lesson)
    assert (found.events_sql, found.last_sql) == (teacher.number, teacher.number)
    assert (found.recording, found.video) == (None, None)
    await teacher.done(wire.Record, on=True)
    recording = (await seen(operations, lesson.lesson)).recording
    assert recording is not None
    assert (recording.state, recording.part, recording.recorder) == ("starting", 1, None)


async def test_a_lesson_is_ended_for_all_as_its_teacher_would(
    school: School, operations: Operations, worker: FakeWorker
) -> None:
    teacher = await school.teacher()
    lesson = await school.lesson(teacher)
    await teacher.enter(lesson.teacher_link)
    student = school.person()
    await student.enter(lesson.student_link, "Маша")
    await teacher.done(wire.Record, on=True)
    number = await end(operations, lesson.lesson)
    ended = await student.wait(wire.Event, lambda event: event.kind == "ended")
    assert (ended.number, ended.by) == (number, OPERATOR)
    for person in (teacher, student):
        assert await person.wait(wire.Closed) == wire.Closed("ended")
    assert student.fields["recording"]["state"] == "off"
    await until(lambda: worker.of(rpc.CloseLesson), "its media closed")
    assert await operations.running() == []
    found = await seen(operations, lesson.lesson)
    assert (found.state, found.events_sql, found.last_sql) == ("ended", number, number)
    assert not any(person.here for person in found.people)
    status = school.signalling.status()
    assert (status["lessons"], status["live"], status["people"]) == (1, 0, 0)
    row = await school.signalling.catalog.lesson(lesson.lesson)
    assert row is not None
    assert (row.state, row.ended_at_ms) == ("ended", ended.at_ms)
    present = await school.signalling.catalog.attendance(lesson.lesson)
    assert {(each.role, each.last_out_ms) for each in present} == {
        (Role.TEACHER.value, ended.at_ms), (Role.STUDENT.value, ended.at_ms),
    }  # fmt: skip
    assert await end(operations, lesson.lesson) == 0


async def test_a_lesson_that_no_process_holds_is_ended_whole(
    school: School, operations: Operations, worker: FakeWorker, redis: Redis
) -> None:
    teacher = await school.teacher()
    lesson = await school.lesson(teacher)
    await teacher.enter(lesson.teacher_link)
    await teacher.done(wire.Chat, text="before it")
    await stop(*school.signalling.lessons._loops)  # as if it had died here
    for live in school.signalling.lessons.held():
        await live.close()
    await redis.delete(key(lesson.lesson, "keeper"))
    asked = len(worker.of(rpc.CloseLesson))
    number = await end(operations, lesson.lesson)
    assert number == teacher.number + 1
    assert [each.lesson for each in worker.of(rpc.CloseLesson)[asked:]] == [lesson.lesson]
    found = await seen(operations, lesson.lesson)
    assert (found.state, found.held, found.events_sql, found.last_sql) == ("ended", False, number, number)
    assert 0 < await redis.ttl(key(lesson.lesson, "state")) <= 600, "Redis keeps it for hours"
    assert await operations.running() == []


async def test_an_end_that_sql_was_not_told_of_is_told_when_it_is_repeated(
    school: School, operations: Operations, redis: Redis
) -> None:
    teacher = await school.teacher()
    lesson = await school.lesson(teacher)
    await teacher.enter(lesson.teacher_link)
    await school.signalling.archive.flush()
    await stop(*school.signalling.lessons._loops)
    for live in school.signalling.lessons.held():
        await live.close()  # nobody is there who would tell SQL later
    await redis.delete(key(lesson.lesson, "keeper"))

    async def rename(old: str, new: str) -> None:
        async with school.signalling.catalog._database.begin() as connection:
            await connection.execute(text(f"ALTER TABLE {old} RENAME TO {new}"))

    told: list[int] = []
    await rename("lesson_events", "away")
    with pytest.raises(OperationalError):
        await operations.end(lesson.lesson, told.append)
    assert told == [teacher.number + 1]
    await rename("away", "lesson_events")
    assert (await seen(operations, lesson.lesson)).last_sql == teacher.number
    assert await end(operations, lesson.lesson) == 0
    found = await seen(operations, lesson.lesson)
    assert (found.last_sql, found.ended_at_ms is None) == (told[0], False)


async def test_what_redis_let_go_of_is_read_from_sql_and_stays_there(
    school: School, operations: Operations, redis: Redis
) -> None:
    teacher = await school.teacher()
    lesson = await school.lesson(teacher)
    await teacher.enter(lesson.teacher_link)
    number = await end(operations, lesson.lesson)
    await teacher.wait(wire.Closed)
    await school.signalling.archive.flush()

    async def put_away() -> bool:
        names = [name async for name in redis.scan_iter(match=f"zvonok:{{{lesson.lesson}}}:*")]
        if names:
            await redis.delete(*names)
        return not school.signalling.lessons.held() and not names

    school.signalling._now_ms.ahead_ms += 31_000  # type: ignore[attr-defined]
    await until_answer(put_away, "the lesson put away")
    found = await seen(operations, lesson.lesson)
    assert (found.state, found.read_from, found.number, found.events_redis) == ("ended", "sql", number, 0)
    assert await end(operations, lesson.lesson) == 0
    assert await redis.exists(key(lesson.lesson, "state")) == 0, "it was given back to Redis"


async def test_there_is_no_such_lesson(operations: Operations) -> None:
    assert await operations.inspect("nothing") is None
    with pytest.raises(Refused) as refused:
        await end(operations, "nothing")
    assert refused.value.code == "not_found"
