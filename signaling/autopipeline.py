"""Redis commands given while others are under way travel together, in one pipeline, once those are back.

At a bell hundreds of people come and speak in the same milliseconds, each by a command or two. What the
connection, the pool and the retry take a command is then most of what it costs; the busier, the less of it.
"""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any, Final

from redis.exceptions import NoScriptError, RedisError, ResponseError

MOST_TOGETHER: Final = 200
"""Commands of one pipeline: Redis carries it out as a whole before it answers anybody else."""
_Call = tuple[tuple[Any, ...], asyncio.Future[Any]]


class Script:
    """A Lua script, by its hash."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.sha = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()


class AutoPipeline:
    """``call`` instead of ``redis.execute_command``, for commands that come back at once.

    They are carried out in the order of the calls. Errors are those of redis-py: of one command its own, of
    the connection everybody's who was on it. There are never more commands than callers who wait.
    """

    def __init__(self, redis: Any) -> None:
        """``redis``: redis-py's client."""
        self._redis = redis
        self._calls: list[_Call] = []
        self._flying: asyncio.Task[None] | None = None

    async def call(self, *command: Any) -> Any:
        """The answer to a command, as redis-py gives it."""
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._calls.append((command, answer))
        if self._flying is None:
            self._flying = asyncio.create_task(self._fly(), name="redis pipeline")
        return await answer

    async def run(self, script: Script, keys: list[str], arguments: list[Any]) -> Any:
        """A script's answer; loads it where Redis does not have it."""
        command = ("EVALSHA", script.sha, len(keys), *keys, *arguments)
        try:
            return await self.call(*command)
        except NoScriptError:
            await self.call("SCRIPT LOAD", script.source)
            return await self.call(*command)

    async def _fly(self) -> None:
        try:
            while self._calls:
                calls, self._calls = self._calls[:MOST_TOGETHER], self._calls[MOST_TOGETHER:]
                await self._carry(calls)
        finally:
            self._flying = None
            for _, answer in self._calls:  # none, unless this was cancelled
                answer.cancel()
            self._calls.clear()

    async def _carry(self, calls: list[_Call]) -> None:
        pipe = self._redis.pipeline(transaction=False)
        for command, _ in calls:
            pipe.execute_command(*command)
        try:
            answers = await pipe.execute(raise_on_error=False)
        except (RedisError, OSError) as error:
            for _, answer in calls:
                if not answer.done():
                    answer.set_exception(error)
            return
        except BaseException:
            for _, answer in calls:
                answer.cancel()
            raise
        for (_, answer), found in zip(calls, answers, strict=True):
            if answer.done():
                continue
            if isinstance(found, ResponseError):
                answer.set_exception(found)
            else:
                answer.set_result(found)
