"""The end of a lesson: by the teacher, because no teacher came back, or by who runs the server."""

from __future__ import annotations

from typing import Any

import msgspec

from signaling.lesson import fields, groups, recording
from signaling.lesson.change import Actor, Change, Moment
from signaling.lesson.fields import GROUPS, LESSON, RECORDING, State
from signaling.wire import End


def end(state: State, _actor: Actor, _message: End, moment: Moment) -> Change | None:
    """The teacher ends it for all."""
    return end_for_all(state, moment)


def end_without_teacher(state: State, moment: Moment) -> Change | None:
    """Ends a lesson whose time without a teacher is over. None: it is not."""
    ends_at_ms = fields.lesson(state).ends_at_ms
    if ends_at_ms is None or moment.now_ms < ends_at_ms:
        return None
    return end_for_all(state, moment)


def end_for_all(state: State, moment: Moment) -> Change | None:
    """The lesson is over, whoever says so. None: it was."""
    lesson = fields.lesson(state)
    if lesson.state == "ended":
        return None
    changes: dict[str, Any] = {
        LESSON: msgspec.structs.replace(lesson, state="ended", ends_at_ms=None, stage=None)
    }
    off = recording.ended(state, "ended", moment)
    if off is not None:
        changes[RECORDING] = off
    passing = tuple(sorted(path for path in state if path.startswith(("on/", "hand/", "lobby/"))))
    together, over = groups.closing(state)
    # Rests on the recording also when there is none: one that just starts would stay on for ever.
    return Change("ended", changes | together, passing + over, frozenset({RECORDING, GROUPS}))
