"""Signalling's heartbeat at a worker: is it there, and it may go on sending."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from sfu.rpc.client import WorkerClient, WorkerLost
from sfu.rpc.holding import BEAT_LIMIT_S, BEAT_S
from sfu.rpc.messages import GetStatus, Status


class Beats:
    """One connection's. ``confirms`` is asked before each beat; ``heard`` is told each status."""

    def __init__(
        self,
        client: WorkerClient,
        confirms: Callable[[], bool] = lambda: True,
        heard: Callable[[Status], None] = lambda _: None,
    ) -> None:
        self._client = client
        self._confirms = confirms
        self._heard = heard
        self._stamp = 0

    async def once(self) -> None:
        """One beat; raises WorkerLost, then the connection is dropped."""
        stamp = self._stamp if self._confirms() else 0
        status = await self._client.request(GetStatus(stamp), BEAT_LIMIT_S)
        if isinstance(status, Status):
            self._stamp = status.stamp
            self._heard(status)

    async def run(self) -> None:
        """Beat until the connection is lost."""
        while self._client.connected:
            try:
                await self.once()
            except WorkerLost:
                return
            await asyncio.sleep(BEAT_S)
