"""Boards over real sockets and a real log: what reaches whom, through two processes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest
import pytest_asyncio

from signaling import wire
from signaling.session import PUTS
from tests.signaling.conftest import Start
from tests.signaling.parts import FakeWorker, Person, School, until
from tests.signaling.test_board import pen, points

pytestmark = pytest.mark.asyncio


class Class:
    """A teacher, a student who draws beside her, and one at another process."""

    def __init__(self, teacher: Person, near: Person, far: Person) -> None:
        self.teacher, self.near, self.far = teacher, near, far

    async def meet(self) -> None:
        """Wait until all have the same state."""
        for student in (self.near, self.far):
            await until(partial(self._level, student), "all at the same number")

    def _level(self, student: Person) -> bool:
        return student.number == self.teacher.number


@pytest_asyncio.fixture
async def people(start: Start, worker: FakeWorker) -> AsyncIterator[Class]:
    here, there = School(await start()), School(await start())
    teacher = await here.teacher()
    lesson = await here.lesson(teacher)
    await teacher.enter(lesson.teacher_link)
    near, far = here.person(), there.person()
    await near.enter(lesson.student_link, "Маша")
    await far.enter(lesson.student_link, "Олег")
    await teacher.done(wire.BoardMake, board="b", name="Forces", show=True)
    yield Class(teacher, near, far)
    for school in (here, there):
        await school.close()


def put(**elements: Any) -> dict[str, Any]:
    return {"board": "b", "elements": elements}


async def test_what_is_drawn_is_everywhere_and_after_coming_back(people: Class) -> None:
    teacher, near, far = people.teacher, people.near, people.far
    await teacher.done(wire.BoardPut, **put(e=pen()))
    assert await far.refused(wire.BoardPut, **put(f=pen())) == "not_allowed"
    await teacher.done(wire.SetInk, on=True, participant=far.me)
    await until(lambda: far.fields.get(f"ink/{far.me}"), "the permission is there")
    await far.done(wire.BoardPut, **put(f=pen()))
    assert await far.refused(wire.BoardPut, **put(e=pen(2))) == "not_allowed"
    await people.meet()
    for person in (teacher, near, far):
        assert {path for path in person.fields if path.startswith("board/")} == {
            "board/b",
            "board/b/e/e",
            "board/b/e/f",
        }
    assert near.fields["board/b/e/f"]["by"] == far.me
    await near.cut()
    welcome = await near.hello()
    assert welcome.fields["board/b/e/f"] == teacher.fields["board/b/e/f"]


async def test_a_pen_on_its_way_is_heard_everywhere_and_kept_nowhere(people: Class) -> None:
    teacher, near, far = people.teacher, people.near, people.far
    number = teacher.number
    ink = wire.SendInk("b", "pen", 1, 2, points((0, 0), (4, 4)), "e")
    await far.send(ink)  # who may not is not heard
    await teacher.send(ink)
    for student in (near, far):
        heard = await student.wait(wire.Ink)
        assert (heard.participant, heard.element, heard.points) == (teacher.me, "e", ink.points)
    await teacher.done(wire.Chat, text="still here")
    await people.meet()
    assert teacher.number == number + 1
    assert teacher.of(wire.Ink) == []
    assert [len(student.of(wire.Ink)) for student in (near, far)] == [1, 1]

    # A flood is refused, and nobody hears of it.
    before = teacher.number
    codes = [
        type(await teacher.ask(wire.BoardPut, **put(e=pen(version)))).__name__ for version in range(1, 61)
    ]
    assert codes[: int(PUTS.burst)] == ["Done"] * int(PUTS.burst)
    refused = codes.count("Refused")
    assert refused > 0
    await people.meet()
    assert teacher.number - before == len(codes) - refused
    assert near.of(wire.Closed) == []
    await teacher.done(wire.Chat, text="other requests have buckets of their own")
