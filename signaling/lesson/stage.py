"""Who is large for all."""

from __future__ import annotations

import msgspec

from sfu.model import Refused
from signaling.lesson import fields
from signaling.lesson.change import Actor, Change, Moment
from signaling.lesson.fields import LESSON, State
from signaling.wire import PersonField, SetStage


def set_stage(state: State, _actor: Actor, message: SetStage, _moment: Moment) -> Change | None:
    """None: it is so already. Raises Refused ``not_found`` for somebody who is not here."""
    lesson = fields.lesson(state)
    expect: frozenset[str] = frozenset()
    if message.participant is not None:
        person: PersonField | None = state.get(fields.person(message.participant))
        if person is None or not person.here:
            raise Refused("not_found")
        expect = frozenset({fields.person(message.participant)})
    if lesson.stage == message.participant:
        return None
    return Change("stage", {LESSON: msgspec.structs.replace(lesson, stage=message.participant)}, (), expect)
