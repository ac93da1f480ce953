"""Who is in: opening, entering, waiting, leaving, being removed."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from sfu.model import Refused, Role
from signaling.lesson import calling, fields, groups
from signaling.lesson.change import Actor, Change, Moment, next_order
from signaling.lesson.fields import GROUPS, LESSON, ORDER, State
from signaling.texts import skeleton
from signaling.wire import LessonField, LobbyField, PersonField, Remove

MAX_EVER_FACTOR: Final = 5
"""How many people a lesson ever admits, as a multiple of how many may be in at once: bounds its state."""


def open_lesson(title: str, subject: str, grade: int, teacher: str = "") -> Change:
    """The first event of a lesson."""
    lesson = LessonField(title=title, subject=subject, grade=grade, state="waiting", teacher=teacher)
    return Change("opened", {LESSON: lesson})


def check_entry(state: State, participant: str, role: Role, max_people: int) -> None:
    """Whether this participant may come in at all (now or by the lobby).

    Raises Refused ``lesson_ended``, ``removed``, ``lesson_locked``, ``lesson_full``. People who were in
    before may return to a locked lesson; leaders always find room.
    """
    if fields.lesson(state).state == "ended":
        raise Refused("lesson_ended")
    if state.get(fields.ban(participant)):
        raise Refused("removed")
    if role.leads:
        return
    known: PersonField | None = state.get(fields.person(participant))
    if known is not None and known.here:
        return
    if known is None and fields.lesson(state).locked:
        raise Refused("lesson_locked")
    here = sum(1 for _, person in fields.people(state) if person.here)
    queued = sum(1 for other, _ in fields.waiting(state) if other != participant)
    ever = sum(1 for _ in fields.people(state))
    if here + queued >= max_people or (known is None and ever >= max_people * MAX_EVER_FACTOR):
        raise Refused("lesson_full")


def check_name(state: State, name: str, role: Role, teacher_name: str) -> None:
    """Raises Refused ``name_taken_teacher`` when a guest's name looks like the teacher's."""
    if role is Role.TEACHER:
        return
    taken = {skeleton(teacher_name)} if teacher_name else set()
    taken |= {
        skeleton(person.name)
        for _, person in fields.people(state)
        if Role(person.role) is Role.TEACHER or (role is Role.STUDENT and Role(person.role).leads)
    }
    if skeleton(name) in taken - {""}:
        raise Refused("name_taken_teacher")


def enter(state: State, actor: Actor, name: str, max_people: int, moment: Moment) -> Change | None:
    """A person with a ticket is here: goes in, or waits for a teacher. None: already so.

    A leader's coming makes the lesson live (``teacher_in``).
    """
    check_entry(state, actor.participant, actor.role, max_people)
    known: PersonField | None = state.get(fields.person(actor.participant))
    lesson = fields.lesson(state)
    if not actor.role.leads and lesson.state == "waiting" and not (known and known.here):
        waits: LobbyField | None = state.get(fields.lobby(actor.participant))
        if waits is not None and waits.name == name:
            return None
        return Change(
            "waiting",
            {fields.lobby(actor.participant): LobbyField(name=name, at_ms=moment.now_ms)},
            expect=frozenset({LESSON}),
        )
    if known is not None and known.here and known.name == name and known.role == actor.role:
        return None
    changes, expect = _admit(state, actor, name)
    kind = "joined" if known is None or not known.here else "renamed"
    deletes = (fields.lobby(actor.participant),) if fields.lobby(actor.participant) in state else ()
    if actor.role.leads and lesson.state == "waiting":
        kind = "teacher_in"
        started = lesson.started_at_ms if lesson.started_at_ms is not None else moment.now_ms
        changes[LESSON] = msgspec.structs.replace(
            lesson, state="live", started_at_ms=started, ends_at_ms=None
        )
    return Change(kind, changes, deletes, expect)


def admit(state: State, participant: str) -> Change | None:
    """Somebody in the lobby of a lesson that is live goes in. None: nothing to do."""
    waits: LobbyField | None = state.get(fields.lobby(participant))
    if waits is None or fields.lesson(state).state != "live":
        return None
    changes, expect = _admit(state, Actor(participant, Role.STUDENT), waits.name)
    return Change("admitted", changes, (fields.lobby(participant),), expect)


def leave(state: State, participant: str, without_teacher_ends_ms: int, moment: Moment) -> Change | None:
    """Somebody is gone (on purpose, or their grace is over). None: was not here, or all are gone with the
    lesson's end, which stays the last event."""
    if fields.lesson(state).state == "ended":
        return None
    if fields.lobby(participant) in state:
        return Change("left", {}, (fields.lobby(participant),))
    person: PersonField | None = state.get(fields.person(participant))
    if person is None or not person.here:
        return None
    changes, deletes = gone(state, participant, person)
    lesson = fields.lesson(state)
    still_led = any(
        other.here and Role(other.role).leads for who, other in fields.people(state) if who != participant
    )
    leaders = frozenset(
        fields.person(who)
        for who, other in fields.people(state)
        if Role(other.role).leads and who != participant
    )
    if Role(person.role).leads and not still_led and lesson.state == "live":
        changes[LESSON] = msgspec.structs.replace(
            changes.get(LESSON, lesson), state="waiting", ends_at_ms=moment.now_ms + without_teacher_ends_ms
        )
        together, over = groups.closing(state)
        deletes = tuple(dict.fromkeys((*deletes, *over)))
        return Change("teacher_away", changes | together, deletes, leaders | {GROUPS})
    return Change("left", changes, deletes, leaders if Role(person.role).leads else frozenset())


def remove(state: State, _actor: Actor, message: Remove, _moment: Moment) -> Change | None:
    """A leader removes a student for the rest of the lesson. None: removed already."""
    target = message.participant
    person: PersonField | None = state.get(fields.person(target))
    waits = fields.lobby(target)
    if person is None and waits not in state:
        raise Refused("not_found")
    if person is not None and Role(person.role).leads:
        raise Refused("not_allowed")
    if state.get(fields.ban(target)):
        return None
    changes, deletes = gone(state, target, person, for_good=True) if person is not None else ({}, ())
    if waits in state:
        deletes = (*deletes, waits)
    return Change("removed", {**changes, fields.ban(target): True}, deletes)


def gone(
    state: State, participant: str, person: PersonField, *, for_good: bool = False
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Fields to set and delete when a participant is no longer here."""
    path = fields.person(participant)
    changes, seated = calling.away(state, participant)
    changes[path] = msgspec.structs.replace(changes.get(path, person), here=False)
    on = [fields.on(participant, source) for source in sorted(fields.sources_on(state, participant))]
    deletes = [*on, *(each for each in seated if each not in on)]
    if fields.hand(participant) in state:
        deletes.append(fields.hand(participant))
    deletes += groups.on_leaving(state, participant, for_good=for_good)
    lesson = fields.lesson(state)
    if lesson.stage == participant:
        changes[LESSON] = msgspec.structs.replace(lesson, stage=None)
    return changes, tuple(deletes)


def _admit(state: State, actor: Actor, name: str) -> tuple[dict[str, Any], frozenset[str]]:
    known: PersonField | None = state.get(fields.person(actor.participant))
    label = (
        known.label if known is not None and known.name == name else _label(state, actor.participant, name)
    )
    changes: dict[str, Any] = {}
    if known is None:
        order = next_order(state)
        changes[ORDER] = order
    else:
        order = known.order
    changes[fields.person(actor.participant)] = PersonField(
        name=name,
        role=actor.role.value,
        here=True,
        order=order,
        label=label,
        may=known.may if known is not None else None,
    )
    changes |= groups.on_entry(state, actor)
    return changes, frozenset({LESSON, ORDER, GROUPS, fields.ban(actor.participant)})


def _label(state: State, participant: str, name: str) -> str:
    """ "" for the first of a name, "2", "3" ... for the next ones."""
    folded = skeleton(name)
    used = {
        person.label or "1"
        for other, person in fields.people(state)
        if other != participant and skeleton(person.name) == folded
    }
    if not used:
        return ""
    number = 1
    while str(number) in used:
        number += 1
    return "" if number == 1 else str(number)
