"""Lessons announced ahead: told at the door and in the list, placed before the bell."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from sfu.model import Role
from sfu.rpc.registration import WORKERS_KEY, pack, worker_key
from signaling import wire
from signaling.announced import Announced
from signaling.catalog.store import Catalog, Lesson, LessonState
from signaling.placement import AHEAD_S, COMING_S, Lease, Placement
from tests.signaling.conftest import Start
from tests.signaling.parts import Clock, FakeWorker, School, until_answer
from tests.signaling.test_placement import Now, worker

pytestmark = pytest.mark.asyncio


@pytest.fixture
def now() -> Now:
    return Now()


@pytest_asyncio.fixture
async def catalog(tmp_path: Path) -> AsyncIterator[Catalog]:
    made = await Catalog.open(f"sqlite+aiosqlite:///{tmp_path}/z.db")
    await made.use_key("k", "main", 1)
    yield made
    await made.close()


async def announce(
    catalog: Catalog, name: str, opens_at_ms: int | None, state: LessonState = "waiting"
) -> None:
    await catalog.new_lesson(
        Lesson(
            name, "main", "Анна", "Optics", "Physics", 8, state, 1, None, {Role.STUDENT: name}, opens_at_ms
        )
    )


async def workers(redis: Redis, *names: str) -> None:
    for name in names:
        await redis.zadd(WORKERS_KEY, {name: 1})
        await redis.set(worker_key(name), pack(worker(name, max_transports=1000)))


def placement(redis: Redis, now: Now, seed: int = 1) -> Placement:
    return Placement(redis, 3600, chance=Random(seed), now_ms=now)


async def test_what_opens_soon_and_is_not_open_is_next_first(catalog: Catalog, now: Now) -> None:
    await announce(catalog, "later", now.ms + 2)
    await announce(catalog, "sooner", now.ms + 1)
    await announce(catalog, "live", now.ms + 1, "live")
    await announce(catalog, "far", now.ms + 1000)
    await announce(catalog, "past", now.ms - 1)
    await announce(catalog, "now", None)
    assert list(await catalog.opening(now.ms, now.ms + 10)) == ["sooner", "later"]


async def test_lessons_are_placed_when_the_bell_is_near_once_and_spread(
    catalog: Catalog, redis: Redis, now: Now
) -> None:
    names = [f"lesson{number}" for number in range(40)]
    for name in names:
        await announce(catalog, name, now.ms + (AHEAD_S + 60) * 1000)
    await workers(redis, "a", "b", "c", "d")
    at = placement(redis, now)
    processes = [Announced(catalog, placement(redis, now, seed), now) for seed in range(3)]
    await asyncio.gather(*(process.place_next() for process in processes))
    assert await at.lease("lesson0") is None
    now.ms += 60_000
    for _ in range(2):
        await asyncio.gather(*(process.place_next() for process in processes))
    leases = [await at.lease(name) for name in names]
    assert {lease.epoch for lease in leases if lease is not None} == {1}
    shares = Counter(lease.worker for lease in leases if lease is not None)
    assert sum(shares.values()) == 40
    assert max(shares.values()) <= 14, "a fair share is 10"


async def test_where_a_lesson_is_already_it_stays(catalog: Catalog, redis: Redis, now: Now) -> None:
    await announce(catalog, "l", now.ms + 1000)
    await workers(redis, "a", "b")
    at = placement(redis, now)
    await at.place("l", "b", 0, 7)
    await Announced(catalog, at, now).place_next()
    assert await at.lease("l") == Lease("b", 8)


async def test_without_workers_it_is_tried_again(catalog: Catalog, redis: Redis, now: Now) -> None:
    await announce(catalog, "l", now.ms + 60_000)
    at = placement(redis, now)
    announced = Announced(catalog, at, now)
    await announced.place_next()
    assert await at.lease("l") is None
    await workers(redis, "a")
    await announced.place_next()
    assert await at.lease("l") == Lease("a", 1)


async def test_a_class_counts_whole_until_the_bell_and_then_less_and_less(redis: Redis, now: Now) -> None:
    await workers(redis, "a", "b")
    await redis.set(worker_key("b"), pack(worker("b", max_transports=1000, transports=20)))
    here, there = placement(redis, now), placement(redis, now)
    await here.expect("a", "l", 26, now.ms + AHEAD_S * 1000)
    await here.expect("a", "another", 0)
    now.ms += AHEAD_S * 1000
    assert await there.choose() == "b", "all 26 are still to come"
    now.ms += COMING_S * 500
    assert await there.choose() == "a"


async def test_the_door_and_the_list_tell_when_it_opens_and_the_teacher_may_come_before(
    start: Start, worker: FakeWorker, clock: Clock
) -> None:
    school = School(await start())
    teacher = await school.teacher()
    opens_at_ms = clock() + 60_000
    lesson = await school.lesson(teacher, opens_at_ms=opens_at_ms)
    assert lesson.opens_at_ms == opens_at_ms
    assert (await teacher.get("/api/teacher"))[1]["lessons"][0]["opens_at_ms"] == opens_at_ms
    other = await start()  # begins with what opens next
    await until_answer(lambda: other.workers.placement.lease(lesson.lesson), "a worker before the bell")
    assert not worker.epochs, "nobody has come yet"

    student = school.person()
    code = lesson.student_link.rpartition("/")[2]
    _, info = await student.get(f"/api/links/{code}")
    assert (info["state"], info["opens_at_ms"]) == ("waiting", opens_at_ms)
    assert isinstance(await student.enter(lesson.student_link, "Маша"), wire.Waiting)
    welcome = await teacher.enter(lesson.teacher_link)
    assert (welcome.role, welcome.lease) == ("teacher", 1)
    await student.wait(wire.Welcome)
    assert (await student.get(f"/api/links/{code}"))[1]["state"] == "live"
    await school.close()


@pytest.mark.parametrize("opens_at_ms", [-1, wire.MAX_TIME_MS + 1, "8:30", 1.5])
async def test_times_that_are_none_are_refused(school: School, opens_at_ms: object) -> None:
    teacher = await school.teacher()
    body = {"title": "x", "subject": "x", "grade": 7, "teacher_name": "A", "opens_at_ms": opens_at_ms}
    status, answer = await teacher.post("/api/lessons", body)
    assert (status, answer["code"]) == (400, "bad_request")
