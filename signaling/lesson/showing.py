"""What the class looks at together."""

from __future__ import annotations

from sfu.model import Refused
from signaling.lesson.change import Actor, Change, Moment
from signaling.lesson.fields import SHOWN, State
from signaling.wire import Show, ShownField, ShownKind


def show(state: State, actor: Actor, message: Show, _moment: Moment) -> Change | None:
    """None: it is so already. Raises Refused ``not_found``, ``bad_request``."""
    before: ShownField | None = state.get(SHOWN)
    if message.kind is None:
        return None if before is None else Change("shown", {}, (SHOWN,))
    if message.thing is None:
        raise Refused("bad_request")
    return put(state, actor, message.kind, message.thing)


def put(state: State, actor: Actor, kind: ShownKind, thing: str) -> Change | None:
    """Put a thing that is there before everybody, for rules that do so as a part of theirs."""
    path = f"{kind}/{thing}"
    if path not in state:
        raise Refused("not_found")
    before: ShownField | None = state.get(SHOWN)
    if before is not None and (before.kind, before.thing) == (kind, thing):
        return None
    return Change("shown", {SHOWN: ShownField(kind, thing, actor.participant)}, (), frozenset({path}))
