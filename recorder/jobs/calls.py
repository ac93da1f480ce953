"""Calls to jobs over taskiq's Redis stream. A call may be lost: SQL is looked at anyway."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from redis.exceptions import RedisError
from taskiq.acks import AcknowledgeType
from taskiq.exceptions import TaskiqError
from taskiq.receiver import Receiver
from taskiq_redis import RedisStreamBroker

from signaling.log import heed_cancellation

log = logging.getLogger(__name__)

STREAM: Final = "zvonok:jobs"
KEPT: Final = 10_000
_TASK: Final = "zvonok.jobs.work"
_AGAIN_S: Final = 1.0
_LOCK_S: Final = 5.0


class Calls:
    """Call, or answer calls. ``url`` as in settings: with its password, ``rediss`` for TLS."""

    def __init__(self, url: str) -> None:
        # What it says of a Redis that is away, it says with a traceback a try; we say it once.
        logging.getLogger("taskiq").setLevel(logging.CRITICAL)
        self._broker = RedisStreamBroker(
            url,
            queue_name=STREAM,
            consumer_group_name="workers",
            consumer_id="0",
            maxlen=KEPT,
            xread_count=1,
            unacknowledged_lock_timeout=_LOCK_S,
            socket_timeout=5.0,  # a read blocks for two
            socket_connect_timeout=2.0,
        )
        self._task = self._broker.task(_TASK)(_nothing)

    async def call(self) -> None:
        """Wake somebody who is idle, if Redis is there; never raises for it, never waits for long."""
        try:
            async with asyncio.timeout(2.0):
                await self._task.kiq()
        except (TaskiqError, RedisError, OSError) as error:
            heed_cancellation()
            log.info("nobody called to a job", extra={"reason": type(error).__name__})

    async def answer(self, work: Callable[[], Awaitable[None]]) -> None:
        """For ever: ``work`` once for each call, one after the other; ``work`` must not raise.

        A call is over when it is taken: who dies at it is missed by SQL, sooner than by the stream.
        """

        async def called() -> None:  # a method can't be registered
            await work()

        self._broker.register_task(called, task_name=_TASK)
        told = False
        while True:
            receiver = Receiver(
                self._broker, max_async_tasks=1, ack_type=AcknowledgeType.WHEN_RECEIVED, validate_params=False
            )
            try:
                await receiver.listen(asyncio.Event())
                told = False
            except Exception as error:  # noqa: BLE001 - whatever a library says of a Redis that is away
                heed_cancellation()
                if not told:
                    log.warning(
                        "redis: calls not heard, trying again", extra={"reason": type(error).__name__}
                    )
                told = True
            heed_cancellation()  # a receiver that is cancelled may end as if nothing was
            await asyncio.sleep(_AGAIN_S)

    async def close(self) -> None:
        """Disconnect."""
        await self._broker.shutdown()


async def _nothing() -> None:
    """Stands for the work where only calls are made."""
