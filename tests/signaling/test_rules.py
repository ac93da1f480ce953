"""The rules of a lesson as tables: state and message in, change or refusal out."""

from __future__ import annotations

from typing import Any

import pytest

from sfu.model import Refused, Role
from signaling import wire
from signaling.lesson import ending, fields, presence
from signaling.lesson.change import Actor, Change, Moment
from signaling.roles import decide
from signaling.wire import ChatField, LessonField, LobbyField, PersonField

NOW = Moment(1_000_000, "tok")
LATER = Moment(1_000_500, "tak")
TEACHER = Actor("t", Role.TEACHER)
CO = Actor("c", Role.CO_TEACHER)
MASHA = Actor("m", Role.STUDENT)
PETYA = Actor("p", Role.STUDENT)


def lesson(**values: Any) -> LessonField:
    plain: dict[str, Any] = {"title": "Optics", "subject": "Physics", "grade": 8, "state": "live"} | values
    return LessonField(**plain)


def full(**lesson_values: Any) -> dict[str, Any]:
    """A live lesson with a teacher, a co-teacher and two students."""
    return {
        "lesson": lesson(**lesson_values),
        "_order": 4,
        "person/t": PersonField("Анна Петровна", "teacher", here=True, order=1),
        "person/c": PersonField("Олег", "co_teacher", here=True, order=2),
        "person/m": PersonField("Маша", "student", here=True, order=3),
        "person/p": PersonField("Петя", "student", here=True, order=4),
    }


def after(state: dict[str, Any], change: Change | None) -> dict[str, Any]:
    assert change is not None
    return {path: v for path, v in state.items() if path not in change.delete} | dict(change.set)


def refusal(state: dict[str, Any], actor: Actor, message: Any) -> str:
    with pytest.raises(Refused) as error:
        decide(state, actor, message, NOW)
    return error.value.code


def made(state: dict[str, Any], actor: Actor, message: Any) -> Change:
    change = decide(state, actor, message, NOW)
    assert change is not None
    return change


# --- entering ---------------------------------------------------------------------------------------


def enter(state: dict[str, Any], actor: Actor, name: str, most: int = 60) -> Change | None:
    return presence.enter(state, actor, name, most, NOW)


def test_the_first_teacher_makes_the_lesson_live() -> None:
    state = {"lesson": lesson(state="waiting")}
    change = enter(state, TEACHER, "Анна Петровна")
    assert change is not None
    assert change.kind == "teacher_in"
    assert change.set["lesson"].state == "live"
    assert change.set["lesson"].started_at_ms == NOW.now_ms
    assert change.set["person/t"] == PersonField("Анна Петровна", "teacher", here=True, order=1)


def test_a_teacher_who_comes_back_stops_the_clock_and_keeps_the_start() -> None:
    state = full(state="waiting", ends_at_ms=5, started_at_ms=3)
    state["person/t"] = PersonField("Анна Петровна", "teacher", here=False, order=1)
    change = enter(state, TEACHER, "Анна Петровна")
    assert change is not None
    assert (change.set["lesson"].ends_at_ms, change.set["lesson"].started_at_ms) == (None, 3)
    assert change.set["person/t"].order == 1


def test_without_a_teacher_a_student_waits_and_only_once() -> None:
    state: dict[str, Any] = {"lesson": lesson(state="waiting")}
    change = enter(state, MASHA, "Маша")
    assert change is not None
    assert (change.kind, change.set) == ("waiting", {"lobby/m": LobbyField("Маша", NOW.now_ms)})
    assert enter(after(state, change), MASHA, "Маша") is None


def test_students_who_are_in_stay_in_without_a_teacher_but_those_who_left_wait() -> None:
    state = full(state="waiting", ends_at_ms=9)
    assert enter(state, MASHA, "Маша") is None
    state["person/m"] = PersonField("Маша", "student", here=False, order=3)
    change = enter(state, MASHA, "Маша")
    assert change is not None
    assert change.kind == "waiting"


def test_a_student_joins_a_live_lesson_with_the_next_place() -> None:
    change = enter(full(), Actor("x", Role.STUDENT), "Даша")
    assert change is not None
    assert change.kind == "joined"
    assert change.set["person/x"] == PersonField("Даша", "student", here=True, order=5)
    assert change.set["_order"] == 5
    assert {"lesson", "_order", "_ban/x"} <= change.rests_on()


def test_coming_back_keeps_place_label_and_permission() -> None:
    state = full()
    state["person/m"] = PersonField("Маша", "student", here=False, order=3, label="2", may=("camera",))
    change = enter(state, MASHA, "Маша")
    assert change is not None
    assert change.set["person/m"] == PersonField(
        "Маша", "student", here=True, order=3, label="2", may=("camera",)
    )


def test_a_resumed_person_changes_nothing() -> None:
    assert enter(full(), MASHA, "Маша") is None


def test_a_new_name_is_an_event() -> None:
    change = enter(full(), MASHA, "Мария")
    assert change is not None
    assert (change.kind, change.set["person/m"].name) == ("renamed", "Мария")


def test_people_of_one_name_get_labels() -> None:
    state = full()
    for participant, label in (("x", "2"), ("y", "3")):
        change = enter(state, Actor(participant, Role.STUDENT), "МАША")
        state = after(state, change)
        assert state[f"person/{participant}"].label == label


@pytest.mark.parametrize(
    ("changes", "actor", "code"),
    [
        ({"lesson": lesson(state="ended")}, TEACHER, "lesson_ended"),
        ({"_ban/m": True}, MASHA, "removed"),
        ({"lesson": lesson(locked=True)}, Actor("x", Role.STUDENT), "lesson_locked"),
        ({"lesson": lesson(locked=True, state="waiting")}, Actor("x", Role.STUDENT), "lesson_locked"),
    ],
)
def test_who_may_not_come_in(changes: dict[str, Any], actor: Actor, code: str) -> None:
    with pytest.raises(Refused) as error:
        enter(full() | changes, actor, "Кто-то")
    assert error.value.code == code


def test_a_lock_keeps_out_newcomers_but_neither_leaders_nor_those_who_were_in() -> None:
    state = full(locked=True)
    state["person/m"] = PersonField("Маша", "student", here=False, order=3)
    assert enter(state, MASHA, "Маша") is not None
    assert enter(state, Actor("c2", Role.CO_TEACHER), "Ольга") is not None


def test_a_full_lesson_takes_leaders_only() -> None:
    with pytest.raises(Refused, match="lesson_full"):
        enter(full(), Actor("x", Role.STUDENT), "Даша", most=4)
    assert enter(full(), Actor("x", Role.CO_TEACHER), "Даша", most=4) is not None


def test_the_lobby_counts_towards_full() -> None:
    state: dict[str, Any] = {
        "lesson": lesson(state="waiting"),
        "lobby/a": LobbyField("A", 1),
        "lobby/b": LobbyField("B", 1),
    }
    with pytest.raises(Refused, match="lesson_full"):
        enter(state, MASHA, "Маша", most=2)


def test_a_lesson_admits_only_so_many_ever() -> None:
    state = full() | {f"person/x{n}": PersonField("X", "student", here=False, order=n) for n in range(6)}
    with pytest.raises(Refused, match="lesson_full"):
        enter(state, Actor("y", Role.STUDENT), "Y", most=2)


@pytest.mark.parametrize("name", ["Анна Петровна", "анна петровна", "Аннa Петpовна"])
def test_guests_cannot_take_the_teachers_name(name: str) -> None:
    for role in (Role.STUDENT, Role.CO_TEACHER):
        with pytest.raises(Refused, match="name_taken_teacher"):
            presence.check_name({"lesson": lesson()}, name, role, "Анна Петровна")


def test_a_student_cannot_take_a_co_teachers_name_and_the_teacher_keeps_hers() -> None:
    with pytest.raises(Refused, match="name_taken_teacher"):
        presence.check_name(full(), "Олег", Role.STUDENT, "Анна Петровна")
    presence.check_name(full(), "Анна Петровна", Role.TEACHER, "Анна Петровна")
    presence.check_name(full(), "Маша", Role.STUDENT, "Анна Петровна")


def test_admission_turns_the_lobby_into_a_place() -> None:
    state = full() | {"lobby/x": LobbyField("Даша", 1)}
    change = presence.admit(state, "x")
    assert change is not None
    assert (change.kind, change.delete) == ("admitted", ("lobby/x",))
    assert change.set["person/x"].here
    assert presence.admit(state, "nobody") is None
    assert presence.admit(state | {"lesson": lesson(state="waiting")}, "x") is None


# --- leaving ----------------------------------------------------------------------------------------


def test_leaving_takes_sources_hand_and_stage_along() -> None:
    state = full(stage="m") | {"on/m/camera": True, "on/m/microphone": True, "hand/m": 5}
    change = presence.leave(state, "m", 600_000, NOW)
    assert change is not None
    assert change.kind == "left"
    assert not change.set["person/m"].here
    assert change.set["lesson"].stage is None
    assert set(change.delete) == {"on/m/camera", "on/m/microphone", "hand/m"}


def test_the_last_leader_leaving_starts_the_clock() -> None:
    state = full()
    first = presence.leave(state, "c", 600_000, NOW)
    assert first is not None
    assert first.kind == "left"
    last = presence.leave(after(state, first), "t", 600_000, NOW)
    assert last is not None
    assert last.kind == "teacher_away"
    assert last.set["lesson"].state == "waiting"
    assert last.set["lesson"].ends_at_ms == NOW.now_ms + 600_000
    assert "person/c" in last.rests_on()


def test_who_is_not_here_does_not_leave() -> None:
    assert presence.leave(full(), "nobody", 1, NOW) is None
    state = full()
    state["person/m"] = PersonField("Маша", "student", here=False, order=3)
    assert presence.leave(state, "m", 1, NOW) is None


def test_leaving_the_lobby_frees_it() -> None:
    change = presence.leave({"lesson": lesson(state="waiting"), "lobby/m": LobbyField("M", 1)}, "m", 1, NOW)
    assert change is not None
    assert change.delete == ("lobby/m",)


def test_removal_bans_and_clears() -> None:
    state = full() | {"on/m/camera": True}
    change = made(state, TEACHER, wire.Remove(1, "m"))
    assert change.kind == "removed"
    assert change.set["_ban/m"] is True
    assert not change.set["person/m"].here
    assert change.delete == ("on/m/camera",)
    banned = after(state, change)
    assert decide(banned, TEACHER, wire.Remove(1, "m"), NOW) is None
    with pytest.raises(Refused, match="removed"):
        enter(banned, MASHA, "Другое имя")


def test_somebody_in_the_lobby_can_be_removed() -> None:
    change = made(full() | {"lobby/x": LobbyField("X", 1)}, CO, wire.Remove(1, "x"))
    assert change.delete == ("lobby/x",)
    assert change.set == {"_ban/x": True}


@pytest.mark.parametrize(("target", "code"), [("t", "not_allowed"), ("c", "not_allowed"), ("z", "not_found")])
def test_who_cannot_be_removed(target: str, code: str) -> None:
    assert refusal(full(), TEACHER, wire.Remove(1, target)) == code


# --- what people do -----------------------------------------------------------------------------------


def test_publishing_and_its_end() -> None:
    change = made(full(), MASHA, wire.Publish(1, "camera", on=True))
    assert (change.kind, change.set) == ("published", {"on/m/camera": True})
    state = after(full(), change)
    assert decide(state, MASHA, wire.Publish(1, "camera", on=True), NOW) is None
    off = made(state, MASHA, wire.Publish(1, "camera", on=False))
    assert (off.kind, off.delete) == ("unpublished", ("on/m/camera",))
    assert decide(full(), MASHA, wire.Publish(1, "camera", on=False), NOW) is None


@pytest.mark.parametrize(
    ("may", "own", "source", "allowed"),
    [
        (("microphone", "camera"), None, "camera", True),
        (("microphone",), None, "camera", False),
        ((), ("camera",), "camera", True),
        (("microphone", "camera"), (), "microphone", False),
        (("microphone", "camera"), None, "screen", False),
    ],
)
def test_what_a_student_may_publish(may: Any, own: Any, source: Any, allowed: bool) -> None:
    state = full(may=may)
    state["person/m"] = PersonField("Маша", "student", here=True, order=3, may=own)
    message = wire.Publish(1, source, on=True)
    if allowed:
        assert made(state, MASHA, message).kind == "published"
    else:
        assert refusal(state, MASHA, message) == "not_allowed"


def test_leaders_may_publish_everything() -> None:
    for actor in (TEACHER, CO):
        for source in ("microphone", "camera", "screen", "screen_sound"):
            message = wire.Publish(1, source, on=True)
            assert made(full(may=()), actor, message).kind == "published"


def test_muting_one_and_all() -> None:
    state = full() | {
        "on/m/microphone": True,
        "on/p/microphone": True,
        "on/c/microphone": True,
        "on/m/camera": True,
    }
    assert made(state, CO, wire.Mute(1, "m")).delete == ("on/m/microphone",)
    assert set(made(state, TEACHER, wire.Mute(1)).delete) == {"on/m/microphone", "on/p/microphone"}
    assert made(state, TEACHER, wire.Mute(1, "m", "camera")).delete == ("on/m/camera",)
    assert decide(full(), TEACHER, wire.Mute(1), NOW) is None
    assert refusal(state, TEACHER, wire.Mute(1, "z")) == "not_found"
    assert made(state, TEACHER, wire.Mute(1, "c")).delete == ("on/c/microphone",)


def test_nobody_mutes_the_teacher() -> None:
    assert refusal(full() | {"on/t/microphone": True}, CO, wire.Mute(1, "t")) == "not_allowed"


def test_taking_permission_turns_off_what_is_on() -> None:
    state = full() | {
        "on/m/microphone": True,
        "on/p/camera": True,
        "on/t/camera": True,
        "on/p/microphone": True,
    }
    state["person/p"] = PersonField("Петя", "student", here=True, order=4, may=("camera", "microphone"))
    change = made(state, TEACHER, wire.SetMay(1, ("camera",)))
    assert change.set["lesson"].may == ("camera",)
    assert change.delete == ("on/m/microphone",)
    one = made(state, TEACHER, wire.SetMay(1, (), "p"))
    assert one.set["person/p"].may == ()
    assert set(one.delete) == {"on/p/camera", "on/p/microphone"}


def test_a_persons_own_permission_can_be_given_back_to_the_class() -> None:
    state = full()
    state["person/p"] = PersonField("Петя", "student", here=True, order=4, may=())
    assert made(state, CO, wire.SetMay(1, None, "p")).set["person/p"].may is None
    assert decide(full(), CO, wire.SetMay(1, None, "p"), NOW) is None


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (wire.SetMay(1, None), "bad_request"),
        (wire.SetMay(1, (), "t"), "not_allowed"),
        (wire.SetMay(1, (), "z"), "not_found"),
    ],
)
def test_permissions_that_cannot_be_set(message: wire.SetMay, code: str) -> None:
    assert refusal(full(), TEACHER, message) == code


def test_hands_queue_by_time() -> None:
    change = made(full(), MASHA, wire.Hand(1, up=True))
    assert (change.kind, change.set) == ("hand_up", {"hand/m": NOW.now_ms})
    state = after(full(), change)
    assert decide(state, MASHA, wire.Hand(1, up=True), LATER) is None
    assert made(state, MASHA, wire.Hand(1, up=False)).kind == "hand_down"
    assert made(state, TEACHER, wire.Hand(1, up=False, participant="m")).delete == ("hand/m",)
    every = made(state | {"hand/p": 7}, CO, wire.Hand(1, up=False, all=True))
    assert (every.kind, every.delete) == ("hands_down", ("hand/m", "hand/p"))


@pytest.mark.parametrize(
    ("actor", "message", "code"),
    [
        (MASHA, wire.Hand(1, up=False, participant="p"), "not_allowed"),
        (MASHA, wire.Hand(1, up=True, participant="p"), "not_allowed"),
        (TEACHER, wire.Hand(1, up=True, participant="p"), "not_allowed"),
        (MASHA, wire.Hand(1, up=False, all=True), "not_allowed"),
        (TEACHER, wire.Hand(1, up=True, all=True), "not_allowed"),
        (TEACHER, wire.Hand(1, up=False, participant="z"), "not_found"),
    ],
)
def test_hands_that_are_not_ones_own(actor: Actor, message: wire.Hand, code: str) -> None:
    assert refusal(full(), actor, message) == code


def test_chat_keeps_the_last_ones() -> None:
    old = {f"chat/{n:013d}-x": ChatField("p", "Петя", "hi", n) for n in range(200)}
    change = made(full() | old, MASHA, wire.Chat(1, " Привет\u202e "))
    assert change.set == {"chat/0000001000000-tok": ChatField("m", "Маша", "Привет", NOW.now_ms)}
    assert change.delete == ("chat/0000000000000-x",)


def test_one_request_is_one_chat_message_however_often_it_is_decided() -> None:
    change = made(full(), MASHA, wire.Chat(1, "hi"))
    assert decide(after(full(), change), MASHA, wire.Chat(1, "hi"), NOW) is None


def test_the_stage() -> None:
    change = made(full(), CO, wire.SetStage(1, "m"))
    assert change.set["lesson"].stage == "m"
    assert "person/m" in change.rests_on()
    assert decide(full(), CO, wire.SetStage(1, None), NOW) is None
    assert refusal(full(), CO, wire.SetStage(1, "z")) == "not_found"
    state = full()
    state["person/m"] = PersonField("Маша", "student", here=False, order=3)
    assert refusal(state, CO, wire.SetStage(1, "m")) == "not_found"


def test_the_lock() -> None:
    assert made(full(), TEACHER, wire.Lock(1, on=True)).kind == "locked"
    assert made(full(locked=True), CO, wire.Lock(1, on=False)).kind == "unlocked"
    assert decide(full(locked=True), CO, wire.Lock(1, on=True), NOW) is None


def test_the_end_by_the_teacher_clears_what_passes() -> None:
    state = full(stage="m") | {"on/m/camera": True, "hand/p": 1, "lobby/x": LobbyField("X", 1)}
    change = made(state, TEACHER, wire.End(1))
    assert change.kind == "ended"
    assert (change.set["lesson"].state, change.set["lesson"].stage) == ("ended", None)
    assert set(change.delete) == {"on/m/camera", "hand/p", "lobby/x"}


def test_the_end_without_a_teacher_comes_at_its_time() -> None:
    state = full(state="waiting", ends_at_ms=NOW.now_ms)
    assert ending.end_without_teacher(state, Moment(NOW.now_ms - 1)) is None
    change = ending.end_without_teacher(state, NOW)
    assert change is not None
    assert change.kind == "ended"
    assert ending.end_without_teacher(full(), NOW) is None
    assert ending.end_without_teacher(after(state, change), NOW) is None


# --- what holds for all --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "message", [wire.Chat(1, "x"), wire.Hand(1, up=True), wire.Publish(1, "camera", on=True)]
)
def test_who_is_not_here_does_nothing(message: Any) -> None:
    state = full()
    state["person/m"] = PersonField("Маша", "student", here=False, order=3)
    assert refusal(state, MASHA, message) == "not_allowed"
    assert refusal(full(), Actor("stranger", Role.STUDENT), message) == "not_allowed"


def test_nothing_happens_after_the_end() -> None:
    assert refusal(full(state="ended"), TEACHER, wire.Lock(1, on=True)) == "lesson_ended"


def test_every_change_rests_on_what_it_changes_and_on_who_asks() -> None:
    change = made(full(), MASHA, wire.Hand(1, up=True))
    assert change.rests_on() == {"hand/m", "person/m"}


def test_unknown_fields_of_a_newer_version_are_left_alone() -> None:
    assert fields.typed("poll/1", {"x": 1}) == {"x": 1}
    person = {"name": "M", "role": "student", "here": True, "order": 1, "mood": "good"}
    assert fields.typed("person/m", person) == PersonField("M", "student", here=True, order=1)
