"""Commands that travel together: answers, order, errors; on a real Valkey."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from signaling.autopipeline import MOST_TOGETHER, AutoPipeline, Script
from signaling.log import LogUnreachable, connect
from tests.valkey import free_port

pytestmark = pytest.mark.asyncio


async def test_everybody_gets_the_own_answer_in_the_order_of_the_calls(redis: Redis) -> None:
    pipeline = AutoPipeline(redis)
    calls = 3 * MOST_TOGETHER + 1
    answers = await asyncio.gather(*(pipeline.call("INCR", "n") for _ in range(calls)))
    assert answers == list(range(1, calls + 1))


async def test_what_is_called_together_is_read_together(redis: Redis) -> None:
    async def reads() -> int:
        found: Any = await redis.info("stats")
        return int(found["total_reads_processed"])

    pipeline = AutoPipeline(redis)
    await pipeline.call("PING")
    before = await reads()
    await asyncio.gather(*(pipeline.call("INCR", "n") for _ in range(100)))
    assert await reads() - before <= 5


async def test_what_is_called_meanwhile_goes_with_the_next_ones(redis: Redis) -> None:
    pipeline = AutoPipeline(redis)

    async def three(name: str) -> list[Any]:
        return [await pipeline.call("INCR", name) for _ in range(3)]

    assert await asyncio.gather(*(three(f"n{number}") for number in range(20))) == [[1, 2, 3]] * 20


async def test_an_error_is_only_its_own_command_s(redis: Redis) -> None:
    pipeline = AutoPipeline(redis)
    await redis.set("text", "a")
    commands = (("PING",), ("INCR", "text"), ("GET", "text"))
    answers = await asyncio.gather(*(pipeline.call(*each) for each in commands), return_exceptions=True)
    assert answers[0]
    assert isinstance(answers[1], ResponseError)
    assert answers[2] == b"a"


async def test_a_script_that_redis_lost_is_loaded_again(redis: Redis) -> None:
    pipeline, script = AutoPipeline(redis), Script("return {KEYS[1], ARGV[1], redis.call('INCR', 'ran')}")
    assert await pipeline.run(script, ["k"], ["a"]) == [b"k", b"a", 1]
    await redis.script_flush()
    both = await asyncio.gather(pipeline.run(script, ["k"], ["b"]), pipeline.run(script, ["k"], ["c"]))
    assert sorted(found[2] for found in both) == [2, 3]


async def test_who_gives_up_does_not_take_the_others_along(redis: Redis) -> None:
    pipeline = AutoPipeline(redis)
    calls = [asyncio.create_task(pipeline.call("INCR", "n")) for _ in range(3)]
    await asyncio.sleep(0)
    calls[1].cancel()
    first, _, third = await asyncio.gather(*calls, return_exceptions=True)
    assert (first, third) == (1, 3)


async def test_without_redis_everybody_is_told_and_the_next_call_tries_anew(redis: Redis) -> None:
    port = free_port()
    pipeline = AutoPipeline(connect(f"redis://127.0.0.1:{port}/0"))
    for _ in range(2):
        found = await asyncio.gather(*(pipeline.call("PING") for _ in range(3)), return_exceptions=True)
        assert all(isinstance(error, LogUnreachable) for error in found), found
