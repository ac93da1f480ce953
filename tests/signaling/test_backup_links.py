"""Backup links: into a lesson while SQL does not answer."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from signaling.catalog.database import Database
from signaling.wire import Hand, LessonInfo, Welcome
from tests.signaling.parts import Clock, School

pytestmark = pytest.mark.asyncio


def code_of(link: str) -> str:
    return link.rpartition("/")[2]


@pytest.fixture
def without_sql(monkeypatch: pytest.MonkeyPatch) -> Any:
    def away(*_: object) -> None:
        raise OperationalError("select", {}, Exception("no connection"))

    def take_away() -> None:
        monkeypatch.setattr(Database, "connect", away)
        monkeypatch.setattr(Database, "begin", away)

    yield take_away
    monkeypatch.undo()


async def lesson_of(school: School) -> tuple[Any, LessonInfo]:
    teacher = await school.teacher()
    return teacher, await school.lesson(teacher)


async def test_they_lead_where_the_others_lead(school: School) -> None:
    teacher, lesson = await lesson_of(school)
    for backup, usual in (
        (lesson.backup_student_link, lesson.student_link),
        (lesson.backup_teacher_link, lesson.teacher_link),
    ):
        assert await teacher.get(f"/api/links/{code_of(backup)}") == await teacher.get(
            f"/api/links/{code_of(usual)}"
        )


async def test_without_sql_a_lesson_is_held(school: School, without_sql: Any) -> None:
    teacher, lesson = await lesson_of(school)
    student = school.person()
    without_sql()
    status, _ = await student.get(f"/api/links/{code_of(lesson.student_link)}")
    assert status == 503, "the usual link needs SQL"

    status, info = await student.get(f"/api/links/{code_of(lesson.backup_student_link)}")
    assert (status, info["title"], info["subject"], info["role"]) == (200, "Optics", "Physics", "student")
    early = {"code": code_of(lesson.backup_student_link), "name": "Анна Петровна"}
    assert (await student.post("/api/join", early))[1]["code"] == "name_taken_teacher"

    status, leads = await teacher.post("/api/join", {"code": code_of(lesson.backup_teacher_link)})
    assert (status, leads["role"], leads["name"]) == (200, "teacher", "Анна Петровна")
    assert code_of(leads["student_link"]) == code_of(lesson.backup_student_link)
    assert isinstance(await teacher.enter(lesson.backup_teacher_link), Welcome)
    assert isinstance(await student.enter(lesson.backup_student_link, "Маша"), Welcome)
    assert await student.done(Hand, up=True) > 0


async def test_another_teacher_and_a_guest_are_refused(school: School, without_sql: Any) -> None:
    _, lesson = await lesson_of(school)
    for other in (await school.teacher("other"), school.person()):
        status, body = await other.post("/api/join", {"code": code_of(lesson.backup_teacher_link)})
        assert (status, body["code"]) == (403, "not_your_lesson")
    forged = "A" * 36
    assert (await school.person().get(f"/api/links/{forged}"))[1]["code"] == "link_unknown"
    without_sql()
    assert (await school.person().get(f"/api/links/{forged}"))[1]["code"] == "link_unknown"


async def test_redis_keeps_a_lesson_that_is_announced_until_after_it(school: School, clock: Clock) -> None:
    teacher = await school.teacher()
    week_ms = 7 * 24 * 3_600_000
    lesson = await school.lesson(teacher, opens_at_ms=clock() + week_ms)
    log = school.signalling.log
    left_s = await log.redis.ttl(f"zvonok:{{{lesson.lesson}}}:state")
    assert week_ms / 1000 < left_s <= week_ms / 1000 + 24 * 3600
