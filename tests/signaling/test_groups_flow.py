"""Groups over real sockets: what workers are told, whom speakers and words reach, their end in time."""

from __future__ import annotations

import pytest

from sfu.rpc import messages as rpc
from signaling import wire
from signaling.wire.groups import (
    AskIn,
    GoToGroup,
    GroupChat,
    MakeGroups,
    NewGroup,
    OpenGroups,
    SpeakToAll,
)
from tests.signaling.conftest import Make
from tests.signaling.parts import Clock, FakeWorker, Person, School, until

pytestmark = pytest.mark.asyncio


async def parted(school: School) -> tuple[wire.LessonInfo, Person, Person, Person]:
    """A teacher in the lesson, and a student in each of two open groups of ten minutes."""
    teacher = await school.teacher()
    lesson = await school.lesson(teacher)
    await teacher.enter(lesson.teacher_link)
    masha, petya = school.person(), school.person()
    for student, name in ((masha, "Маша"), (petya, "Петя")):
        await student.enter(lesson.student_link, name)
        await student.wait(wire.Welcome)
    groups = (NewGroup("", (masha.me,)), NewGroup("", (petya.me,)))
    await teacher.done(MakeGroups, groups=groups)
    await teacher.done(OpenGroups, minutes=10)
    return lesson, teacher, masha, petya


async def test_the_worker_is_told_who_is_where_and_the_next_one_too(
    school: School, worker: FakeWorker, make: Make
) -> None:
    _, teacher, masha, petya = await parted(school)

    def rooms(at: FakeWorker) -> list[tuple[str, bool]]:
        people = [at.people.get(who.me) for who in (teacher, masha, petya)]
        return [(person.group, person.to_all) for person in people if person is not None]

    await until(lambda: rooms(worker) == [("", False), ("1", False), ("2", False)], "three rooms")
    await teacher.done(wire.Record, on=True, students=("microphone", "camera"))
    await until(lambda: worker.people[teacher.me].recorded, "the teacher is recorded in the lesson")
    await teacher.done(GoToGroup, group="2")
    await teacher.done(SpeakToAll, on=True)
    await until(lambda: rooms(worker)[0] == ("2", True), "the teacher in group 2, heard by all")
    assert not any(person.recorded for person in worker.people.values()), "nothing of groups is recorded"

    other = await make(school, "w1")
    await worker.stop()
    await teacher.wait(wire.Moved)
    await until(lambda: rooms(other) == [("2", True), ("1", False), ("2", False)], "the same rooms there")
    await teacher.done(wire.Remove, participant=petya.me)
    await until(lambda: petya.me not in other.people, "nobody of that name")


async def test_who_speaks_is_told_in_their_own_group_and_to_leaders(
    school: School, worker: FakeWorker
) -> None:
    lesson, teacher, masha, petya = await parted(school)
    await masha.wait(wire.Event, lambda event: event.kind == "groups_open")
    worker.push(rpc.Speakers(lesson.lesson, 1, ((masha.me, 20),), "1"))
    worker.push(rpc.Speakers(lesson.lesson, 1, ((petya.me, 30),), "2"))
    assert (await petya.wait(wire.Speakers)).speakers == ((petya.me, 30),)
    assert (await masha.wait(wire.Speakers)).speakers == ((masha.me, 20),)
    await teacher.wait(wire.Speakers, lambda said: len(said.speakers) == 2)
    assert not any(masha.me in dict(said.speakers) for said in petya.of(wire.Speakers))
    await petya.cut()
    await petya.hello(resume=True)
    assert (await petya.wait(wire.Speakers)).speakers == ((petya.me, 30),)


async def test_a_groups_words_stay_in_it_and_go_with_who_is_moved(school: School) -> None:
    _, teacher, masha, petya = await parted(school)
    number = await masha.done(GroupChat, text="our secret")
    await masha.done(AskIn, on=True)

    def secrets(person: Person) -> list[str]:
        return [path for path in person.fields if path.startswith(("group_chat/", "ask/"))]

    await petya.wait(wire.Event, lambda event: event.number == number + 1)
    assert secrets(petya) == []
    await until(lambda: len(secrets(teacher)) == len(secrets(masha)) == 2, "the group and the teacher know")
    await petya.cut()
    await teacher.done(GoToGroup, group="1", participant=petya.me)
    await petya.hello(resume=True)
    assert len(secrets(petya)) == 2, "who comes in reads what was said"
    moved = await teacher.done(GoToGroup, group="2", participant=petya.me)
    await until(lambda: petya.number >= moved, "moved while here")
    assert secrets(petya) == []
    assert len(petya.of(wire.Welcome)) == 1, "by an event like any other"
    assert await petya.refused(GoToGroup, group="1") == "not_allowed"


async def test_their_time_ends_them_and_a_newcomer_joins_the_smallest(
    school: School, clock: Clock, worker: FakeWorker
) -> None:
    lesson, teacher, masha, petya = await parted(school)
    await petya.leave()
    await until(lambda: petya.me not in worker.people, "Petya gone")
    dasha = school.person()
    welcome = await dasha.enter(lesson.student_link, "Даша")
    assert welcome.fields[f"in/{dasha.me}"] == "2"
    clock.ahead_ms += 10 * 60_000
    await masha.wait(wire.Event, lambda event: event.kind == "groups_closed" and event.by is None)
    await until(lambda: {person.group for person in worker.people.values()} == {""}, "together again")
    assert teacher.fields["groups"]["state"] == "prepared"
