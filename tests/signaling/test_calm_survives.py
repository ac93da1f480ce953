"""Calm follows from the state: neither a worker that comes later nor a Redis that lost everything ends it."""

from __future__ import annotations

import pytest
from redis.asyncio import Redis

from signaling import wire
from tests.signaling.conftest import Make, Start
from tests.signaling.parts import FakeWorker, Person, School, until

pytestmark = pytest.mark.asyncio


async def calm_class(school: School) -> tuple[Person, Person, str]:
    """A teacher, a student whose microphone was on when it became calm, and their lesson."""
    teacher = await school.teacher()
    lesson = await school.lesson(teacher)
    await teacher.enter(lesson.teacher_link)
    masha = school.person()
    await masha.enter(lesson.student_link, "Маша")
    await masha.done(wire.Publish, source="microphone", on=True)
    await masha.done(wire.Chat, text="said just before")
    await teacher.done(wire.Calm, on=True)
    return teacher, masha, lesson.lesson


def is_quiet(worker: FakeWorker, who: str) -> bool:
    person = worker.people.get(who)
    return person is not None and not person.allowed and not person.on


async def test_a_worker_that_takes_the_lesson_over_is_told_too(
    school: School, worker: FakeWorker, make: Make
) -> None:
    teacher, masha, lesson = await calm_class(school)
    await until(lambda: is_quiet(worker, masha.me), "the worker told of the calm")
    assert worker.people[teacher.me].allowed
    other = await make(school, "w1")
    await school.signalling.workers.placement.place(lesson, "w1", 1, 1)
    await until(lambda: is_quiet(other, masha.me), "the next worker told of the calm")
    await teacher.done(wire.Calm, on=False)
    await until(lambda: other.people[masha.me].allowed, "the worker told of its end")
    assert not other.people[masha.me].on


async def test_another_process_and_a_redis_that_lost_everything_keep_it(
    school: School, worker: FakeWorker, start: Start, redis: Redis
) -> None:
    teacher, masha, _ = await calm_class(school)
    there = School(await start())
    masha.origin = there.origin
    assert isinstance(await masha.hello(), wire.Welcome)
    assert masha.fields["calm"]["on"]
    number = masha.number
    await redis.flushall()
    await masha.wait(wire.Welcome, lambda welcome: welcome.number > number)
    assert masha.fields["calm"]["on"]
    assert await masha.refused(wire.Publish, source="microphone", on=True) == "calm"
    assert await masha.refused(wire.Chat, text="now?") == "calm"
    assert is_quiet(worker, masha.me)
    await teacher.done(wire.Calm, on=False)
    await masha.done(wire.Publish, source="microphone", on=True)
    await there.close()


async def test_the_sealed_minute_is_read_by_leaders(school: School) -> None:
    teacher, masha, _ = await calm_class(school)
    await teacher.done(wire.ReadSealed)
    (sealed,) = teacher.of(wire.Sealed)
    assert [(message.name, message.text) for message in sealed.messages] == [("Маша", "said just before")]
    assert await masha.refused(wire.ReadSealed) == "not_allowed"
    await teacher.done(wire.Calm, on=False)
    await teacher.done(wire.ReadSealed)
