"""Calling a student to the board, and back to the seat."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from sfu.model import Refused, Role
from signaling.lesson import fields
from signaling.lesson.change import Actor, Change, Moment
from signaling.lesson.fields import CALM, LESSON, State, is_calm
from signaling.lesson.permissions import by_rule, ordered
from signaling.wire import AnswerCall, AtBoardField, Call, CalledField, PersonField, Seat, SourceName

AT_BOARD_MAY: Final[frozenset[SourceName]] = frozenset({"microphone", "screen", "screen_sound"})


def call(state: State, actor: Actor, message: Call, moment: Moment) -> Change | None:
    """Ask, ask again who said not now, or take the question back. None: it is so already, or at the board."""
    whose = message.participant
    path = fields.called(whose)
    called: CalledField | None = state.get(path)
    if not message.on:
        return None if called is None else Change("uncalled", {}, (path,))
    person: PersonField | None = state.get(fields.person(whose))
    if person is None or not person.here:
        raise Refused("not_found")
    if Role(person.role).leads:
        raise Refused("not_allowed")
    if is_calm(state):
        raise Refused("calm")
    if fields.at_board(whose) in state or (called is not None and called.answer == "none"):
        return None
    expect = frozenset({CALM, fields.person(whose), fields.at_board(whose)})
    return Change("called", {path: CalledField(actor.participant, moment.now_ms)}, (), expect)


def answer(state: State, actor: Actor, message: AnswerCall, moment: Moment) -> Change | None:
    """Go to the board: all that goes with it in one event. Or stay: leaders are told."""
    who = actor.participant
    called: CalledField | None = state.get(fields.called(who))
    if called is None:
        raise Refused("not_found")
    if not message.go:
        if called.answer == "not_now":
            return None
        later = msgspec.structs.replace(called, answer="not_now")
        return Change("not_now", {fields.called(who): later})
    person: PersonField = state[fields.person(who)]
    lesson = fields.lesson(state)
    given = ordered(by_rule(state, person) | AT_BOARD_MAY)
    at_board = AtBoardField(
        by=called.by,
        at_ms=moment.now_ms,
        given=given,
        may=person.may,
        microphone=fields.on(who, "microphone") in state,
        ink=fields.ink(who) in state,
    )
    changes = {
        fields.at_board(who): at_board,
        fields.ink(who): True,
        fields.person(who): msgspec.structs.replace(person, may=given),
        LESSON: msgspec.structs.replace(lesson, stage=who),
    }
    deletes = [path for path in (fields.called(who), fields.hand(who)) if path in state]
    return Change("at_board", changes, tuple(deletes), frozenset({CALM}))


def seat(state: State, actor: Actor, message: Seat, _moment: Moment) -> Change | None:
    """None: not at the board."""
    whose = message.participant or actor.participant
    if whose != actor.participant and not actor.role.leads:
        raise Refused("not_allowed")
    if fields.at_board(whose) not in state:
        return None
    changes, deletes = away(state, whose)
    return Change("seated", changes, deletes, frozenset({LESSON}))


def away(state: State, participant: str) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Fields to set and delete so that somebody is neither at the board nor asked to it; nothing else of
    theirs changes. What a leader decided about their rule meanwhile stays."""
    changes: dict[str, Any] = {}
    deletes = [fields.called(participant)]
    at_board: AtBoardField | None = state.get(fields.at_board(participant))
    if at_board is not None:
        deletes.append(fields.at_board(participant))
        if not at_board.ink:
            deletes.append(fields.ink(participant))
        person: PersonField = state[fields.person(participant)]
        if person.may == at_board.given:
            person = changes[fields.person(participant)] = msgspec.structs.replace(person, may=at_board.may)
        off = fields.sources_on(state, participant) - by_rule(state, person)
        if not at_board.microphone:
            off |= {"microphone"}
        deletes += [fields.on(participant, source) for source in sorted(off)]
        lesson = fields.lesson(state)
        if lesson.stage == participant:
            changes[LESSON] = msgspec.structs.replace(lesson, stage=None)
    return changes, tuple(path for path in deletes if path in state)
