"""Copies of a source's packets for the recorder, bounded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sfu.plane.api import AddTap, Tapped

if TYPE_CHECKING:
    from sfu.plane.core.source import Layer, Source

MAX_PACKETS_A_BATCH: Final = 2048


class Tap:
    """Packets since the last batch; beyond MAX_PACKETS_A_BATCH they are counted, not kept."""

    __slots__ = (
        "_dropped",
        "_packets",
        "copied",
        "current",
        "first",
        "keyframe_due_us",
        "number",
        "pending",
        "source",
        "wanted_layer",
    )

    def __init__(self, add: AddTap, source: Source) -> None:
        self.number = add.tap
        self.source = source
        self.wanted_layer = add.layer
        self.current: Layer | None = None
        """Whose packets are copied now, from the extended number ``first`` on."""
        self.first = 0
        self.pending: Layer | None = None
        """To which it goes at the next keyframe (sound: next packet)."""
        self.copied: dict[Layer, int] = {}
        """Highest number copied of each layer, forgotten with its SSRC: what was before is not begun with."""
        self.keyframe_due_us = 0
        self._packets: list[tuple[int, bytes]] = []
        self._dropped = 0

    @property
    def waits(self) -> bool:
        """Whether there is something to drain."""
        return bool(self._packets or self._dropped)

    def copy(self, now_us: int, packet: bytes) -> bool:
        """Keep one packet; False when the batch is full."""
        if len(self._packets) >= MAX_PACKETS_A_BATCH:
            self._dropped += 1
            return False
        self._packets.append((now_us, packet))
        return True

    def drain(self, *, last: bool = False) -> Tapped:
        """What was copied since the last time; ``last``: nothing more comes."""
        batch = Tapped(self.number, tuple(self._packets), self._dropped, last)
        self._packets = []
        self._dropped = 0
        return batch
