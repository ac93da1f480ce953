"""How a real class comes to a lesson: pure, a function of a seed and the lesson's number.

Times are in seconds from the bell, unscaled: minutes are minutes. Of 100 students 80 come within the two
minutes around the bell, most of them just after it; 12 are there before, up to five minutes; 5 come in the
second minute; 3 are late by minutes. 4 of 100 leave once and come again.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Final

CLASS_SIZE: Final = 25
DEVIATION: Final = 4 / CLASS_SIZE
"""Of a class's size, as a share of the usual one."""
FARTHEST: Final = 3
"""No class is more deviations from the usual size than this."""
EARLIEST_S: Final = -300.0
LATEST_S: Final = 600.0
REJOIN: Final = 0.04
_WAYS: Final = (
    (0.80, -60.0, 60.0, 10.0),
    (0.12, EARLIEST_S, -60.0, -60.0),
    (0.05, 60.0, 120.0, 60.0),
    (0.03, 120.0, LATEST_S, 120.0),
)
"""Share of the class; from when to when they come, and when most of them do (a triangle)."""
_LEAVES: Final = (0.1, 0.8)
_AWAY_S: Final = (5.0, 30.0)


@dataclass(frozen=True, slots=True)
class Arrival:
    """One student. ``leaves``: after which share of their stay they leave for ``away_s``; 0: they don't."""

    at_s: float
    leaves: float = 0.0
    away_s: float = 0.0


def arrivals(seed: int, lesson: int, usual: int = CLASS_SIZE) -> list[Arrival]:
    """The class of one lesson of a school, in the order in which they come."""
    random = Random(f"{seed} {lesson}")
    return sorted((_arrival(random) for _ in range(_size(usual, random))), key=lambda arrival: arrival.at_s)


def _size(usual: int, random: Random) -> int:
    deviation = usual * DEVIATION
    drawn = random.gauss(usual, deviation)
    return max(1, round(min(max(drawn, usual - FARTHEST * deviation), usual + FARTHEST * deviation)))


def _arrival(random: Random) -> Arrival:
    _, first_s, last_s, most_s = random.choices(_WAYS, [way[0] for way in _WAYS])[0]
    at_s = random.triangular(first_s, last_s, most_s)
    if random.random() >= REJOIN:
        return Arrival(at_s)
    return Arrival(at_s, random.uniform(*_LEAVES), random.uniform(*_AWAY_S))
