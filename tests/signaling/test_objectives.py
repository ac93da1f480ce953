"""What lessons owe to their people: the rules on a clock of their own, and counted in a real lesson."""

from __future__ import annotations

import gzip
from collections.abc import Collection

import pytest

from sfu.rpc import messages as rpc
from signaling import metrics, wire
from signaling.objectives import HEAR_WITHIN_S, START_WITHIN_S, LessonObjectives, Objective, carries
from tests.signaling.parts import Clock, FakeWorker, School, until

ASKED_MS = 1_000_000
HEAR_MS = HEAR_WITHIN_S * 1000
START_MS = START_WITHIN_S * 1000


class StandingClock(Clock):
    """Goes on only when it is pushed: a slow machine is no slow server."""

    def __init__(self) -> None:
        super().__init__()
        self._made_ms = super().__call__()

    def __call__(self) -> int:
        return self._made_ms + self.ahead_ms


@pytest.fixture
def clock() -> Clock:
    return StandingClock()


class Decided:
    """A lesson's objectives and what they decided."""

    def __init__(self) -> None:
        self.said: list[tuple[Objective, bool]] = []
        self.objectives = LessonObjectives(lambda objective, well: self.said.append((objective, well)))
        self.hearing: set[str] = set()
        self.present = {"s", "t"}

    def look(self, at_ms: int, *, started_at_ms: int | None = None, speaks: bool = False) -> None:
        state = {
            "lesson": wire.LessonField("x", "y", 8, "live", started_at_ms=started_at_ms),
            "person/t": wire.PersonField("T", "teacher", here=True, order=1),
            "person/s": wire.PersonField("S", "student", here=True, order=2),
            "on/t/microphone": speaks,
            "on/s/microphone": True,
        }

        def hears(who: str, speakers: Collection[str]) -> bool:
            assert speakers == {"t"}
            return who in self.hearing

        self.objectives.look(state, self.present, hears, at_ms)


@pytest.mark.parametrize(
    ("live_after_ms", "well"), [(0, True), (START_MS, True), (START_MS + 1, False), (None, False)]
)
def test_a_lesson_is_started_on_time_or_not_and_counted_once(live_after_ms: int | None, well: bool) -> None:
    made = Decided()
    assert not made.objectives.waits
    made.objectives.teacher_asks(None, ASKED_MS)
    made.look(ASKED_MS + 1)
    assert (made.said, made.objectives.waits) == ([], True)
    started = None if live_after_ms is None else ASKED_MS + live_after_ms
    made.look(ASKED_MS + START_MS + 250, started_at_ms=started)
    made.objectives.teacher_asks(started, ASKED_MS + 60_000)
    made.look(ASKED_MS + 90_000, started_at_ms=ASKED_MS + 89_000)
    assert (made.said, made.objectives.waits) == ([(Objective.STARTED, well)], False)


def test_a_teacher_who_comes_back_to_a_lesson_starts_nothing() -> None:
    made = Decided()
    made.objectives.teacher_asks(ASKED_MS - 1, ASKED_MS)
    assert not made.objectives.waits


@pytest.mark.parametrize(("after_ms", "well"), [(0, True), (HEAR_MS, True), (HEAR_MS + 1, False)])
def test_a_student_hears_the_teacher_in_time_or_not(after_ms: int, well: bool) -> None:
    made = Decided()
    made.objectives.student_in("s")
    made.look(ASKED_MS - 60_000)  # nobody speaks yet: no time passes
    made.objectives.student_asks("s")
    made.look(ASKED_MS, speaks=True)
    assert made.said == []
    made.hearing.add("s")
    made.look(ASKED_MS + after_ms, speaks=True)
    made.look(ASKED_MS + 60_000, speaks=True)
    assert (made.said, made.objectives.waits) == ([(Objective.HEARD, well)], False)


def test_who_left_or_asked_for_no_media_is_not_counted() -> None:
    made = Decided()
    made.objectives.student_asks("s")  # before it came in: another connection
    for who in ("s", "gone"):
        made.objectives.student_in(who)
    made.objectives.student_asks("gone")
    made.look(ASKED_MS, speaks=True)
    made.look(ASKED_MS + HEAR_MS + 1, speaks=True)
    assert (made.said, made.objectives.waits) == ([], False)


def test_a_microphone_that_goes_off_stops_the_clock() -> None:
    made = Decided()
    made.objectives.student_in("s")
    made.objectives.student_asks("s")
    made.look(ASKED_MS, speaks=True)
    made.look(ASKED_MS + HEAR_MS, speaks=False)
    made.look(ASKED_MS + HEAR_MS + 1000, speaks=True)
    made.hearing.add("s")
    made.look(ASKED_MS + 2 * HEAR_MS, speaks=True)
    assert made.said == [(Objective.HEARD, True)]


@pytest.mark.parametrize(
    ("slot", "well"),
    [
        (wire.SlotContent(2, "t", "microphone", live=True), True),
        (wire.SlotContent(2, "t", "microphone", live=False), False),
        (wire.SlotContent(0, "t", "camera", live=True), False),
        (wire.SlotContent(3, "s", "microphone", live=True), False),
    ],
)
def test_only_a_teachers_microphone_that_flows_is_heard(slot: wire.SlotContent, well: bool) -> None:
    assert carries([wire.SlotContent(1, None, None, live=False), slot], {"t"}) is well


def counted() -> dict[str, tuple[int, int]]:
    """Objective -> due, met."""
    of, as_it_should_be = metrics.values(metrics.objective_due), metrics.values(metrics.objective_met)
    return {name: (of[name], as_it_should_be[name]) for name in of}


@pytest.mark.asyncio
async def test_a_lesson_counts_its_start_its_being_held_and_who_heard(
    school: School, worker: FakeWorker, clock: Clock
) -> None:
    before = counted()

    def grown() -> dict[str, tuple[int, int]]:
        return {
            name: (due - before[name][0], met - before[name][1]) for name, (due, met) in counted().items()
        }

    teacher = await school.teacher()
    lesson = await school.lesson(teacher)
    await school.lesson(teacher, title="never held")
    assert grown() == {"started": (0, 0), "heard": (0, 0), "held": (2, 0)}
    await teacher.enter(lesson.teacher_link)
    await until(lambda: grown()["started"] == (1, 1), "the start counted")
    deaf, student = school.person(), school.person()
    for somebody, name in ((deaf, "Боря"), (student, "Маша")):
        await somebody.enter(lesson.student_link, name)
        offer = gzip.compress(b"offer")
        await somebody.ask(wire.Offer, connection=1, sdp=offer, send=("0", "1", "2", "3"), slots=("4",))
    await teacher.done(wire.Publish, source="microphone", on=True)
    assert grown()["heard"] == (0, 0)
    content = (rpc.SlotContent(2, teacher.me, "microphone", live=True),)
    for somebody in (deaf, student):
        worker.push(rpc.Slots(lesson.lesson, 1, somebody.me, 1, 1, 1, content))
    worker.push(rpc.Connected(lesson.lesson, 1, student.me, 1))
    await until(lambda: grown()["heard"] == (1, 1), "who hears counted")
    clock.ahead_ms += HEAR_MS + 1
    await until(lambda: grown()["heard"] == (2, 1), "who does not hear counted")
    await teacher.leave()
    await teacher.enter(lesson.teacher_link)
    assert (grown()["started"], grown()["held"]) == ((1, 1), (2, 1)), "a second coming is no second start"
