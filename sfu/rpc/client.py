"""Signalling's, or a recorder's, side of the rpc: one connection to one worker."""

from __future__ import annotations

import asyncio
import hmac
import logging
from collections.abc import Callable
from itertools import count
from typing import Final, Literal, Self

from sfu.model import ParseError, ProtocolError
from sfu.rpc.connection import Connection
from sfu.rpc.messages import RPC_VERSION, Hello, Push, PushFrame, Reply, ReplyFrame, Request, RequestFrame
from sfu.rpc.node_tls import NodeTls, stays_here

log = logging.getLogger(__name__)

CONNECT_TIMEOUT_S: Final = 3.0
REQUEST_TIMEOUT_S: Final = 5.0
MAX_UNANSWERED: Final = 1000


class WorkerLost(ConnectionError):
    """The connection to the worker is gone, or an answer did not come in time (then it is dropped)."""


class WorkerGone(WorkerLost):
    """Nobody listens at the worker's address any more: its process is over, and with it all it sent."""


class WorkerClient:
    """Ask a worker, hear its pushes.

    ``async with`` or ``connect``/``close``. A request that runs into its deadline drops the connection:
    whether it was carried out is unknown, so the caller starts afresh. ``on_lost`` is called once when a
    connection that was established is gone for any reason but ``close``; the client is then used up.
    """

    def __init__(
        self,
        address: tuple[str, int],
        key: bytes,
        on_push: Callable[[Push], None],
        on_lost: Callable[[], None] | None = None,
        *,
        kind: Literal["signaling", "recorder"] = "signaling",
        tls: NodeTls | None = None,
    ) -> None:
        """``kind``: who connects; it decides what may be asked and what is pushed (see ``rpc.messages``).
        ``tls``: without it no worker of another machine is spoken to."""
        self._kind = kind
        self._address = address
        self._key = key
        self._tls = tls
        self._on_push = on_push
        self._on_lost = on_lost
        self._connection: Connection | None = None
        self._reading: asyncio.Task[None] | None = None
        self._waiting: dict[int, asyncio.Future[Reply]] = {}
        self._numbers = count(1)
        self._closing = False
        self.worker = ""
        """The worker's id as it gave it in its hello."""

    @property
    def connected(self) -> bool:
        """Whether requests can be made."""
        return self._reading is not None and not self._reading.done()

    async def connect(self, timeout_s: float = CONNECT_TIMEOUT_S) -> None:
        """Connect and prove the key to each other; raises WorkerLost, WorkerGone."""
        connection: Connection | None = None
        try:
            async with asyncio.timeout(timeout_s):
                connection = await self._open()
                connection.send(Hello(key=self._key, kind=self._kind))
                frames = connection.frames()
                hello = await anext(frames, None)
                if not isinstance(hello, Hello) or not hmac.compare_digest(hello.key, self._key):
                    raise ProtocolError("not_allowed", "the worker did not accept or does not know the key")
                if hello.version != RPC_VERSION:
                    raise ProtocolError("version_mismatch", f"worker speaks {hello.version}")
        except (OSError, TimeoutError, ParseError, ProtocolError) as error:
            if connection is not None:
                connection.abort()
            kind = WorkerGone if isinstance(error, ConnectionRefusedError) else WorkerLost
            raise kind(f"cannot connect: {str(error) or type(error).__name__}") from error
        self.worker = hello.worker
        self._connection = connection
        self._reading = asyncio.create_task(self._read(connection), name=f"rpc {self._address}")

    async def _open(self) -> Connection:
        host, port = self._address
        if stays_here(host):
            return Connection(*await asyncio.open_connection(host, port))
        if self._tls is None:
            raise ProtocolError("not_allowed", "there is no key pair of the nodes")
        reader, writer = await asyncio.open_connection(host, port, ssl=self._tls.client)
        if not self._tls.is_node(writer):
            writer.transport.abort()
            raise ProtocolError("not_allowed", "who answers is none of our nodes")
        return Connection(reader, writer)

    async def request(self, body: Request, timeout_s: float = REQUEST_TIMEOUT_S) -> Reply:
        """The worker's reply (Failed included); raises WorkerLost."""
        if self._connection is None or not self.connected:
            raise WorkerLost("not connected")
        if len(self._waiting) >= MAX_UNANSWERED:
            raise WorkerLost("too many unanswered requests")
        number = next(self._numbers)
        answer: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        try:
            self._connection.send(RequestFrame(number, body))
            async with asyncio.timeout(timeout_s):
                return await answer
        except (TimeoutError, ProtocolError) as error:
            self._connection.abort()
            raise WorkerLost(f"no answer to {type(body).__name__} within {timeout_s} s") from error
        finally:
            self._waiting.pop(number, None)

    async def close(self) -> None:
        """Close without ``on_lost``; unanswered requests raise WorkerLost. Idempotent."""
        self._closing = True
        if self._connection is not None:
            await self._connection.close()
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait([self._reading])

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _read(self, connection: Connection) -> None:
        try:
            async for frame in connection.frames():
                if isinstance(frame, ReplyFrame):
                    answer = self._waiting.get(frame.number)
                    if answer is not None and not answer.done():
                        answer.set_result(frame.body)
                elif isinstance(frame, PushFrame):
                    self._hear(frame.body)
                else:
                    raise ProtocolError("message_out_of_order", "only replies and pushes are expected")
        except (OSError, ParseError, ProtocolError) as error:
            log.warning("rpc connection lost", extra={"worker": self.worker, "reason": str(error)})
        finally:
            connection.abort()
            for answer in self._waiting.values():
                if not answer.done():
                    answer.set_exception(WorkerLost("connection lost"))
            if not self._closing and self._on_lost is not None:
                self._on_lost()

    def _hear(self, push: Push) -> None:
        try:
            self._on_push(push)
        except Exception:
            log.exception("push failed", extra={"push": type(push).__name__})
