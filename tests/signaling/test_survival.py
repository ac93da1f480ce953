"""Who keeps a lesson when lines between processes, workers and Redis are cut."""

from __future__ import annotations

import asyncio
import gzip
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from sfu.rpc import messages as rpc
from sfu.rpc.client import WorkerClient
from signaling import wire
from signaling.leasing import SETTLE_S
from signaling.placement import Lease
from tests.sfu.media_peer import WorkerProcess
from tests.signaling.conftest import Make, Start
from tests.signaling.parts import FakeWorker, Forwarder, Person, School, until, until_answer

pytestmark = pytest.mark.asyncio


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes seconds takes tenths of them, in the same order."""
    for name, value in {
        "sfu.rpc.beats.BEAT_S": 0.1,
        "sfu.rpc.beats.BEAT_LIMIT_S": 0.7,
        "signaling.workers.BEAT_S": 0.1,
        "signaling.workers.CUT_S": 1.0,
        "signaling.hearing.MOVE_S": 2.0,
    }.items():
        monkeypatch.setattr(name, value)


@pytest_asyncio.fixture
async def schools(start: Start) -> AsyncIterator[tuple[School, School]]:
    """Two processes with one folder, one SQL, one Redis."""
    pair = School(await start()), School(await start())
    yield pair
    for school in pair:
        await school.close()


async def lesson_of_two(here: School, there: School) -> tuple[wire.LessonInfo, Person, Person]:
    """A teacher at the one process, a student at the other."""
    teacher = await here.teacher()
    lesson = await here.lesson(teacher)
    await teacher.enter(lesson.teacher_link)
    student = there.person()
    await student.enter(lesson.student_link, "Маша")
    return lesson, teacher, student


def leads_over(school: School, forwarder_address: tuple[str, int]) -> None:
    """This process alone reaches workers over there."""

    async def address(worker: str, known: Any) -> tuple[str, int]:
        return forwarder_address

    school.signalling.workers._address = address  # type: ignore[method-assign]


async def offered(person: Person, connection: int = 1) -> Any:
    return await person.ask(wire.Offer, connection=connection, sdp=gzip.compress(b"o"), send=(), slots=())


async def test_a_worker_that_one_process_hears_keeps_its_lesson_and_the_other_sends_its_people_there(
    schools: tuple[School, School], make: Make, stack: AsyncExitStack, soon: None
) -> None:
    here, there = schools
    near = await make(here, "w0")
    line = Forwarder()
    stack.push_async_callback(line.close)
    leads_over(there, await line.open(near.address))
    lesson, teacher, student = await lesson_of_two(here, there)
    other = await make(here, "w1")
    line.cut = True
    closed = await student.wait(wire.Closed)
    assert closed == wire.Closed("shutting_down", retry=True)
    student.origin = here.origin
    await student.hello(resume=True, lease=1)
    answer = await offered(student)
    assert isinstance(answer, wire.Answer)
    assert answer.lease == 1
    later = asyncio.get_running_loop().time() + 1.5
    await until(lambda: asyncio.get_running_loop().time() > later, "longer than it takes to move")
    assert not other.of(rpc.OpenLesson)
    assert not teacher.of(wire.Moved)
    assert await here.signalling.workers.placement.lease(lesson.lesson) == Lease("w0", 1)


async def test_a_worker_that_nobody_hears_loses_its_lesson_but_not_at_once(
    schools: tuple[School, School], make: Make, soon: None
) -> None:
    here, there = schools
    line = Forwarder()
    await make(here, "w0", line)
    _, teacher, student = await lesson_of_two(here, there)
    other = await make(here, "w1")
    line.cut = True
    cut_s = asyncio.get_running_loop().time()
    for person in (teacher, student):
        assert (await person.wait(wire.Moved)).lease == 2
    assert asyncio.get_running_loop().time() - cut_s > 1.5
    await until(lambda: set(other.people) == {teacher.me, student.me}, "people at the new worker")


async def test_a_worker_cut_off_from_redis_is_found_by_the_lease(
    start: Start, redis: Redis, worker: FakeWorker
) -> None:
    here = School(await start())
    teacher = await here.teacher()
    lesson = await here.lesson(teacher)
    await teacher.enter(lesson.teacher_link)
    await worker.unregister()
    there = School(await start())
    student = there.person()
    await student.enter(lesson.student_link, "Маша")
    answer = await offered(student)
    assert isinstance(answer, wire.Answer)
    assert answer.lease == 1
    assert not teacher.of(wire.Moved)
    await here.close()
    await there.close()


async def test_a_living_worker_is_told_that_a_lesson_has_moved(
    school: School, worker: FakeWorker, make: Make
) -> None:
    teacher = await school.teacher()
    lesson = await school.lesson(teacher)
    await teacher.enter(lesson.teacher_link)
    other = await make(school, "w1")
    await school.signalling.workers.placement.place(lesson.lesson, "w1", 1, 1)
    assert (await teacher.wait(wire.Moved)).lease == 2
    await until(lambda: worker.of(rpc.CloseLesson), "the former worker to be told")
    assert worker.of(rpc.CloseLesson) == [rpc.CloseLesson(lesson.lesson, 1)]
    assert not other.of(rpc.CloseLesson)


async def test_a_worker_with_lessons_that_nobody_hears_is_taken_on(start: Start, make: Make) -> None:
    school = School(await start())
    worker = await make(school, "w0", lessons=1)
    await until(lambda: len(worker.of(rpc.GetStatus)) > 2, "beats")
    assert school.signalling.workers.connected == 1


async def test_leases_come_back_from_every_process_after_redis_lost_its_data(
    schools: tuple[School, School], make: Make, redis: Redis
) -> None:
    here, there = schools
    await make(here, "w0")
    lesson, teacher, _ = await lesson_of_two(here, there)
    placement = here.signalling.workers.placement
    await placement.place(lesson.lesson, "w0", 1, 6)
    assert (await teacher.wait(wire.Moved)).lease == 7
    await redis.flushall()
    await until_answer(lambda: placement.lease(lesson.lesson), "the lease")
    assert await placement.lease(lesson.lesson) == Lease("w0", 7)


async def test_where_nobody_knows_the_lease_it_is_waited_for_and_the_epoch_is_a_new_one(
    start: Start, make: Make, redis: Redis
) -> None:
    """No worker was there before: this process has no lease, and can't know that nobody had one."""
    school = School(await start())
    teacher = await school.teacher()
    lesson = await school.lesson(teacher)
    await teacher.enter(lesson.teacher_link)
    await redis.flushall()
    number = teacher.number
    await teacher.wait(wire.Welcome, lambda welcome: welcome.number > number)
    restored_s = asyncio.get_running_loop().time()
    await make(school, "w0")
    moved = await teacher.wait(wire.Moved)
    assert asyncio.get_running_loop().time() - restored_s > SETTLE_S - 1
    assert moved.lease > number + 1000
    await school.close()


async def two_workers(stack: AsyncExitStack, school: School, url: str) -> dict[str, WorkerProcess]:
    """Real ones."""
    var = school.signalling._settings.paths.var_path
    started = [
        await stack.enter_async_context(WorkerProcess.start(var, ZVONOK_REDIS__URL=url)) for _ in range(2)
    ]
    found = {each.ready["worker"]: each for each in started}
    placement = school.signalling.workers.placement
    await until_answer(lambda: registered(placement, set(found)), "both registered")
    return found


async def registered(placement: Any, names: set[str]) -> bool:
    return names <= set(await placement.workers())


async def test_a_killed_worker_is_noticed_at_once(start: Start, valkey: str) -> None:
    school = School(await start())
    async with AsyncExitStack() as stack:
        workers = await two_workers(stack, school, valkey)
        teacher = await school.teacher()
        lesson = await school.lesson(teacher)
        await teacher.enter(lesson.teacher_link)
        placement = school.signalling.workers.placement
        lease = await placement.lease(lesson.lesson)
        assert lease is not None
        workers[lease.worker].process.send_signal(signal.SIGKILL)
        moved = await until(lambda: teacher.of(wire.Moved), "the lesson moved", limit_s=2)
        assert moved[0].lease == 2
        now = await placement.lease(lesson.lesson)
        assert now is not None
        assert now.worker in set(workers) - {lease.worker}
        await school.close()


@pytest.mark.long
async def test_a_worker_that_stood_still_sends_no_more_when_it_wakes(
    start: Start, valkey: str, tmp_path: Path
) -> None:
    school = School(await start())
    async with AsyncExitStack() as stack:
        workers = await two_workers(stack, school, valkey)
        teacher = await school.teacher()
        lesson = await school.lesson(teacher)
        await teacher.enter(lesson.teacher_link)
        placement = school.signalling.workers.placement
        lease = await placement.lease(lesson.lesson)
        assert lease is not None
        stopped = workers[lease.worker]
        stopped.process.send_signal(signal.SIGSTOP)
        try:
            await until(lambda: teacher.of(wire.Moved), "the lesson moved", limit_s=25)
        finally:
            stopped.process.send_signal(signal.SIGCONT)

        async with WorkerClient(stopped.rpc, stopped.key, print) as client:

            async def empty() -> bool:
                status = await client.request(rpc.GetStatus())
                return isinstance(status, rpc.Status) and status.lessons == 0

            await until_answer(empty, "its lesson ended", limit_s=2)
            refused = await client.request(rpc.OpenLesson(lesson.lesson, lease.epoch))
            assert isinstance(refused, rpc.Failed)
            assert refused.code == "stale_epoch"
        await school.close()


async def test_nothing_is_kept_of_a_worker_that_is_gone_for_good(start: Start, make: Make) -> None:
    school = School(await start())
    worker = await make(school, "w0")
    workers = school.signalling.workers
    await workers.link(worker.name)
    await worker.stop()
    await until(lambda: worker.name in workers._lost_s, "the loss")

    async def forgotten() -> bool:
        await workers.once()
        return not {*workers._lost_s, *workers._failed, *workers._locks} & {worker.name}

    await until_answer(forgotten, "nothing kept", 10)
    await school.close()
