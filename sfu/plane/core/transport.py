"""A peer as the core keeps it: its address, keys, streams, slots."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sfu.plane.api import AddTransport, TransportState
from sfu.plane.core.clock import PublisherClock
from sfu.plane.core.crypto import Session
from sfu.plane.core.ice import Credentials, IceLite, SocketAddress
from sfu.plane.core.rate import IngressCap

if TYPE_CHECKING:
    from sfu.plane.core.slot import Slot
    from sfu.plane.core.source import Layer, Source

_REPORTER_SSRC = 1
"""Sender SSRC of feedback of a peer that has no slots (any value serves)."""


class Stream:
    """What one SSRC of the peer was bound to."""

    __slots__ = ("layer", "rtx")

    def __init__(self, layer: Layer, *, rtx: bool) -> None:
        self.layer = layer
        self.rtx = rtx


class Transport:
    """One peer."""

    __slots__ = (
        "address",
        "bound_ssrcs",
        "bytes_received",
        "bytes_sent_before",
        "cap",
        "clock",
        "consent_lost",
        "estimate_bps",
        "fraction_lost",
        "handle",
        "ice",
        "max_ingress_bps",
        "packets_received",
        "packets_sent_before",
        "pictures_lost_256",
        "pictures_reported",
        "redundancy",
        "reference_answered_us",
        "remb_bps",
        "reports_changed",
        "round_trip_us",
        "session",
        "slots",
        "slots_by_ssrc",
        "sound_lost_256",
        "sound_reported",
        "sources",
        "streams",
    )

    def __init__(self, add: AddTransport, now_us: int) -> None:
        self.handle = add.transport
        self.ice = IceLite(Credentials(add.local_ufrag, add.local_pwd, add.remote_ufrag))
        self.max_ingress_bps = add.max_ingress_bps
        self.cap = IngressCap(add.max_ingress_bps, now_us)
        self.session: Session | None = None
        self.address: SocketAddress | None = None
        """Where media goes: the nominated address while there is consent."""
        self.consent_lost = False
        self.clock = PublisherClock()
        self.sources: list[Source] = []
        self.slots: list[Slot] = []
        self.slots_by_ssrc: dict[int, Slot] = {}
        self.streams: dict[int, Stream] = {}
        self.bound_ssrcs = 0
        """SSRCs ever bound; replaced ones count."""
        self.estimate_bps: int | None = None
        self.fraction_lost: float | None = None
        self.pictures_reported = self.sound_reported = 0
        self.pictures_lost_256 = self.sound_lost_256 = 0
        """Of those reported, in 256ths."""
        self.round_trip_us: int | None = None
        self.reference_answered_us: int | None = None
        """When the peer was last told its round trip."""
        self.remb_bps: int | None = None
        self.redundancy = 0
        """How many earlier packets each one of sound brings along."""
        self.reports_changed = False
        self.packets_received = 0
        self.bytes_received = 0
        self.packets_sent_before = 0
        """By slots that are gone, and feedback."""
        self.bytes_sent_before = 0

    @property
    def ready(self) -> bool:
        """Whether media can be sent to the peer: keys, an address, consent."""
        return self.session is not None and self.address is not None

    @property
    def reporter_ssrc(self) -> int:
        """Our SSRC in feedback to this peer."""
        return self.slots[0].add.ssrc if self.slots else _REPORTER_SSRC

    def state(self) -> TransportState:
        """A snapshot for the outside."""
        slots = self.slots
        return TransportState(
            transport=self.handle,
            fraction_lost=self.fraction_lost,
            round_trip_ms=None if self.round_trip_us is None else self.round_trip_us / 1000,
            remb_bps=self.remb_bps,
            packets_received=self.packets_received,
            packets_sent=self.packets_sent_before + sum(s.packets + s.repair_packets for s in slots),
            bytes_received=self.bytes_received,
            bytes_sent=self.bytes_sent_before + sum(s.octets + s.repair_octets for s in slots),
            media_bytes_sent=sum(s.octets for s in slots),
            pictures_reported=self.pictures_reported,
            pictures_lost=self.pictures_lost_256 // 256,
            sound_reported=self.sound_reported,
            sound_lost=self.sound_lost_256 // 256,
        )
