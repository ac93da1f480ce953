"""Logs copied to SQL, attendance kept, lessons given back; and the catalogue itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import create_async_engine

from sfu.model import Role
from signaling.archive import Archive
from signaling.catalog import database
from signaling.catalog.models import Base
from signaling.catalog.store import Catalog, Lesson, Outcome
from signaling.codec import builtins, pack
from signaling.lesson.change import Change
from signaling.log import LessonLog, connect, key
from signaling.replica import Record, record
from signaling.wire import AttendanceRow, LessonField, PersonField

pytestmark = pytest.mark.asyncio

LESSON = Lesson(
    "l", "main", "Anna", "Optics", "Physics", 8, "waiting", 1, None, {Role.TEACHER: "T", Role.STUDENT: "S"}
)


@pytest_asyncio.fixture
async def catalog(database_url: str) -> AsyncIterator[Catalog]:
    made = await Catalog.open(database_url)
    await made.use_key("k0", "main", 1)
    await made.new_lesson(LESSON)
    yield made
    await made.close()


@pytest_asyncio.fixture
async def log(valkey: str, redis: object) -> AsyncIterator[LessonLog]:
    made = LessonLog(connect(valkey), 3600, lambda: 1, "p1")
    yield made
    await made.close()


def field(state: Any) -> Any:
    return builtins(LessonField("Optics", "Physics", 8, state))


def person(*, here: bool) -> Any:
    return builtins(PersonField("Маша", "student", here=here, order=1))


EVENTS = [
    Record(1, "opened", 10, None, {"lesson": field("waiting")}),
    Record(2, "teacher_in", 20, "t", {"lesson": field("live"), "person/m": person(here=True)}),
    Record(3, "chat", 30, "m", {"chat/1": {"participant": "m", "name": "M", "text": "x", "at_ms": 30}}),
]


async def test_tables_are_what_the_migrations_make(catalog: Catalog) -> None:
    async with catalog._database.connect() as connection:
        differences = await connection.run_sync(
            lambda sync: compare_metadata(MigrationContext.configure(sync), Base.metadata)
        )
    assert differences == []


async def test_opening_an_existing_database_keeps_it(catalog: Catalog, database_url: str) -> None:
    again = await Catalog.open(database_url)
    assert await again.lesson("l") == LESSON
    await again.close()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_sqlite_writes_ahead(catalog: Catalog) -> None:
    async with catalog._database.connect() as connection:
        assert (await connection.exec_driver_sql("PRAGMA journal_mode")).scalar() == "wal"
        assert (await connection.exec_driver_sql("PRAGMA foreign_keys")).scalar() == 1


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_nodes_that_start_at_once_make_the_tables_once(database_url: str) -> None:
    engine = create_async_engine(database_url)
    async with engine.begin() as connection:
        for command in ("DROP SCHEMA public CASCADE", "CREATE SCHEMA public"):
            await connection.execute(text(command))
    await engine.dispose()
    opened = await asyncio.gather(*(Catalog.open(database_url) for _ in range(4)))
    for each in opened:
        assert await each.lessons_of("main") == []
        await each.close()


async def test_writers_of_one_process_come_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_MS", 0)  # who finds SQLite writing fails at once
    catalog = await Catalog.open(f"sqlite+aiosqlite:///{tmp_path}/busy.db")
    try:
        await catalog.use_key("k0", "main", 1)
        lessons = [replace(LESSON, id=f"l{n}", codes={Role.STUDENT: f"c{n}"}) for n in range(40)]
        await asyncio.gather(
            *(catalog.new_lesson(lesson) for lesson in lessons),
            *(catalog.add_events([(f"l{n}", event) for event in EVENTS]) for n in range(40)),
        )
        found = await catalog.copied([lesson.id for lesson in lessons])
        assert {(each.state, each.events, each.last, each.people) for each in found.values()} == {
            (LESSON.state, 3, 3, 0)
        }
        assert len(found) == 40
    finally:
        await catalog.close()


async def test_a_key_is_used_once_and_makes_its_teacher(catalog: Catalog) -> None:
    assert await catalog.use_key("k1", "other", 5)
    assert not await catalog.use_key("k1", "other", 6)
    teacher = await catalog.teacher("other")
    assert teacher is not None
    assert teacher.name == ""
    assert await catalog.teacher("nobody") is None


async def test_links_lead_to_their_lesson_and_role(catalog: Catalog) -> None:
    assert await catalog.link("S") == (LESSON, Role.STUDENT)
    assert await catalog.link("none") is None
    assert await catalog.lessons_of("main") == [LESSON]
    assert await catalog.lessons_of("other") == []


async def test_an_ended_lesson_stays_ended(catalog: Catalog) -> None:
    await catalog.put_outcomes([Outcome("l", "ended", 99)])
    await catalog.put_outcomes([Outcome("l", "live")])
    lesson = await catalog.lesson("l")
    assert lesson is not None
    assert (lesson.state, lesson.ended_at_ms) == ("ended", 99)


async def test_events_are_copied_once_and_in_order(catalog: Catalog) -> None:
    await catalog.add_events([("l", EVENTS[1]), ("l", EVENTS[0])])
    await catalog.add_events([("l", event) for event in EVENTS])
    await catalog.add_events([])
    events = await catalog.events("l")
    assert [event.body() for event in events] == [event.body() for event in EVENTS]
    assert await catalog.last_number("l") == 3
    assert await catalog.last_number("none") == 0


async def test_flushing_copies_events_state_and_attendance(catalog: Catalog, log: LessonLog) -> None:
    archive = Archive(catalog, log, lambda: 100)
    await log.create("l", EVENTS[0], Change(EVENTS[0].kind, dict(EVENTS[0].set)))
    for event in EVENTS:
        archive.note("l", event)
    await archive.flush()
    assert await catalog.last_number("l") == 3
    lesson = await catalog.lesson("l")
    assert lesson is not None
    assert lesson.state == "live"
    assert await catalog.attendance("l") == (AttendanceRow("m", "Маша", "student", 20, None, 80, 1),)
    archive.note("l", Record(4, "ended", 60, "t", {"lesson": field("ended")}))
    await archive.flush()
    lesson = await catalog.lesson("l")
    assert lesson is not None
    assert (lesson.state, lesson.ended_at_ms) == ("ended", 60)
    assert 0 < await log.redis.ttl(key("l", "log")) <= 600, "what is copied need not stay in Redis"
    assert await catalog.attendance("l") == (AttendanceRow("m", "Маша", "student", 20, 60, 40, 1),)


async def test_a_process_that_took_on_a_lesson_goes_on_with_its_roll(
    catalog: Catalog, log: LessonLog
) -> None:
    await catalog.add_events([("l", event) for event in EVENTS])
    archive = Archive(catalog, log, lambda: 100)
    archive.note("l", Record(4, "left", 50, "m", {"person/m": person(here=False)}))
    await archive.flush()
    assert await catalog.attendance("l") == (AttendanceRow("m", "Маша", "student", 20, 50, 30, 1),)


async def test_events_that_no_process_noted_are_fetched_from_the_log(
    catalog: Catalog, log: LessonLog
) -> None:
    opened = Change("opened", {"lesson": field("waiting")})
    await log.create("l", record(opened, 10, None), opened)
    joined = Change("joined", {"person/m": person(here=True)})
    await log.append("l", record(joined, 20, "m"), joined, {})
    archive = Archive(catalog, log, lambda: 100)
    archive.note("l", Record(3, "chat", 30, "m", {"chat/1": 1}))
    await archive.flush()
    assert [event.number for event in await catalog.events("l")] == [1, 2, 3]
    assert await archive.attendance("l") == (AttendanceRow("m", "Маша", "student", 20, None, 80, 1),)


async def test_sql_that_does_not_answer_loses_nothing(
    catalog: Catalog, log: LessonLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = Archive(catalog, log, lambda: 100)
    for event in EVENTS:
        archive.note("l", event)

    async def fail(_events: object) -> None:
        raise OperationalError("insert", {}, Exception("disk full"))

    with monkeypatch.context() as broken:
        broken.setattr(catalog, "add_events", fail)
        with pytest.raises(OperationalError):
            await archive.flush()
    await archive.flush()
    assert await catalog.last_number("l") == 3


ENDED = Record(4, "ended", 60, "t", {"lesson": field("ended")})


async def test_a_lesson_that_is_put_away_while_it_is_copied_keeps_its_attendance(
    catalog: Catalog, log: LessonLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = Archive(catalog, log, lambda: 100)
    for event in (*EVENTS, ENDED):
        archive.note("l", event)
    put_outcomes = catalog.put_outcomes

    async def put_away(told: Sequence[Outcome]) -> None:
        archive.forget("l")
        await put_outcomes(told)

    monkeypatch.setattr(catalog, "put_outcomes", put_away)
    await archive.flush()
    assert await catalog.attendance("l") == (AttendanceRow("m", "Маша", "student", 20, 60, 40, 1),)
    assert not archive._rolls, "forgotten after all, once it is copied"


@pytest.mark.parametrize("broken", ["put_outcomes", "events", "last_number"])
async def test_sql_that_fails_halfway_is_told_the_rest_later(
    catalog: Catalog, log: LessonLog, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    await catalog.add_events([("l", EVENTS[0])])
    archive = Archive(catalog, log, lambda: 100)
    for event in (*EVENTS[1:], ENDED):
        archive.note("l", event)

    async def fail(*_told: object) -> None:
        raise OperationalError("update", {}, Exception("database is locked"))

    with monkeypatch.context() as away:
        away.setattr(catalog, broken, fail)
        with pytest.raises(OperationalError):
            await archive.flush()
    archive.forget("l")
    await archive.flush()
    found = (await catalog.copied(["l"]))["l"]
    assert (found.state, found.events, found.last, found.people) == ("ended", 4, 4, 1)
    assert not archive._rolls


async def test_recall_gives_the_state_with_what_still_waits(catalog: Catalog, log: LessonLog) -> None:
    archive = Archive(catalog, log, lambda: 100)
    assert await archive.recall("l") is None
    archive.note("l", EVENTS[0])
    await archive.flush()
    archive.note("l", EVENTS[1])
    assert await archive.recall("l") == (
        2,
        {"lesson": pack(field("live")), "person/m": pack(person(here=True))},
    )


async def test_recall_bridges_the_numbers_of_a_restored_lesson(catalog: Catalog, log: LessonLog) -> None:
    await catalog.add_events([("l", EVENTS[0]), ("l", EVENTS[1])])
    await catalog.add_events([("l", Record(1003, "left", 50, "m", {"person/m": person(here=False)}))])
    recalled = await Archive(catalog, log, lambda: 100).recall("l")
    assert recalled is not None
    assert recalled[0] == 1003
    assert recalled[1]["person/m"] == pack(person(here=False))
