"""The recording: asked for by leaders, told to everybody, then written by a recorder; and who is recorded."""

from __future__ import annotations

import msgspec

from sfu.model import Refused, Role
from signaling.lesson import consent, fields, groups
from signaling.lesson.change import Actor, Change, Moment
from signaling.lesson.fields import LESSON, RECORDING, State
from signaling.lesson.permissions import EVERYTHING, ordered
from signaling.wire import PersonField, Record, RecordingEnd, RecordingField


def record(state: State, actor: Actor, message: Record, moment: Moment) -> Change | None:
    """Start the next part, or stop the running one. None: it is so already.

    Raises Refused ``recording_running`` when a part that records other things of students is running.
    A lesson has one recording: its id is made with the first part and stays.
    """
    if not message.on:
        return stopped(state, "stopped", moment, by=actor.participant)
    students = ordered(message.students)
    now = running(state)
    if now is not None:
        if now.students == students:
            return None
        raise Refused("recording_running")
    former = fields.recording(state)
    starting = RecordingField(
        # The time keeps ids of two lessons apart even where their tokens are alike.
        id=f"{moment.now_ms:011x}{moment.token}" if former is None else former.id,
        state="starting",
        part=1 if former is None else former.part + 1,
        since_ms=moment.now_ms,
        students=students,
        by=actor.participant,
    )
    # Rests on the lesson, so that no recording starts beside the event that ends it.
    return Change("recording_starting", {RECORDING: starting}, expect=frozenset({LESSON}))


def begun(state: State, recording: str, part: int, moment: Moment) -> Change | None:
    """A recorder writes this part of this recording. None: it writes already, or is not asked to any more."""
    field = fields.recording(state)
    if field is None or field.state != "starting" or (field.id, field.part) != (recording, part):
        return None
    return Change(
        "recording_on", {RECORDING: msgspec.structs.replace(field, state="on", since_ms=moment.now_ms)}
    )


def stopped(
    state: State, reason: RecordingEnd, moment: Moment, part: int | None = None, by: str = ""
) -> Change | None:
    """The running part is over. None: nothing is recorded, or another part than ``part`` (when given)."""
    off = ended(state, reason, moment, by)
    if off is None or part not in (None, off.part):
        return None
    return Change("recording_off", {RECORDING: off})


def ended(state: State, reason: RecordingEnd, moment: Moment, by: str = "") -> RecordingField | None:
    """The field after the running part is over. None: nothing is recorded."""
    field = running(state)
    if field is None:
        return None
    return msgspec.structs.replace(
        field, state="off", since_ms=moment.now_ms, students=(), reason=reason, by=by
    )


def running(state: State) -> RecordingField | None:
    """The recording while it is starting or on, else None."""
    field = fields.recording(state)
    return None if field is None or field.state == "off" else field


def recorded(state: State, participant: str) -> frozenset[str]:
    """Which sources of a participant may be recorded now: leaders' all, students' as the recording says and
    the lesson allows; nothing of a student of whom anybody said so.

    Nothing while no recording is asked for, nothing of somebody who is not here, and nothing of a group: what
    is said in one, by leaders too, stays there.
    """
    field = running(state)
    person: PersonField | None = state.get(fields.person(participant))
    if field is None or person is None or not person.here or groups.group_of(state, participant) is not None:
        return frozenset()
    if Role(person.role).leads:
        return EVERYTHING
    if not consent.is_recorded(state, participant):
        return frozenset()
    return frozenset(field.students) & frozenset(fields.lesson(state).recordable)
