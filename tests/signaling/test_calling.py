"""Calling to the board and back, as a table."""

from __future__ import annotations

from typing import Any

import pytest

from signaling import wire
from signaling.lesson import presence
from signaling.lesson.permissions import allowed
from signaling.roles import decide
from tests.signaling.test_rules import CO, LATER, MASHA, NOW, PETYA, TEACHER, after, full, made, refusal

BOARD_MAY = ("microphone", "camera", "screen", "screen_sound")


def asked(**state: Any) -> dict[str, Any]:
    """Masha was asked to the board, with her hand up."""
    before = full() | {"hand/m": 5} | state
    return after(before, made(before, TEACHER, wire.Call(1, "m")))


def at_board(**state: Any) -> dict[str, Any]:
    before = asked(**state)
    return after(before, made(before, MASHA, wire.AnswerCall(1, go=True)))


def test_a_student_is_asked_once_and_the_question_can_be_taken_back() -> None:
    state = asked()
    assert state["called/m"] == wire.CalledField("t", NOW.now_ms)
    assert "hand/m" in state
    assert decide(state, CO, wire.Call(1, "m"), LATER) is None
    assert made(state, CO, wire.Call(1, "m", on=False)).delete == ("called/m",)
    assert decide(full(), CO, wire.Call(1, "m", on=False), NOW) is None


def test_yes_brings_all_of_it_in_one_event() -> None:
    state = asked()
    change = made(state, MASHA, wire.AnswerCall(1, go=True))
    assert change.kind == "at_board"
    assert set(change.delete) == {"called/m", "hand/m"}
    there = after(state, change)
    assert there["ink/m"] is True
    assert there["lesson"].stage == "m"
    assert allowed(there, "m") == frozenset(BOARD_MAY)
    assert there["at_board/m"].by == "t"
    assert decide(there, TEACHER, wire.Call(1, "m"), NOW) is None


def test_a_muted_class_lets_who_is_called_speak() -> None:
    state = asked(lesson=full(may=())["lesson"])
    there = after(state, made(state, MASHA, wire.AnswerCall(1, go=True)))
    assert allowed(there, "m") == {"microphone", "screen", "screen_sound"}
    assert allowed(there, "p") == frozenset()


def test_not_now_is_seen_by_leaders_and_can_be_asked_again() -> None:
    state = asked()
    state = after(state, made(state, MASHA, wire.AnswerCall(1, go=False)))
    assert state["called/m"].answer == "not_now"
    assert decide(state, MASHA, wire.AnswerCall(1, go=False), NOW) is None
    again = after(state, decide(state, TEACHER, wire.Call(1, "m"), LATER))
    assert again["called/m"] == wire.CalledField("t", LATER.now_ms)


@pytest.mark.parametrize("by", [TEACHER, CO, MASHA])
def test_the_seat_undoes_all_of_it(by: Any) -> None:
    state = at_board() | {"on/m/microphone": True, "on/m/screen": True, "on/m/camera": True}
    message = wire.Seat(1) if by is MASHA else wire.Seat(1, "m")
    change = made(state, by, message)
    assert change.kind == "seated"
    assert set(change.delete) == {"at_board/m", "ink/m", "on/m/microphone", "on/m/screen"}
    back = after(state, change)
    assert back["person/m"] == full()["person/m"]
    assert back["lesson"] == full()["lesson"]
    assert decide(back, TEACHER, wire.Seat(1, "m"), NOW) is None


def test_the_seat_keeps_what_was_there_before_and_what_leaders_changed_meanwhile() -> None:
    state = at_board(**{"on/m/microphone": True, "ink/m": True})
    assert set(made(state, TEACHER, wire.Seat(1, "m")).delete) == {"at_board/m"}
    told = after(state, made(state, TEACHER, wire.SetMay(1, ("camera",), "m")))
    told = after(told, made(told, TEACHER, wire.SetStage(1, "p")))
    back = after(told, made(told, TEACHER, wire.Seat(1, "m")))
    assert back["person/m"].may == ("camera",)
    assert back["lesson"].stage == "p"


def test_going_away_is_going_back_to_the_seat() -> None:
    state = at_board() | {"on/m/screen": True}
    gone = after(state, presence.leave(state, "m", 1_000, NOW))
    assert not [path for path in gone if path.startswith(("at_board/", "ink/", "called/", "on/"))]
    assert gone["person/m"].may is None
    assert not gone["person/m"].here
    assert gone["lesson"].stage is None
    state = asked()
    assert "called/m" not in after(state, presence.leave(state, "m", 1_000, NOW))
    removed = after(state, made(state, TEACHER, wire.Remove(1, "m")))
    assert "called/m" not in removed


@pytest.mark.parametrize(
    ("state", "actor", "message", "code"),
    [
        (full(), TEACHER, wire.Call(1, "z"), "not_found"),
        (full(), TEACHER, wire.Call(1, "c"), "not_allowed"),
        (full() | {"calm": wire.CalmField(True, "t", 1, 0)}, TEACHER, wire.Call(1, "m"), "calm"),
        (full(), MASHA, wire.AnswerCall(1, go=True), "not_found"),
        (asked(), PETYA, wire.AnswerCall(1, go=True), "not_found"),
        (at_board(), PETYA, wire.Seat(1, "m"), "not_allowed"),
        (full(), MASHA, wire.Call(1, "m"), "not_allowed"),
        (full(), TEACHER, wire.AnswerCall(1, go=True), "not_allowed"),
    ],
)
def test_who_may_not(state: dict[str, Any], actor: Any, message: Any, code: str) -> None:
    assert refusal(state, actor, message) == code
