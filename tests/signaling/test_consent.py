"""Who is not recorded: the rules as tables, and over real sockets who learns of it."""

from __future__ import annotations

from typing import Any

import pytest

from sfu.model import Refused
from sfu.rpc import messages as rpc
from signaling import wire
from signaling.lesson import recording
from signaling.lesson.change import Actor
from signaling.lesson.permissions import EVERYTHING
from signaling.replica import Encoded, Record, View
from signaling.roles import decide
from signaling.wire import RecordingField, UnrecordedField
from tests.signaling.parts import FakeWorker, School, until
from tests.signaling.test_rules import CO, MASHA, NOW, TEACHER, after, full

ALL: tuple[wire.SourceName, ...] = ("microphone", "camera", "screen", "screen_sound")
SELF, LEADER = UnrecordedField(by_self=True), UnrecordedField(by_leader=True)
BOTH = UnrecordedField(by_self=True, by_leader=True)


def running(students: tuple[wire.SourceName, ...] = ALL) -> dict[str, Any]:
    return full() | {"recording": RecordingField("r", "on", 1, 500, students)}


def said(on: bool, participant: str | None = None) -> wire.SetRecorded:
    return wire.SetRecorded(1, on=on, participant=participant)


@pytest.mark.parametrize(
    ("before", "actor", "message", "expected"),
    [
        (None, MASHA, said(on=False), SELF),
        (None, MASHA, said(on=False, participant="m"), SELF),
        (SELF, MASHA, said(on=False), "nothing"),
        (SELF, MASHA, said(on=True), None),
        (None, MASHA, said(on=True), "nothing"),
        (LEADER, MASHA, said(on=True), "nothing"),  # consent is not the student's to give
        (LEADER, MASHA, said(on=False), BOTH),
        (BOTH, MASHA, said(on=True), LEADER),
        (None, TEACHER, said(on=False, participant="m"), LEADER),
        (LEADER, CO, said(on=True, participant="m"), None),
        (SELF, TEACHER, said(on=True, participant="m"), "nothing"),  # nor the wish the teacher's to undo
        (BOTH, TEACHER, said(on=True, participant="m"), SELF),
        (None, MASHA, said(on=False, participant="p"), "not_allowed"),
        (None, TEACHER, said(on=False), "not_allowed"),
        (None, TEACHER, said(on=False, participant="t"), "not_allowed"),
        (None, TEACHER, said(on=False, participant="c"), "not_allowed"),
        (None, TEACHER, said(on=False, participant="x"), "not_found"),
    ],
)
def test_each_takes_back_only_what_they_said(
    before: UnrecordedField | None, actor: Actor, message: wire.SetRecorded, expected: Any
) -> None:
    state = running() | ({} if before is None else {"unrecorded/m": before})
    if expected in ("not_allowed", "not_found"):
        with pytest.raises(Refused, match=expected):
            decide(state, actor, message, NOW)
        return
    change = decide(state, actor, message, NOW)
    if expected == "nothing":
        assert change is None
        return
    assert after(state, change).get("unrecorded/m") == expected
    assert recording.recorded(after(state, change), "m") == (frozenset() if expected else EVERYTHING)


@pytest.mark.parametrize("marked", [SELF, LEADER, BOTH])
def test_nothing_of_who_is_marked_is_recorded_whatever_is_asked(marked: UnrecordedField) -> None:
    state = running() | {"unrecorded/m": marked}
    assert recording.recorded(state, "m") == frozenset()
    assert recording.recorded(state, "p") == EVERYTHING
    assert recording.recorded(state, "t") == EVERYTHING


@pytest.mark.parametrize(
    ("recordable", "asked", "recorded"),
    [
        (ALL, ("microphone",), {"microphone"}),
        (("microphone",), ALL, {"microphone"}),
        ((), ALL, set()),
        (("camera", "screen"), ("microphone", "camera"), {"camera"}),
    ],
)
def test_what_of_students_may_be_recorded_at_all(
    recordable: tuple[wire.SourceName, ...], asked: tuple[wire.SourceName, ...], recorded: set[str]
) -> None:
    state = running(asked)
    change = decide(state, TEACHER, wire.SetRecordable(1, recordable[::-1]), NOW)
    if recordable != ALL:
        state = after(state, change)
        assert state["lesson"].recordable == recordable
    else:
        assert change is None
    assert recording.recorded(state, "m") == recorded
    assert recording.recorded(state, "c") == EVERYTHING


def test_only_leaders_and_oneself_learn_of_it() -> None:
    event = Record(1, "unrecorded", 5, "m", {"unrecorded/m": {"by_self": True}})
    hidden = wire.Event(1, "unrecorded", 5, None)
    assert event.seen_by(View.STUDENT, "p") == hidden
    assert event.seen_by(View.STUDENT) == hidden
    assert set(event.seen_by(View.STUDENT, "m").set) == {"unrecorded/m"}
    assert set(event.seen_by(View.LEADER, "t").set) == {"unrecorded/m"}
    gone = Record(2, "recorded", 5, "m", {}, ("unrecorded/m",))
    assert gone.seen_by(View.STUDENT, "p").delete == ()
    assert gone.seen_by(View.STUDENT, "m").delete == ("unrecorded/m",)
    encoded = Encoded(event)
    assert encoded.for_view(View.STUDENT, "p") is encoded.for_view(View.STUDENT, "q")
    assert encoded.for_view(View.STUDENT, "m") != encoded.for_view(View.STUDENT, "p")


@pytest.mark.asyncio
async def test_the_worker_stops_tapping_and_who_comes_back_is_still_not_recorded(
    school: School, worker: FakeWorker
) -> None:
    teacher = await school.teacher()
    lesson = await school.lesson(teacher)
    await teacher.enter(lesson.teacher_link)
    masha, petya = school.person(), school.person()
    await masha.enter(lesson.student_link, "Маша")
    await petya.enter(lesson.student_link, "Петя")
    await teacher.done(wire.Record, on=True, students=("microphone", "camera"))

    async def recorded(who: str, sources: set[str]) -> None:
        await until(
            lambda: who in worker.people and set(worker.people[who].recorded) == sources,
            f"{sources} of {who}",
        )

    await recorded(masha.me, {"microphone", "camera"})
    number = await masha.done(wire.SetRecorded, on=False)
    await recorded(masha.me, set())
    await recorded(petya.me, {"microphone", "camera"})
    path = f"unrecorded/{masha.me}"
    for person, sees in ((teacher, True), (masha, True), (petya, False)):
        await person.wait(wire.Event, lambda event: event.number == number)
        assert (path in person.fields) == sees
        assert (masha.me in repr(person.of(wire.Event)[-1])) == sees

    await masha.leave()
    await masha.enter(lesson.student_link, "Маша")
    assert masha.fields[path] == {"by_self": True, "by_leader": False}
    assert masha.me in worker.people
    await recorded(masha.me, set())
    late = school.person()
    await late.enter(lesson.student_link, "Коля")
    assert path not in late.fields

    assert await petya.refused(wire.SetRecorded, on=False, participant=masha.me) == "not_allowed"
    await masha.done(wire.SetRecorded, on=True)
    await recorded(masha.me, {"microphone", "camera"})
    await teacher.done(wire.SetRecordable, sources=("microphone",))
    for person in (masha, petya, late):
        await recorded(person.me, {"microphone"})
    await recorded(teacher.me, set(EVERYTHING))
    assert worker.of(rpc.SetPerson)
