"""What students may publish: for the class, and for one person."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from sfu.model import SEND_SECTIONS, Refused, Role
from signaling.lesson import fields
from signaling.lesson.change import Actor, Change, Moment
from signaling.lesson.fields import LESSON, State, is_calm
from signaling.wire import PersonField, SetMay, SourceName

EVERYTHING: frozenset[str] = frozenset(source.value for source in SEND_SECTIONS)


def allowed(state: State, participant: str) -> frozenset[str]:
    """Which sources a participant may publish now; nothing for somebody who is not here,
    nor for students while it is calm."""
    person: PersonField | None = state.get(fields.person(participant))
    if person is None or not person.here:
        return frozenset()
    if Role(person.role).leads:
        return EVERYTHING
    return frozenset() if is_calm(state) else by_rule(state, person)


def by_rule(state: State, person: PersonField) -> frozenset[SourceName]:
    """What a student may publish whatever else holds now."""
    return frozenset(fields.lesson(state).may if person.may is None else person.may)


def set_may(state: State, _actor: Actor, message: SetMay, _moment: Moment) -> Change | None:
    """Give or take permission; what is on and no longer allowed goes off in the same event."""
    may = None if message.may is None else ordered(message.may)
    lesson = fields.lesson(state)
    if message.participant is not None:
        person: PersonField | None = state.get(fields.person(message.participant))
        if person is None:
            raise Refused("not_found")
        if Role(person.role).leads:
            raise Refused("not_allowed")
        if person.may == may:
            return None
        now_allowed = frozenset(lesson.may if may is None else may)
        off = _off(state, message.participant, now_allowed)
        changed = {fields.person(message.participant): msgspec.structs.replace(person, may=may)}
        return Change("may", changed, off, frozenset({LESSON}))
    if may is None:
        raise Refused("bad_request")
    if lesson.may == may:
        return None
    off = tuple(
        path
        for who, person in fields.people(state)
        if person.here and not Role(person.role).leads and person.may is None
        for path in _off(state, who, frozenset(may))
    )
    return Change("may", {LESSON: msgspec.structs.replace(lesson, may=may)}, off)


def _off(state: State, participant: str, may: frozenset[str]) -> tuple[str, ...]:
    return tuple(
        fields.on(participant, source) for source in sorted(fields.sources_on(state, participant) - may)
    )


def ordered(may: Iterable[SourceName]) -> tuple[SourceName, ...]:
    """Each source once, in the order of the wire."""
    wanted = frozenset(may)
    order: tuple[SourceName, ...] = ("microphone", "camera", "screen", "screen_sound")
    return tuple(source for source in order if source in wanted)
