"""Who may draw on boards."""

from __future__ import annotations

from sfu.model import Refused
from signaling.lesson import fields, groups
from signaling.lesson.change import Actor, Change, Moment
from signaling.lesson.fields import INK_OF_ALL, State
from signaling.wire import SetInk


def may_draw(state: State, actor: Actor, board: str) -> bool:
    """Leaders always; students by permission, and on the board of the group that they are in, while it is
    not calm."""
    if actor.role.leads:
        return True
    allowed = (
        state.get(INK_OF_ALL)
        or state.get(fields.ink(actor.participant))
        or groups.board_of(state, actor.participant) == board
    )
    return bool(allowed) and not fields.is_calm(state)


def set_ink(state: State, _actor: Actor, message: SetInk, _moment: Moment) -> Change | None:
    """None: it is so already. Raises Refused ``not_found``, ``not_allowed`` (of a leader)."""
    if message.participant is None:
        if message.on:
            return None if state.get(INK_OF_ALL) else Change("ink", {INK_OF_ALL: True})
        given = tuple(sorted(path for path in state if path.startswith("ink/")))
        return Change("ink", {}, given) if given else None
    person = state.get(fields.person(message.participant))
    if person is None:
        raise Refused("not_found")
    if person.role in ("teacher", "co_teacher"):
        raise Refused("not_allowed")
    path = fields.ink(message.participant)
    if message.on == (path in state):
        return None
    return Change("ink", {path: True}) if message.on else Change("ink", {}, (path,))
