"""A WebSocket client at its cheapest, for benches that open thousands (RFC 6455).

It says hello, notes the welcome, answers pings, and counts the rest without reading it.
"""

from __future__ import annotations

import asyncio
import base64
import secrets
import struct
import time
from collections.abc import Callable
from typing import Final, cast
from urllib.parse import urlsplit

import msgpack
import msgspec

from signaling import wire

_BINARY: Final = 0x82
_PING: Final = 0x89
_PONG: Final = 0x8A
_CLOSE: Final = 0x88
_FINAL_MASKED: Final = 0x80
_WELCOME: Final = msgpack.packb("welcome")
"""How its kind stands in a welcome's first bytes."""
_KIND_WITHIN: Final = 32


class DoorSocket(asyncio.Protocol):
    """One person. ``done`` is called once, when the welcome came or the connection ended before it."""

    def __init__(self, origin: str, ticket: str, done: Callable[[DoorSocket], None]) -> None:
        self.welcome_s: float | None = None
        """From hello to welcome; None: none came."""
        self.frames = 0
        """After the welcome."""
        self.closed = False
        self._origin = origin
        self._hello = msgpack.packb(msgspec.to_builtins(wire.Hello(ticket=ticket)))
        self._done: Callable[[DoorSocket], None] | None = done
        self._buffer = bytearray()
        self._open = False
        self._hello_s = 0.0
        self._transport: asyncio.Transport

    async def open(self) -> None:
        """Connect and ask for the upgrade; the rest happens by itself. Raises OSError."""
        parts = urlsplit(self._origin)
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: self, parts.hostname or "", parts.port or 80)

    def close(self) -> None:
        """Go without a word."""
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the upgrade."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(
            (
                f"GET /ws HTTP/1.1\r\nHost: {urlsplit(self._origin).netloc}\r\nOrigin: {self._origin}\r\n"
                "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                f"Sec-WebSocket-Key: {base64.b64encode(secrets.token_bytes(16)).decode()}\r\n\r\n"
            ).encode()
        )

    def data_received(self, data: bytes) -> None:
        """Frames, whole or in pieces."""
        self._buffer += data
        if not self._open:
            head = self._buffer.find(b"\r\n\r\n")
            if head < 0:
                return
            if not self._buffer.startswith(b"HTTP/1.1 101 "):
                self._transport.abort()
                return
            del self._buffer[: head + 4]
            self._open = True
            self._hello_s = time.monotonic()
            self._send(_BINARY, self._hello)
        while (length := self._whole_frame()) is not None:
            head_length, payload_length = length
            self._take(self._buffer[0], head_length, payload_length)
            del self._buffer[: head_length + payload_length]

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's name
        """Whether it was welcomed before is known to its owner."""
        self.closed = True
        self._tell()

    def _whole_frame(self) -> tuple[int, int] | None:
        """(length of its head, of its payload) of the first frame when all of it is there."""
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        head, length = 2, buffer[1] & 0x7F
        if length == 126:
            if len(buffer) < 4:
                return None
            head, length = 4, int.from_bytes(buffer[2:4], "big")
        elif length == 127:
            if len(buffer) < 10:
                return None
            head, length = 10, int.from_bytes(buffer[2:10], "big")
        return None if len(buffer) < head + length else (head, length)

    def _take(self, kind: int, head: int, length: int) -> None:
        if kind == _PING:
            self._send(_PONG, bytes(self._buffer[head : head + length]))
        elif kind == _CLOSE:
            self._transport.abort()
        elif self.welcome_s is not None:
            self.frames += 1
        elif _WELCOME in self._buffer[head : head + min(length, _KIND_WITHIN)]:
            self.welcome_s = time.monotonic() - self._hello_s
            self._tell()

    def _send(self, kind: int, payload: bytes) -> None:
        """Masked with zeros: as good as any for a server, and free."""
        length = len(payload)
        small = length < 126
        size = bytes((_FINAL_MASKED | length,)) if small else struct.pack("!BH", _FINAL_MASKED | 126, length)
        self._transport.write(bytes((kind,)) + size + bytes(4) + payload)

    def _tell(self) -> None:
        if self._done is not None:
            done, self._done = self._done, None
            done(self)
