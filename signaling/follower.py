"""One lesson's log as this process follows it and writes to it: decide, append, apply, fill gaps, restore."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Protocol

from sfu.model import Refused
from signaling import metrics
from signaling.lesson import fields
from signaling.lesson.change import Change
from signaling.log import Absent, Clock, Conflict, LessonLog, LogUnreachable, heed_cancellation
from signaling.replica import RESTORE_GAP, Record, Replica, record

log = logging.getLogger(__name__)

CONFLICT_TRIES: Final = 20
UNREACHABLE_TRIES: Final = 10
UNREACHABLE_WAIT_S: Final = 0.25
UNREACHABLE_LIMIT_S: Final = 5.0

Decision = Callable[[Mapping[str, Any]], Change | None]


class Keeper(Protocol):
    """What copies events to SQL and gives back a lesson that Redis lost."""

    def note(self, lesson: str, event: Record) -> None: ...

    async def recall(self, lesson: str) -> tuple[int, dict[str, bytes]] | None:
        """Number and state of a lesson as SQL has it."""


class Follower:
    """``open``, then ``execute`` decisions and ``hear`` what is published; ``close`` at the end.

    Changes of this process go one by one. Events are applied in the order of their numbers, whoever made
    them: each is noted for the archive, then told to ``on_event``. When the state had to be replaced as a
    whole, ``on_reset`` is told instead. ``on_restored`` is awaited after this process wrote a lost lesson
    back to Redis.
    """

    def __init__(
        self,
        lesson: str,
        lesson_log: LessonLog,
        keeper: Keeper,
        now_ms: Clock,
        on_event: Callable[[Record], None],
        on_reset: Callable[[], None],
        on_restored: Callable[[], Awaitable[None]],
    ) -> None:
        self.lesson = lesson
        self.replica = Replica()
        self._log = lesson_log
        self._keeper = keeper
        self._now_ms = now_ms
        self._on_event = on_event
        self._on_reset = on_reset
        self._on_restored = on_restored
        self._writing = asyncio.Lock()
        self._reading = asyncio.Lock()

    @property
    def state(self) -> Mapping[str, Any]:
        """The state after the last event applied."""
        return self.replica.state

    async def open(self) -> None:
        """Follow the log and take over its state; raises Refused ``not_found``, LogUnreachable."""
        await self._log.follow(self.lesson)
        loaded = await self._log.load(self.lesson)
        if loaded is None:
            async with self._reading:
                await self._restore()
        else:
            self.replica.reset(*loaded)

    async def close(self) -> None:
        """Follow no more."""
        try:
            await self._log.unfollow(self.lesson)
        except LogUnreachable:
            pass

    async def execute(self, decision: Decision, by: str | None) -> int:
        """Decide on the present state, append, apply; decide again when somebody was faster.

        The event's number, 0 when nothing had to change. Raises Refused, ``internal`` when Redis stays
        away for UNREACHABLE_LIMIT_S. A decision must give the same change for the same request, so that
        one whose outcome was unknown is not carried out twice.
        """
        async with self._writing:
            unreachable_since: float | None = None
            loop = asyncio.get_running_loop()
            for _ in range(CONFLICT_TRIES):
                try:
                    return await self._once(decision, by)
                except Conflict:
                    metrics.conflicts.inc()
                except Absent:
                    pass
                except LogUnreachable as error:
                    heed_cancellation()
                    unreachable_since = unreachable_since or loop.time()
                    if loop.time() - unreachable_since > UNREACHABLE_LIMIT_S:
                        raise Refused("internal", f"redis: {type(error).__name__}") from None
                    await asyncio.sleep(UNREACHABLE_WAIT_S)
                try:
                    await self.catch_up()
                except LogUnreachable:
                    heed_cancellation()
                    continue
            raise Refused("internal", "no try succeeded")

    async def _once(self, decision: Decision, by: str | None) -> int:
        change = decision(self.replica.state)
        if change is None:
            return 0
        event = record(change, self._now_ms(), by)
        number = await self._log.append(self.lesson, event, change, self.replica.raw, self.replica.number)
        metrics.events.labels(event.kind).inc()
        if not self._apply(Record(number, event.kind, event.at_ms, event.by, event.set, event.delete)):
            try:
                await self.catch_up()
            except LogUnreachable:
                log.warning("event not seen yet", extra={"lesson": self.lesson, "number": number})
        return number

    def hear(self, event: Record) -> bool:
        """Apply an event as it was published; False when ``catch_up`` is needed."""
        return event.number <= self.replica.number or self._apply(event)

    async def catch_up(self) -> None:
        """Apply everything the log has and we have not; raises LogUnreachable, Refused."""
        async with self._reading:
            while True:
                behind = self.replica.number
                for event in await self._log.since(self.lesson, behind):
                    if event.number > self.replica.number and not self._apply(event):
                        break
                if self.replica.number == behind:
                    break
            seen = self.replica.number
            in_force = (await self._log.numbers([self.lesson]))[0]
            if in_force is None or in_force < seen:
                await self._restore()
            elif in_force != self.replica.number:
                loaded = await self._log.load(self.lesson)
                if loaded is not None and loaded[0] != self.replica.number:
                    self.replica.reset(*loaded)
                    self._on_reset()

    def _apply(self, event: Record) -> bool:
        if not self.replica.apply(event):
            return event.number <= self.replica.number
        self._keeper.note(self.lesson, event)
        self._on_event(event)
        return True

    async def _restore(self) -> None:
        """Redis has not the lesson, or not its last events, as a replica that took over may have: write it
        from memory, or from SQL."""
        number, raw = self.replica.number, dict(self.replica.raw)
        recalled = await self._keeper.recall(self.lesson)
        if recalled is not None and recalled[0] > number:
            number, raw = recalled
        if number == 0:
            raise Refused("not_found")
        await self._log.restore(self.lesson, number + RESTORE_GAP, raw, number)
        metrics.restored.inc()
        loaded = await self._log.load(self.lesson)
        if loaded is None:
            raise Refused("internal", "the restored state is gone")
        self.replica.reset(*loaded)
        log.warning("lesson restored", extra={"lesson": self.lesson, "number": self.replica.number})
        if fields.LESSON in self.state and fields.lesson(self.state).state != "ended":
            await self._log.set_live(self.lesson, live=True)
        await self._on_restored()
        self._on_reset()
