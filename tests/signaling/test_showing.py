"""What the class looks at together, as a table."""

from __future__ import annotations

from typing import Any

import pytest

from signaling import wire
from signaling.lesson.fields import SHOWN
from signaling.roles import decide
from tests.signaling.test_rules import CO, NOW, TEACHER, after, full, made, refusal

BOARD: dict[str, Any] = {"board/b1": {}, "slides/s1": {}}


def test_a_thing_that_is_there_is_put_before_everybody_and_taken_away() -> None:
    change = made(full() | BOARD, TEACHER, wire.Show(1, "board", "b1"))
    assert change.kind == "shown"
    assert change.set == {SHOWN: wire.ShownField("board", "b1", "t")}
    assert "board/b1" in change.rests_on()
    shown = after(full() | BOARD, change)
    assert decide(shown, CO, wire.Show(1, "board", "b1"), NOW) is None
    assert made(shown, CO, wire.Show(1, "slides", "s1")).set[SHOWN].by == "c"
    assert made(shown, CO, wire.Show(1)).delete == (SHOWN,)
    assert decide(full(), CO, wire.Show(1), NOW) is None


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (wire.Show(1, "board", "b2"), "not_found"),
        (wire.Show(1, "slides", "b1"), "not_found"),
        (wire.Show(1, "board"), "bad_request"),
    ],
)
def test_nothing_else_is_shown(message: wire.Show, code: str) -> None:
    assert refusal(full() | BOARD, TEACHER, message) == code
