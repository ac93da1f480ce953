"""The rules of recording as tables: each state of it, each thing that can happen."""

from __future__ import annotations

from typing import Any

import pytest

from sfu.model import Refused, Role
from signaling import wire
from signaling.codec import builtins, pack, unpack
from signaling.lesson import ending, fields, presence, recording
from signaling.lesson.change import Actor, Change, Moment
from signaling.lesson.permissions import EVERYTHING
from signaling.roles import decide
from signaling.wire import PersonField, RecordingField
from tests.signaling.test_rules import CO, MASHA, NOW, TEACHER, after, full

VOICES: tuple[wire.SourceName, ...] = ("microphone",)


def field(state: Any, **values: Any) -> RecordingField:
    return RecordingField(**({"id": "r", "state": state, "part": 2, "since_ms": 500} | values))


STATES: dict[str, dict[str, Any]] = {
    "never": {},
    "starting": {"recording": field("starting", students=VOICES)},
    "on": {"recording": field("on", students=VOICES)},
    "off": {"recording": field("off", reason="stopped")},
}


def off(reason: Any, **values: Any) -> RecordingField:
    return field("off", since_ms=NOW.now_ms, reason=reason, **values)


def start(*students: wire.SourceName) -> Any:
    return lambda state: decide(state, TEACHER, wire.Record(1, on=True, students=students), NOW)


def stop(state: dict[str, Any]) -> Change | None:
    return decide(state, TEACHER, wire.Record(1, on=False), NOW)


def begun(name: str, part: int) -> Any:
    return lambda state: recording.begun(state, name, part, NOW)


def stopped(part: int | None = None) -> Any:
    return lambda state: recording.stopped(state, "disk_full", NOW, part)


FIRST = ("recording_starting", RecordingField("000000f4240tok", "starting", 1, NOW.now_ms, VOICES, by="t"))
NEXT = ("recording_starting", field("starting", part=3, since_ms=NOW.now_ms, students=VOICES, by="t"))
ON = ("recording_on", field("on", since_ms=NOW.now_ms, students=VOICES))
STOPPED = ("recording_off", off("stopped", by="t"))
FULL = ("recording_off", off("disk_full"))
ENDED = ("ended", off("ended"))

ACTIONS: dict[str, tuple[Any, dict[str, Any]]] = {
    "start": (start("microphone"), {"never": FIRST, "starting": None, "on": None, "off": NEXT}),
    "start, twice named": (
        start("microphone", "microphone"),
        {"never": FIRST, "starting": None, "on": None, "off": NEXT},
    ),
    "start with others": (
        start("camera", "microphone"),
        {
            "never": (
                FIRST[0],
                RecordingField(FIRST[1].id, "starting", 1, NOW.now_ms, ("microphone", "camera"), by="t"),
            ),
            "starting": "recording_running",
            "on": "recording_running",
            "off": (
                NEXT[0],
                field("starting", part=3, since_ms=NOW.now_ms, students=("microphone", "camera"), by="t"),
            ),
        },
    ),
    "stop": (stop, {"never": None, "starting": STOPPED, "on": STOPPED, "off": None}),
    "begun": (begun("r", 2), {"never": None, "starting": ON, "on": None, "off": None}),
    "begun, former part": (begun("r", 1), dict.fromkeys(STATES)),
    "begun, next part": (begun("r", 3), dict.fromkeys(STATES)),
    "begun, another recording": (begun("x", 2), dict.fromkeys(STATES)),
    "stopped": (stopped(), {"never": None, "starting": FULL, "on": FULL, "off": None}),
    "stopped, this part": (stopped(2), {"never": None, "starting": FULL, "on": FULL, "off": None}),
    "stopped, former part": (stopped(1), dict.fromkeys(STATES)),
    "end": (
        lambda state: decide(state, TEACHER, wire.End(1), NOW),
        {"never": ("ended", None), "starting": ENDED, "on": ENDED, "off": ("ended", None)},
    ),
    "end without teacher": (
        lambda state: ending.end_without_teacher(
            state | {"lesson": full(state="waiting", ends_at_ms=NOW.now_ms)["lesson"]}, NOW
        ),
        {"never": ("ended", None), "starting": ENDED, "on": ENDED, "off": ("ended", None)},
    ),
}


@pytest.mark.parametrize("name", list(STATES))
@pytest.mark.parametrize("action", list(ACTIONS))
def test_every_action_in_every_state(name: str, action: str) -> None:
    happens, expected = ACTIONS[action]
    state = full() | STATES[name]
    wanted = expected[name]
    if isinstance(wanted, str):
        with pytest.raises(Refused, match=wanted):
            happens(state)
        return
    change = happens(state)
    if wanted is None:
        assert change is None
    else:
        assert change is not None
        assert (change.kind, change.set.get("recording")) == wanted
        assert "recording" not in change.delete


@pytest.mark.parametrize("actor", [TEACHER, CO])
def test_both_leaders_record_and_students_do_not(actor: Actor) -> None:
    assert decide(full(), actor, wire.Record(1, on=True), NOW) is not None
    with pytest.raises(Refused, match="not_allowed"):
        decide(full(), MASHA, wire.Record(1, on=True), NOW)


def test_nothing_is_recorded_of_a_lesson_that_ended() -> None:
    state = full(state="ended")
    with pytest.raises(Refused, match="lesson_ended"):
        decide(state, TEACHER, wire.Record(1, on=True), NOW)


def test_start_and_end_at_once_cannot_both_be_applied() -> None:
    """Each rests on what the other sets, whichever comes first."""
    for fields_of_it in STATES.values():
        end = decide(full() | fields_of_it, TEACHER, wire.End(1), NOW)
        assert end is not None
        assert {"lesson", "recording"} <= end.rests_on()
    started = decide(full(), TEACHER, wire.Record(1, on=True), NOW)
    assert started is not None
    assert {"lesson", "recording", "person/t"} <= started.rests_on()


def test_the_same_request_decided_again_gives_the_same_recording() -> None:
    once, again = (decide(full(), TEACHER, wire.Record(1, on=True), NOW) for _ in range(2))
    assert once is not None
    assert once == again
    other = decide(full(), TEACHER, wire.Record(1, on=True), Moment(NOW.now_ms, "tik"))
    assert other is not None
    assert other.set["recording"].id != once.set["recording"].id


def test_parts_are_of_one_recording() -> None:
    state: dict[str, Any] = full()
    seen = []
    for number in range(1, 4):
        state = after(
            state, decide(state, TEACHER, wire.Record(number, on=True), Moment(number, "a" * number))
        )
        seen.append((state["recording"].id, state["recording"].part))
        state = after(state, stop(state))
    assert seen == [("00000000001a", 1), ("00000000001a", 2), ("00000000001a", 3)]


# --- consent ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(STATES))
@pytest.mark.parametrize("students", [(), ("microphone",), ("camera", "screen_sound")])
def test_who_may_be_recorded(name: str, students: tuple[wire.SourceName, ...]) -> None:
    state: dict[str, Any] = full()
    if name != "never":
        state["recording"] = field(name, students=students)
    running = name in ("starting", "on")
    for leader in ("t", "c"):
        assert recording.recorded(state, leader) == (EVERYTHING if running else frozenset())
    assert recording.recorded(state, "m") == (frozenset(students) if running else frozenset())
    assert recording.recorded(state, "nobody") == frozenset()


def test_nothing_of_somebody_who_left_may_be_recorded() -> None:
    state = full() | {"recording": field("on", students=VOICES)}
    state["person/m"] = PersonField("Маша", "student", here=False, order=3)
    assert recording.recorded(state, "m") == frozenset()


def test_who_comes_in_during_a_recording_is_recorded_as_all() -> None:
    state = full() | {"recording": field("on", students=VOICES)}
    state = after(state, presence.enter(state, Actor("x", Role.STUDENT), "Даша", 60, NOW))
    assert recording.recorded(state, "x") == {"microphone"}


def test_the_field_is_typed_again_when_it_was_read() -> None:
    value = field("off", reason="no_recorder", students=VOICES)
    assert fields.typed("recording", unpack(pack(builtins(value)))) == value
    assert fields.recording({}) is None
