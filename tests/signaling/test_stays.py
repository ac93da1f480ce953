"""Coming, dropping, resuming, leaving, being removed, and a lesson without its teacher."""

from __future__ import annotations

import pytest

from signaling import wire
from signaling.lessons import LINGER_MS
from tests.signaling.parts import Clock, FakeWorker, Person, School, until

pytestmark = pytest.mark.asyncio


async def in_lesson(school: School) -> tuple[wire.LessonInfo, Person, Person]:
    """A live lesson with its teacher and one student."""
    teacher = await school.teacher()
    lesson = await school.lesson(teacher)
    await teacher.enter(lesson.teacher_link)
    student = school.person()
    assert isinstance(await student.enter(lesson.student_link, "Маша"), wire.Welcome)
    return lesson, teacher, student


async def test_a_cut_socket_resumes_from_the_log_and_nobody_is_there_twice(
    school: School, worker: FakeWorker
) -> None:
    _lesson, teacher, student = await in_lesson(school)
    await student.done(wire.Publish, source="camera", on=True)
    await teacher.wait(wire.Event, lambda e: e.kind == "published")
    before = student.number
    await student.cut()
    await teacher.done(wire.Chat, text="while you were away")
    welcome = await student.hello(resume=True, lease=1)
    assert isinstance(welcome, wire.Welcome)
    assert welcome.fields is None
    assert [event.kind for event in welcome.events] == ["chat"]
    assert welcome.events[0].number == before + 1
    assert student.fields == teacher.fields
    assert not [
        event
        for event in teacher.of(wire.Event)
        if event.kind in ("left", "joined") and event.number > before
    ]
    assert worker.people[student.me].on == {"camera"}


async def test_a_reload_is_the_same_person_in_the_same_state(school: School) -> None:
    lesson, teacher, student = await in_lesson(school)
    await student.done(wire.Hand, up=True)
    await student.cut()
    me = student.me
    welcome = await student.enter(lesson.student_link, "Маша")
    assert (student.me, welcome.fields[f"hand/{me}"]) == (me, teacher.fields[f"hand/{me}"])


async def test_after_the_grace_a_dropped_person_has_left(
    school: School, clock: Clock, worker: FakeWorker
) -> None:
    _lesson, teacher, student = await in_lesson(school)
    await student.done(wire.Publish, source="camera", on=True)
    await student.cut()
    await until(lambda: not school.signalling.lessons.held()[0].clients.get(student.me), "the drop noticed")
    clock.ahead_ms += 9_000
    await teacher.done(wire.Chat, text="still within the grace")
    assert not [event for event in teacher.of(wire.Event) if event.kind == "left"]
    clock.ahead_ms += 2_000
    left = await teacher.wait(wire.Event, lambda e: e.kind == "left")
    assert not left.set[f"person/{student.me}"]["here"]
    assert left.delete == (f"on/{student.me}/camera",)
    await until(lambda: student.me not in worker.people, "the worker told")
    welcome = await student.hello(resume=True)
    assert [event.kind for event in welcome.events][-1] == "joined"


async def test_leaving_on_purpose_needs_no_grace(school: School) -> None:
    _, teacher, student = await in_lesson(school)
    await student.leave()
    assert student.of(wire.Closed) == [wire.Closed("left")]
    await teacher.wait(wire.Event, lambda e: e.kind == "left")


async def test_a_second_tab_takes_over_and_the_first_says_so(school: School) -> None:
    lesson, teacher, student = await in_lesson(school)
    first = student.socket
    assert first is not None
    second = school.person()
    second.http.cookie_jar.update_cookies({cookie.key: cookie.value for cookie in student.http.cookie_jar})
    welcome = await second.enter(lesson.student_link, "Маша")
    assert isinstance(welcome, wire.Welcome)
    assert second.me == student.me
    assert (await student.wait(wire.Closed)).code == "taken_over"
    await second.done(wire.Chat, text="I am one")
    assert [p for p in second.fields if p.startswith("person/")] == [
        f"person/{teacher.me}",
        f"person/{student.me}",
    ]
    assert not [event for event in teacher.of(wire.Event) if event.kind == "left"]


async def test_a_removed_student_stays_out_by_any_door(school: School) -> None:
    lesson, teacher, student = await in_lesson(school)
    old_ticket = student.join_reply
    await teacher.done(wire.Remove, participant=student.me)
    assert (await student.wait(wire.Closed)) == wire.Closed("removed")
    assert await student.join(lesson.student_link, "Другая") == "removed"
    student.join_reply = old_ticket
    assert (await student.hello()) == wire.Closed("removed")
    assert not teacher.fields[f"person/{student.me}"]["here"]
    assert f"_ban/{student.me}" not in teacher.fields


async def test_without_a_teacher_newcomers_wait_and_the_lesson_ends_in_time(
    school: School, clock: Clock, worker: FakeWorker
) -> None:
    lesson, teacher, student = await in_lesson(school)
    await teacher.leave()
    away = await student.wait(wire.Event, lambda e: e.kind == "teacher_away")
    assert abs(away.set["lesson"]["ends_at_ms"] - away.at_ms - 600_000) < 1_000
    late = school.person()
    assert await late.enter(lesson.student_link, "Поздний") == wire.Waiting("no_teacher", "Optics")
    await student.done(wire.Chat, text="we are still here")
    clock.ahead_ms += 601_000
    assert (await student.wait(wire.Closed)) == wire.Closed("ended")
    assert (await late.wait(wire.Closed)) == wire.Closed("ended")
    assert await late.join(lesson.student_link, "Поздний") == "lesson_ended"
    assert (await student.hello()).code in ("lesson_ended", "ticket_expired")
    await until(lambda: any(type(r).__name__ == "CloseLesson" for r in worker.asked), "the worker told")
    await school.signalling.archive.flush()
    status, body = await teacher.get(f"/api/lessons/{lesson.lesson}/attendance")
    assert status == 200
    assert {row["name"]: row["role"] for row in body["rows"]} == {
        "Анна Петровна": "teacher",
        "Маша": "student",
    }
    assert all(row["last_out_ms"] for row in body["rows"])
    _, info = await teacher.get("/api/teacher")
    assert info["lessons"][0]["state"] == "ended"
    assert info["lessons"][0]["ended_at_ms"]


async def test_a_teacher_back_in_time_lets_the_lobby_in(school: School, clock: Clock) -> None:
    lesson, teacher, student = await in_lesson(school)
    await teacher.leave()
    await student.wait(wire.Event, lambda e: e.kind == "teacher_away")
    late = school.person()
    await late.enter(lesson.student_link, "Поздний")
    clock.ahead_ms += 300_000
    await teacher.enter(lesson.teacher_link)
    assert (await late.wait(wire.Welcome)).fields["lesson"]["ends_at_ms"] is None
    await student.wait(wire.Event, lambda e: e.kind == "admitted")
    assert student.fields["lesson"]["state"] == "live"
    assert not [path for path in teacher.fields if path.startswith("lobby/")]


async def test_students_never_see_the_lobby_and_the_co_teacher_does(school: School) -> None:
    lesson, teacher, student = await in_lesson(school)
    co = school.person()
    await co.enter(lesson.co_teacher_link, "Олег")
    await teacher.leave()
    await co.wait(wire.Event, lambda e: e.kind == "left")
    assert co.fields["lesson"]["state"] == "live", "a co-teacher keeps it open"
    await co.leave()
    await student.wait(wire.Event, lambda e: e.kind == "teacher_away")
    late = school.person()
    await late.enter(lesson.student_link, "Поздний")
    event = await student.wait(wire.Event, lambda e: e.kind == "waiting")
    assert event.set == {}
    welcome = await co.enter(lesson.co_teacher_link, "Олег")
    assert welcome.role == "co_teacher"


async def test_somebody_in_the_lobby_only_waits(school: School) -> None:
    teacher = await school.teacher()
    lesson = await school.lesson(teacher)
    student = school.person()
    await student.enter(lesson.student_link, "Маша")
    assert await student.refused(wire.Chat, text="hello?") == "not_allowed"
    assert await student.refused(wire.Publish, source="camera", on=True) == "not_allowed"
    await student.leave()
    live = school.signalling.lessons.held()[0]
    await until(lambda: not [p for p in live.state if p.startswith("lobby/")], "the lobby empty")


async def test_a_lock_keeps_newcomers_out_at_the_door_and_at_the_socket(school: School) -> None:
    lesson, teacher, student = await in_lesson(school)
    late = school.person()
    assert not await late.join(lesson.student_link, "Поздний")
    await teacher.done(wire.Lock, on=True)
    assert await late.hello() == wire.Closed("lesson_locked")
    assert await late.join(lesson.student_link, "Поздний") == "lesson_locked"
    await student.cut()
    assert isinstance(await student.hello(), wire.Welcome)


async def test_the_teachers_end_is_for_all(school: School) -> None:
    _lesson, teacher, student = await in_lesson(school)
    assert await student.refused(wire.End) == "not_allowed"
    await teacher.send(wire.End(id=99))
    for person in (teacher, student):
        assert (await person.wait(wire.Closed)) == wire.Closed("ended")
        assert person.fields["lesson"]["state"] == "ended"


async def test_a_ticket_works_for_two_minutes_and_a_reload_gets_a_new_one(
    school: School, clock: Clock
) -> None:
    lesson, _, _ = await in_lesson(school)
    late = school.person()
    assert not await late.join(lesson.student_link, "Поздний")
    clock.ahead_ms += 121_000
    assert await late.hello() == wire.Closed("ticket_expired")
    assert isinstance(await late.enter(lesson.student_link, "Поздний"), wire.Welcome)


async def test_two_of_one_name_are_told_apart(school: School) -> None:
    lesson, teacher, _student = await in_lesson(school)
    other = school.person()
    await other.enter(lesson.student_link, "маша")
    labels = sorted(person["label"] for path, person in teacher.fields.items() if path.startswith("person/"))
    await teacher.wait(wire.Event, lambda e: f"person/{other.me}" in e.set)
    labels = sorted(v["label"] for path, v in teacher.fields.items() if path.startswith("person/"))
    assert labels == ["", "", "2"]


async def test_a_lesson_nothing_can_happen_to_is_put_away_and_found_again(
    school: School, clock: Clock
) -> None:
    teacher = await school.teacher()
    lesson = await school.lesson(teacher)
    await teacher.get("/api/links/" + lesson.student_link.rpartition("/")[2])
    lessons = school.signalling.lessons
    assert lessons.count == 1
    clock.ahead_ms += LINGER_MS + 1
    await lessons.sweep()
    assert lessons.count == 0
    assert isinstance(await teacher.enter(lesson.teacher_link), wire.Welcome)
