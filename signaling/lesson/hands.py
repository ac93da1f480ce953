"""Raised hands: a queue by the time they went up."""

from __future__ import annotations

from sfu.model import Refused
from signaling.lesson import fields
from signaling.lesson.change import Actor, Change, Moment
from signaling.lesson.fields import State
from signaling.wire import Hand


def hand(state: State, actor: Actor, message: Hand, moment: Moment) -> Change | None:
    """Raise or lower one's own; leaders lower another's or all. None: it is so already."""
    if message.all:
        if message.up or not actor.role.leads:
            raise Refused("not_allowed")
        raised = tuple(sorted(path for path in state if path.startswith("hand/")))
        return Change("hands_down", {}, raised) if raised else None
    whose = message.participant or actor.participant
    if whose != actor.participant and (message.up or not actor.role.leads):
        raise Refused("not_allowed")
    if fields.person(whose) not in state:
        raise Refused("not_found")
    path = fields.hand(whose)
    if message.up == (path in state):
        return None
    if message.up:
        return Change("hand_up", {path: moment.now_ms})
    return Change("hand_down", {}, (path,))
