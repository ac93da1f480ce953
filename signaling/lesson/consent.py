"""Who of the students must not be recorded, and what of the others may be at all."""

from __future__ import annotations

import msgspec

from sfu.model import Refused, Role
from signaling.lesson import fields
from signaling.lesson.change import Actor, Change, Moment
from signaling.lesson.fields import LESSON, State
from signaling.lesson.permissions import ordered
from signaling.wire import PersonField, SetRecordable, SetRecorded, UnrecordedField


def set_recorded(state: State, actor: Actor, message: SetRecorded, _moment: Moment) -> Change | None:
    """A student about themselves, or a leader about a student. None: it is so already.

    Each takes back only what they said themselves: a student cannot undo that there is no consent, a teacher
    not that somebody does not want it. Raises Refused ``not_allowed``, ``not_found``.
    """
    oneself = message.participant in (None, actor.participant)
    if oneself == actor.role.leads:
        raise Refused("not_allowed")
    who = actor.participant if oneself else message.participant or ""
    person: PersonField | None = state.get(fields.person(who))
    if person is None:
        raise Refused("not_found")
    if Role(person.role).leads:
        raise Refused("not_allowed")
    path = fields.unrecorded(who)
    before: UnrecordedField = state.get(path, UnrecordedField())
    after = msgspec.structs.replace(before, **{"by_self" if oneself else "by_leader": not message.on})
    if after == before:
        return None
    if after == UnrecordedField():
        return Change("recorded", {}, (path,))
    return Change("unrecorded", {path: after})


def set_recordable(state: State, _actor: Actor, message: SetRecordable, _moment: Moment) -> Change | None:
    """What of students may be recorded at all, whatever a recording asks. None: it is so already."""
    lesson = fields.lesson(state)
    sources = ordered(message.sources)
    if lesson.recordable == sources:
        return None
    return Change("recordable", {LESSON: msgspec.structs.replace(lesson, recordable=sources)})


def is_recorded(state: State, participant: str) -> bool:
    """Whether nobody said that this person must not be recorded."""
    return fields.unrecorded(participant) not in state
