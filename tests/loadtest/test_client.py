"""The lesson client against a door that shuts at once, and when its own line is cut: both ends know."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import aiohttp
import msgpack
import pytest
import pytest_asyncio
import uvloop
from aiohttp import web

from loadtest.client import LIMIT_S, LessonClient
from loadtest.door import Door
from signaling import wire

REPLY = wire.JoinReply(
    ticket="t", participant="p1", role="student", name="Ann", lesson="l1", title="Physics",
    subject="physics", grade=7, tiles=9,
)  # fmt: skip


@asynccontextmanager
async def serving(application: web.Application) -> AsyncIterator[str]:
    """Its origin, on loopback."""
    runner = web.AppRunner(application, shutdown_timeout=1.0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@pytest_asyncio.fixture
async def origin() -> AsyncIterator[str]:
    """A server whose WebSocket ends after the first message."""

    async def shut(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.receive()
        await socket.close()
        return socket

    application = web.Application()
    application.router.add_get("/ws", shut)
    async with serving(application) as origin:
        yield origin


@pytest.mark.asyncio
async def test_a_socket_that_ends_before_the_welcome_is_a_lost_connection(origin: str) -> None:
    async with Door(origin) as door:
        client = LessonClient(door, "code", REPLY)
        began_s = time.monotonic()
        with pytest.raises(ConnectionError, match="before an answer to hello"):
            await client.connect()
        assert time.monotonic() - began_s < LIMIT_S / 2
        await client.close()


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_a_line_can_be_cut_on_any_loop(loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    async def cut() -> int | None:
        ended: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()

        async def greet(request: web.Request) -> web.WebSocketResponse:
            socket = web.WebSocketResponse()
            await socket.prepare(request)
            await socket.receive()
            await socket.send_bytes(
                msgpack.packb({"t": "waiting", "reason": "no_teacher", "title": "Physics"})
            )
            await socket.receive()
            ended.set_result(socket.close_code)
            return socket

        application = web.Application()
        application.router.add_get("/ws", greet)
        async with serving(application) as origin, Door(origin) as door:
            client = LessonClient(door, "code", REPLY)
            await client.connect()
            await client.cut()
            assert not client.connected
            async with asyncio.timeout(LIMIT_S):
                return await ended

    with asyncio.Runner(loop_factory=loop) as runner:
        assert runner.run(cut()) == aiohttp.WSCloseCode.ABNORMAL_CLOSURE, "without a word"
