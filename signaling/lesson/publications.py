"""Turning one's own sources on and off, and leaders shutting those of others."""

from __future__ import annotations

from sfu.model import Refused, Role
from signaling.lesson import calming, fields
from signaling.lesson.change import Actor, Change, Moment
from signaling.lesson.fields import CALM, LESSON, State
from signaling.lesson.permissions import allowed
from signaling.wire import Mute, PersonField, Publish


def publish(state: State, actor: Actor, message: Publish, _moment: Moment) -> Change | None:
    """None: it is so already. Raises Refused ``not_allowed`` for a source this person may not publish,
    ``calm`` for all of students while it is calm."""
    path = fields.on(actor.participant, message.source)
    if not message.on:
        return Change("unpublished", {}, (path,)) if path in state else None
    calming.check(state, actor.role)
    if message.source not in allowed(state, actor.participant):
        raise Refused("not_allowed")
    if path in state:
        return None
    return Change(
        "published", {path: True}, expect=frozenset({LESSON, CALM, fields.person(actor.participant)})
    )


def mute(state: State, actor: Actor, message: Mute, _moment: Moment) -> Change | None:
    """Shut a source of one participant, or of all students. None: nothing of it is on.

    The teacher's own sources are shut by nobody else.
    """
    if message.participant is None:
        paths = tuple(
            fields.on(who, message.source)
            for who, person in fields.people(state)
            if Role(person.role) is Role.STUDENT and fields.on(who, message.source) in state
        )
        return Change("muted", {}, paths) if paths else None
    person: PersonField | None = state.get(fields.person(message.participant))
    if person is None:
        raise Refused("not_found")
    if Role(person.role) is Role.TEACHER and message.participant != actor.participant:
        raise Refused("not_allowed")
    path = fields.on(message.participant, message.source)
    return Change("muted", {}, (path,)) if path in state else None
