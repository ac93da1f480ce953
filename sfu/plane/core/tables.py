"""Everything the core knows, by handle, address and user fragment."""

from __future__ import annotations

from sfu.plane.api import SlotHandle, SourceHandle, TransportHandle
from sfu.plane.core.ice import SocketAddress, ValidatedAddress
from sfu.plane.core.levels import LoudestLevels
from sfu.plane.core.slot import Slot
from sfu.plane.core.source import Layer, Source
from sfu.plane.core.taps import Tap
from sfu.plane.core.transport import Transport


class Tables:
    """Owned by the core; its steps share it. The sets name what the next tick has to look at."""

    __slots__ = (
        "active_sources",
        "addresses",
        "keyframe_sources",
        "levels",
        "lingering_slots",
        "missing_layers",
        "slots",
        "sources",
        "taps",
        "transports",
        "ufrags",
        "unestimated_transports",
        "unreported_slots",
    )

    def __init__(self) -> None:
        self.transports: dict[TransportHandle, Transport] = {}
        self.sources: dict[SourceHandle, Source] = {}
        self.slots: dict[SlotHandle, Slot] = {}
        self.taps: dict[int, Tap] = {}
        self.addresses: dict[SocketAddress, tuple[Transport, ValidatedAddress]] = {}
        """Validated addresses only."""
        self.ufrags: dict[str, Transport] = {}
        """By our user fragment, of old credentials too while they are valid."""
        self.levels = LoudestLevels()
        self.active_sources: dict[Source, None] = {}
        """Sent something since the last batch, or did before it (in order of arrival)."""
        self.keyframe_sources: dict[Source, None] = {}
        self.lingering_slots: dict[Slot, int] = {}
        """Get packets of another source than they are to show, until this time (us) at most, ascending."""
        self.missing_layers: dict[Layer, None] = {}
        self.unestimated_transports: dict[Transport, None] = {}
        """Began to send video and have not been told what they may send."""
        self.unreported_slots: dict[Slot, None] = {}
        """Began to show something and owe their peer a sender report."""
