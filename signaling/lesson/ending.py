"""The end of a lesson: by the teacher, or because no teacher came back."""

from __future__ import annotations

import msgspec

from signaling.lesson import fields
from signaling.lesson.change import Actor, Change, Moment
from signaling.lesson.fields import LESSON, State
from signaling.wire import End


def end(state: State, _actor: Actor, _message: End, _moment: Moment) -> Change | None:
    """The teacher ends it for all."""
    return _end(state)


def end_without_teacher(state: State, moment: Moment) -> Change | None:
    """Ends a lesson whose time without a teacher is over. None: it is not."""
    ends_at_ms = fields.lesson(state).ends_at_ms
    if ends_at_ms is None or moment.now_ms < ends_at_ms:
        return None
    return _end(state)


def _end(state: State) -> Change | None:
    lesson = fields.lesson(state)
    if lesson.state == "ended":
        return None
    closed = msgspec.structs.replace(lesson, state="ended", ends_at_ms=None, stage=None)
    passing = tuple(sorted(path for path in state if path.startswith(("on/", "hand/", "lobby/"))))
    return Change("ended", {LESSON: closed}, passing)
