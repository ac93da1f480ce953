"""Who comes to a bell, and when: pure, so that one seed is one school.

Times are in seconds from the bell. Teachers come before it, evenly between ``lead_s`` and a quarter of it.
A student comes at ``spread_s * (g - 0.1)`` with g from a gamma distribution of shape 2 and scale 1/4, at most
``3 * spread_s`` after the bell: 6 in 100 are early, most come at 0.15 ``spread_s``, half until 0.32, 95 of
100 until 1.09, the rest is a tail.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Final, Literal

from msgspec import Struct

EARLY: Final = 0.1
TAIL: Final = 3.0
_SHAPE: Final = 2.0
_SCALE: Final = 0.25
_FIRST_NAMES: Final = (
    "Alina", "Anton", "Boris", "Vera", "Galina", "Denis", "Egor", "Zhanna", "Ivan", "Inna", "Kirill", "Lidia",
    "Maxim", "Nina", "Oleg", "Polina", "Roman", "Sofia", "Timur", "Ulyana", "Fyodor", "Yana", "Мария", "Пётр",
)  # fmt: skip

Kind = Literal["teacher", "student"]


class Options(Struct, frozen=True, kw_only=True):
    """The size and the shape of a bell. ``media``: how many students of a lesson hear and see.

    With ``media`` above 0 the teachers send sound and a picture.
    """

    lessons: int = 5
    students: int = 10
    media: int = 2
    lead_s: float = 4.0
    spread_s: float = 4.0
    stay_s: float = 8.0
    seed: int = 1

    @property
    def people(self) -> int:
        """Teachers and students."""
        return self.lessons * (1 + self.students)

    def fault(self) -> str:
        """What about it cannot be, in words; empty when nothing."""
        if self.lessons < 1 or self.students < 1:
            return "a bell needs a lesson and a student"
        if not 0 <= self.media <= self.students:
            return f"{self.media} of {self.students} students cannot have media"
        if not (self.spread_s > 0 and self.lead_s >= 0 and self.stay_s >= 0):
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
    should be gone ``until_s`` after the teacher came; a student stays ``stay_s`` after having come in."""

    number: int
    kind: Kind
    origin: str
    link: str
    name: str
    media: bool
    at_s: float
    stay_s: float
    students: int
    until_s: float
    cookies: dict[str, str]


def student_arrivals(count: int, spread_s: float, random: Random) -> list[float]:
    """When each student comes."""
    return [
        min(spread_s * (random.gammavariate(_SHAPE, _SCALE) - EARLY), TAIL * spread_s) for _ in range(count)
    ]


def teacher_arrivals(count: int, lead_s: float, random: Random) -> list[float]:
    """When each teacher comes."""
    return [-random.uniform(lead_s / 4, lead_s) for _ in range(count)]


def seats(options: Options, origin: str, places: Sequence[Place]) -> list[Seat]:
    """Everybody, teachers first."""
    random = Random(options.seed)
    teachers = teacher_arrivals(len(places), options.lead_s, random)
    students = [student_arrivals(options.students, options.spread_s, random) for _ in places]
    found: list[Seat] = []
    for index, (place, at_s) in enumerate(zip(places, teachers, strict=True)):
        gone_s = max(students[index], default=0.0) + options.stay_s
        found.append(
            Seat(
                number=len(found),
                kind="teacher",
                origin=origin,
                link=place.teacher_link,
                name="",
                media=options.media > 0,
                at_s=at_s,
                stay_s=options.stay_s,
                students=options.students,
                until_s=gone_s - at_s,
                cookies=place.cookies,
            )
        )
    for index, place in enumerate(places):
        for place_in_class, at_s in enumerate(students[index]):
            found.append(
                Seat(
                    number=len(found),
                    kind="student",
                    origin=origin,
                    link=place.student_link,
                    name=f"{random.choice(_FIRST_NAMES)} {index + 1}-{place_in_class + 1}",
                    media=place_in_class < options.media,
                    at_s=at_s,
                    stay_s=options.stay_s,
                    students=0,
                    until_s=0.0,
                    cookies={},
                )
            )
    return found
