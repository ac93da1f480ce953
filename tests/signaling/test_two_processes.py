"""Two signalling processes share lessons through the log."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from sfu.rpc import messages as rpc
from signaling import wire
from signaling.lesson import fields
from signaling.log import key, stop
from tests.signaling.conftest import Start
from tests.signaling.parts import Clock, FakeWorker, Person, School, until
from tests.signaling.test_http import code_of
from tests.signaling.test_stills import image

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture
async def schools(start: Start, worker: FakeWorker) -> AsyncIterator[tuple[School, School]]:
    """Two processes with one folder, one SQL, one Redis."""
    pair = School(await start()), School(await start())
    yield pair
    for school in pair:
        await school.close()


def at(school: School, person: Person) -> Person:
    """The same browser, at another process."""
    person.origin = school.origin
    return person


async def test_a_teacher_here_and_a_student_there(schools: tuple[School, School], worker: FakeWorker) -> None:
    here, there = schools
    teacher = await here.teacher()
    lesson = await here.lesson(teacher)
    student = there.person()
    assert isinstance(await student.enter(lesson.student_link, "Маша"), wire.Waiting)
    await teacher.enter(lesson.teacher_link)
    await student.wait(wire.Welcome)
    await student.done(wire.Chat, text="hello from there")
    await teacher.wait(wire.Event, lambda e: e.kind == "chat")
    await teacher.done(wire.SetMay, may=("microphone",))
    assert await student.refused(wire.Publish, source="camera", on=True) == "not_allowed"
    await teacher.done(wire.Hand, up=False, all=True)
    await until(lambda: student.number == teacher.number, "both at the same number")
    assert {p: v for p, v in teacher.fields.items() if not p.startswith("lobby/")} == student.fields
    assert worker.people[student.me].allowed == {"microphone"}


async def test_commands_from_both_come_in_one_order(schools: tuple[School, School]) -> None:
    here, there = schools
    teacher = await here.teacher()
    lesson = await here.lesson(teacher)
    await teacher.enter(lesson.teacher_link)
    co = there.person()
    await co.enter(lesson.co_teacher_link, "Олег")

    async def flip(person: Person, first: bool) -> None:
        for turn in range(8):
            await person.ask(wire.Lock, on=(turn % 2 == 0) == first)

    await asyncio.gather(flip(teacher, first=True), flip(co, first=False))
    await until(lambda: co.number == teacher.number, "both at the same number")
    heard = [
        [(e.number, e.kind, e.by) for e in person.of(wire.Event) if e.kind in ("locked", "unlocked")]
        for person in (teacher, co)
    ]
    assert heard[0][-len(heard[1]) :] == heard[1][-len(heard[0]) :]
    kinds = [kind for _, kind, _ in heard[0]]
    assert all(one != other for one, other in itertools.pairwise(kinds)), "a lock was locked twice"


async def test_people_who_join_at_once_get_their_own_place_and_label(schools: tuple[School, School]) -> None:
    here, _there = schools
    teacher = await here.teacher()
    lesson = await here.lesson(teacher)
    await teacher.enter(lesson.teacher_link)
    people = [school.person() for _ in range(6) for school in schools]
    await asyncio.gather(*(person.join(lesson.student_link, "Саша") for person in people))
    await asyncio.gather(*(person.hello() for person in people))
    await until(lambda: len([p for p in teacher.fields if p.startswith("person/")]) == 13, "all in")
    found = [v for p, v in teacher.fields.items() if p.startswith("person/")]
    assert sorted(person["order"] for person in found) == list(range(1, 14))
    assert len({(person["name"], person["label"]) for person in found}) == 13


async def test_who_asks_while_a_lesson_is_being_opened_gets_it_open(schools: tuple[School, School]) -> None:
    here, there = schools
    lesson = await here.lesson(await here.teacher())

    async def state() -> str:
        async with there.signalling.lessons.get(lesson.lesson) as live:
            return fields.lesson(live.state).state

    assert set(await asyncio.gather(state(), state(), state())) == {"waiting"}


async def test_a_place_at_the_door_holds_at_another_process(
    start: Start, worker: FakeWorker, clock: Clock
) -> None:
    here, there = School(await start(lesson__joins_s=1)), School(await start(lesson__joins_s=1))
    lesson = await here.lesson(await here.teacher())
    asked = {"code": code_of(lesson.student_link), "name": "Маша"}
    clock.stop()
    people = [here.person() for _ in range(4)]
    answers = [(await person.post("/api/join", asked))[1] for person in people]
    assert [answer.get("place") for answer in answers] == [None, 1, 2, 3]
    last = at(there, people[3])
    assert (await there.person().post("/api/join", asked))[0] == 200
    for _ in range(30):  # who was told to ask again is not taken for one that tries too often
        status, body = await last.post("/api/join", asked)
        assert (status, body["place"], body["wait_s"]) == (429, 3, 3)
    thief = there.person()
    thief.http.cookie_jar.update_cookies(
        {cookie.key: cookie.value for cookie in last.http.cookie_jar if cookie.key == "zvonok_turn"}
    )
    clock.ahead_ms += 2900
    assert (await last.post("/api/join", asked))[1]["place"] == 1
    clock.ahead_ms += 100
    assert (await there.person().post("/api/join", asked))[0] == 200
    assert (await thief.post("/api/join", asked))[1]["code"] == "door_queue", "another's turn was taken"
    assert (await last.post("/api/join", asked))[0] == 200
    await here.close()
    await there.close()


async def test_a_tab_at_another_process_takes_over(schools: tuple[School, School]) -> None:
    here, there = schools
    teacher = await here.teacher()
    lesson = await here.lesson(teacher)
    await teacher.enter(lesson.teacher_link)
    first, second = here.person(), there.person()
    await first.enter(lesson.student_link, "Маша")
    second.http.cookie_jar.update_cookies({c.key: c.value for c in first.http.cookie_jar})
    await second.enter(lesson.student_link, "Маша")
    assert second.me == first.me
    assert await first.wait(wire.Closed) == wire.Closed("taken_over")
    await second.done(wire.Chat, text="still me")
    assert teacher.fields[f"person/{second.me}"]["here"]


async def test_a_process_that_died_leaves_its_lesson_to_the_other(
    schools: tuple[School, School], clock: Clock
) -> None:
    here, there = schools
    teacher = await there.teacher()
    lesson = await there.lesson(teacher)
    await teacher.enter(lesson.teacher_link)
    student = there.person()
    await student.enter(lesson.student_link, "Маша")
    signalling = there.signalling
    await stop(*signalling.lessons._loops)
    redis = here.signalling.log.redis
    await redis.delete(f"zvonok:signaling:{signalling.process}", key(lesson.lesson, "keeper"))
    await here.signalling.lessons.sweep()
    held = await until(
        lambda: [live for live in here.signalling.lessons.held() if live.lesson == lesson.lesson],
        "the lesson",
    )
    await here.signalling.lessons.sweep()
    at(here, student)
    assert isinstance(await student.hello(resume=True), wire.Welcome)
    clock.ahead_ms += 11_000
    await student.wait(wire.Event, lambda e: e.kind == "teacher_away")
    assert held[0].state[f"person/{student.me}"].here


async def test_a_still_goes_to_who_is_lite_at_another_process(
    schools: tuple[School, School], worker: FakeWorker
) -> None:
    here, there = schools
    teacher = await here.teacher()
    lesson = await here.lesson(teacher)
    await teacher.enter(lesson.teacher_link)
    student, other = there.person(), there.person()
    for somebody, name in ((student, "Маша"), (other, "Боря")):
        await somebody.enter(lesson.student_link, name)
    await teacher.done(wire.Publish, source="camera", on=True)
    content = (rpc.SlotContent(0, teacher.me, "camera", live=False),)
    worker.push(rpc.Slots(lesson.lesson, 1, student.me, 1, 1, 1, content, "lite", lite=True))
    worker.push(rpc.Slots(lesson.lesson, 1, other.me, 1, 1, 1, content))
    assert (await teacher.wait(wire.StillWanted)).source == "camera"
    assert (await student.wait(wire.Slots)).lite

    await teacher.send(wire.SendStill("camera", image()))
    assert await student.wait(wire.Still) == wire.Still(teacher.me, "camera", image())
    assert not other.of(wire.Still)

    await teacher.done(wire.Publish, source="camera", on=False)
    await teacher.send(wire.SendStill("camera", image()))
    worker.push(rpc.Slots(lesson.lesson, 1, student.me, 1, 2, 1, content))
    await teacher.wait(wire.StillWanted, lambda wanted: wanted.source is None)
    await teacher.done(wire.Chat, text="after it")
    await student.wait(wire.Event, lambda event: event.kind == "chat")
    assert len(student.of(wire.Still)) == 1, "a camera that is off is shown"
