"""Unfinished ink, pointers and lasers: passed on, kept by nobody. Who may, and how much. Pure."""

from __future__ import annotations

from typing import Final

from signaling.lesson import groups
from signaling.lesson.board import before_class
from signaling.lesson.change import Actor
from signaling.lesson.fields import State
from signaling.lesson.ink import may_draw
from signaling.limits import Bucket, Rate
from signaling.wire import Ink, SendInk

INKS: Final = Rate(burst=10, per_s=20)
"""How many of one person are passed on."""


class Inking:
    """One lesson's."""

    def __init__(self) -> None:
        self._buckets: dict[str, Bucket] = {}

    def take(self, state: State, actor: Actor, message: SendInk, now_s: float) -> Ink | None:
        """What goes to the others; None: not allowed, not on what they have before them, or too much."""
        if not may_draw(state, actor, message.board) or len(message.points) % 4:
            return None
        own = groups.board_of(state, actor.participant)
        if message.board != own and (own is not None or not before_class(state, message.board)):
            return None
        if self._buckets.setdefault(actor.participant, Bucket(INKS, now_s)).take(now_s) > 0:
            return None
        return Ink(
            actor.participant,
            message.board,
            message.tool,
            message.x,
            message.y,
            message.points,
            message.element,
            message.stroke,
            message.thick,
        )

    def forget(self, participant: str) -> None:
        """Somebody is gone."""
        self._buckets.pop(participant, None)
