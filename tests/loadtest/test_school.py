"""Real classes: the shares, sizes and times that are documented, the same for the same seed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.school import CLASS_SIZE, EARLIEST_S, LATEST_S, Arrival, arrivals

SCHOOL = [arrivals(3, lesson) for lesson in range(1200)]
EVERYBODY = [student for students in SCHOOL for student in students]


def share(found: list[Arrival]) -> float:
    return len(found) / len(EVERYBODY)


def test_classes_are_of_about_25() -> None:
    sizes = [len(students) for students in SCHOOL]
    mean = sum(sizes) / len(sizes)
    assert mean == pytest.approx(CLASS_SIZE, abs=0.5)
    assert (sum((size - mean) ** 2 for size in sizes) / len(sizes)) ** 0.5 == pytest.approx(4, abs=0.4)
    assert 13 <= min(sizes) < 17
    assert 33 < max(sizes) <= 37


def test_most_come_around_the_bell_and_few_are_late() -> None:
    assert share([each for each in EVERYBODY if -60 <= each.at_s <= 60]) == pytest.approx(0.8, abs=0.01)
    late = [each for each in EVERYBODY if each.at_s > 120]
    assert share(late) == pytest.approx(0.03, abs=0.005)
    assert share([each for each in EVERYBODY if each.at_s < -60]) == pytest.approx(0.12, abs=0.01)


def test_some_leave_and_come_again() -> None:
    again = [each for each in EVERYBODY if each.leaves]
    assert share(again) == pytest.approx(0.04, abs=0.006)
    assert all(5 <= each.away_s <= 30 for each in again)
    assert all(not each.away_s for each in EVERYBODY if not each.leaves)


@given(st.integers(), st.integers(0, 10_000), st.integers(1, 200))
def test_a_class_follows_from_its_seed_and_its_lesson(seed: int, lesson: int, usual: int) -> None:
    students = arrivals(seed, lesson, usual)
    assert students == arrivals(seed, lesson, usual)
    assert students == sorted(students, key=lambda each: each.at_s)
    assert max(1, usual * 0.5) <= len(students) <= max(1, usual * 1.5)
    for each in students:
        assert EARLIEST_S <= each.at_s <= LATEST_S
        assert 0 <= each.leaves < 0.9


@given(st.integers(0, 1000), st.integers(0, 1000))
def test_lessons_and_seeds_differ(one: int, other: int) -> None:
    if one != other:
        assert arrivals(1, one) != arrivals(1, other)
        assert arrivals(one, 1) != arrivals(other, 1)
