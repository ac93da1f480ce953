"""Copies logs to SQL, gives lessons back to Redis when it lost them, keeps attendance. One a process."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from dataclasses import dataclass
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from signaling import metrics
from signaling.attendance import Roll
from signaling.catalog.store import Catalog, LessonState, Outcome
from signaling.lesson import fields
from signaling.lesson.fields import State
from signaling.log import Clock, LessonLog, LogUnreachable, heed_cancellation
from signaling.replica import Record, Replica
from signaling.wire import AttendanceRow

log = logging.getLogger(__name__)

EVERY_S: Final = 2.0
BATCH: Final = 1000
MAX_WAITING: Final = 100_000
"""Events kept in memory while SQL does not answer; beyond that they are read from the log later."""


@dataclass
class _Owed:
    """What SQL has yet to be told of a lesson whose events it has."""

    state: LessonState | None = None
    people: bool = False
    """Its attendance."""
    ended_at_ms: int | None = None

    def add(self, event: Record) -> None:
        changed = event.set.get(fields.LESSON)
        if changed is not None:
            self.state = fields.typed(fields.LESSON, changed).state
        if event.kind == "ended":
            self.state, self.ended_at_ms = "ended", event.at_ms
        # A change of the lesson's state may end stays, too.
        self.people = (
            self.people or changed is not None or any(path.startswith("person/") for path in event.set)
        )


class Archive:
    """``note`` every applied event; ``run`` copies them at least every EVERY_S; ``flush`` does it at once."""

    def __init__(self, catalog: Catalog, lesson_log: LessonLog, now_ms: Clock) -> None:
        self._catalog = catalog
        self._log = lesson_log
        self._now_ms = now_ms
        self._waiting: deque[tuple[str, Record]] = deque()
        self._rolls: dict[str, Roll] = {}
        self._copied: dict[str, int] = {}
        self._incomplete: set[str] = set()
        self._owed: dict[str, _Owed] = {}
        self._leaving: set[str] = set()
        self._writing = asyncio.Lock()

    @property
    def waiting(self) -> int:
        """Events that are not copied yet."""
        return len(self._waiting)

    def note(self, lesson: str, event: Record) -> None:
        """An event that is to be copied."""
        self._leaving.discard(lesson)
        if len(self._waiting) >= MAX_WAITING:
            self._incomplete.add(lesson)
            metrics.dropped.labels("archive_full").inc()
        else:
            self._waiting.append((lesson, event))
        metrics.archive_waiting.set(len(self._waiting))

    async def run(self) -> None:
        """For ever: copy what was noted. SQL that does not answer is tried again."""
        while True:
            await asyncio.sleep(EVERY_S)
            try:
                await self.flush()
            except (SQLAlchemyError, OSError) as error:
                log.error("sql: not written, trying again", extra={"reason": type(error).__name__})
            except Exception:
                metrics.failures.labels("archive").inc()
                log.exception("archive failed")
            heed_cancellation()

    async def flush(self) -> None:
        """Copy everything noted so far; raises SQLAlchemyError, then nothing is lost."""
        async with self._writing:
            while self._waiting:
                batch = [self._waiting[index] for index in range(min(BATCH, len(self._waiting)))]
                await self._fill_gaps(batch)
                await self._catalog.add_events(batch)
                for lesson, event in batch:
                    if lesson not in self._rolls:
                        before = () if event.number == 1 else await self._catalog.events(lesson)
                        self._rolls[lesson] = Roll(before)
                # Nothing is awaited here: an event leaves the queue and what it owes is noted, both or none.
                for lesson, event in batch:
                    self._waiting.popleft()
                    self._rolls[lesson].add(event)
                    self._copied[lesson] = max(event.number, self._copied.get(lesson, 0))
                    self._owed.setdefault(lesson, _Owed()).add(event)
                metrics.archived.inc(len(batch))
                metrics.archive_waiting.set(len(self._waiting))
            await self._pay()
            self._let_go()

    async def attendance(self, lesson: str) -> tuple[AttendanceRow, ...]:
        """Who is and was there, up to now; raises SQLAlchemyError."""
        await self.flush()
        roll = self._rolls.get(lesson)
        return await self._catalog.attendance(lesson) if roll is None else roll.rows(self._now_ms())

    async def state(self, lesson: str) -> State:
        """The lesson as its whole log leaves it, up to now; raises SQLAlchemyError."""
        await self.flush()
        return fold(await self._catalog.events(lesson)).state

    async def recall(self, lesson: str) -> tuple[int, dict[str, bytes]] | None:
        """A lesson as SQL has it (with what is still waiting here): number and packed state."""
        events = await self._catalog.events(lesson)
        known = {event.number for event in events}
        events += [event for name, event in self._waiting if name == lesson and event.number not in known]
        events.sort(key=lambda event: event.number)
        if not events:
            return None
        replica = fold(events)
        return replica.number, dict(replica.raw)

    def forget(self, lesson: str) -> None:
        """This process holds the lesson no longer; it goes once all of it is copied."""
        self._leaving.add(lesson)
        if not self._writing.locked() and not self._waiting:
            self._let_go()

    def _let_go(self) -> None:
        waiting = {lesson for lesson, _ in self._waiting}
        for lesson in [each for each in self._leaving if each not in waiting and each not in self._owed]:
            self._leaving.remove(lesson)
            self._rolls.pop(lesson, None)
            self._copied.pop(lesson, None)

    async def _pay(self) -> None:
        now_ms = self._now_ms()
        outcomes = [
            Outcome(
                lesson,
                owed.state,
                owed.ended_at_ms,
                self._rolls[lesson].rows(owed.ended_at_ms or now_ms) if owed.people else None,
            )
            for lesson, owed in self._owed.items()
        ]
        if not outcomes:
            return
        await self._catalog.put_outcomes(outcomes)
        self._owed.clear()
        ended = [outcome.lesson for outcome in outcomes if outcome.ended_at_ms is not None]
        try:
            await self._log.retire(ended)
        except LogUnreachable as error:
            log.warning("lessons stay in redis", extra={"lessons": ended, "reason": type(error).__name__})

    async def _fill_gaps(self, batch: list[tuple[str, Record]]) -> None:
        """Events that no process noted (all were away) are still in the log: fetched before later ones."""
        first: dict[str, int] = {}
        for lesson, event in batch:
            first.setdefault(lesson, event.number)
        for lesson, number in first.items():
            if lesson not in self._copied:
                self._copied[lesson] = 0 if number == 1 else await self._catalog.last_number(lesson)
            if self._copied[lesson] + 1 >= number and lesson not in self._incomplete:
                continue
            try:
                await self.fetch(lesson)
            except LogUnreachable:
                continue

    async def fetch(self, lesson: str) -> None:
        """Copy what the log has and SQL has not; raises LogUnreachable, SQLAlchemyError."""
        at = await self._catalog.last_number(lesson)
        while page := await self._log.since(lesson, at):
            await self._catalog.add_events([(lesson, event) for event in page])
            at = page[-1].number
            if lesson in self._rolls:
                for event in page:
                    self._rolls[lesson].add(event)
        self._copied[lesson] = max(at, self._copied.get(lesson, 0))
        self._incomplete.discard(lesson)


def fold(events: list[Record]) -> Replica:
    """State after these events. Numbers may jump where a lesson was restored; the contents follow on."""
    replica = Replica()
    for event in events:
        replica.number = event.number - 1
        replica.apply(event)
    return replica
