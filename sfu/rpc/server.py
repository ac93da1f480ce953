"""The worker's rpc listener: signalling processes connect, prove the key, ask; pushes go to all of them."""

from __future__ import annotations

import asyncio
import hmac
import logging
from collections.abc import Callable
from typing import Final

from sfu.model import ParseError, ProtocolError
from sfu.rpc.connection import Connection
from sfu.rpc.messages import (
    RPC_VERSION,
    Failed,
    Hello,
    Push,
    PushFrame,
    Reply,
    ReplyFrame,
    Request,
    RequestFrame,
)

log = logging.getLogger(__name__)

HELLO_TIMEOUT_S: Final = 5.0
MAX_CONNECTIONS: Final = 64

Handler = Callable[[Request], Reply]


class RpcServer:
    """Answers requests in their order, one connection's request at a time.

    ``handle`` returns the reply and never blocks; if it raises, that is our bug: it is logged and the
    request fails with ``internal``. Close with ``close``.
    """

    def __init__(
        self,
        key: bytes,
        worker: str,
        handle: Handler,
        on_connections: Callable[[int], None] | None = None,
    ) -> None:
        """``on_connections`` is told the number of proven connections each time it changes."""
        self._key = key
        self._worker = worker
        self._handle = handle
        self._on_connections = on_connections
        self._proven: set[Connection] = set()
        self._all: set[Connection] = set()
        self._server: asyncio.Server | None = None

    async def listen(self, host: str = "127.0.0.1", port: int = 0) -> tuple[str, int]:
        """Bind; the address that is bound."""
        self._server = await asyncio.start_server(self._serve, host, port)
        address = self._server.sockets[0].getsockname()
        return str(address[0]), int(address[1])

    @property
    def connections(self) -> int:
        """Signalling processes that have proven the key."""
        return len(self._proven)

    def push(self, body: Push) -> None:
        """Tell every connected signalling process; one that does not read is cut off."""
        for connection in tuple(self._proven):
            try:
                connection.send(PushFrame(body))
            except ProtocolError as error:
                log.warning("rpc connection closed", extra={"code": error.code})
                self._forget(connection)

    async def close(self) -> None:
        """Stop listening and close every connection. Idempotent."""
        if self._server is None:
            return
        self._server.close()
        for connection in tuple(self._all):
            await connection.close()
        await self._server.wait_closed()
        self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = Connection(reader, writer)
        if len(self._all) >= MAX_CONNECTIONS:
            connection.abort()
            return
        self._all.add(connection)
        try:
            await self._converse(connection)
        except (ParseError, ProtocolError) as error:
            log.warning("rpc connection closed", extra={"reason": str(error)})
        except (OSError, TimeoutError):
            pass
        finally:
            self._all.discard(connection)
            self._forget(connection)
            connection.abort()

    async def _converse(self, connection: Connection) -> None:
        frames = connection.frames()
        async with asyncio.timeout(HELLO_TIMEOUT_S):
            hello = await anext(frames, None)
        if hello is None:
            return
        if not isinstance(hello, Hello) or not hmac.compare_digest(hello.key, self._key):
            raise ProtocolError("not_allowed", "wrong key")
        if hello.version != RPC_VERSION:
            raise ProtocolError("version_mismatch", f"peer speaks {hello.version}, we {RPC_VERSION}")
        connection.send(Hello(key=self._key, worker=self._worker))
        self._proven.add(connection)
        self._count()
        async for frame in frames:
            if not isinstance(frame, RequestFrame):
                raise ProtocolError("message_out_of_order", "only requests are expected")
            connection.send(ReplyFrame(frame.number, self._reply(frame.body)))
            await asyncio.sleep(0)  # a burst of offers must not hold up the media

    def _reply(self, request: Request) -> Reply:
        try:
            return self._handle(request)
        except Exception:
            log.exception("rpc request failed", extra={"request": type(request).__name__})
            return Failed("internal")

    def _forget(self, connection: Connection) -> None:
        if connection in self._proven:
            self._proven.discard(connection)
            self._count()

    def _count(self) -> None:
        if self._on_connections is not None:
            self._on_connections(len(self._proven))
