"""Bad lines for many listeners of one process: a proxy before each worker that they are told of."""

from __future__ import annotations

import asyncio

from loadtest.network import BAD_LINES, Impairment
from loadtest.proxy import Proxy


class Lines:
    """``before`` gives the way to a worker; ``close`` when nobody needs one any more."""

    def __init__(self, seed: int = 1) -> None:
        self._seed = seed
        self._proxies: dict[tuple[str, int], asyncio.Task[Proxy]] = {}

    async def before(self, worker: tuple[str, int]) -> tuple[str, int]:
        """The address through which this worker is reached badly."""
        if worker not in self._proxies:
            self._proxies[worker] = asyncio.create_task(Proxy.open(worker, _line, _line, self._seed))
        return (await self._proxies[worker]).address

    async def close(self) -> None:
        """Nothing passes any more."""
        opened = await asyncio.gather(*self._proxies.values(), return_exceptions=True)
        for proxy in opened:
            if isinstance(proxy, Proxy):
                await proxy.close()


def _line(number: int) -> Impairment:
    return BAD_LINES[number % len(BAD_LINES)]
