"""Calm and the sealed minute: the rule, and what of the log is read."""

from __future__ import annotations

from typing import Any

import pytest

from sfu.model import Refused
from signaling import wire
from signaling.lesson.change import Moment
from signaling.lesson.fields import is_calm
from signaling.lesson.permissions import allowed
from signaling.replica import Record
from signaling.roles import decide
from signaling.sealing import sealed
from signaling.wire import ChatField
from tests.signaling.test_calling import asked, at_board
from tests.signaling.test_rules import CO, MASHA, NOW, TEACHER, after, full, made, refusal

ON = {"on/m/microphone": True, "on/m/camera": True, "on/p/screen": True, "on/t/camera": True}


def calmed(state: dict[str, Any]) -> dict[str, Any]:
    return after(state, made(state, TEACHER, wire.Calm(1, on=True)))


def test_all_of_students_goes_off_in_one_event_and_nothing_of_leaders() -> None:
    state = full() | ON
    change = made(state, TEACHER, wire.Calm(1, on=True))
    assert change.kind == "calm"
    assert set(change.delete) == ON.keys() - {"on/t/camera"}
    assert change.set == {"calm": wire.CalmField(True, "t", NOW.now_ms, NOW.now_ms - 60_000)}
    calm = after(state, change)
    assert allowed(calm, "m") == frozenset()
    assert "camera" in allowed(calm, "c")
    assert decide(calm, CO, wire.Calm(1, on=True), NOW) is None


def test_nothing_of_students_comes_on_or_is_written_while_it_is_calm() -> None:
    calm = calmed(full())
    assert refusal(calm, MASHA, wire.Publish(1, "camera", on=True)) == "calm"
    assert refusal(calm, MASHA, wire.Chat(1, "hi")) == "calm"
    assert made(calm, TEACHER, wire.Chat(1, "hi")).kind == "chat"
    assert made(calm, MASHA, wire.Hand(1, up=True)).kind == "hand_up"
    given = after(calm, made(calm, TEACHER, wire.SetMay(1, ("camera",), "m")))
    assert refusal(given, MASHA, wire.Publish(1, "camera", on=True)) == "calm"


def test_what_is_published_or_said_rests_on_its_not_being_calm() -> None:
    assert "calm" in made(full(), MASHA, wire.Publish(1, "camera", on=True)).rests_on()
    assert "calm" in made(full(), MASHA, wire.Chat(1, "hi")).rests_on()


def test_the_board_is_left_and_nobody_is_asked_to_it() -> None:
    calm = calmed(at_board() | {"on/m/screen": True})
    assert not [path for path in calm if path.startswith(("at_board/", "ink/", "on/"))]
    assert calm["person/m"].may is None
    assert calm["lesson"].stage is None
    assert "called/m" not in calmed(asked())


def test_released_by_any_leader_and_nothing_is_on_again() -> None:
    calm = calmed(full() | ON) | {"on/p/camera": True}  # slipped in just before
    over = after(calm, made(calm, CO, wire.Calm(1, on=False)))
    assert not is_calm(over)
    assert [path for path in over if path.startswith("on/")] == ["on/t/camera"]
    assert over["calm"] == wire.CalmField(False, "t", NOW.now_ms, NOW.now_ms - 60_000)
    assert made(over, MASHA, wire.Publish(1, "camera", on=True)).kind == "published"
    assert decide(over, CO, wire.Calm(1, on=False), NOW) is None


class Pages:
    """A log that gives two events a page."""

    def __init__(self, events: list[Record]) -> None:
        self.events = events

    async def before(self, _lesson: str, number: int) -> list[Record]:
        return [event for event in reversed(self.events) if event.number < number][:2]


def said(number: int, at_ms: int) -> Record:
    field = {"participant": "m", "name": "Маша", "text": f"said at {at_ms}", "at_ms": at_ms}
    return Record(number, "chat", at_ms, "m", {f"chat/{at_ms}-x": field})


@pytest.mark.asyncio
async def test_the_minute_before_is_read_whatever_was_deleted() -> None:
    log = Pages(
        [
            said(1, 1_000),
            said(2, 41_000),
            Record(3, "hand_up", 50_000, "m", {"hand/m": 50_000}),
            said(4, 90_000),
            Record(5, "chat_removed", 95_000, "t", {"chat/90000-x": {"text": "", "at_ms": 90_000}}),
            Record(6, "calm", 100_000, "t", {"calm": {}}),
            said(7, 120_000),
        ]
    )
    state = full() | {
        "calm": wire.CalmField(False, "t", 100_000, 40_000),
        "chat/41000-x": ChatField("m", "Маша", "said at 41000", 41_000),
    }
    state |= {"chat/90000-x": ChatField("m", "Маша", "", 90_000)}
    state |= {"chat/42000-x": ChatField("m", "Маша", "lost with Redis", 42_000)}
    state |= {"chat/120000-x": ChatField("m", "Маша", "later", 120_000)}
    found = await sealed(log, "l", 7, state)
    assert [(message.text, message.kept) for message in found.messages] == [
        ("said at 41000", True),
        ("lost with Redis", True),
        ("said at 90000", False),
    ]
    assert (found.from_ms, found.to_ms) == (40_000, 100_000)


@pytest.mark.asyncio
async def test_without_a_calm_there_is_no_sealed_minute() -> None:
    with pytest.raises(Refused, match="not_found"):
        await sealed(Pages([]), "l", 0, full())


def test_a_second_calm_seals_its_own_minute() -> None:
    over = full() | {"calm": wire.CalmField(False, "c", 5, 4)}
    change = decide(over, TEACHER, wire.Calm(1, on=True), Moment(200_000, "x"))
    assert after(over, change)["calm"] == wire.CalmField(True, "t", 200_000, 140_000)
