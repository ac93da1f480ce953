"""Whether there are reactions; they themselves are no events."""

from __future__ import annotations

from sfu.model import Refused, Role
from signaling.lesson import calming
from signaling.lesson.change import Actor, Change, Moment
from signaling.lesson.fields import NO_REACTIONS, State
from signaling.wire import SetReactions


def set_reactions(state: State, _actor: Actor, message: SetReactions, _moment: Moment) -> Change | None:
    """None: it is so already."""
    if message.on != (NO_REACTIONS in state):
        return None
    if message.on:
        return Change("reactions_on", {}, (NO_REACTIONS,))
    return Change("reactions_off", {NO_REACTIONS: True})


def check(state: State, role: Role) -> None:
    """Whether this person may react now; raises Refused ``reactions_off``, ``calm``."""
    if NO_REACTIONS in state:
        raise Refused("reactions_off")
    calming.check(state, role)
