"""Who may ask for what: one table, denied by default; and which rule decides each command."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from sfu.model import Refused, Role
from signaling import wire
from signaling.lesson import (
    apps,
    board,
    calling,
    calming,
    chat,
    consent,
    ending,
    fields,
    films,
    groups,
    hands,
    ink,
    lock,
    materials,
    permissions,
    picking,
    presence,
    publications,
    quiz,
    reacting,
    recording,
    showing,
    slides,
    stage,
    timing,
)
from signaling.lesson.change import Actor, Change, Moment
from signaling.lesson.fields import State

_EVERYBODY: Final = frozenset(Role)
_LEADERS: Final = frozenset({Role.TEACHER, Role.CO_TEACHER})
_STUDENTS: Final = frozenset({Role.STUDENT})
_TEACHER: Final = frozenset({Role.TEACHER})

COMMANDS: Final[dict[type[Any], frozenset[Role]]] = {
    wire.Offer: _EVERYBODY,
    wire.Draw: _EVERYBODY,
    wire.SendStill: _EVERYBODY,
    wire.Publish: _EVERYBODY,
    wire.Chat: _EVERYBODY,
    wire.SetChat: _LEADERS,
    wire.SetChatWords: _LEADERS,
    wire.MuteChat: _LEADERS,
    wire.JudgeChat: _LEADERS,
    wire.RemoveChat: _LEADERS,
    wire.Hand: _EVERYBODY,
    wire.Leave: _EVERYBODY,
    wire.Mute: _LEADERS,
    wire.SetMay: _LEADERS,
    wire.SetStage: _LEADERS,
    wire.Show: _LEADERS,
    wire.Call: _LEADERS,
    wire.AnswerCall: frozenset({Role.STUDENT}),
    wire.Seat: _EVERYBODY,
    wire.React: _EVERYBODY,
    wire.SetReactions: _LEADERS,
    wire.SetTimer: _LEADERS,
    wire.Pick: _LEADERS,
    wire.SetPickable: _LEADERS,
    wire.Calm: _LEADERS,
    wire.ReadSealed: _LEADERS,
    wire.MakeSlides: _LEADERS,
    wire.TurnPage: _LEADERS,
    wire.SetBrowse: _LEADERS,
    wire.RemoveSlides: _LEADERS,
    wire.AddLink: _LEADERS,
    wire.NameMaterial: _LEADERS,
    wire.MoveMaterial: _LEADERS,
    wire.SetSharing: _LEADERS,
    wire.ShowFilm: _LEADERS,
    wire.PlayFilm: _LEADERS,
    wire.Score: _STUDENTS,
    wire.MakeGroups: _LEADERS,
    wire.SpreadGroups: _LEADERS,
    wire.OpenGroups: _LEADERS,
    wire.ExtendGroups: _LEADERS,
    wire.CloseGroups: _LEADERS,
    wire.GoToGroup: _EVERYBODY,
    wire.AskIn: _EVERYBODY,
    wire.SpeakToAll: _LEADERS,
    wire.TellGroups: _LEADERS,
    wire.GroupChat: _EVERYBODY,
    wire.Lock: _LEADERS,
    wire.Remove: _LEADERS,
    wire.Record: _LEADERS,
    wire.SetRecorded: _EVERYBODY,
    wire.SetRecordable: _LEADERS,
    wire.MakeQuiz: _LEADERS,
    wire.SetQuiz: _LEADERS,
    wire.QuizAnswer: _STUDENTS,
    wire.End: _TEACHER,
    wire.BoardMake: _LEADERS,
    wire.BoardName: _LEADERS,
    wire.BoardRemove: _LEADERS,
    wire.BoardClear: _LEADERS,
    wire.BoardPut: _EVERYBODY,
    wire.SetInk: _LEADERS,
    wire.SendInk: _EVERYBODY,
}
"""Command -> roles that may give it. What is not here is given by nobody."""

RULES: Final[dict[type[Any], Callable[[State, Actor, Any, Moment], Change | None]]] = {
    wire.Publish: publications.publish,
    wire.Chat: calming.held(chat.say),
    wire.SetChat: chat.set_rules,
    wire.SetChatWords: chat.set_words,
    wire.MuteChat: chat.mute,
    wire.JudgeChat: chat.judge,
    wire.RemoveChat: chat.remove,
    wire.Hand: hands.hand,
    wire.Mute: publications.mute,
    wire.SetMay: permissions.set_may,
    wire.SetStage: stage.set_stage,
    wire.Show: showing.show,
    wire.Call: calling.call,
    wire.AnswerCall: calling.answer,
    wire.Seat: calling.seat,
    wire.SetReactions: reacting.set_reactions,
    wire.SetTimer: timing.set_timer,
    wire.Pick: picking.pick,
    wire.SetPickable: picking.set_pickable,
    wire.Calm: calming.calm,
    wire.MakeSlides: slides.make,
    wire.TurnPage: slides.turn,
    wire.SetBrowse: slides.set_browse,
    wire.RemoveSlides: slides.remove,
    wire.AddLink: materials.add_link,
    wire.NameMaterial: materials.name_material,
    wire.MoveMaterial: materials.move_material,
    wire.SetSharing: materials.set_sharing,
    wire.ShowFilm: films.show,
    wire.PlayFilm: films.play,
    wire.Score: apps.score,
    wire.MakeGroups: groups.make,
    wire.SpreadGroups: groups.spread,
    wire.OpenGroups: groups.open_groups,
    wire.ExtendGroups: groups.extend,
    wire.CloseGroups: groups.close,
    wire.GoToGroup: groups.go,
    wire.AskIn: groups.ask_in,
    wire.SpeakToAll: groups.speak,
    wire.TellGroups: groups.tell,
    wire.GroupChat: calming.held(groups.say),
    wire.Lock: lock.lock,
    wire.Remove: presence.remove,
    wire.Record: recording.record,
    wire.SetRecorded: consent.set_recorded,
    wire.SetRecordable: consent.set_recordable,
    wire.MakeQuiz: quiz.make,
    wire.SetQuiz: quiz.set_quiz,
    wire.QuizAnswer: quiz.answer,
    wire.End: ending.end,
    wire.BoardMake: board.make,
    wire.BoardName: board.name,
    wire.BoardRemove: board.remove,
    wire.BoardClear: board.clear,
    wire.BoardPut: calming.held(board.put),
    wire.SetInk: ink.set_ink,
}
"""Commands that change the lesson, with the rule that decides each."""


def check(role: Role, command: type[Any]) -> None:
    """Raises Refused ``not_allowed`` unless the table names the role."""
    if role not in COMMANDS.get(command, frozenset()):
        raise Refused("not_allowed")


def decide(state: State, actor: Actor, message: Any, moment: Moment) -> Change | None:
    """What a command changes, None when nothing has to; raises Refused.

    The actor must be here, and the change rests on their being so.
    """
    check(actor.role, type(message))
    rule = RULES[type(message)]
    person = state.get(fields.person(actor.participant))
    if person is None or not person.here:
        raise Refused("not_allowed")
    if fields.lesson(state).state == "ended":
        raise Refused("lesson_ended")
    change = rule(state, actor, message, moment)
    if change is None:
        return None
    return Change(change.kind, change.set, change.delete, change.expect | {fields.person(actor.participant)})


def request_id(message: msgspec.Struct) -> int | None:
    """The request number of a command that is answered, else None."""
    number: int | None = getattr(message, "id", None)
    return number
