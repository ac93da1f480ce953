"""The table of commands and roles, walked fully: what is not written down here is allowed to nobody."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from sfu.model import Refused, Role
from signaling import wire
from signaling.lesson.change import Actor, Moment
from signaling.roles import COMMANDS, RULES, check, decide
from signaling.wire import groups
from tests.signaling.test_rules import full

T, C, S = Role.TEACHER, Role.CO_TEACHER, Role.STUDENT
EXPECTED: dict[type[Any], set[Role]] = {
    wire.Hello: set(),
    wire.Offer: {T, C, S},
    wire.Draw: {T, C, S},
    wire.SendStill: {T, C, S},
    wire.Publish: {T, C, S},
    wire.Chat: {T, C, S},
    wire.Hand: {T, C, S},
    wire.Leave: {T, C, S},
    wire.Mute: {T, C},
    wire.SetMay: {T, C},
    wire.SetStage: {T, C},
    wire.Show: {T, C},
    groups.MakeGroups: {T, C},
    groups.SpreadGroups: {T, C},
    groups.OpenGroups: {T, C},
    groups.ExtendGroups: {T, C},
    groups.CloseGroups: {T, C},
    groups.GoToGroup: {T, C, S},
    groups.AskIn: {T, C, S},
    groups.SpeakToAll: {T, C},
    groups.TellGroups: {T, C},
    groups.GroupChat: {T, C, S},
    wire.Lock: {T, C},
    wire.Remove: {T, C},
    wire.Record: {T, C},
    wire.SetRecorded: {T, C, S},
    wire.SetRecordable: {T, C},
    wire.End: {T},
}
MESSAGES: dict[type[Any], Any] = {
    wire.Publish: wire.Publish(1, "camera", on=True),
    wire.Chat: wire.Chat(1, "hi"),
    wire.Hand: wire.Hand(1, up=True),
    wire.Mute: wire.Mute(1, "p"),
    wire.SetMay: wire.SetMay(1, ("camera",)),
    wire.SetStage: wire.SetStage(1, "p"),
    wire.Show: wire.Show(1, "board", "b"),
    groups.MakeGroups: groups.MakeGroups(1, (groups.NewGroup(),)),
    groups.SpreadGroups: groups.SpreadGroups(1),
    groups.OpenGroups: groups.OpenGroups(1),
    groups.ExtendGroups: groups.ExtendGroups(1, 5),
    groups.CloseGroups: groups.CloseGroups(1),
    groups.GoToGroup: groups.GoToGroup(1, "2"),
    groups.AskIn: {
        T: groups.AskIn(1, on=False, group="2"),
        C: groups.AskIn(1, on=False, group="2"),
        S: groups.AskIn(1, on=True),
    },
    groups.SpeakToAll: groups.SpeakToAll(1, on=True),
    groups.TellGroups: groups.TellGroups(1, "Five minutes left"),
    groups.GroupChat: groups.GroupChat(1, "hi"),
    wire.Lock: wire.Lock(1, on=True),
    wire.Remove: wire.Remove(1, "p"),
    wire.Record: wire.Record(1, on=True),
    wire.SetRecorded: {
        T: wire.SetRecorded(1, on=False, participant="p"),
        C: wire.SetRecorded(1, on=False, participant="p"),
        S: wire.SetRecorded(1, on=False),
    },
    wire.SetRecordable: wire.SetRecordable(1, ("camera",)),
    wire.End: wire.End(1),
}
GROUPS_THERE: dict[str, Any] = {
    "groups": groups.GroupsField("open", choose=True),
    "group/1": groups.GroupField("", 1),
    "group/2": groups.GroupField("", 2),
    "in/m": "1",
    "in/t": "1",
    "in/c": "1",
    "ask/2": groups.AskField("p", 1),
}
PEOPLE = {T: "t", C: "c", S: "m"}


def test_the_table_names_every_command() -> None:
    assert set(EXPECTED) == set(get_args(wire.ClientMessage))


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("command", list(EXPECTED), ids=lambda kind: kind.__name__)
def test_each_command_for_each_role(command: type[Any], role: Role) -> None:
    if role in EXPECTED[command]:
        check(role, command)
    else:
        with pytest.raises(Refused, match="not_allowed"):
            check(role, command)


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("command", list(RULES), ids=lambda kind: kind.__name__)
def test_rules_are_not_reached_around_the_table(command: type[Any], role: Role) -> None:
    state = full() | {"on/p/microphone": True, "board/b": {}} | GROUPS_THERE
    if command in (groups.MakeGroups, groups.OpenGroups):
        state |= {"groups": groups.GroupsField("prepared")}
    actor = Actor(PEOPLE[role], role)
    message = MESSAGES[command]
    message = message[role] if isinstance(message, dict) else message
    if role in EXPECTED[command]:
        assert decide(state, actor, message, Moment(1, "x")) is not None
    else:
        with pytest.raises(Refused, match="not_allowed"):
            decide(state, actor, message, Moment(1, "x"))


def test_a_command_that_is_not_in_the_table_is_denied() -> None:
    with pytest.raises(Refused, match="not_allowed"):
        check(Role.TEACHER, int)
    assert set(COMMANDS) <= set(EXPECTED)
