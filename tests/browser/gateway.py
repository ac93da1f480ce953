"""A cable between a browser and the server that can be pulled: a TCP relay for HTTP and the WebSocket.

Media does not pass here: it goes over UDP straight to the worker.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

CHUNK: Final = 64 * 1024


class Gateway:
    """Relays connections to ``target`` while the cable is in."""

    def __init__(self) -> None:
        self.target = ("127.0.0.1", 0)
        self.port = 0
        self._in = True
        self._moving = asyncio.Event()
        self._moving.set()
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def origin(self) -> str:
        """What a page loaded through here has for its origin."""
        return f"http://localhost:{self.port}"

    def pull(self) -> None:
        """Break every connection; new ones are broken too until ``plug``."""
        self._in = False
        self._moving.set()
        for writer in list(self._writers):
            _break(writer)

    def plug(self) -> None:
        """Let new connections through again, and what was held."""
        self._in = True
        self._moving.set()

    def hold(self) -> None:
        """Nothing passes and nobody is told, until ``plug`` or ``pull``: the other end just hears nothing."""
        self._moving.clear()

    async def relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of a browser."""
        await self._moving.wait()
        if not self._in:
            _break(writer)
            return
        far_reader, far_writer = await asyncio.open_connection(*self.target)
        both = {writer, far_writer}
        self._writers |= both
        try:
            await asyncio.gather(self._pump(reader, far_writer), self._pump(far_reader, writer))
        finally:
            self._writers -= both
            for each in both:
                _break(each)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, RuntimeError):  # uvloop raises the latter where a transport was aborted
            while data := await reader.read(CHUNK):
                await self._moving.wait()
                writer.write(data)
                await writer.drain()
            await self._moving.wait()
            if writer.can_write_eof():
                writer.write_eof()


def _break(writer: asyncio.StreamWriter) -> None:
    if not writer.transport.is_closing():
        writer.transport.abort()


@asynccontextmanager
async def gateway() -> AsyncIterator[Gateway]:
    """A gateway on a free port; set its ``target`` before somebody connects."""
    way = Gateway()
    relays: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(way.relay(reader, writer))
        relays.add(task)
        task.add_done_callback(relays.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    way.port = server.sockets[0].getsockname()[1]
    try:
        yield way
    finally:
        server.close()
        way.pull()
        await asyncio.gather(*relays, return_exceptions=True)
