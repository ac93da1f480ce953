"""From the teacher's key to pictures in slots, over real HTTP, WebSocket, Redis, SQL and rpc."""

from __future__ import annotations

import gzip

import pytest

from sfu.rpc import messages as rpc
from signaling import wire
from tests.signaling.parts import FakeWorker, School, until


@pytest.mark.asyncio
async def test_teacher_and_student_meet_and_media_is_relayed(school: School, worker: FakeWorker) -> None:
    teacher = await school.teacher()
    lesson = await school.lesson(teacher)
    student = school.person()
    waiting = await student.enter(lesson.student_link, "Маша")
    assert waiting == wire.Waiting("no_teacher", "Optics")

    welcome = await teacher.enter(lesson.teacher_link)
    assert isinstance(welcome, wire.Welcome)
    assert welcome.role == "teacher"
    assert welcome.lease == 1
    admitted = await student.wait(wire.Welcome)
    assert admitted.fields["lesson"]["state"] == "live"
    assert {p["name"] for path, p in student.fields.items() if path.startswith("person/")} == {
        "Анна Петровна",
        "Маша",
    }
    await until(lambda: set(worker.people) == {teacher.me, student.me}, "both at the worker")
    assert worker.people[student.me].allowed == {"microphone", "camera"}

    answer = await student.ask(
        wire.Offer, connection=1, sdp=gzip.compress(b"offer"), send=("0", "1", "2", "3"), slots=("4", "5")
    )
    assert isinstance(answer, wire.Answer)
    assert gzip.decompress(answer.sdp) == b"answer to offer"
    assert answer.lease == 1

    number = await student.done(wire.Publish, source="camera", on=True)
    event = await teacher.wait(wire.Event, lambda e: e.number == number)
    assert event.kind == "published"
    assert event.set == {f"on/{student.me}/camera": True}
    await until(lambda: worker.people[student.me].on == {"camera"}, "the camera open at the worker")

    worker.push(
        rpc.Slots(
            lesson.lesson, 1, student.me, 1, 1, 1, (rpc.SlotContent(0, teacher.me, "camera", live=True),)
        )
    )
    slots = await student.wait(wire.Slots)
    assert slots.slots[0] == wire.SlotContent(0, teacher.me, "camera", live=True)
    assert not teacher.of(wire.Slots)

    await student.send(wire.Draw(heights=(360, 0), page=1))
    drawn = (await until(lambda: worker.of(rpc.Draw), "the drawing at the worker"))[0]
    assert (drawn.participant, drawn.heights, drawn.page) == (student.me, (360, 0), 1)


@pytest.mark.asyncio
async def test_a_students_teacher_command_is_refused_and_logged_by_ids(
    school: School, caplog: pytest.LogCaptureFixture
) -> None:
    teacher = await school.teacher()
    lesson = await school.lesson(teacher)
    await teacher.enter(lesson.teacher_link)
    student = school.person()
    await student.enter(lesson.student_link, "Маша")
    with caplog.at_level("INFO"):
        assert await student.refused(wire.Calm, on=True) == "not_allowed"
    record = next(record for record in caplog.records if record.getMessage() == "request not allowed")
    said = {name: record.__dict__[name] for name in ("lesson", "participant", "request")}
    assert said == {"lesson": lesson.lesson, "participant": student.me, "request": "Calm"}
    assert "Маша" not in caplog.text
