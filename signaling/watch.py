"""Whether this process can do its work: its loop ticks, Redis and SQL answer, a worker takes lessons."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from sfu.rpc.registration import WorkerRecord
from signaling import metrics
from signaling.log import LogUnreachable, heed_cancellation

BEAT_S: Final = 0.1
STOOD_STILL_S: Final = 5.0
"""A loop that stood still for so long did not keep what it promised: by then other processes take this one
for dead (``log.PROCESS_TTL_MS``) and its people for lost."""
SHOWN_S: Final = 30.0
"""So long after it ``/livez`` says so: whoever asked meanwhile had no answer at all."""
LOOK_S: Final = 1.0
FRESH_S: Final = 5.0
"""What was not seen to answer for so long does not."""

NOT_READY: Final = {
    "redis_unreachable": "Redis does not answer",
    "sql_unreachable": "the database does not answer",
    "no_worker": "no worker takes lessons: none is registered, or all are full or draining",
    "draining": "this process is closing",
}
STOOD_STILL: Final = "loop_stood_still"


class Pulse:
    """How late a loop is that is to come round every BEAT_S. Pure: seconds of one clock in, seconds out."""

    def __init__(self, now_s: float) -> None:
        self._due_s = now_s + BEAT_S
        self._stood_until_s = float("-inf")
        self._stood_s = 0.0

    def beat(self, now_s: float) -> float:
        """The loop came round; how late."""
        late_s = max(0.0, now_s - self._due_s)
        if late_s >= STOOD_STILL_S:
            self._stood_until_s, self._stood_s = now_s, late_s
        self._due_s = now_s + BEAT_S
        return late_s

    def stood_s(self, now_s: float) -> float:
        """For how long the loop stood still, now or within the last SHOWN_S; 0: it did not."""
        late_s = now_s - self._due_s
        if late_s >= STOOD_STILL_S:
            return late_s
        return self._stood_s if now_s - self._stood_until_s < SHOWN_S else 0.0


class Watch:
    """Run ``beat``, ``look_at_redis`` and ``look_at_sql`` as tasks; at first both are taken to answer."""

    def __init__(
        self,
        ping_redis: Callable[[], Awaitable[None]],
        ask_workers: Callable[[], Awaitable[Mapping[str, WorkerRecord]]],
        ping_sql: Callable[[], Awaitable[None]],
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """The first two raise LogUnreachable, ``ping_sql`` SQLAlchemyError or OSError."""
        self.workers: Mapping[str, WorkerRecord] = {}
        """Every registered worker, as it was a second ago."""
        self.draining = False
        self._ping_redis = ping_redis
        self._ask_workers = ask_workers
        self._ping_sql = ping_sql
        self._clock_s = clock_s
        self._pulse = Pulse(clock_s())
        self._redis_s = self._sql_s = clock_s()

    @property
    def redis_ok(self) -> bool:
        """Whether Redis answered lately."""
        return self._clock_s() - self._redis_s < FRESH_S

    @property
    def sql_ok(self) -> bool:
        """Whether the database answered lately."""
        return self._clock_s() - self._sql_s < FRESH_S

    def not_live(self) -> dict[str, str]:
        """What speaks for starting this process anew: code -> sentence."""
        stood_s = self._pulse.stood_s(self._clock_s())
        return {STOOD_STILL: f"the event loop stood still for {stood_s:.1f} s"} if stood_s else {}

    def not_ready(self) -> dict[str, str]:
        """Why no lesson may be sent here: code -> sentence."""
        faults = {
            "draining": self.draining,
            "redis_unreachable": not self.redis_ok,
            "sql_unreachable": not self.sql_ok,
            "no_worker": not any(record.takes_lessons for record in self.workers.values()),
        }
        return {code: NOT_READY[code] for code, is_so in faults.items() if is_so}

    async def beat(self) -> None:
        """For ever: measure how late the event loop is."""
        while True:
            await asyncio.sleep(BEAT_S)
            metrics.loop_lag.observe(self._pulse.beat(self._clock_s()))

    async def look_at_redis(self) -> None:
        """For ever: whether Redis answers, and which workers it knows."""
        while True:
            try:
                await self._ping_redis()
                self.workers = await self._ask_workers()
                metrics.registered(tuple(self.workers.values()))
                self._redis_s = self._clock_s()
            except LogUnreachable:
                self._redis_s = float("-inf")
            heed_cancellation()
            metrics.redis_up.set(self.redis_ok)
            await asyncio.sleep(LOOK_S)

    async def look_at_sql(self) -> None:
        """For ever: whether the database answers."""
        while True:
            try:
                async with asyncio.timeout(FRESH_S):
                    await self._ping_sql()
                self._sql_s = self._clock_s()
            except (SQLAlchemyError, OSError):  # a TimeoutError is an OSError
                self._sql_s = float("-inf")
            metrics.sql_up.set(self.sql_ok)
            await asyncio.sleep(LOOK_S)
