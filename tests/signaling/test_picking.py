"""The draw: fair, it remembers, and it is the same for the same seed."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from signaling import wire
from signaling.lesson.change import Moment
from signaling.lesson.picking import drawn
from signaling.replica import View
from signaling.roles import decide
from signaling.wire import PersonField
from tests.signaling.test_rules import TEACHER, after, full, made, refusal


def klass(*students: str) -> dict[str, Any]:
    state = {path: value for path, value in full().items() if path not in ("person/m", "person/p")}
    return state | {f"person/{who}": PersonField(who, "student", here=True, order=9) for who in students}


def here(state: dict[str, Any], who: str, *, is_here: bool) -> dict[str, Any]:
    return state | {f"person/{who}": PersonField(who, "student", here=is_here, order=9)}


def pick(state: dict[str, Any], seed: str, *, public: bool = True) -> tuple[dict[str, Any], str]:
    state = after(state, decide(state, TEACHER, wire.Pick(1, public), Moment(1, seed)))
    return state, state["drawn"].participant


@given(st.integers(1, 8), st.lists(st.text("ab01", min_size=1, max_size=4), min_size=1, max_size=40))
@settings(max_examples=60)
def test_nobody_twice_before_all_had_their_turn(students: int, seeds: list[str]) -> None:
    state = klass(*(f"s{n}" for n in range(students)))
    turns: list[str] = []
    for seed in seeds:
        state, who = pick(state, seed)
        turns.append(who)
    for start in range(0, len(turns) - students + 1, students):
        assert len(set(turns[start : start + students])) == students
    if students > 1:
        assert all(one != next_one for one, next_one in pairwise(turns))


def test_who_is_away_is_skipped_and_not_lost() -> None:
    state = here(klass("a", "b", "c"), "c", is_here=False)
    first, second = pick(state, "1"), pick(pick(state, "1")[0], "2")
    assert {first[1], second[1]} == {"a", "b"}
    state, _ = pick(second[0], "3")  # a second round has begun without c
    left = {"a", "b"} - {state["drawn"].participant}
    state = here(state, "c", is_here=True)
    rest = set()
    for seed in "45":
        state, who = pick(state, seed)
        rest.add(who)
    assert rest == left | {"c"}


def test_excluded_ones_are_not_drawn_until_they_are_let_in_again() -> None:
    state = klass("a", "b")
    state = after(state, made(state, TEACHER, wire.SetPickable(1, "a", on=False)))
    assert decide(state, TEACHER, wire.SetPickable(1, "a", on=False), Moment(1)) is None
    for seed in "123":
        state, who = pick(state, seed)
        assert who == "b"
    state = after(state, made(state, TEACHER, wire.SetPickable(1, "a", on=True)))
    assert pick(state, "4")[1] == "a"


def test_told_to_all_or_to_leaders_only() -> None:
    state, who = pick(klass("a", "b"), "1")
    assert state["picked"].participant == who
    state, other = pick(state, "2", public=False)
    assert "picked" not in state
    assert state["drawn"].participant == other
    for path in ("drawn", f"picker/{who}"):
        assert not View.STUDENT.sees(path, who)


def test_the_seed_alone_decides_and_everybody_is_as_likely() -> None:
    assert drawn(["b", "a"], "7") == drawn(["a", "b"], "7")
    counts = Counter(drawn(["a", "b", "c"], str(seed)) for seed in range(3000))
    assert all(900 < count < 1100 for count in counts.values())


@pytest.mark.parametrize(
    ("state", "message", "code"),
    [
        (klass(), wire.Pick(1), "nobody_to_pick"),
        (here(klass("a"), "a", is_here=False), wire.Pick(1), "nobody_to_pick"),
        (full(), wire.SetPickable(1, "z", on=False), "not_found"),
        (full(), wire.SetPickable(1, "c", on=False), "not_allowed"),
    ],
)
def test_what_is_refused(state: dict[str, Any], message: Any, code: str) -> None:
    assert refusal(state, TEACHER, message) == code
