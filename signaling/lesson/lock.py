"""The teacher's lock: no newcomers."""

from __future__ import annotations

import msgspec

from signaling.lesson import fields
from signaling.lesson.change import Actor, Change, Moment
from signaling.lesson.fields import LESSON, State
from signaling.wire import Lock


def lock(state: State, _actor: Actor, message: Lock, _moment: Moment) -> Change | None:
    """None: it is so already."""
    lesson = fields.lesson(state)
    if lesson.locked == message.on:
        return None
    kind = "locked" if message.on else "unlocked"
    return Change(kind, {LESSON: msgspec.structs.replace(lesson, locked=message.on)})
