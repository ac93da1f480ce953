"""One client's WebSocket. Whatever the client sends stays within this file: it ends, or its socket does."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from aiohttp import WSMsgType, web

from sfu.model import ProtocolError, Refused, Role
from signaling import metrics, wire
from signaling.codec import BadRequest, decode, encode
from signaling.lessons import Lessons
from signaling.limits import Bucket, Rate
from signaling.live import LiveLesson
from signaling.replica import View
from signaling.roles import check
from signaling.tickets import KeyRing, Ticket, read_ticket

log = logging.getLogger(__name__)

HELLO_TIMEOUT_S: Final = 5.0
HEARTBEAT_S: Final = 10.0
MAX_QUEUED: Final = 512
MAX_QUEUED_BYTES: Final = 2 * 1024 * 1024
CLOSE_TIMEOUT_S: Final = 2.0

FRAMES: Final = Rate(burst=120, per_s=40)
REQUESTS: Final = Rate(burst=40, per_s=10)
CHATS: Final = Rate(burst=8, per_s=1)
OFFERS: Final = Rate(burst=6, per_s=0.5)
RETRY: Final = frozenset({"slow", "shutting_down", "internal", "rate_limited", "hello_timeout"})
"""Codes after which a client may come back by itself."""


class Socket:
    """One client from upgrade to close; ``run`` is its whole life. A lesson sees it as a Client."""

    def __init__(
        self,
        response: web.WebSocketResponse,
        transport: asyncio.Transport | None,
        lessons: Lessons,
        keys: KeyRing,
        seat: str,
        now_s: Callable[[], int],
    ) -> None:
        """``seat``: ``<process>/<socket>``, unique."""
        self.participant = ""
        self.role = Role.STUDENT
        self.view = View.STUDENT
        self.seat = seat
        self._response = response
        self._transport = transport
        self._lessons = lessons
        self._keys = keys
        self._now_s = now_s
        self._lesson: LiveLesson | None = None
        self._queue: deque[bytes] = deque()
        self._queued_bytes = 0
        self._wake = asyncio.Event()
        self._closing: wire.Closed | None = None
        self._gone = False
        now = time.monotonic()
        self._frames = Bucket(FRAMES, now)
        self._requests = Bucket(REQUESTS, now)
        self._chats = Bucket(CHATS, now)
        self._offers = Bucket(OFFERS, now)

    # --- as a lesson sees it ------------------------------------------------------------------------

    @property
    def closed(self) -> bool:
        """Whether nothing more reaches the client."""
        return self._gone or self._closing is not None

    def send(self, message: bytes) -> None:
        if self.closed:
            return
        if len(self._queue) >= MAX_QUEUED or self._queued_bytes + len(message) > MAX_QUEUED_BYTES:
            metrics.dropped.labels("slow_client").inc(len(self._queue))
            self.close("slow", retry=True)
            return
        self._queue.append(message)
        self._queued_bytes += len(message)
        self._wake.set()

    def close(self, code: str, *, retry: bool = False) -> None:
        if self._closing is None and not self._gone:
            self._closing = wire.Closed(code, retry)
            metrics.closed.labels(code).inc()
            if code == "slow":
                self._queue.clear()
            self._wake.set()

    # --- life ------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Read until either side ends it. Never raises for what the client sent."""
        writer = asyncio.create_task(self._write())
        reader = asyncio.create_task(self._read())
        try:
            await asyncio.wait((writer, reader), return_when=asyncio.FIRST_COMPLETED)
            if reader.done() and not writer.done():
                self.close("left")
                await asyncio.wait((writer,), timeout=CLOSE_TIMEOUT_S)
        finally:
            self._gone = True
            if self._lesson is not None:
                self._lesson.dropped(self)
            for task in (writer, reader):
                task.cancel()
            await asyncio.gather(writer, reader, return_exceptions=True)
            if not self._response.closed and self._transport is not None:
                self._transport.abort()

    async def _read(self) -> None:
        try:
            hello = await self._hello()
            ticket = read_ticket(self._keys, hello.ticket, self._now_s())
            self.participant, self.role, self.view = ticket.participant, ticket.role, View.of(ticket.role)
            async with self._lessons.get(ticket.lesson) as lesson:
                await self._stay(lesson, ticket, hello)
        except Refused as refused:
            metrics.refused.labels(refused.code).inc()
            self.close(refused.code, retry=refused.code in RETRY)
        except ProtocolError as error:
            metrics.dropped.labels(error.code).inc()
            self.close(error.code, retry=error.code in RETRY)
        except ConnectionError:
            pass
        except Exception:
            metrics.failures.labels("socket").inc()
            log.exception("socket failed", extra={"participant": self.participant, "seat": self.seat})
            self.close("internal", retry=True)

    async def _hello(self) -> wire.Hello:
        try:
            async with asyncio.timeout(HELLO_TIMEOUT_S):
                frame = await self._frame()
        except TimeoutError:
            raise ProtocolError("hello_timeout") from None
        try:
            message = decode(frame) if frame is not None else None
        except BadRequest as error:
            raise ProtocolError("message_out_of_order", error.detail) from None
        if frame is None:
            raise ConnectionResetError
        if not isinstance(message, wire.Hello):
            raise ProtocolError("message_out_of_order", "hello comes first")
        if message.version != wire.WIRE_VERSION:
            raise Refused("version_mismatch")
        return message

    async def _stay(self, lesson: LiveLesson, ticket: Ticket, hello: wire.Hello) -> None:
        with metrics.join_seconds.time():
            await lesson.enter(self, ticket.name, hello)
        self._lesson = lesson
        if self._gone:
            lesson.dropped(self)
        while not self.closed:
            frame = await self._frame()
            if frame is None:
                return
            wait_s = self._frames.take(time.monotonic())
            if wait_s > 0:
                raise ProtocolError("rate_limited", "frames")
            try:
                message = decode(frame)
            except BadRequest as bad:
                self._refuse(bad.number, bad)
                continue
            if isinstance(message, wire.Leave):
                await lesson.leave(self)
                self.close("left")
                return
            if isinstance(message, wire.Hello):
                raise ProtocolError("message_out_of_order", "hello twice")
            if isinstance(message, wire.Draw):
                if self._is_in(lesson):
                    lesson.media.draw(self.participant, message)
                continue
            if isinstance(message, wire.SendStill):
                if self._is_in(lesson):
                    lesson.still(self.participant, message)
                continue
            await self._request(lesson, message)

    def _is_in(self, lesson: LiveLesson) -> bool:
        return lesson.clients.get(self.participant) is self

    async def _request(self, lesson: LiveLesson, message: wire.ClientMessage) -> None:
        number: int = getattr(message, "id", 0)
        try:
            check(self.role, type(message))
            if not self._is_in(lesson):
                raise Refused("not_allowed", "not in the lesson")
            self._limit(message)
            if isinstance(message, wire.Offer):
                self.send(encode(await lesson.media.offer(self.participant, message)))
            else:
                self.send(encode(wire.Done(number, await lesson.command(self, message))))
        except Refused as refused:
            self._refuse(number, refused)
        except Exception:
            metrics.failures.labels("request").inc()
            log.exception(
                "request failed",
                extra={
                    "lesson": lesson.lesson,
                    "participant": self.participant,
                    "request": type(message).__name__,
                },
            )
            self._refuse(number, Refused("internal"))

    def _limit(self, message: wire.ClientMessage) -> None:
        now = time.monotonic()
        buckets = [self._requests]
        if isinstance(message, wire.Chat):
            buckets.append(self._chats)
        elif isinstance(message, wire.Offer):
            buckets.append(self._offers)
        waits = [bucket.take(now) for bucket in buckets]
        if max(waits) > 0:
            raise Refused("rate_limited")

    def _refuse(self, number: int, refused: Refused) -> None:
        metrics.refused.labels(refused.code).inc()
        self.send(encode(wire.Refused(number, refused.code)))

    async def _frame(self) -> bytes | None:
        """The next binary frame, None when the client has gone; raises ProtocolError."""
        message = await self._response.receive()
        if message.type is WSMsgType.BINARY:
            data: bytes = message.data
            return data
        if message.type is WSMsgType.TEXT:
            raise ProtocolError("message_malformed", "text frame")
        if message.type is WSMsgType.ERROR:
            code = "message_too_big" if self._response.close_code == 1009 else "message_malformed"
            raise ProtocolError(code, "websocket")
        return None

    async def _write(self) -> None:
        """Send what is queued; after ``close`` say so and end."""
        try:
            while True:
                while self._queue:
                    message = self._queue.popleft()
                    self._queued_bytes -= len(message)
                    # No limit of time here, it would cost as much as the sending: a client that stopped
                    # reading is ended by the heartbeat or by its full queue.
                    await self._response.send_bytes(message)
                if self._closing is not None:
                    async with asyncio.timeout(CLOSE_TIMEOUT_S):
                        await self._response.send_bytes(encode(self._closing))
                        await self._response.close()
                    return
                self._wake.clear()
                await self._wake.wait()
        except (ConnectionError, TimeoutError, RuntimeError):
            return
