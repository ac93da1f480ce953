"""Who comes to a bell, when, and with which media: pure, so that one seed is one school.

Times are in seconds from the bell. Teachers come before it, evenly between ``lead_s`` and a quarter of it.
A student comes at ``spread_s * (g - 0.1)`` with g from a gamma distribution of shape 2 and scale 1/4, at most
``3 * spread_s`` after the bell: 6 in 100 are early, most come at 0.15 ``spread_s``, half until 0.32, 95 of
100 until 1.09, the rest is a tail. With a ``scale`` students come as in ``loadtest.school`` instead, all its
times multiplied by it, and teachers before the first of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Final, Literal

from msgspec import Struct

from loadtest.school import EARLIEST_S, Arrival, arrivals

EARLY: Final = 0.1
TAIL: Final = 3.0
_SHAPE: Final = 2.0
_SCALE: Final = 0.25
_FIRST_NAMES: Final = (
    "Alina", "Anton", "Boris", "Vera", "Galina", "Denis", "Egor", "Zhanna", "Ivan", "Inna", "Kirill", "Lidia",
    "Maxim", "Nina", "Oleg", "Polina", "Roman", "Sofia", "Timur", "Ulyana", "Fyodor", "Yana", "Мария", "Пётр",
)  # fmt: skip

Kind = Literal["teacher", "student"]
Weight = Literal["signalling", "listener", "publisher", "full"]
"""Without media; counts packets; sends recorded packets; a whole WebRTC client that encodes and decodes."""
LIGHT: Final = ("listener", "publisher")


class Options(Struct, frozen=True, kw_only=True):
    """The size and the shape of a run of ``scenario`` (``loadtest.scenarios``).

    ``media``: how many students of a lesson decode what they hear and see, ``listeners``: how many more count
    its packets. With either above 0 the teachers send sound and a picture, recorded ones for listeners.
    ``scale`` 0: ``students`` in each lesson, as after a bell of ``spread_s``. Above 0: real classes of about
    ``students``, their times multiplied by it. ``bells`` ring ``every_s`` apart, ``lessons`` begin with each.
    ``kill_s`` after the first bell a worker is killed; 0: none.
    """

    scenario: str = "bell"
    lessons: int = 5
    students: int = 10
    media: int = 2
    listeners: int = 0
    lead_s: float = 4.0
    spread_s: float = 4.0
    scale: float = 0.0
    stay_s: float = 8.0
    bells: int = 1
    every_s: float = 0.0
    kill_s: float = 0.0
    seed: int = 1

    @property
    def all_lessons(self) -> int:
        """Of all bells."""
        return self.lessons * self.bells

    @property
    def all_students(self) -> int:
        """Of all lessons."""
        if not self.scale:
            return self.all_lessons * self.students
        return sum(len(arrivals(self.seed, lesson, self.students)) for lesson in range(self.all_lessons))

    @property
    def people(self) -> int:
        """Teachers and students."""
        return self.all_lessons + self.all_students

    def fault(self) -> str:
        """What about it cannot be, in words; empty when nothing."""
        if self.lessons < 1 or self.students < 1 or self.bells < 1:
            return "a bell needs a lesson and a student"
        if min(self.media, self.listeners) < 0 or self.media + self.listeners > self.students:
            return f"{self.media} and {self.listeners} of {self.students} students cannot have media"
        times = (self.lead_s, self.stay_s, self.scale, self.every_s, self.kill_s)
        if not (self.spread_s > 0 and min(times) >= 0):
            return "times are seconds: 0 or more, the spread above 0"
        return ""


class Place(Struct, frozen=True):
    """A lesson that was made for the bell. ``cookies`` are its teacher's."""

    lesson: str
    teacher_link: str
    student_link: str
    cookies: dict[str, str]


class Seat(Struct, frozen=True, kw_only=True):
    """One person of the run. ``at_s``: when they come. ``students`` are those that a teacher waits for, who
    should be gone ``until_s`` after the teacher came; a student stays ``stay_s`` after having come in, and
    with ``rejoin_s`` loses the line after so long, to come again ``away_s`` later. ``bad_line``: of media."""

    number: int
    kind: Kind
    origin: str
    link: str
    name: str
    weight: Weight
    at_s: float
    stay_s: float
    rejoin_s: float = 0.0
    away_s: float = 0.0
    bad_line: bool = False
    students: int = 0
    until_s: float = 0.0
    cookies: dict[str, str] = {}

    @property
    def media(self) -> bool:
        """Whether there is any."""
        return self.weight != "signalling"


def student_arrivals(count: int, spread_s: float, random: Random) -> list[float]:
    """When each student comes."""
    return [
        min(spread_s * (random.gammavariate(_SHAPE, _SCALE) - EARLY), TAIL * spread_s) for _ in range(count)
    ]


def teacher_arrivals(count: int, lead_s: float, random: Random) -> list[float]:
    """When each teacher comes."""
    return [-random.uniform(lead_s / 4, lead_s) for _ in range(count)]


def seats(options: Options, origin: str, places: Sequence[Place], *, bad_lines: bool = False) -> list[Seat]:
    """Everybody, teachers first. ``bad_lines``: listeners have one each."""
    random = Random(options.seed)
    bells_s = [index // options.lessons * options.every_s for index in range(len(places))]
    before_s = -EARLIEST_S * options.scale
    teachers = teacher_arrivals(len(places), options.lead_s, random)
    students = [_class(options, index, random) for index in range(len(places))]
    found: list[Seat] = []
    for index, (place, lead_s) in enumerate(zip(places, teachers, strict=True)):
        at_s = lead_s - before_s
        gone_s = max((student.at_s for student in students[index]), default=0.0) + options.stay_s
        found.append(
            Seat(
                number=len(found),
                kind="teacher",
                origin=origin,
                link=place.teacher_link,
                name="",
                weight=_teacher_weight(options),
                at_s=bells_s[index] + at_s,
                stay_s=options.stay_s,
                students=len(students[index]),
                until_s=gone_s - at_s,
                cookies=place.cookies,
            )
        )
    for index, place in enumerate(places):
        for place_in_class, student in enumerate(students[index]):
            weight = _student_weight(options, place_in_class)
            found.append(
                Seat(
                    number=len(found),
                    kind="student",
                    origin=origin,
                    link=place.student_link,
                    name=f"{random.choice(_FIRST_NAMES)} {index + 1}-{place_in_class + 1}",
                    weight=weight,
                    at_s=bells_s[index] + student.at_s,
                    stay_s=options.stay_s,
                    rejoin_s=student.leaves * options.stay_s,
                    away_s=student.away_s,
                    bad_line=bad_lines and weight == "listener",
                )
            )
    return found


def _class(options: Options, lesson: int, random: Random) -> list[Arrival]:
    if not options.scale:
        return [Arrival(at_s) for at_s in student_arrivals(options.students, options.spread_s, random)]
    return [
        Arrival(each.at_s * options.scale, each.leaves, each.away_s * options.scale)
        for each in arrivals(options.seed, lesson, options.students)
    ]


def _teacher_weight(options: Options) -> Weight:
    if options.listeners:
        return "publisher"
    return "full" if options.media else "signalling"


def _student_weight(options: Options, place_in_class: int) -> Weight:
    if place_in_class < options.media:
        return "full"
    return "listener" if place_in_class < options.media + options.listeners else "signalling"
