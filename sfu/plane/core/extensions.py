"""The header extensions that a slot writes: its own mid, abs-send-time, the level of sound."""

from __future__ import annotations

from typing import Final

from sfu.plane.api import ExtensionIds
from sfu.rtp import abs_send_time, pack_extensions

SILENCE: Final = 127
"""-127 dBov, and no voice (RFC 6464)."""


def send_time_bytes(now_us: int) -> bytes:
    """abs-send-time as it stands in a packet."""
    return abs_send_time(now_us).to_bytes(3, "big")


class ExtensionWriter:
    """Builds a slot's extension block; its size is the same in every packet.

    Everything that a publisher sent besides is left out: the receiver has no use for it, and a
    frame's packets keep one size. The block is made once, with room for what changes.
    """

    __slots__ = ("_between", "_has_level", "_has_send_time", "_head", "_tail", "length")

    def __init__(self, ids: ExtensionIds, mid: str, *, sound: bool) -> None:
        self._has_send_time = bool(ids.abs_send_time)
        self._has_level = bool(ids.audio_level) and sound
        elements: dict[int, bytes] = {}
        if self._has_send_time:
            elements[ids.abs_send_time] = bytes(3)
        if self._has_level:
            elements[ids.audio_level] = bytes(1)
        if ids.mid and mid:
            elements[ids.mid] = mid.encode()
        block = pack_extensions(elements)
        self.length = len(block)
        one_byte_form = block[:2] == b"\xbe\xde"
        element_head = 1 if one_byte_form else 2
        position = 4 + element_head
        if self._has_send_time:
            self._head, block = block[:position], block[position + 3 :]
            position = element_head
        else:
            self._head = b""
        if self._has_level:
            self._between, block = block[:position], block[position + 1 :]
        else:
            self._between = b""
        self._tail = block

    def block(self, send_time: bytes, level: int | None) -> bytes:
        """The block with its head; ``send_time`` is three bytes of 6.18 s, ``level`` RFC 6464's byte."""
        if not self._has_send_time:
            send_time = b""
        if not self._has_level:
            return self._head + send_time + self._tail
        spoken = (SILENCE if level is None else level).to_bytes(1, "big")
        return b"%b%b%b%b%b" % (self._head, send_time, self._between, spoken, self._tail)
