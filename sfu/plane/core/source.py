"""A publisher's source and its layers, as the core keeps them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sfu.plane.api import AddSource, Codec
from sfu.plane.core.cache import AUDIO_PACKETS, VIDEO_PACKETS, PacketCache
from sfu.plane.core.clock import MediaClock
from sfu.plane.core.keyframes import KeyframeThrottle
from sfu.plane.core.nack import NackList
from sfu.plane.core.packet import PictureIds
from sfu.plane.core.reception import Reception
from sfu.plane.core.silence import SilenceGate
from sfu.rtp import Extender

if TYPE_CHECKING:
    from sfu.plane.core.slot import Slot
    from sfu.plane.core.taps import Tap
    from sfu.plane.core.transport import Transport

_DEAD_US: Final = 750_000
"""A layer this far behind the newest packet of its source is not being sent any more."""


class Layer:
    """One encoding of a source: what binds, what came, who gets it."""

    __slots__ = (
        "cache",
        "clock",
        "first_expected",
        "index",
        "media_us",
        "nack",
        "octets",
        "picture_ids",
        "reception",
        "silence",
        "source",
        "ssrc",
        "timestamps",
        "viewers",
        "waiting",
    )

    def __init__(self, source: Source, index: int) -> None:
        self.source = source
        self.index = index
        self.ssrc: int | None = None
        """The latched SSRC, None until bound."""
        self.viewers: list[Slot] = []
        """Slots that get this layer's packets."""
        self.waiting: list[Slot] = []
        """Slots that switch to this layer at its next keyframe (sound: next packet)."""
        self.octets = 0
        """Since the last batch of events."""
        self.media_us: int | None = None
        """When the last packet with a payload came."""
        self.renew()

    def renew(self) -> None:
        """Another SSRC begins: nothing that was counted or kept holds for it."""
        source = self.source
        self.reception = Reception(source.clock_rate)
        self.timestamps = Extender(32)
        self.picture_ids = PictureIds()
        self.cache = PacketCache(VIDEO_PACKETS if source.video else AUDIO_PACKETS)
        self.nack = NackList()
        self.silence = SilenceGate()
        self.clock = MediaClock(source.clock_rate, source.transport.clock)
        self.first_expected = 0


class Source:
    """One send section of a publisher."""

    __slots__ = (
        "add",
        "alive_before",
        "clock_rate",
        "handle",
        "keyframes",
        "layers",
        "lost_before",
        "media_us",
        "open",
        "packets",
        "slots",
        "taps",
        "transport",
        "video",
    )

    def __init__(self, add: AddSource, transport: Transport) -> None:
        self.handle = add.source
        self.add = add
        self.transport = transport
        self.clock_rate = add.clock_rate
        self.video = add.codec is Codec.VP8
        self.open = add.open
        self.layers: tuple[Layer, ...] = tuple(Layer(self, index) for index in range(max(1, len(add.rids))))
        self.slots: dict[Slot, None] = {}
        """Every slot that is to show this source, in order of entry."""
        self.taps: list[Tap] = []
        self.keyframes = KeyframeThrottle()
        self.media_us: int | None = None
        self.packets = 0
        """Since the last batch of events."""
        self.lost_before = 0
        self.alive_before: tuple[int, ...] = ()
        """Layers that were alive when the slots were last aimed."""

    def alive(self, layer: Layer) -> bool:
        """Whether the layer is being sent: it keeps up with the newest packet of the source."""
        if layer.media_us is None or self.media_us is None:
            return False
        return self.media_us - layer.media_us <= _DEAD_US

    def alive_layers(self) -> tuple[int, ...]:
        """Indices of the layers that are being sent."""
        return tuple(layer.index for layer in self.layers if self.alive(layer))

    @property
    def lost(self) -> int:
        """Packets of all layers that never came, not counting what repair brought."""
        return sum(max(0, layer.reception.expected - layer.reception.received) for layer in self.layers)
