"""One client's WebSocket: carries a session's bytes, and ends with it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from aiohttp import WSMsgType, web

from sfu.model import ProtocolError
from signaling import metrics
from signaling.codec import encode
from signaling.lessons import Lessons
from signaling.session import Session
from signaling.tickets import KeyRing

log = logging.getLogger(__name__)

HELLO_TIMEOUT_S: Final = 5.0
HEARTBEAT_S: Final = 10.0
CLOSE_TIMEOUT_S: Final = 2.0


class Socket:
    """One client from upgrade to close; ``run`` is its whole life."""

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
        self._response = response
        self._transport = transport
        self._wake = asyncio.Event()
        self.session = Session(lessons, keys, seat, now_s, self._wake.set)

    def close(self, code: str, *, retry: bool = False) -> None:
        """Say ``closed`` and end."""
        self.session.close(code, retry=retry)

    async def run(self) -> None:
        """Read until either side ends it. Never raises for what the client sent."""
        writer = asyncio.create_task(self._write())
        try:
            await self._read()
            self.session.close("left")
            await asyncio.wait((writer,), timeout=CLOSE_TIMEOUT_S)
        finally:
            self.session.gone()
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)
            await self.session.end()
            if not self._response.closed:
                self._abort()

    def _abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    async def _read(self) -> None:
        session = self.session
        try:
            try:
                async with asyncio.timeout(HELLO_TIMEOUT_S):
                    frame = await self._frame()
            except TimeoutError:
                raise ProtocolError("hello_timeout") from None
            while frame is not None:
                await session.receive(frame)
                if session.closed:
                    return
                frame = await self._frame()
        except ProtocolError as error:
            session.fail(error)
        except ConnectionError:
            return
        except Exception:
            metrics.failures.labels("socket").inc()
            log.exception("socket failed", extra={"participant": session.participant, "seat": session.seat})
            session.close("internal", retry=True)

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
        """Send what is queued; after ``close`` say so and end, which ends the reading too."""
        session = self.session
        try:
            while True:
                while (message := session.take()) is not None:
                    # No limit of time here, it would cost as much as the sending: a client that stopped
                    # reading is ended by the heartbeat or by its full queue.
                    await self._response.send_bytes(message)
                if session.closing is not None:
                    async with asyncio.timeout(CLOSE_TIMEOUT_S):
                        await self._response.send_bytes(encode(session.closing))
                        await self._response.close()
                    return
                self._wake.clear()
                await self._wake.wait()
        except (ConnectionError, TimeoutError, RuntimeError):
            self._abort()
        except Exception:
            metrics.failures.labels("socket").inc()
            log.exception("socket failed", extra={"participant": session.participant, "seat": session.seat})
            self._abort()
