"""The timer, as a table."""

from __future__ import annotations

from typing import Any

import pytest

from signaling import wire
from signaling.lesson.change import Moment
from signaling.lesson.timing import left
from signaling.roles import decide
from signaling.wire import MAX_TIMER_S, TimerField
from tests.signaling.test_rules import TEACHER, after, full, refusal

RUNS = TimerField("t", 60_000, ends_at_ms=160_000)
HELD = TimerField("t", 60_000, ends_at_ms=None, left_ms=20_000)


@pytest.mark.parametrize(
    ("before", "do", "at_ms", "timer"),
    [
        (None, ("start", 180), 100_000, TimerField("t", 180_000, ends_at_ms=280_000)),
        (HELD, ("start", 60), 100_000, TimerField("t", 60_000, ends_at_ms=160_000)),
        (RUNS, ("hold", 60), 130_000, TimerField("t", 60_000, left_ms=30_000)),
        (HELD, ("go_on", 60), 500_000, TimerField("t", 60_000, ends_at_ms=520_000)),
        (RUNS, ("add", 60), 130_000, TimerField("t", 120_000, ends_at_ms=220_000)),
        (RUNS, ("add", 60), 900_000, TimerField("t", 120_000, ends_at_ms=960_000)),
        (HELD, ("add", 60), 900_000, TimerField("t", 120_000, left_ms=80_000)),
        (
            TimerField("t", 60_000, ends_at_ms=MAX_TIMER_S * 1000),
            ("add", MAX_TIMER_S),
            0,
            TimerField("t", 60_000, ends_at_ms=MAX_TIMER_S * 1000),
        ),
        (RUNS, ("stop", 60), 130_000, None),
    ],
)
def test_what_becomes_of_it(before: Any, do: Any, at_ms: int, timer: TimerField | None) -> None:
    state = full() | ({} if before is None else {"timer": before})
    change = decide(state, TEACHER, wire.SetTimer(1, *do), Moment(at_ms))
    assert change is not None
    assert change.kind == "timer"
    assert after(state, change).get("timer") == timer


@pytest.mark.parametrize(("before", "do"), [(None, "stop"), (HELD, "hold"), (RUNS, "go_on"), (RUNS, "hold")])
def test_what_changes_nothing(before: Any, do: Any) -> None:
    state = full() | ({} if before is None else {"timer": before})
    assert decide(state, TEACHER, wire.SetTimer(1, do), Moment(200_000)) is None


@pytest.mark.parametrize("do", ["add", "hold", "go_on"])
def test_without_a_timer(do: Any) -> None:
    assert refusal(full(), TEACHER, wire.SetTimer(1, do)) == "not_found"


def test_what_is_left() -> None:
    assert (left(RUNS, 130_000), left(RUNS, 170_000), left(HELD, 999_999)) == (30_000, 0, 20_000)
