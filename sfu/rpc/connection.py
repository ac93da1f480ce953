"""One end of an rpc connection: frames over a TCP stream, a bounded send queue."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from sfu.model import ProtocolError
from sfu.rpc.frames import FrameReader, encode
from sfu.rpc.messages import Frame

MAX_UNSENT_BYTES: Final = 4 * 1024 * 1024
"""Unless its owner allows a connection more."""
_READ_BYTES: Final = 64 * 1024


class Connection:
    """Frames in by iteration, frames out by ``send``. Single owner; both ends use it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._closed = False
        self.max_unsent_bytes = MAX_UNSENT_BYTES

    @property
    def unsent_bytes(self) -> int:
        """What waits here because the other side has not read; 0 once closed."""
        gone = self._closed or self._writer.transport.is_closing()
        return 0 if gone else self._writer.transport.get_write_buffer_size()

    def send(self, frame: Frame) -> None:
        """Queue a frame; on a line that is broken, known or not, nothing happens. Who leaves
        ``max_unsent_bytes`` unread is cut off: ProtocolError ``slow``."""
        if self._closed or self._writer.transport.is_closing():
            return
        self._writer.write(encode(frame))
        if self.unsent_bytes > self.max_unsent_bytes:
            self.abort()
            raise ProtocolError("slow", "the other side does not read")

    async def frames(self) -> AsyncIterator[Frame]:
        """Frames until the other side closes; raises ParseError on garbage, OSError on a broken line."""
        reader = FrameReader()
        while data := await self._reader.read(_READ_BYTES):
            for frame in reader.feed(data):
                yield frame

    def abort(self) -> None:
        """Drop the line and what is unsent. Idempotent."""
        self._closed = True
        self._writer.transport.abort()

    async def close(self) -> None:
        """Send what is queued (at most 1 s), then close. Idempotent."""
        if self._closed:
            return
        self._closed = True
        self._writer.close()
        try:
            await asyncio.wait_for(self._writer.wait_closed(), 1.0)
        except (OSError, TimeoutError):
            self._writer.transport.abort()
