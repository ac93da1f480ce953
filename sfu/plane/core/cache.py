"""The last packets of a layer, for answers to NACK; bounded by count."""

from __future__ import annotations

from typing import Final

from sfu.plane.core.packet import Packet

VIDEO_PACKETS: Final = 512
AUDIO_PACKETS: Final = 64


class PacketCache:
    """A ring by sequence number. ``size`` is a power of two."""

    __slots__ = ("_mask", "_ring")

    def __init__(self, size: int) -> None:
        self._ring: list[Packet | None] = [None] * size
        self._mask = size - 1

    def put(self, packet: Packet) -> bool:
        """Keep a packet; False when it is already there or its place holds a later one."""
        index = packet.sequence & self._mask
        present = self._ring[index]
        if present is not None and present.sequence >= packet.sequence:
            return False
        self._ring[index] = packet
        return True

    def get(self, sequence: int) -> Packet | None:
        """The packet with this extended number, if it is still there."""
        packet = self._ring[sequence & self._mask]
        return packet if packet is not None and packet.sequence == sequence else None

    def find(self, low_bits: int) -> Packet | None:
        """The packet whose extended number has these low 31 bits, if it is still there."""
        packet = self._ring[low_bits & self._mask]
        return packet if packet is not None and packet.sequence & 0x7FFFFFFF == low_bits else None

    def clear(self) -> None:
        """Forget everything."""
        self._ring = [None] * len(self._ring)
