"""Boards and who draws on them, as tables of rules; what is dropped of ink on its way."""

from __future__ import annotations

import random
from struct import pack
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from sfu.model import Refused, Role
from signaling import wire
from signaling.codec import builtins, decode, unpack
from signaling.codec import pack as packed
from signaling.inking import INKS, Inking
from signaling.lesson import board, fields
from signaling.lesson.change import Actor
from signaling.lesson.fields import INK_OF_ALL, SHOWN
from signaling.roles import decide
from signaling.wire import BoardElementField, BoardField, ShownField
from signaling.wire import board as limits
from tests.signaling.test_rules import CO, NOW, TEACHER, after, full, made, refusal

STUDENT = Actor("p", Role.STUDENT)
OTHER = Actor("m", Role.STUDENT)
BOARD: dict[str, Any] = {"board/b": BoardField("Forces", 1, "t")}
INK: dict[str, Any] = {INK_OF_ALL: True}


def points(*pairs: tuple[int, int]) -> bytes:
    return b"".join(pack("<hh", *pair) for pair in pairs)


def pen(version: int = 1, nonce: int = 1, by: str = "", **change: Any) -> BoardElementField:
    stroke = BoardElementField("freedraw", 1, 2, 3, 4, version, nonce, by=by, points=points((0, 0), (4, 8)))
    return replace(stroke, **change)


def put(*, gone: tuple[str, ...] = (), board: str = "b", **elements: BoardElementField) -> wire.BoardPut:
    return wire.BoardPut(1, board, elements, gone)


def test_a_board_is_made_and_shown_in_one_event_named_cleared_and_removed() -> None:
    change = made(full(), TEACHER, wire.BoardMake(1, "b", "  Forces\n", show=True))
    assert change.set == {
        "board/b": BoardField("Forces", NOW.now_ms, "t"),
        SHOWN: ShownField("board", "b", "t"),
    }
    state = after(full(), change)
    assert decide(state, TEACHER, wire.BoardMake(1, "b", "again"), NOW) is None
    assert made(state, CO, wire.BoardName(1, "b", "Light")).set["board/b"].name == "Light"
    assert decide(state, CO, wire.BoardName(1, "b", "Forces"), NOW) is None
    assert decide(state, CO, wire.BoardClear(1, "b"), NOW) is None
    drawn = after(state, made(state, TEACHER, put(e=pen())))
    assert made(drawn, TEACHER, wire.BoardClear(1, "b")).delete == ("board/b/e/e",)
    assert set(made(drawn, TEACHER, wire.BoardRemove(1, "b")).delete) == {"board/b", "board/b/e/e", SHOWN}
    assert decide(drawn, TEACHER, wire.BoardRemove(1, "other"), NOW) is None


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (wire.BoardName(1, "x", "Light"), "not_found"),
        (wire.BoardClear(1, "x"), "not_found"),
        (wire.BoardMake(1, "c", " \u200b "), "text_empty"),
        (put(board="x", e=pen()), "not_found"),
        (put(e=pen(points=b"")), "bad_request"),
        (put(e=pen(points=b"abc")), "bad_request"),
        (put(e=pen(points=points((0, 0), (32_001, 0)))), "bad_request"),
        (put(e=pen(pressures=b"abc")), "bad_request"),
        (put(e=pen(kind="rectangle")), "bad_request"),
        (put(e=pen(text="hello")), "bad_request"),
        (put(e=pen(kind="text", points=b"")), "bad_request"),
        (put(e=pen(kind="text", points=b"", text="\u200b")), "text_empty"),
    ],
)
def test_what_is_refused_even_to_a_teacher(message: Any, code: str) -> None:
    assert refusal(full() | BOARD, TEACHER, message) == code


def test_only_so_many_boards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(board, "MAX_BOARDS", 1)
    assert refusal(full() | BOARD, TEACHER, wire.BoardMake(1, "c", "Light")) == "too_many_boards"


def test_students_draw_by_permission_and_change_their_own_only() -> None:
    state = full() | BOARD | {"board/b/e/t": pen(by="t"), "board/b/e/p": pen(by="p")}
    assert refusal(state, STUDENT, put(e=pen())) == "not_allowed"
    for permission in (INK, {"ink/p": True}):
        may = state | permission
        change = made(may, STUDENT, put(e=pen(by="t"), p=pen(2)))
        assert {path: each.by for path, each in change.set.items()} == {
            "board/b/e/e": "p",
            "board/b/e/p": "p",
        }
        assert {INK_OF_ALL, "ink/p", "board/b"} <= change.rests_on()
        assert made(may, STUDENT, put(gone=("p", "unknown"))).delete == ("board/b/e/p",)
        for message in (put(t=pen(2)), put(gone=("t",)), put(p=pen(2), gone=("t",))):
            assert refusal(may, STUDENT, message) == "not_allowed"
    assert refusal(state | {"ink/p": True}, OTHER, put(e=pen())) == "not_allowed"
    assert made(state, CO, put(p=pen(2))).set["board/b/e/p"].by == "p"
    assert made(state, CO, put(gone=("p", "t", "p"))).delete == ("board/b/e/p", "board/b/e/t")


def test_students_do_not_draw_while_it_is_calm() -> None:
    state = (
        full() | BOARD | {"ink/p": True, "calm": wire.CalmField(on=True, by="t", at_ms=1, sealed_from_ms=0)}
    )
    put = wire.BoardPut(1, "b", {"e": wire.BoardElementField("ellipse", 0, 0, 1, 1, 1, 1)})
    assert refusal(state, STUDENT, put) == "calm"
    assert made(state, TEACHER, put).set


def test_older_versions_are_passed_over() -> None:
    state = full() | BOARD | {"board/b/e/e": pen(5, 5)}
    for version, nonce in ((4, 1), (5, 5), (5, 6)):
        assert decide(state, TEACHER, put(e=pen(version, nonce)), NOW) is None
    for version, nonce in ((6, 9), (5, 4)):
        assert made(state, TEACHER, put(e=pen(version, nonce))).set["board/b/e/e"].version == version


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 3), st.integers(1, 3)), min_size=1, max_size=6), st.randoms())
def test_two_hands_on_one_element_come_to_the_same_in_any_order(
    versions: list[tuple[int, int]], chance: random.Random
) -> None:
    def played(order: list[tuple[int, int]]) -> tuple[int, int]:
        state: Any = full() | BOARD
        for version, nonce in order:
            change = decide(state, TEACHER, put(e=pen(version, nonce)), NOW)
            state = state if change is None else after(state, change)
        element = state["board/b/e/e"]
        return element.version, element.nonce

    shuffled = list(versions)
    chance.shuffle(shuffled)
    assert played(versions) == played(shuffled)


@pytest.mark.parametrize("name", ["MAX_BOARD_ELEMENTS", "MAX_BOARD_BYTES", "MAX_INK_BYTES"])
def test_a_full_board_takes_nothing_more_but_can_be_erased(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    state = full() | BOARD | {"board/b/e/a": pen(), "board/b/e/b": pen()}
    monkeypatch.setattr(board, name, 2 if name == "MAX_BOARD_ELEMENTS" else 2 * board.weight(pen()))
    assert refusal(state, TEACHER, put(e=pen())) == "board_full"
    assert len(made(state, TEACHER, put(a=pen(2))).set) == 1
    assert len(made(state, TEACHER, put(e=pen(), gone=("a",))).set) == 1
    assert made(state, TEACHER, put(gone=("a",))).delete == ("board/b/e/a",)


def test_all_boards_fit_into_one_welcome() -> None:
    """As packed: the weight that is counted is not less than what the state takes."""
    for element in (
        pen(),
        pen(points=points((1, 1)) * 400, pressures=b"x" * 400, stroke="#e03131", by="p" * 16),
    ):
        assert len(packed(builtins(element))) <= board.weight(element)
    assert limits.MAX_INK_BYTES < 1.5 * 1024 * 1024


def test_elements_are_kept_without_what_has_its_default_and_read_again() -> None:
    stored = packed(builtins(pen(by="p")))
    assert len(stored) < 110
    assert fields.typed("board/b/e/e", unpack(stored)) == pen(by="p")
    assert isinstance(fields.typed("board/b", builtins(BOARD["board/b"])), BoardField)


def test_a_board_over_the_slides_that_are_shown_is_made_by_its_first_stroke() -> None:
    state = full() | {"slides/s1": {}, SHOWN: ShownField("slides", "s1", "t")}
    change = made(state, TEACHER, put(board="s1-12", e=pen()))
    assert change.set["board/s1-12"] == BoardField("", NOW.now_ms, "t", "s1")
    for elsewhere in ("s1", "s1-", "s1-x", "s1-12345", "s2-1"):
        assert refusal(state, TEACHER, put(board=elsewhere, e=pen())) == "not_found"
    assert board.before_class(state, "s1-12")
    assert not board.before_class(state, "s2-12")


def test_who_may_draw() -> None:
    state = full()
    one = made(state, TEACHER, wire.SetInk(1, on=True, participant="p"))
    assert one.set == {"ink/p": True}
    state = after(state, one)
    assert decide(state, CO, wire.SetInk(1, on=True, participant="p"), NOW) is None
    every = made(state, CO, wire.SetInk(1, on=True))
    state = after(state, every)
    assert decide(state, CO, wire.SetInk(1, on=True), NOW) is None
    assert made(state, CO, wire.SetInk(1, on=False, participant="p")).delete == ("ink/p",)
    assert set(made(state, CO, wire.SetInk(1, on=False)).delete) == {"ink/p", INK_OF_ALL}
    assert decide(full(), CO, wire.SetInk(1, on=False), NOW) is None
    assert refusal(full(), TEACHER, wire.SetInk(1, on=True, participant="x")) == "not_found"
    assert refusal(full(), TEACHER, wire.SetInk(1, on=True, participant="c")) == "not_allowed"


def test_ink_on_its_way_is_passed_on_from_who_may_on_what_the_class_sees_and_not_faster() -> None:
    state = full() | BOARD | {SHOWN: ShownField("board", "b", "t"), "ink/p": True}
    message = wire.SendInk("b", "pen", 1, 2, points((0, 0)), "e")
    inking = Inking()
    ink = inking.take(state, STUDENT, message, 0)
    assert ink is not None
    assert (ink.participant, ink.board, ink.points, ink.element) == ("p", "b", points((0, 0)), "e")
    assert inking.take(state, OTHER, message, 0) is None
    assert inking.take(full() | BOARD, TEACHER, message, 0) is None
    calm = {"calm": wire.CalmField(on=True, by="t", at_ms=1, sealed_from_ms=0)}
    assert inking.take(state | calm, STUDENT, message, 0) is None
    assert inking.take(state | calm, TEACHER, message, 0) is not None
    inking.forget("t")
    assert inking.take(state, TEACHER, wire.SendInk("c", "pointer"), 0) is None
    assert inking.take(state, TEACHER, wire.SendInk("b", "pen", points=b"abc"), 0) is None
    taken = sum(inking.take(state, TEACHER, message, 0) is not None for _ in range(100))
    assert taken == INKS.burst
    assert inking.take(state, TEACHER, message, 0.06) is not None
    inking.forget("t")
    assert inking.take(state, TEACHER, message, 0.06) is not None


def test_a_scene_of_ten_megabytes_is_no_request() -> None:
    with pytest.raises(Refused, match="bad_request"):
        _decoded({"elements": {f"e{i}": builtins(pen()) | {"by": ""} for i in range(limits.MAX_PUT + 1)}})
    for wrong in (
        {"kind": "image"},
        {"kind": "embeddable"},
        {"stroke": "url(https://x)"},
        {"points": b"x" * (4 * limits.MAX_STROKE_POINTS + 4)},
        {"x": 1e9},
        {"version": 0},
        {"order": "<b>"},
    ):
        with pytest.raises(Refused, match="bad_request"):
            _decoded({"elements": {"e": builtins(pen()) | wrong}})
    message = _decoded({"elements": {"e": builtins(pen()) | {"link": "https://x", "customData": {"a": 1}}}})
    assert message.elements["e"] == pen()


def _decoded(change: dict[str, Any]) -> wire.BoardPut:
    message = decode(packed({"t": "board_put", "id": 1, "board": "b"} | change))
    assert isinstance(message, wire.BoardPut)
    return message
