"""Groups as a table: made, opened, walked through, closed; who is where and who may know what."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfu.model import Role
from signaling import wire
from signaling.inking import Inking
from signaling.lesson import ending, groups, presence
from signaling.lesson.change import Actor, Moment
from signaling.lesson.recording import recorded
from signaling.replica import Encoded, Record, Replica, View, record
from signaling.roles import decide
from signaling.wire import PersonField, RecordingField
from signaling.wire.groups import (
    GROUP_CHAT_KEPT,
    MAX_GROUP_MINUTES,
    AskField,
    AskIn,
    CloseGroups,
    ExtendGroups,
    GoToGroup,
    GroupChat,
    GroupField,
    GroupNoticeField,
    GroupsField,
    MakeGroups,
    NewGroup,
    OpenGroups,
    SpeakToAll,
    SpreadGroups,
    TellGroups,
)
from tests.signaling.test_rules import CO, LATER, MASHA, NOW, PETYA, TEACHER, after, full, made, refusal

TWO = (NewGroup(), NewGroup("Reds"))


def two(state: str = "open", **values: Any) -> dict[str, Any]:
    """Masha in the first of two groups, Petya in the second."""
    return full() | {
        "groups": GroupsField(state, **values),  # type: ignore[arg-type]
        "group/1": GroupField("", 1),
        "group/2": GroupField("Reds", 2),
        "in/m": "1",
        "in/p": "2",
    }


def klass(students: int) -> dict[str, Any]:
    state = full()
    for number in range(students - 2):
        state[f"person/s{number}"] = PersonField(f"S{number}", "student", here=True, order=10 + number)
    return state


# --- making -----------------------------------------------------------------------------------------


def test_groups_by_hand_are_made_anew_and_forgotten() -> None:
    state = after(full(), made(full(), TEACHER, MakeGroups(1, (NewGroup("  Blues ", ("m",)), NewGroup()))))
    assert state["groups"] == GroupsField("prepared")
    assert (state["group/1"], state["group/2"]) == (GroupField("Blues", 1), GroupField("", 2))
    assert state["in/m"] == "1"
    assert groups.assigned(state, "m") == "1"
    assert groups.group_of(state, "m") is None, "everybody is together before they are opened"
    anew = made(state, CO, MakeGroups(1, (NewGroup(),)))
    assert set(anew.delete) == {"group/2", "in/m"}
    assert set(made(state, CO, MakeGroups(1)).delete) == {"groups", "group/1", "group/2", "in/m"}
    assert decide(full(), CO, MakeGroups(1), NOW) is None


@given(st.integers(2, 40), st.integers(1, 20), st.text(min_size=1, max_size=4))
def test_a_draw_is_fair_whole_and_the_same_for_one_token(students: int, count: int, token: str) -> None:
    state, message = klass(students), MakeGroups(1, (NewGroup(),) * count, draw=True)
    change = decide(state, TEACHER, message, Moment(1, token))
    assert change is not None
    assert decide(state, TEACHER, message, Moment(1, token)) == change
    where = {path: group for path, group in change.set.items() if path.startswith("in/")}
    assert len(where) == students
    sizes = Counter({str(order): 0 for order in range(1, count + 1)}) + Counter(where.values())
    assert max(sizes.values()) - min(sizes.values() if len(sizes) == count else [0]) <= 1


def test_a_draw_keeps_who_is_placed_and_leaves_out_leaders_and_who_is_away() -> None:
    state = klass(6)
    state["person/s0"] = PersonField("S0", "student", here=False, order=9)
    change = made(state, TEACHER, MakeGroups(1, (NewGroup("", ("m", "p")), NewGroup()), draw=True))
    where = {path[3:]: group for path, group in change.set.items() if path.startswith("in/")}
    assert where.keys() == {"m", "p", "s1", "s2", "s3"}
    assert where["m"] == where["p"] == "1"
    assert sorted(Counter(where.values()).values()) == [2, 3]


def test_draws_differ() -> None:
    drawn = {tuple(sorted(made_with(klass(8), f"token{number}").items(), key=str)) for number in range(20)}
    assert len(drawn) > 10


def made_with(state: dict[str, Any], token: str) -> dict[str, Any]:
    change = decide(state, TEACHER, MakeGroups(1, TWO, draw=True), Moment(1, token))
    assert change is not None
    return {path: value for path, value in change.set.items() if path.startswith("in/")}


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (MakeGroups(1, (NewGroup("", ("nobody",)),)), "not_found"),
        (MakeGroups(1, (NewGroup("", ("c",)),)), "not_allowed"),
        (MakeGroups(1, (NewGroup("", ("m",)), NewGroup("", ("m",)))), "bad_request"),
        (MakeGroups(1, (NewGroup("\u200b"),)), "text_empty"),
        (OpenGroups(1), "not_found"),
        (SpreadGroups(1), "not_found"),
        (ExtendGroups(1, 1), "groups_closed"),
        (GoToGroup(1, "1"), "groups_closed"),
        (GoToGroup(1, "1", "m"), "not_found"),
        (SpeakToAll(1, on=True), "groups_closed"),
        (TellGroups(1, "hi"), "groups_closed"),
        (GroupChat(1, "hi"), "groups_closed"),
    ],
)
def test_what_does_not_fit_is_refused(message: Any, code: str) -> None:
    assert refusal(full(), TEACHER, message) == code


def test_open_groups_are_not_made_anew() -> None:
    assert refusal(two(), TEACHER, MakeGroups(1, TWO)) == "groups_open"
    assert refusal(two("prepared") | {"_ban/m": True}, TEACHER, GoToGroup(1, "2", "m")) == "not_found"


def test_who_is_in_none_is_spread_over_the_smallest() -> None:
    state = {path: value for path, value in two().items() if path != "in/p"}
    change = made(state, CO, SpreadGroups(1))
    assert (change.kind, change.set) == ("group_moved", {"in/p": "2"})
    assert decide(after(state, change), CO, SpreadGroups(1), NOW) is None


# --- open and closed --------------------------------------------------------------------------------


def test_groups_are_opened_for_a_time_and_more_and_end_by_themselves() -> None:
    state = two("prepared")
    change = made(state, TEACHER, OpenGroups(1, minutes=10, choose=True))
    assert change.set["groups"] == GroupsField("open", NOW.now_ms + 600_000, choose=True)
    assert "lesson" in change.rests_on()
    state = after(state, change)
    assert decide(state, CO, OpenGroups(1), NOW) is None
    assert (groups.group_of(state, "m"), groups.group_of(state, "t")) == ("1", None)
    more = made(state, CO, ExtendGroups(1, 5))
    assert more.set["groups"].ends_at_ms == NOW.now_ms + 900_000
    longest = made(state, CO, ExtendGroups(1, MAX_GROUP_MINUTES)).set["groups"].ends_at_ms
    assert longest == NOW.now_ms + MAX_GROUP_MINUTES * 60_000
    assert groups.time_over(state, Moment(NOW.now_ms + 599_999)) is None
    over = groups.time_over(state, Moment(NOW.now_ms + 600_000))
    assert over is not None
    closed = after(state, over)
    assert groups.group_of(closed, "m") is None
    assert closed["in/m"] == "1", "they can be opened again"
    assert groups.time_over(closed, Moment(NOW.now_ms + 600_000)) is None


def test_without_an_end_they_do_not_end_until_time_is_given() -> None:
    state = after(two("prepared"), made(two("prepared"), TEACHER, OpenGroups(1)))
    assert groups.ends_at_ms(state) is None
    assert groups.time_over(state, Moment(10**12)) is None
    assert made(state, TEACHER, ExtendGroups(1, 1)).set["groups"].ends_at_ms == NOW.now_ms + 60_000


def test_closing_brings_all_together_and_leaves_nothing_open() -> None:
    state = two(ends_at_ms=5) | {
        "in/t": "2",
        "ask/1": AskField("m", 1),
        "speech/c": 1,
        "group_notice": GroupNoticeField("t", "Анна", "Пять минут", 1),
    }
    change = made(state, TEACHER, CloseGroups(1))
    assert change.set == {"groups": GroupsField("prepared")}
    assert set(change.delete) == {"in/t", "ask/1", "speech/c", "group_notice"}
    assert decide(after(state, change), TEACHER, CloseGroups(1), NOW) is None


def test_without_an_adult_everybody_is_together_again() -> None:
    state = two() | {"in/t": "1", "speech/t": 3}
    state["person/c"] = PersonField("Олег", "co_teacher", here=False, order=2)
    change = presence.leave(state, "t", 1000, NOW)
    assert change is not None
    assert change.kind == "teacher_away"
    assert change.set["groups"].state == "prepared"
    assert {"in/t", "speech/t"} <= set(change.delete)
    assert len(change.delete) == len(set(change.delete))
    with_co = presence.leave(two() | {"in/t": "1"}, "t", 1000, NOW)
    assert with_co is not None
    assert "groups" not in with_co.set
    assert "in/t" in with_co.delete


def test_the_lessons_end_closes_them() -> None:
    change = ending.end_for_all(two() | {"speech/t": 1}, NOW)
    assert change is not None
    assert change.set["groups"].state == "prepared"
    assert "speech/t" in change.delete


# --- people -----------------------------------------------------------------------------------------


def test_leaders_walk_in_and_out_each_by_themselves() -> None:
    state = two() | {"ask/2": AskField("p", 1)}
    state = after(state, made(state, TEACHER, GoToGroup(1, "2")))
    assert "ask/2" not in state, "who comes in has answered"
    state = after(state, made(state, CO, GoToGroup(1, "1")))
    assert [groups.group_of(state, who) for who in "tcmp"] == ["2", "1", "1", "2"]
    state = after(state, made(state, TEACHER, GoToGroup(1, None)))
    assert groups.group_of(state, "t") is None
    assert decide(state, TEACHER, GoToGroup(1, None), NOW) is None
    assert refusal(state, TEACHER, GoToGroup(1, "1", "c")) == "not_allowed"


def test_students_are_moved_and_move_themselves_only_where_they_may() -> None:
    assert after(two(), made(two(), CO, GoToGroup(1, "2", "m")))["in/m"] == "2"
    assert made(two("prepared"), CO, GoToGroup(1, None, "m")).delete == ("in/m",)
    assert refusal(two(), MASHA, GoToGroup(1, "2")) == "not_allowed"
    assert refusal(two(choose=True), MASHA, GoToGroup(1, None)) == "not_allowed"
    assert refusal(two(choose=True), MASHA, GoToGroup(1, "1", "p")) == "not_allowed"
    assert refusal(two(choose=True), MASHA, GoToGroup(1, "3")) == "not_found"
    assert made(two(choose=True), MASHA, GoToGroup(1, "2")).set == {"in/m": "2"}


def test_who_is_moved_asks_no_more_for_the_group_they_left() -> None:
    state = two() | {"ask/1": AskField("m", 1)}
    assert made(state, TEACHER, GoToGroup(1, "2", "m")).delete == ("ask/1",)
    gone = presence.leave(state, "m", 1000, NOW)
    assert gone is not None
    assert gone.delete == ("ask/1",)


def test_one_who_comes_back_is_where_they_were() -> None:
    state = two()
    left = presence.leave(state, "m", 1000, NOW)
    state = after(state, left)
    back = presence.enter(state, MASHA, "Маша", 60, LATER)
    assert groups.group_of(after(state, back), "m") == "1"


def test_a_newcomer_goes_to_the_smallest_group_and_a_leader_to_none() -> None:
    state = two() | {"in/p": "1"}
    for who in ("x1", "x2", "x3"):
        entered = presence.enter(state, Actor(who, Role.STUDENT), who, 60, NOW)
        assert entered is not None
        assert "groups" in entered.rests_on()
        state = after(state, entered)
    assert [groups.group_of(state, who) for who in ("x1", "x2", "x3")] == ["2", "2", "1"]
    change = presence.enter(state, Actor("x", Role.CO_TEACHER), "Ира", 60, NOW)
    assert groups.group_of(after(state, change), "x") is None


def test_who_was_kept_with_the_teacher_stays_with_a_new_name() -> None:
    state = {path: value for path, value in two().items() if path != "in/m"}
    change = presence.enter(state, MASHA, "Мария", 60, NOW)
    assert groups.group_of(after(state, change), "m") is None


def test_who_is_removed_is_in_no_group() -> None:
    change = made(two() | {"ask/1": AskField("m", 1)}, TEACHER, wire.Remove(1, "m"))
    assert {"in/m", "ask/1"} <= set(change.delete)


# --- between groups ---------------------------------------------------------------------------------


def test_a_group_asks_once_and_leaders_take_note() -> None:
    change = made(two(), MASHA, AskIn(1, on=True))
    assert change.set == {"ask/1": AskField("m", NOW.now_ms)}
    asked = after(two(), change)
    assert decide(asked, MASHA, AskIn(1, on=True), NOW) is None
    assert made(asked, MASHA, AskIn(1, on=False)).delete == ("ask/1",)
    assert made(asked, CO, AskIn(1, on=False, group="1")).delete == ("ask/1",)
    assert refusal(asked, CO, AskIn(1, on=True, group="2")) == "not_allowed"
    alone = {path: value for path, value in two().items() if path != "in/m"}
    assert refusal(alone, MASHA, AskIn(1, on=True)) == "not_allowed"


def test_leaders_speak_to_all_and_write_to_all() -> None:
    state = after(two(), made(two(), TEACHER, SpeakToAll(1, on=True)))
    assert state["speech/t"] == NOW.now_ms
    assert decide(state, TEACHER, SpeakToAll(1, on=True), NOW) is None
    assert made(state, CO, SpeakToAll(1, on=True)).set == {"speech/c": NOW.now_ms}
    assert made(state, TEACHER, SpeakToAll(1, on=False)).delete == ("speech/t",)
    told = after(state, made(state, TEACHER, TellGroups(1, " Пять\u202e минут ")))
    assert told["group_notice"] == GroupNoticeField("t", "Анна Петровна", "Пять минут", NOW.now_ms)
    assert made(told, CO, TellGroups(1, "")).delete == ("group_notice",)
    assert refusal(told, TEACHER, TellGroups(1, "\u200b")) == "text_empty"


def test_a_groups_chat_is_bounded_and_its_own() -> None:
    state = two()
    for number in range(GROUP_CHAT_KEPT + 3):
        change = decide(state, MASHA, GroupChat(1, "x"), Moment(NOW.now_ms + number, "t"))
        state = after(state, change)
    assert sum(path.startswith("group_chat/1/") for path in state) == GROUP_CHAT_KEPT
    assert decide(state, MASHA, GroupChat(1, "x"), Moment(NOW.now_ms + number, "t")) is None
    assert refusal(state, TEACHER, GroupChat(1, "x")) == "not_allowed"
    assert made(state, PETYA, GroupChat(1, "x")).set.keys() == {f"group_chat/2/{NOW.now_ms:013d}-tok"}


def test_a_group_draws_on_its_own_board_and_the_lesson_has_it_afterwards() -> None:
    opened = made(two("prepared"), TEACHER, OpenGroups(1, boards=True))
    state = after(two("prepared"), opened)
    first, second = (state[f"group/{group}"].board for group in ("1", "2"))
    assert (groups.board_of(state, "m"), groups.board_of(state, "p")) == (first, second)
    assert state[f"board/{first}"].name == "№ 1"
    element = {"e": wire.BoardElementField("ellipse", 0, 0, 1, 1, 1, 1)}
    drawn = made(state, MASHA, wire.BoardPut(1, first, element))
    assert {"groups", "in/m"} <= drawn.rests_on()
    assert refusal(state, MASHA, wire.BoardPut(1, second, element)) == "not_allowed"
    ink = Inking()
    assert ink.take(state, MASHA, wire.SendInk(first, "pen"), 0) is not None
    assert ink.take(state, MASHA, wire.SendInk(second, "pen"), 0) is None
    shown = {"shown": wire.ShownField("board", second, "t"), "ink/*": True}
    assert ink.take(state | shown, MASHA, wire.SendInk(second, "pen"), 1) is None, "it is not before them"
    state = after(after(state, drawn), made(state, TEACHER, CloseGroups(1)))
    assert groups.board_of(state, "m") is None
    assert refusal(state, MASHA, wire.BoardPut(1, first, {})) == "not_allowed"
    assert made(state, TEACHER, wire.Show(1, "board", first)).kind == "shown"
    again = made(state, TEACHER, OpenGroups(1, boards=True))
    assert again.set.keys() == {"groups"}, "it goes on on the same boards"
    assert groups.board_of(after(state, made(state, TEACHER, OpenGroups(1))), "m") is None


@pytest.mark.parametrize(
    ("rules", "text", "code"),
    [
        ({"calm": wire.CalmField(on=True, by="t", at_ms=1, sealed_from_ms=0)}, "hi", "calm"),
        ({"chat_muted/m": True}, "hi", "chat_muted"),
        ({"chat_rules": wire.ChatRulesField(mode="closed")}, "hi", "chat_closed"),
        ({"chat_rules": wire.ChatRulesField(mode="held")}, "hi", "chat_closed"),
        ({"chat_words": ["bother"]}, "b o t h e r", "chat_words"),
        ({}, "look at https://a.example", "chat_links"),
    ],
)
def test_the_chats_rules_hold_in_groups_where_nobody_would_look_at_what_waits(
    rules: dict[str, Any], text: str, code: str
) -> None:
    assert refusal(two() | rules, MASHA, GroupChat(1, text)) == code


def test_nothing_of_a_group_is_recorded() -> None:
    recording = RecordingField("r", "on", 1, 1, ("microphone", "camera"))
    state = two() | {"recording": recording, "in/t": "1", "person/x": PersonField("X", "student", True, 9)}
    assert recorded(state, "m") == recorded(state, "t") == frozenset()
    assert recorded(state, "c")
    assert recorded(state, "x") == {"microphone", "camera"}
    assert recorded(after(state, made(state, TEACHER, CloseGroups(1))), "m") == {"microphone", "camera"}


# --- who may know -----------------------------------------------------------------------------------


def events(*steps: tuple[Actor, Any]) -> tuple[Replica, list[Record]]:
    replica = Replica()
    log: list[Record] = []
    opened = record(presence.open_lesson("O", "P", 8), 0, None)
    log.append(Record(1, opened.kind, 0, None, opened.set))
    replica.apply(log[0])
    people = [(TEACHER, "Анна"), (MASHA, "Маша"), (PETYA, "Петя")]
    for number, (actor, what) in enumerate([*people, *steps], 2):
        moment = Moment(number, f"k{number}")
        change = (
            presence.enter(replica.state, actor, what, 60, moment)
            if isinstance(what, str)
            else decide(replica.state, actor, what, moment)
        )
        assert change is not None
        plain = record(change, number, actor.participant)
        happened = Record(replica.number + 1, plain.kind, number, plain.by, plain.set, plain.delete)
        assert replica.apply(happened)
        log.append(happened)
    return replica, log


MADE = (TEACHER, MakeGroups(1, (NewGroup("", ("m",)), NewGroup("", ("p",)))))
SAID = (MADE, (TEACHER, OpenGroups(1)), (MASHA, GroupChat(1, "secret")))


def test_what_a_group_says_is_seen_by_it_and_by_leaders_only() -> None:
    replica, log = events(*SAID, (MASHA, AskIn(1, on=True)))
    for event in log[-2:]:
        encoded = Encoded(event)
        sees = {
            who: bool(event.seen_by(view, who, replica.group(who)).set)
            for who, view in (("t", View.LEADER), ("m", View.STUDENT), ("p", View.STUDENT))
        }
        assert sees == {"t": True, "m": True, "p": False}
        seen_by_petya = encoded.for_view(View.STUDENT, "p", "2")
        assert seen_by_petya != encoded.for_view(View.STUDENT, "m", "1")
        assert b"secret" not in seen_by_petya
        assert event.seen_by(View.STUDENT, "p", "2").by is None
    own = [path for path in replica.fields(View.STUDENT, "p") if path.startswith(("group_chat", "ask"))]
    assert own == []
    assert any(path.startswith("group_chat/1/") for path in replica.fields(View.STUDENT, "m"))
    assert any(path.startswith("group_chat/1/") for path in replica.fields(View.LEADER, "t"))


def test_who_resumes_in_another_group_gets_the_state_as_a_whole() -> None:
    replica, log = events(*SAID)
    before = replica.number
    assert replica.since(before - 1, View.STUDENT, "m")
    moved, _ = events(*SAID, (TEACHER, GoToGroup(1, "2", "m")))
    assert moved.since(before, View.STUDENT, "m") is None
    assert moved.since(before, View.STUDENT, "p")
    assert not any(path.startswith("group_chat") for path in moved.fields(View.STUDENT, "m"))
    assert len(log) == before
