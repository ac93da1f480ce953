"""Recording over real HTTP, WebSocket, Redis, SQL and rpc, with a recorder of a few lines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from functools import partial
from typing import Any

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from sfu.rpc import messages as rpc
from sfu.rpc.client import WorkerClient
from signaling import wire
from signaling.follower import Follower
from signaling.lesson import recording
from signaling.lesson.change import Moment
from signaling.lesson.permissions import EVERYTHING
from signaling.live import LiveLesson
from signaling.log import RECORDER_WORK, EventHeard, Heard, LessonLog, connect, key, stop
from signaling.recording_watch import LOST_LIMIT_MS, START_LIMIT_MS
from signaling.replica import Record
from tests.signaling.conftest import Start
from tests.signaling.parts import Clock, FakeWorker, Person, School, until, until_answer

pytestmark = pytest.mark.asyncio


class SmallRecorder:
    """Takes every call, claims the lesson for as long as told, and begins what is asked for."""

    def __init__(self, redis: Redis, lesson_log: LessonLog, now_ms: Clock) -> None:
        self._redis = redis
        self._log = lesson_log
        self._now_ms = now_ms
        self._followers: dict[str, Follower] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self.taken: list[str] = []

    async def start(self) -> None:
        self._log.start(self._hear)
        self._spawn(self._work())

    async def stop(self) -> None:
        await stop(*self._tasks)
        await self._log.close()

    def _hear(self, heard: Heard) -> None:
        if isinstance(heard, EventHeard):
            self._followers[heard.lesson].hear(heard.event)

    def _spawn(self, work: Any) -> None:
        self._tasks.add(asyncio.create_task(work))

    async def _work(self) -> None:
        last = "-"
        while True:
            entries: Any = await until_answer(partial(self._redis.xrange, RECORDER_WORK, last), "work", 60)
            for number, values in entries:
                last = f"({number.decode()}"
                lesson = values[b"lesson"].decode()
                if await self._redis.set(key(lesson, "recorder"), "r1", nx=True):
                    self.taken.append(lesson)
                    await self._follow(lesson)

    async def _follow(self, lesson: str) -> None:
        def happened(_event: Record) -> None:
            self._spawn(self._begin(lesson))

        async def restored() -> None: ...

        self._followers[lesson] = follower = Follower(
            lesson, self._log, NoKeeper(), self._now_ms, happened, lambda: None, restored
        )
        await follower.open()
        await self._begin(lesson)

    async def _begin(self, lesson: str) -> None:
        follower = self._followers[lesson]
        asked = recording.running(follower.state)
        if asked is not None and asked.state == "starting":
            moment = Moment(self._now_ms())
            await follower.execute(lambda state: recording.begun(state, asked.id, asked.part, moment), None)


class NoKeeper:
    def note(self, lesson: str, event: Record) -> None: ...

    async def recall(self, lesson: str) -> None:
        return None


@pytest_asyncio.fixture
async def recorder(valkey: str, redis: Redis, clock: Clock) -> AsyncIterator[SmallRecorder]:
    made = SmallRecorder(redis, LessonLog(connect(valkey), 3600, clock, "rec"), clock)
    await made.start()
    yield made
    await made.stop()


async def in_lesson(school: School) -> tuple[wire.LessonInfo, Person, Person]:
    teacher = await school.teacher()
    lesson = await school.lesson(teacher)
    await teacher.enter(lesson.teacher_link)
    student = school.person()
    await student.enter(lesson.student_link, "Маша")
    return lesson, teacher, student


async def told(person: Person, kind: str, part: int) -> dict[str, Any]:
    """The recording field that an event brought."""
    event = await person.wait(wire.Event, lambda e: e.kind == kind and e.set["recording"]["part"] == part)
    return dict(event.set["recording"])


async def allowed_at(worker: FakeWorker, **people: Collection[str]) -> None:
    await until(
        lambda: (
            {who: person.recorded for who, person in worker.people.items()}
            == {who: set(sources) for who, sources in people.items()}
        ),
        f"the worker told of {people}",
    )


async def test_parts_of_a_recording_are_told_to_everybody_and_to_the_worker(
    school: School, worker: FakeWorker, recorder: SmallRecorder
) -> None:
    lesson, teacher, student = await in_lesson(school)
    await allowed_at(worker, **{teacher.me: set(), student.me: set()})

    assert await teacher.done(wire.Record, on=True, students=("microphone",))
    ids = set()
    for person in (teacher, student):
        ids.add((await told(person, "recording_starting", 1))["id"])
        assert (await told(person, "recording_on", 1))["students"] == ["microphone"]
    await allowed_at(worker, **{teacher.me: EVERYTHING, student.me: {"microphone"}})
    assert await teacher.done(wire.Record, on=True, students=("microphone",)) == 0
    assert await teacher.refused(wire.Record, on=True, students=("camera",)) == "recording_running"
    assert await student.refused(wire.Record, on=False) == "not_allowed"

    await teacher.done(wire.Record, on=False)
    assert (await told(student, "recording_off", 1))["reason"] == "stopped"
    await allowed_at(worker, **{teacher.me: set(), student.me: set()})

    await teacher.done(wire.Record, on=True)
    ids.add((await told(student, "recording_on", 2))["id"])
    await allowed_at(worker, **{teacher.me: EVERYTHING, student.me: set()})
    assert len(ids) == 1
    assert recorder.taken == [lesson.lesson]

    await teacher.send(wire.End(id=100))
    last = await student.wait(wire.Event, lambda e: e.kind == "ended")
    assert (last.set["recording"]["state"], last.set["recording"]["reason"]) == ("off", "ended")
    await student.wait(wire.Closed)
    await until(lambda: worker.of(rpc.CloseLesson), "the lesson closed at the worker")
    await allowed_at(worker, **{teacher.me: set(), student.me: set()})
    await school.signalling.archive.flush()
    events = await school.signalling.catalog.events(lesson.lesson)
    assert [e.kind for e in events][-1] == "ended"
    assert [e.kind for e in events if e.kind.startswith("recording")] == [
        "recording_starting", "recording_on", "recording_off", "recording_starting", "recording_on",
    ]  # fmt: skip


async def test_who_comes_late_sees_that_it_is_recorded(
    school: School, worker: FakeWorker, recorder: SmallRecorder
) -> None:
    lesson, teacher, student = await in_lesson(school)
    await teacher.done(wire.Record, on=True, students=("camera",))
    await told(student, "recording_on", 1)
    late = school.person()
    welcome = await late.enter(lesson.student_link, "Петя")
    assert welcome.fields["recording"]["state"] == "on"
    await allowed_at(worker, **{teacher.me: EVERYTHING, student.me: {"camera"}, late.me: {"camera"}})


async def test_people_are_told_before_the_worker(school: School, monkeypatch: pytest.MonkeyPatch) -> None:
    lesson, teacher, student = await in_lesson(school)
    order: list[str] = []
    live = next(live for live in school.signalling.lessons.held() if live.lesson == lesson.lesson)
    for who, client in live.clients.items():

        def send(message: bytes, who: str = who, send: Any = client.send) -> None:
            if b"recording_starting" in message:
                order.append(who)
            send(message)

        monkeypatch.setattr(client, "send", send)
    request = WorkerClient.request

    async def asked(self: WorkerClient, body: rpc.Request, *rest: Any) -> rpc.Reply:
        if isinstance(body, rpc.SetPerson) and body.person.recorded:
            order.append("worker")
        return await request(self, body, *rest)

    monkeypatch.setattr(WorkerClient, "request", asked)
    await teacher.done(wire.Record, on=True)
    await until(lambda: "worker" in order, "the worker told")
    assert order[:2] == [teacher.me, student.me]


async def test_without_a_recorder_everybody_is_told_that_there_is_none(
    school: School, worker: FakeWorker, clock: Clock, redis: Redis
) -> None:
    lesson, teacher, student = await in_lesson(school)
    await teacher.done(wire.Record, on=True)
    calls = await until_answer(lambda: redis.xrange(RECORDER_WORK), "a call for a recorder")
    assert calls[0][1] == {b"lesson": lesson.lesson.encode()}
    clock.ahead_ms += START_LIMIT_MS
    off = await told(student, "recording_off", 1)
    assert (off["state"], off["reason"]) == ("off", "no_recorder")
    await told(teacher, "recording_off", 1)
    await allowed_at(worker, **{teacher.me: set(), student.me: set()})
    number = await teacher.done(wire.Record, on=True)  # may be tried again
    assert (await student.wait(wire.Event, lambda e: e.number == number)).set["recording"]["part"] == 2


async def test_a_lesson_recorded_goes_on_at_the_next_process(
    start: Start, worker: FakeWorker, recorder: SmallRecorder, redis: Redis, clock: Clock
) -> None:
    first = await start()
    school = School(first)
    lesson, teacher, student = await in_lesson(school)
    await teacher.done(wire.Record, on=True, students=("microphone",))
    await told(student, "recording_on", 1)
    await first.close()
    worker.people.clear()  # as a worker that was started anew
    second = await start()
    again = School(second)
    for person in (teacher, student):
        person.origin = again.origin
        await person.hello(resume=True)
        assert person.fields["recording"]["state"] == "on"
    await allowed_at(worker, **{teacher.me: EVERYTHING, student.me: {"microphone"}})

    await recorder.stop()  # now it is dead as well, and does not answer the next call
    await redis.delete(key(lesson.lesson, "recorder"))
    former: Any = await redis.xrevrange(RECORDER_WORK, count=1)

    async def called_twice() -> bool:  # by the second call the first one's time is counted
        calls = await redis.xrange(RECORDER_WORK, f"({former[0][0].decode()}")
        return len(calls or ()) > 1

    await until_answer(called_twice, "two more calls")
    clock.ahead_ms += LOST_LIMIT_MS
    assert (await told(student, "recording_off", 1))["reason"] == "no_recorder"
    await school.close()
    await again.close()


async def test_a_lesson_recorded_is_held_though_nobody_is_in_it(
    school: School, recorder: SmallRecorder, clock: Clock
) -> None:
    lesson, teacher, student = await in_lesson(school)
    await teacher.done(wire.Record, on=True)
    await told(student, "recording_on", 1)
    await student.leave()
    await teacher.leave()
    live = next(live for live in school.signalling.lessons.held() if live.lesson == lesson.lesson)
    await until(lambda: live.state["lesson"].state == "waiting", "the teacher away")
    assert live.needed
    clock.ahead_ms += 600_000
    await until(lambda: live.state["lesson"].state == "ended", "the end without a teacher")
    assert (live.state["recording"].state, live.state["recording"].reason) == ("off", "ended")


async def test_two_processes_agree(start: Start, worker: FakeWorker, redis: Redis, clock: Clock) -> None:
    here, there = School(await start()), School(await start())
    teacher = await here.teacher()
    lesson = await here.lesson(teacher)
    await teacher.enter(lesson.teacher_link)
    student = there.person()
    await student.enter(lesson.student_link, "Маша")
    await teacher.done(wire.Record, on=True)
    await told(student, "recording_starting", 1)
    first = (await until_answer(lambda: redis.xrange(RECORDER_WORK), "a call of one process"))[0][0]
    await until_answer(lambda: redis.xrange(RECORDER_WORK, f"({first.decode()}"), "a call of the other")
    clock.ahead_ms += START_LIMIT_MS
    for person in (teacher, student):
        await told(person, "recording_off", 1)
    number = await student.done(wire.Chat, text="x")
    await teacher.wait(wire.Event, lambda e: e.number == number)
    assert len([e for e in teacher.of(wire.Event) if e.kind == "recording_off"]) == 1
    await here.close()
    await there.close()


async def test_the_first_call_waits_for_no_tick(
    school: School, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, teacher, _ = await in_lesson(school)

    async def no_tick(self: LiveLesson) -> None: ...

    monkeypatch.setattr(LiveLesson, "tick", no_tick)
    await teacher.done(wire.Record, on=True)
    await until_answer(lambda: redis.xlen(RECORDER_WORK), "a call for a recorder")
