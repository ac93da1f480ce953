"""One client between its bytes and its lesson. What it sends stays in here: at worst its session ends."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Final

from sfu.model import ProtocolError, Refused, Role
from signaling import metrics, wire
from signaling.codec import BadRequest, decode, encode
from signaling.lessons import Lessons
from signaling.limits import Bucket, Rate
from signaling.live import LiveLesson
from signaling.replica import View
from signaling.roles import check
from signaling.tickets import KeyRing, read_ticket

log = logging.getLogger(__name__)

MAX_QUEUED: Final = 512
MAX_QUEUED_BYTES: Final = 2 * 1024 * 1024
MAX_QUEUED_BEFORE_PASSING: Final = 32

FRAMES: Final = Rate(burst=120, per_s=40)
REQUESTS: Final = Rate(burst=40, per_s=10)
CHATS: Final = Rate(burst=8, per_s=1)
OFFERS: Final = Rate(burst=6, per_s=0.5)
PUTS: Final = Rate(burst=30, per_s=8)
RETRY: Final = frozenset({"slow", "shutting_down", "internal", "rate_limited", "hello_timeout"})
"""Codes after which a client may come back by itself."""


class Session:
    """``receive`` every frame in order, send what ``take`` gives, ``end`` it. A lesson sees it as a Client.

    Knows no WebSocket: what carries the bytes is its caller's.
    """

    def __init__(
        self, lessons: Lessons, keys: KeyRing, seat: str, now_s: Callable[[], int], wake: Callable[[], None]
    ) -> None:
        """``seat``: ``<process>/<socket>``, unique. ``wake``: called when there is something to send."""
        self.participant = ""
        self.role = Role.STUDENT
        self.view = View.STUDENT
        self.group: str | None = None
        self.seat = seat
        self.ballot = ""
        self._lessons = lessons
        self._keys = keys
        self._now_s = now_s
        self._wake = wake
        self._lesson: LiveLesson | None = None
        self._holds = AsyncExitStack()
        self._queue: deque[bytes] = deque()
        self._queued_bytes = 0
        self._closing: wire.Closed | None = None
        self._gone = False
        now = time.monotonic()
        self._frames = Bucket(FRAMES, now)
        self._requests = Bucket(REQUESTS, now)
        self._chats = Bucket(CHATS, now)
        self._offers = Bucket(OFFERS, now)
        self._puts = Bucket(PUTS, now)

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
        self._wake()

    def send_passing(self, message: bytes) -> None:
        if len(self._queue) < MAX_QUEUED_BEFORE_PASSING:
            self.send(message)

    def close(self, code: str, *, retry: bool = False) -> None:
        if self._closing is None and not self._gone:
            self._closing = wire.Closed(code, retry)
            metrics.closed.labels(code).inc()
            if code == "slow":
                self._queue.clear()
            self._wake()

    # --- as what carries its bytes sees it --------------------------------------------------------------

    @property
    def closing(self) -> wire.Closed | None:
        """What is to be said last, once it is closed and ``take`` gives nothing more."""
        return self._closing

    def take(self) -> bytes | None:
        """The next message to send, None when there is none."""
        if not self._queue:
            return None
        message = self._queue.popleft()
        self._queued_bytes -= len(message)
        return message

    async def receive(self, frame: bytes) -> None:
        """One frame of the client, hello first. Never raises for what it sent: look at ``closed``."""
        try:
            if self._lesson is None:
                await self._greet(frame)
            else:
                await self._take(self._lesson, frame)
        except Refused as refused:
            metrics.refused.labels(refused.code).inc()
            self.close(refused.code, retry=refused.code in RETRY)
        except ProtocolError as error:
            self.fail(error)
        except Exception:
            metrics.failures.labels("session").inc()
            log.exception("session failed", extra={"participant": self.participant, "seat": self.seat})
            self.close("internal", retry=True)

    def fail(self, error: ProtocolError) -> None:
        """Close it for bytes that are no frame, or came too late."""
        metrics.dropped.labels(error.code).inc()
        self.close(error.code, retry=error.code in RETRY)

    def gone(self) -> None:
        """Nothing carries its bytes any more; its person stays in the lesson for the grace."""
        if not self._gone:
            self._gone = True
            if self._lesson is not None:
                self._lesson.dropped(self)

    async def end(self) -> None:
        """As ``gone``; then the lesson may be put away. No ``receive`` may be under way."""
        self.gone()
        await self._holds.aclose()

    # --- frames -------------------------------------------------------------------------------------------

    async def _greet(self, frame: bytes) -> None:
        try:
            hello = decode(frame)
        except BadRequest as error:
            raise ProtocolError("message_out_of_order", error.detail) from None
        if not isinstance(hello, wire.Hello):
            raise ProtocolError("message_out_of_order", "hello comes first")
        if hello.version != wire.WIRE_VERSION:
            raise Refused("version_mismatch")
        ticket = read_ticket(self._keys, hello.ticket, self._now_s())
        self.participant, self.role, self.view = ticket.participant, ticket.role, View.of(ticket.role)
        self.ballot = self._keys.ballot(ticket.lesson, ticket.participant)
        lesson = await self._holds.enter_async_context(self._lessons.get(ticket.lesson))
        with metrics.join_seconds.time():
            await lesson.enter(self, ticket.name, hello)
        self._lesson = lesson
        if self._gone:
            lesson.dropped(self)

    async def _take(self, lesson: LiveLesson, frame: bytes) -> None:
        if self._frames.take(time.monotonic()) > 0:
            raise ProtocolError("rate_limited", "frames")
        try:
            message = decode(frame)
        except BadRequest as bad:
            self._refuse(bad.number, bad)
            return
        match message:
            case wire.Leave():
                await lesson.leave(self)
                self.close("left")
            case wire.Hello():
                raise ProtocolError("message_out_of_order", "hello twice")
            case wire.Draw():
                if self._is_in(lesson):
                    lesson.media.draw(self.participant, message)
            case wire.SendStill():
                if self._is_in(lesson):
                    lesson.passing.still(self.participant, message)
            case wire.SendInk():
                if self._is_in(lesson):
                    lesson.passing.ink(self, message)
            case _:
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
                self.send(encode(await lesson.offer(self, message)))
            elif isinstance(message, wire.React):
                lesson.passing.react(self, message)
                self.send(encode(wire.Done(number)))
            elif isinstance(message, wire.ReadSealed):
                self.send(encode(await lesson.sealed()))
                self.send(encode(wire.Done(number)))
            else:
                self.send(encode(wire.Done(number, await lesson.command(self, message))))
        except Refused as refused:
            if refused.code == "not_allowed":  # pages do not ask for what their person may not
                log.info(
                    "request not allowed",
                    extra={
                        "lesson": lesson.lesson,
                        "participant": self.participant,
                        "request": type(message).__name__,
                    },
                )
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
        buckets = [self._puts if isinstance(message, wire.BoardPut) else self._requests]
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
