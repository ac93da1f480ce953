"""Of a quiz a recording holds what everybody saw: nothing right before its time, no one's own answer."""

from __future__ import annotations

from typing import Any

from recorder import logbook
from signaling.codec import builtins, pack
from signaling.lesson.change import Change
from signaling.replica import Replica, record
from tests.signaling.test_quiz import Q, class_of, give, step, voted
from tests.signaling.test_rules import MASHA


def held(state: dict[str, Any]) -> set[str]:
    replica = Replica(1, {path: pack(builtins(value)) for path, value in state.items()})
    return {path for event in logbook.restated(replica, 1) for path in event.set if "quiz" in path}


def test_what_was_asked_before_it_began_is_in_it_and_no_answer() -> None:
    state = give(class_of(), MASHA, choices=(1,))
    asked = {f"quiz/{Q}", *(f"quiz_question/{Q}/{n}" for n in range(4))}
    assert held(state) == asked
    told = step(step(state, "show"), "reveal")
    assert held(told) == asked | {f"quiz_{what}/{Q}/{n}" for n in range(4) for what in ("tally", "right")}
    assert held(step(voted(4), "close")) == asked


def test_an_event_is_held_without_what_is_not_everybodys() -> None:
    changed = {"quiz_answer/m/q/0": {}, "quiz_mark/m/q/0": True, "_quiz_given/q": 1}
    assert logbook.kept(record(Change("quiz_answered", changed), 1, None)) is None
    shown = logbook.kept(record(Change("quiz_answered", changed | {"quiz_tally/q/0": {}}), 1, None))
    assert shown is not None
    assert set(shown.set) == {"quiz_tally/q/0"}
