"""The header extensions that a slot writes: its own mid, abs-send-time, the level of sound."""

from __future__ import annotations

from sfu.plane.api import ExtensionIds
from sfu.rtp import pack_extensions


class ExtensionWriter:
    """Builds a slot's extension block; its size is the same in every packet.

    Everything that a publisher sent besides is left out: the receiver has no use for it, and a
    frame's packets keep one size.
    """

    __slots__ = ("_level_id", "_mid", "_mid_id", "_send_time_id", "length")

    def __init__(self, ids: ExtensionIds, mid: str, *, sound: bool) -> None:
        self._send_time_id = ids.abs_send_time
        self._level_id = ids.audio_level if sound else 0
        self._mid_id = ids.mid if mid else 0
        self._mid = mid.encode()
        self.length = len(self.block(0, 0))

    def block(self, send_time: int, level: int | None) -> bytes:
        """The block with its head; ``send_time`` is 24 bits of 6.18 s, ``level`` RFC 6464's byte."""
        elements: dict[int, bytes] = {}
        if self._send_time_id:
            elements[self._send_time_id] = send_time.to_bytes(3, "big")
        if self._mid_id:
            elements[self._mid_id] = self._mid
        if self._level_id:
            elements[self._level_id] = bytes((127 if level is None else level,))
        return pack_extensions(elements)
