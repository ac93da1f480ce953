"""A receive section of a peer: what it shows, and how a packet is written for it."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from struct import Struct
from typing import TYPE_CHECKING, Final

from sfu import rtcp
from sfu.plane.api import ALL_TEMPORAL, AddSlot, Codec
from sfu.plane.core.extensions import ExtensionWriter
from sfu.plane.core.keyframes import KeyframeBackOff
from sfu.plane.core.munger import Munger
from sfu.plane.core.packet import Packet
from sfu.plane.core.redundancy import wrap
from sfu.plane.core.repair import RepairBudget
from sfu.plane.core.source import Layer, Source

if TYPE_CHECKING:
    from sfu.plane.core.transport import Transport

HISTORY: Final = 512
"""Numbers of this many sent packets are kept for repair; the packets stay in the layers' caches."""
_SEGMENTS: Final = 8
_NOT_SENT: Final = -1
_HEADER: Final = Struct("!BBHII")
_HEADER_LENGTH: Final = 12


class Segment:
    """What the slot sent from one number on: a layer and how its numbers were changed."""

    __slots__ = ("cache", "clock", "first", "layer", "offsets", "timestamp_offset", "tl0_offset")

    def __init__(self, first: int, layer: Layer, munger: Munger) -> None:
        self.first = first
        self.layer = layer
        self.cache = layer.cache
        """Of the SSRC that was shown, as is the clock; the layer may get another."""
        self.clock = layer.clock
        self.timestamp_offset = munger.timestamp_offset
        self.offsets = munger.offsets
        self.tl0_offset = munger.tl0_offset


class Slot:
    """SSRCs, numbering and time line live as long as the slot."""

    __slots__ = (
        "_extensions",
        "_first_byte",
        "_frame_timestamp",
        "_payload_type",
        "_sent",
        "_ssrc",
        "_temporal",
        "add",
        "ahead_rtp",
        "back_off",
        "budget",
        "clock_rate",
        "current",
        "description",
        "handle",
        "highest_sent",
        "munger",
        "octets",
        "packets",
        "packets_reported",
        "pending",
        "repair_octets",
        "repair_packets",
        "reported_highest",
        "reported_us",
        "rtx_sequence",
        "segments",
        "source",
        "transport",
        "video",
        "wanted_layer",
        "wanted_temporal",
    )

    def __init__(self, add: AddSlot, transport: Transport) -> None:
        self.handle = add.slot
        self.add = add
        self.transport = transport
        self.clock_rate = add.clock_rate
        self.video = add.codec is Codec.VP8
        self.source: Source | None = None
        """What it is to show."""
        self.wanted_layer = 0
        self.wanted_temporal = ALL_TEMPORAL
        self.current: Layer | None = None
        """Whose packets it gets now."""
        self.pending: Layer | None = None
        """To which it switches at the next keyframe."""
        self.description = rtcp.build_sdes(add.ssrc, add.cname)
        """The SDES packet with the slot's CNAME."""
        self.munger = Munger(add.first_sequence_number)
        self.ahead_rtp = 0
        """How far timestamps run ahead of the time line, since they must not fall where sources meet."""
        self.segments: list[Segment] = []
        self.back_off = KeyframeBackOff()
        self.budget = RepairBudget()
        self.rtx_sequence = 0
        self.packets = 0
        self.octets = 0
        """Sent, header and payload."""
        self.packets_reported = 0
        """How many there were at our last sender report, at ``reported_us``."""
        self.reported_us = 0
        self.repair_packets = 0
        self.repair_octets = 0
        self.highest_sent = add.first_sequence_number - 1
        self.reported_highest: int | None = None
        """Highest number of the peer's last report block."""
        self._temporal = ALL_TEMPORAL
        """Highest temporal layer that is sent now."""
        self._frame_timestamp: int | None = None
        """Of the newest packet with a temporal layer."""
        self._sent: array[int] | None = None
        self._extensions = ExtensionWriter(add.extensions, add.mid, sound=not self.video)
        self._first_byte = 0x90 if self._extensions.length else 0x80
        self._payload_type = add.payload_type
        self._ssrc = add.ssrc

    @property
    def overhead(self) -> int:
        """Bytes before the payload in each packet."""
        return _HEADER_LENGTH + self._extensions.length

    @property
    def payload_octets(self) -> int:
        """What a sender report counts (RFC 3550 section 6.4.1)."""
        return self.octets - self.packets * self.overhead

    def start(self, layer: Layer, packet: Packet) -> None:
        """Go on with this packet of another source or layer.

        Its timestamp is as far from the last one sent as the two were captured apart, on the server's
        clock; so the slot's time line goes on whatever clocks stand behind it. Captured before the last
        one sent, it comes just after it, and the next switch takes back what that added.
        """
        munger = self.munger
        timestamp = self.add.first_timestamp
        if munger.timestamp_highest is not None:
            before = self.segments[-1]
            last_us = before.clock.server_us(munger.timestamp_highest - before.timestamp_offset)
            apart_us = layer.clock.server_us(packet.timestamp) - last_us
            timestamp = munger.timestamp_highest - self.ahead_rtp + apart_us * self.clock_rate // 1_000_000
        self.ahead_rtp = munger.start(packet, timestamp) - timestamp
        self.current = layer
        if len(self.segments) >= _SEGMENTS:
            del self.segments[0]
        self.segments.append(Segment(self.munger.next_sequence, layer, self.munger))
        self.back_off.reset()
        self._temporal = self.wanted_temporal
        self._frame_timestamp = None

    def leaves_out(self, packet: Packet) -> bool:
        """Whether the packet's temporal layer is above what is sent; asked once for each packet.

        Only the first packet of a frame to come changes what is sent, so that no frame is cut in two. What
        comes late is sent: the gap that it left is there.
        """
        tid = packet.tid
        if tid is None or not self.munger.is_newest(packet.sequence):
            return False
        if packet.timestamp != self._frame_timestamp:
            self._frame_timestamp = packet.timestamp
            wanted = self.wanted_temporal
            if packet.keyframe or wanted < self._temporal:
                self._temporal = wanted
            elif packet.layer_sync and self._temporal < tid <= wanted:
                self._temporal = tid
        return tid > self._temporal

    def note_sent(self, sequence: int, source_sequence: int) -> None:
        """Remember which packet left under an extended number."""
        sent = self._sent
        if sent is None:
            sent = self._sent = array("i", [_NOT_SENT]) * HISTORY
        ahead = sequence - self.highest_sent
        if ahead > 0:
            if ahead > 1:
                for missing in range(max(self.highest_sent + 1, sequence - HISTORY), sequence):
                    sent[missing % HISTORY] = _NOT_SENT
            self.highest_sent = sequence
        sent[sequence % HISTORY] = source_sequence & 0x7FFFFFFF

    def never_sent(self, highest: int) -> int:
        """How many numbers up to this highest one (of 16 bits) had nothing to send; they are told once."""
        last = self.munger.next_sequence - 1
        return self.munger.gaps.take(last - ((last - highest) & 0xFFFF))

    def sent_packet(self, number: int) -> tuple[int, Segment, Packet] | None:
        """(extended number, segment, packet) that left under a 16-bit number, if it can be repeated."""
        behind = (self.highest_sent - number) & 0xFFFF
        if behind >= HISTORY or self._sent is None:
            return None
        sequence = self.highest_sent - behind
        low_bits = self._sent[sequence % HISTORY]
        if low_bits == _NOT_SENT:
            return None
        for segment in reversed(self.segments):
            if sequence >= segment.first:
                packet = segment.cache.find(low_bits)
                return None if packet is None else (sequence, segment, packet)
        return None

    def write(self, packet: Packet, sequence: int, picture_offset: int, send_time: bytes) -> bytes:
        """The packet as it leaves through the slot, not yet protected."""
        head = self._write(packet, sequence, send_time, self._payload_type)
        return b"".join((head, packet.prefix(picture_offset, self.munger.tl0_offset), packet.payload))

    def write_redundant(
        self, packet: Packet, sequence: int, earlier: Sequence[Packet], send_time: bytes
    ) -> bytes:
        """The packet of sound with earlier ones (RFC 2198), for a slot that has a payload type for that."""
        head = self._write(packet, sequence, send_time, self.add.red_payload_type or 0)
        return head + wrap(packet, earlier, self._payload_type)

    def _write(self, packet: Packet, sequence: int, send_time: bytes, payload_type: int) -> bytes:
        """What stands before the payload."""
        header = _HEADER.pack(
            self._first_byte,
            packet.marker | payload_type,
            sequence & 0xFFFF,
            (packet.timestamp + self.munger.timestamp_offset) & 0xFFFFFFFF,
            self._ssrc,
        )
        return header + self._extensions.block(send_time, packet.level)

    def write_repair(self, packet: Packet, sequence: int, segment: Segment, send_time: bytes) -> bytes:
        """The packet again on the slot's RTX SSRC (RFC 4588 section 4) with number ``rtx_sequence``.

        Only for a slot that has an RTX SSRC; who sends it moves ``rtx_sequence`` on.
        """
        return b"".join(
            (
                _HEADER.pack(
                    self._first_byte,
                    packet.marker | (self.add.rtx_payload_type or 0),
                    self.rtx_sequence & 0xFFFF,
                    (packet.timestamp + segment.timestamp_offset) & 0xFFFFFFFF,
                    self.add.rtx_ssrc or 0,
                ),
                self._extensions.block(send_time, packet.level),
                (sequence & 0xFFFF).to_bytes(2, "big"),
                packet.prefix(segment.offsets.picture_offset(packet.sequence), segment.tl0_offset),
                packet.payload,
            )
        )
