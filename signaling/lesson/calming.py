"""Calm: nothing of students until a leader releases it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from sfu.model import Refused, Role
from signaling.lesson import calling, fields
from signaling.lesson.change import Actor, Change, Moment
from signaling.lesson.fields import CALM, State, is_calm
from signaling.wire import SEALED_MS, Calm, CalmField

Rule = Callable[[State, Actor, Any, Moment], Change | None]


def check(state: State, role: Role) -> None:
    """Raises Refused ``calm`` for a student while it is calm."""
    if not role.leads and is_calm(state):
        raise Refused("calm")


def held(rule: Rule) -> Rule:
    """The same rule, which students can't use while it is calm."""

    def hold(state: State, actor: Actor, message: Any, moment: Moment) -> Change | None:
        check(state, actor.role)
        change = rule(state, actor, message, moment)
        if change is None:
            return None
        return Change(change.kind, change.set, change.delete, change.expect | {CALM})

    return hold


def calm(state: State, actor: Actor, message: Calm, moment: Moment) -> Change | None:
    """All that students have on goes off, who is at the board sits down, who was asked to it is not any more.
    None: it is so already.

    Nothing comes on again by itself when it is over: a class that was too loud does not go on where
    it stopped.
    """
    if message.on == is_calm(state):
        return None
    changes: dict[str, Any] = {}
    deletes: dict[str, None] = {}
    for who, person in fields.people(state):
        if Role(person.role).leads:
            continue
        changed, gone = calling.away(state, who)
        on = (fields.on(who, source) for source in sorted(fields.sources_on(state, who)))
        changes |= changed
        deletes |= dict.fromkeys((*on, *gone))
    if message.on:
        changes[CALM] = CalmField(
            on=True, by=actor.participant, at_ms=moment.now_ms, sealed_from_ms=moment.now_ms - SEALED_MS
        )
        return Change("calm", changes, tuple(deletes))
    changes[CALM] = msgspec.structs.replace(state[CALM], on=False)
    return Change("calm_over", changes, tuple(deletes))
