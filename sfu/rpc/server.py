"""The worker's rpc listener: who connects proves the key, then asks. Pushes go to all of signalling; a
recorder's connection gets what is sent to it alone."""

from __future__ import annotations

import asyncio
import hmac
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

from sfu.model import ParseError, ProtocolError
from sfu.rpc.connection import Connection
from sfu.rpc.messages import (
    RPC_VERSION,
    Capture,
    CaptureRequest,
    EndCapture,
    Failed,
    Frame,
    GetStatus,
    Hello,
    Push,
    PushFrame,
    Reply,
    ReplyFrame,
    Request,
    RequestFrame,
    TapPush,
)
from sfu.rpc.node_tls import NodeTls, stays_here

log = logging.getLogger(__name__)

HELLO_TIMEOUT_S: Final = 5.0
MAX_CONNECTIONS: Final = 64
"""Of signalling, and of those that have not proven the key yet."""
MAX_RECORDERS: Final = 256
MAX_UNSENT_TO_RECORDER: Final = 10 * 1024 * 1024
"""Above what whoever feeds its taps lets pile up (``sfu.capture.MAX_UNSENT_BYTES``), so that only one who
reads nothing at all is cut off."""

Handler = Callable[[Request], Reply]


class RecorderConnection:
    """One recorder's connection, to those who feed its taps. Nothing raises: one that does not read is cut
    off, which the server tells by ``on_recorder_lost``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @property
    def unsent_bytes(self) -> int:
        """What waits for the recorder to read."""
        return self._connection.unsent_bytes

    def send(self, push: TapPush) -> None:
        """Tell this recorder; nothing happens when the connection is gone."""
        try:
            self._connection.send(PushFrame(push))
        except ProtocolError as error:
            log.warning("recorder's rpc connection closed", extra={"code": error.code})


CaptureHandler = Callable[[CaptureRequest, RecorderConnection], Awaitable[Reply]]


class RpcServer:
    """Answers requests in their order, one connection's request at a time.

    ``handle`` returns the reply and never blocks; ``on_capture`` may take its time. If one raises, that is
    our bug: it is logged and the request fails with ``internal``. Close with ``close``.
    """

    def __init__(
        self,
        key: bytes,
        worker: str,
        handle: Handler,
        *,
        on_capture: CaptureHandler | None = None,
        on_recorder_lost: Callable[[RecorderConnection], None] | None = None,
    ) -> None:
        """``on_capture`` carries out what recorders ask (without it they are turned away);
        ``on_recorder_lost`` is told, once, that a recorder's connection is gone.
        """
        self._key = key
        self._worker = worker
        self._handle = handle
        self._on_capture = on_capture
        self._on_recorder_lost = on_recorder_lost
        self._proven: set[Connection] = set()
        self._recorders: set[Connection] = set()
        self._all: set[Connection] = set()
        self._server: asyncio.Server | None = None
        self._tls: NodeTls | None = None

    async def listen(
        self, host: str = "127.0.0.1", port: int = 0, tls: NodeTls | None = None
    ) -> tuple[str, int]:
        """Bind; the address that is bound. Beyond this machine only with TLS: OSError without."""
        if stays_here(host):
            self._server = await asyncio.start_server(self._serve, host, port)
        elif tls is None:
            raise OSError(f"{host} is not of this machine alone, and there is no key pair of the nodes")
        else:
            self._tls = tls
            self._server = await asyncio.start_server(
                self._serve, host, port, ssl=tls.server, ssl_handshake_timeout=HELLO_TIMEOUT_S
            )
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
                self._proven.discard(connection)

    async def close(self) -> None:
        """Stop listening and close every connection. Idempotent."""
        if self._server is None:
            return
        self._server.close()
        await asyncio.gather(*(connection.close() for connection in self._all))
        await self._server.wait_closed()
        self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = Connection(reader, writer)
        stranger = self._tls is not None and not self._tls.is_node(writer)
        if stranger or len(self._all) - len(self._recorders) >= MAX_CONNECTIONS:
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
            self._proven.discard(connection)
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
        if hello.kind == "recorder":
            await self._serve_recorder(connection, frames)
        else:
            await self._serve_signalling(connection, frames)

    async def _serve_signalling(self, connection: Connection, frames: AsyncIterator[Frame]) -> None:
        connection.send(Hello(key=self._key, worker=self._worker))
        self._proven.add(connection)
        async for request in _requests(frames):
            connection.send(ReplyFrame(request.number, self._reply(request.body)))
            await asyncio.sleep(0)  # a burst of offers must not hold up the media

    async def _serve_recorder(self, connection: Connection, frames: AsyncIterator[Frame]) -> None:
        if self._on_capture is None or len(self._recorders) >= MAX_RECORDERS:
            raise ProtocolError("not_allowed", "no more recorders here")
        connection.max_unsent_bytes = MAX_UNSENT_TO_RECORDER
        connection.send(Hello(key=self._key, worker=self._worker))
        self._recorders.add(connection)
        recorder = RecorderConnection(connection)
        try:
            async for request in _requests(frames):
                reply = await self._reply_to_recorder(request.body, recorder, self._on_capture)
                connection.send(ReplyFrame(request.number, reply))
        finally:
            self._recorders.discard(connection)
            if self._on_recorder_lost is not None:
                self._on_recorder_lost(recorder)

    def _reply(self, request: Request) -> Reply:
        if isinstance(request, Capture | EndCapture):
            return Failed("not_allowed", "only a recorder's connection may capture")
        try:
            return self._handle(request)
        except Exception:
            log.exception("rpc request failed", extra={"request": type(request).__name__})
            return Failed("internal")

    async def _reply_to_recorder(
        self, request: Request, recorder: RecorderConnection, capture: CaptureHandler
    ) -> Reply:
        if isinstance(request, GetStatus):
            return self._reply(request)
        if not isinstance(request, Capture | EndCapture):
            return Failed("not_allowed", "a recorder's connection may only capture")
        try:
            return await capture(request, recorder)
        except Exception:
            log.exception("rpc request failed", extra={"request": type(request).__name__})
            return Failed("internal")


async def _requests(frames: AsyncIterator[Frame]) -> AsyncIterator[RequestFrame]:
    async for frame in frames:
        if not isinstance(frame, RequestFrame):
            raise ProtocolError("message_out_of_order", "only requests are expected")
        yield frame
