"""What lessons owe to their people, counted as it happens: of so many, so many as it should be.

``started``: lessons whose teacher asked to begin (for a ticket to a lesson that was never live); met when it
is live within START_WITHIN_S. Who closes the page in that time counts as missed.
``heard``: students who come in without a media connection, and ask for one; met when the server forwards a
teacher's sound to them, over a connection that is up, within HEAR_WITHIN_S of the later of: the student is
in, a teacher's microphone is on. Who leaves before, or finds no such microphone, is not counted. What comes
out of a loudspeaker the server can't know.
``held``: lessons that were made; met when one is live for the first time, on whatever day.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from enum import StrEnum
from typing import Final

from sfu.model import Role
from signaling import metrics
from signaling.lesson import fields, groups
from signaling.lesson.fields import State
from signaling.wire import PersonField, SlotContent

TARGET_PERCENT: Final = 95
START_WITHIN_S: Final = 5
HEAR_WITHIN_S: Final = 3


class Objective(StrEnum):
    """What is counted."""

    STARTED = "started"
    HEARD = "heard"
    HELD = "held"


_WITHIN_S: Final[dict[str, int]] = {Objective.STARTED: START_WITHIN_S, Objective.HEARD: HEAR_WITHIN_S}

for _objective in Objective:  # so that they are there before the first lesson
    metrics.objective_due.labels(_objective.value)
    metrics.objective_met.labels(_objective.value)


def due(objective: Objective) -> None:
    """One more that the objective is counted of."""
    metrics.objective_due.labels(objective.value).inc()


def met(objective: Objective) -> None:
    """One of them is as it should be."""
    metrics.objective_met.labels(objective.value).inc()


def decided(objective: Objective, well: bool) -> None:
    """One more, and whether it is as it should be."""
    due(objective)
    if well:
        met(objective)


def shares() -> dict[str, dict[str, float | None]]:
    """What this process counted since its start; ``percent`` is None before anything was due. What was made
    before and is held now would make more than all."""
    of, as_it_should_be = metrics.values(metrics.objective_due), metrics.values(metrics.objective_met)
    return {
        name: {
            "due": of[name],
            "met": as_it_should_be[name],
            "percent": round(min(100.0, 100 * as_it_should_be[name] / of[name]), 1) if of[name] else None,
            "target": TARGET_PERCENT,
            "within_s": _WITHIN_S.get(name),
        }
        for name in of
    }


class LessonObjectives:
    """One lesson's, in one process. Say what happens, ``look`` a few times a second while it ``waits``. Pure
    but for ``decide``; times are server time in ms."""

    def __init__(self, decide: Callable[[Objective, bool], None] = decided) -> None:
        self._decide = decide
        self._asked_at_ms: int | None = None
        self._start_decided = False
        self._students: dict[str, int | None] = {}
        """Who does not hear yet -> since when they should, None before there is anything to hear."""
        self._connecting: set[str] = set()

    @property
    def waits(self) -> bool:
        """Whether something is not decided yet."""
        return bool(self._students) or (self._asked_at_ms is not None and not self._start_decided)

    def teacher_asks(self, started_at_ms: int | None, now_ms: int) -> None:
        """The teacher wants to begin; ``started_at_ms``: when the lesson was live first."""
        if self._asked_at_ms is None and started_at_ms is None:
            self._asked_at_ms = now_ms

    def student_in(self, participant: str) -> None:
        """A student without a media connection came in."""
        self._students.setdefault(participant, None)

    def student_asks(self, participant: str) -> None:
        """Somebody brought an offer."""
        if participant in self._students:
            self._connecting.add(participant)

    def look(
        self,
        state: State,
        present: Collection[str],
        hears: Callable[[str, Collection[str]], bool],
        now_ms: int,
    ) -> None:
        """What is decided by now. ``present``: who has a socket here; ``hears``: whether somebody is sent the
        sound of one of these."""
        self._look_at_start(fields.lesson(state).started_at_ms, now_ms)
        for student in [each for each in self._students if each not in present]:
            self._forget(student)
        speakers = speaking(state) if self._students else ()
        if not speakers:
            self._students = dict.fromkeys(self._students)
            return
        for student, since_ms in list(self._students.items()):
            if since_ms is None:
                self._students[student] = since_ms = now_ms
            late = now_ms - since_ms > HEAR_WITHIN_S * 1000
            if student in self._connecting and (late or hears(student, speakers)):
                self._decide(Objective.HEARD, not late)
                self._forget(student)
            elif late:
                self._forget(student)

    def _look_at_start(self, started_at_ms: int | None, now_ms: int) -> None:
        if self._asked_at_ms is None or self._start_decided:
            return
        took_ms = (now_ms if started_at_ms is None else started_at_ms) - self._asked_at_ms
        late = took_ms > START_WITHIN_S * 1000
        if late or started_at_ms is not None:
            self._start_decided = True
            self._decide(Objective.STARTED, not late)

    def _forget(self, student: str) -> None:
        del self._students[student]
        self._connecting.discard(student)


def speaking(state: State) -> frozenset[str]:
    """Who leads the lesson, is here, and has the microphone on."""
    if groups.is_open(state):
        return frozenset()  # whoever is in another place than who speaks is not to hear them
    # By the few microphones that are on, not by all people: it is asked four times a second.
    return frozenset(who for who in fields.microphones(state) if _leads(state.get(fields.person(who))))


def _leads(person: PersonField | None) -> bool:
    return person is not None and person.here and Role(person.role).leads


def carries(slots: Iterable[SlotContent], speakers: Collection[str]) -> bool:
    """Whether the microphone of one of ``speakers`` is forwarded in one of these slots."""
    return any(slot.live and slot.source == "microphone" and slot.participant in speakers for slot in slots)
