"""Copies of one layer's packets for the recorder, bounded."""

from __future__ import annotations

from typing import Final

from sfu.plane.api import Tapped

MAX_PACKETS_A_BATCH: Final = 2048


class Tap:
    """Packets since the last batch; beyond MAX_PACKETS_A_BATCH they are counted, not kept."""

    __slots__ = ("_dropped", "_number", "_packets")

    def __init__(self, number: int) -> None:
        self._number = number
        self._packets: list[tuple[int, bytes]] = []
        self._dropped = 0

    def copy(self, now_us: int, packet: bytes) -> bool:
        """Keep one packet; False when the batch is full."""
        if len(self._packets) >= MAX_PACKETS_A_BATCH:
            self._dropped += 1
            return False
        self._packets.append((now_us, packet))
        return True

    def drain(self) -> Tapped | None:
        """The batch, None when nothing was copied."""
        if not self._packets and not self._dropped:
            return None
        batch = Tapped(self._number, tuple(self._packets), self._dropped)
        self._packets = []
        self._dropped = 0
        return batch
