"""The lesson client against a door that shuts at once: it knows, instead of waiting for words."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from aiohttp import web

from loadtest.client import LIMIT_S, Door, LessonClient
from signaling import wire

pytestmark = pytest.mark.asyncio

REPLY = wire.JoinReply(
    ticket="t", participant="p1", role="student", name="Ann", lesson="l1", title="Physics",
    subject="physics", grade=7, tiles=9,
)  # fmt: skip


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
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def test_a_socket_that_ends_before_the_welcome_is_a_lost_connection(origin: str) -> None:
    async with Door(origin) as door:
        client = LessonClient(door, "code", REPLY)
        began_s = time.monotonic()
        with pytest.raises(ConnectionError, match="before an answer to hello"):
            await client.connect()
        assert time.monotonic() - began_s < LIMIT_S / 2
        await client.close()
