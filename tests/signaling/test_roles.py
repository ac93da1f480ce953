"""The table of commands and roles, walked fully: what is not written down here is allowed to nobody."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from sfu.model import Refused, Role
from signaling import wire
from signaling.lesson.change import Actor, Moment
from signaling.roles import COMMANDS, RULES, check, decide
from signaling.wire import groups
from tests.signaling.test_materials import MATERIALS
from tests.signaling.test_quiz import running
from tests.signaling.test_rules import full
from tests.signaling.test_slides_rules import SLIDES

T, C, S = Role.TEACHER, Role.CO_TEACHER, Role.STUDENT
EXPECTED: dict[type[Any], set[Role]] = {
    wire.Hello: set(),
    wire.Offer: {T, C, S},
    wire.Draw: {T, C, S},
    wire.SendStill: {T, C, S},
    wire.Publish: {T, C, S},
    wire.Chat: {T, C, S},
    wire.SetChat: {T, C},
    wire.SetChatWords: {T, C},
    wire.MuteChat: {T, C},
    wire.JudgeChat: {T, C},
    wire.RemoveChat: {T, C},
    wire.Hand: {T, C, S},
    wire.Leave: {T, C, S},
    wire.Mute: {T, C},
    wire.SetMay: {T, C},
    wire.SetStage: {T, C},
    wire.Show: {T, C},
    wire.Call: {T, C},
    wire.AnswerCall: {S},
    wire.Seat: {T, C, S},
    wire.React: {T, C, S},
    wire.SetReactions: {T, C},
    wire.SetTimer: {T, C},
    wire.Pick: {T, C},
    wire.SetPickable: {T, C},
    wire.Calm: {T, C},
    wire.ReadSealed: {T, C},
    wire.MakeSlides: {T, C},
    wire.TurnPage: {T, C},
    wire.SetBrowse: {T, C},
    wire.RemoveSlides: {T, C},
    wire.AddLink: {T, C},
    wire.NameMaterial: {T, C},
    wire.MoveMaterial: {T, C},
    wire.SetSharing: {T, C},
    wire.ShowFilm: {T, C},
    wire.PlayFilm: {T, C},
    wire.Score: {S},
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
    wire.MakeQuiz: {T, C},
    wire.SetQuiz: {T, C},
    wire.QuizAnswer: {S},
    wire.End: {T},
    wire.BoardMake: {T, C},
    wire.BoardName: {T, C},
    wire.BoardRemove: {T, C},
    wire.BoardClear: {T, C},
    wire.BoardPut: {T, C, S},
    wire.SetInk: {T, C},
    wire.SendInk: {T, C, S},
}
MESSAGES: dict[type[Any], Any] = {
    wire.Publish: wire.Publish(1, "camera", on=True),
    wire.Chat: wire.Chat(1, "hi"),
    wire.SetChat: wire.SetChat(1, "held"),
    wire.SetChatWords: wire.SetChatWords(1, ("word",)),
    wire.MuteChat: wire.MuteChat(1, "p", on=True),
    wire.JudgeChat: wire.JudgeChat(1, "p", "h", approve=True),
    wire.RemoveChat: wire.RemoveChat(1, participant="p"),
    wire.Hand: wire.Hand(1, up=True),
    wire.Mute: wire.Mute(1, "p"),
    wire.SetMay: wire.SetMay(1, ("camera",)),
    wire.SetStage: wire.SetStage(1, "p"),
    wire.Show: wire.Show(1, "board", "b"),
    wire.Call: wire.Call(1, "p"),
    wire.AnswerCall: wire.AnswerCall(1, go=False),
    wire.Seat: {T: wire.Seat(1, "m"), C: wire.Seat(1, "m"), S: wire.Seat(1)},
    wire.SetReactions: wire.SetReactions(1, on=False),
    wire.SetTimer: wire.SetTimer(1, "start"),
    wire.Pick: wire.Pick(1),
    wire.SetPickable: wire.SetPickable(1, "p", on=False),
    wire.Calm: wire.Calm(1, on=True),
    wire.MakeSlides: wire.MakeSlides(1, slides="f"),
    wire.TurnPage: wire.TurnPage(1, "s", 2),
    wire.SetBrowse: wire.SetBrowse(1, "s", browse=True),
    wire.RemoveSlides: wire.RemoveSlides(1, "s"),
    wire.AddLink: wire.AddLink(1, "https://example.org"),
    wire.NameMaterial: wire.NameMaterial(1, "f", "New"),
    wire.MoveMaterial: wire.MoveMaterial(1, "f"),
    wire.SetSharing: wire.SetSharing(1, students=True),
    wire.ShowFilm: wire.ShowFilm(1, "f"),
    wire.PlayFilm: wire.PlayFilm(1, "f", "playing", 5),
    wire.Score: wire.Score(1, "a", 1, 2),
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
    wire.MakeQuiz: wire.MakeQuiz(1, "Poll", (wire.NewQuestion("text"),)),
    wire.SetQuiz: wire.SetQuiz(1, "q", "close"),
    wire.QuizAnswer: wire.QuizAnswer(1, "q", 0, (1,)),
    wire.End: wire.End(1),
    wire.BoardMake: wire.BoardMake(1, "new", "Forces"),
    wire.BoardName: wire.BoardName(1, "drawn", "Light"),
    wire.BoardRemove: wire.BoardRemove(1, "drawn"),
    wire.BoardClear: wire.BoardClear(1, "drawn"),
    wire.BoardPut: wire.BoardPut(1, "drawn", gone=("e",)),
    wire.SetInk: wire.SetInk(1, on=True, participant="p"),
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
    state = full() | MATERIALS | SLIDES | running() | GROUPS_THERE
    state |= {"on/p/microphone": True, "board/b": {}, "ink/m": True}
    state |= {"called/m": wire.CalledField("t", 1), "at_board/m": wire.AtBoardField("t", 1, ())}
    state |= {"held/p/h": wire.HeldField("P", "hi", 1, "mode")}
    drawn = wire.BoardElementField("ellipse", 0, 0, 1, 1, 1, 1, by="m")
    state |= {"board/drawn": wire.BoardField("Forces", 1, "t"), "board/drawn/e/e": drawn}
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
