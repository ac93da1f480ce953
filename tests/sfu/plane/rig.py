"""A core with its peers, on a clock that only the test moves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, TypeVar

from sfu import rtcp, rtp, stun
from sfu.codecs import red, vp8
from sfu.plane.api import (
    ALL_TEMPORAL,
    AddSlot,
    AddSource,
    AddTransport,
    Codec,
    Command,
    Drop,
    Event,
    ExtensionIds,
    SetForward,
    SetKeys,
    SlotHandle,
    SourceHandle,
    SrtpProfile,
    TransportHandle,
)
from tests.sfu.plane.cores import PlaneCore, new_core

IDS = ExtensionIds(mid=4, rid=10, repaired_rid=11, abs_send_time=2, audio_level=1)
START_US = 1_000_000_000
PASSWORD = "p" * 22
VP8_PT, VP8_RTX_PT, OPUS_PT, RED_PT = 96, 97, 111, 63
RIDS = ("q", "h", "f")

E = TypeVar("E")


@dataclass
class Peer:
    """One transport of the rig and where it is."""

    handle: TransportHandle
    address: tuple[str, int]
    ufrag: str
    remote_ufrag: str
    slots: list[SlotHandle] = field(default_factory=list)


class Rig:
    """Drives one core; keeps what came out until it is taken."""

    def __init__(self, plane: str, *, core: PlaneCore | None = None) -> None:
        """``plane`` is a name of PLANES; with ``core`` that one is driven."""
        self.core = core or new_core(plane)
        self.now_us = START_US
        self.out: list[tuple[bytes, Any]] = []
        self.events: list[Event] = []
        self._next = 1
        self._transaction = 0

    def _handle(self) -> int:
        self._next += 1
        return self._next

    def _drain(self) -> None:
        self.out += self.core.datagrams
        self.core.datagrams.clear()
        self.events += self.core.drain_events()

    def apply(self, *commands: Command) -> None:
        self.core.apply(commands, self.now_us)
        self._drain()

    def receive(self, data: bytes, address: Any) -> None:
        self.core.receive(data, address, self.now_us)
        self._drain()

    def pass_us(self, duration_us: int, step_us: int = 10_000) -> None:
        """Let time go by in ticks."""
        end_us = self.now_us + duration_us
        while self.now_us < end_us:
            self.now_us = min(self.now_us + step_us, end_us)
            self.core.tick(self.now_us)
            self._drain()

    def check(
        self,
        peer: Peer,
        *,
        address: Any = None,
        priority: int = 100,
        nominate: bool = True,
        password: str = PASSWORD,
        ufrag: str | None = None,
        remote_ufrag: str | None = None,
        controlled: bool = False,
    ) -> None:
        """A connectivity check as the peer's browser sends it."""
        self._transaction += 1
        role: dict[str, Any] = {"controlled": 7} if controlled else {"controlling": 7}
        self.receive(
            stun.build_binding_request(
                self._transaction.to_bytes(12, "big"),
                local_ufrag=remote_ufrag or peer.remote_ufrag,
                remote_ufrag=ufrag or peer.ufrag,
                remote_password=password,
                priority=priority,
                use_candidate=nominate,
                **role,
            ),
            address or peer.address,
        )

    def add_peer(self, *, connected: bool = True, max_ingress_bps: int = 50_000_000) -> Peer:
        handle = self._handle()
        peer = Peer(
            TransportHandle(handle), ("192.0.2.1", 10_000 + handle), f"local{handle}", f"remote{handle}"
        )
        self.apply(
            AddTransport(
                peer.handle,
                peer.ufrag,
                PASSWORD,
                peer.remote_ufrag,
                "q" * 22,
                max_ingress_bps=max_ingress_bps,
            )
        )
        if connected:
            self.check(peer)
            self.set_keys(peer)
        return peer

    def set_keys(
        self,
        peer: Peer,
        profile: SrtpProfile = SrtpProfile.AEAD_AES_128_GCM,
        receive_key: bytes = bytes(28),
        send_key: bytes = bytes(28),
    ) -> None:
        self.apply(SetKeys(peer.handle, profile, receive_key, send_key))

    def add_camera(
        self, peer: Peer, *, rids: Sequence[str] = RIDS, mid: str = "1", **changes: Any
    ) -> SourceHandle:
        source = SourceHandle(self._handle())
        self.apply(
            AddSource(
                source,
                peer.handle,
                Codec.VP8,
                90_000,
                mid,
                VP8_PT,
                VP8_RTX_PT,
                IDS,
                rids=tuple(rids),
                **{"open": True, **changes},
            )
        )
        return source

    def add_microphone(self, peer: Peer, *, mid: str = "0", **changes: Any) -> SourceHandle:
        source = SourceHandle(self._handle())
        self.apply(
            AddSource(
                source, peer.handle, Codec.OPUS, 48_000, mid, OPUS_PT, None, IDS, **{"open": True, **changes}
            )
        )
        return source

    def add_slot(
        self,
        peer: Peer,
        *,
        video: bool = True,
        sequence: int = 65_000,
        timestamp: int = 4_294_900_000,
        rtx: bool = True,
        extensions: ExtensionIds = IDS,
        redundant: bool = False,
    ) -> SlotHandle:
        slot = SlotHandle(self._handle())
        repaired = video and rtx
        self.apply(
            AddSlot(
                slot,
                peer.handle,
                Codec.VP8 if video else Codec.OPUS,
                90_000 if video else 48_000,
                f"s{slot}",
                slot_ssrc(slot),
                slot_ssrc(slot) + 1 if repaired else None,
                "zvonok",
                VP8_PT if video else OPUS_PT,
                VP8_RTX_PT if repaired else None,
                extensions,
                sequence,
                timestamp,
                red_payload_type=RED_PT if redundant else None,
            )
        )
        peer.slots.append(slot)
        return slot

    def show(
        self, slot: SlotHandle, source: SourceHandle | None, layer: int = 0, temporal: int = ALL_TEMPORAL
    ) -> None:
        self.apply(SetForward(slot, source, layer, temporal))

    def take(self, peer: Peer) -> list[bytes]:
        """Datagrams that went to the peer since the last time, STUN left out."""
        taken = [data for data, address in self.out if address == peer.address and data[0] >= 128]
        self.out = [item for item in self.out if item[1] != peer.address]
        return taken

    def media(self, peer: Peer, slot: SlotHandle) -> list[Sent]:
        """RTP of one slot, repairs included, in the order of sending; everything else to the peer is lost."""
        ssrcs = (slot_ssrc(slot), slot_ssrc(slot) + 1)
        packets = [Sent(data) for data in self.take(peer) if not rtp.is_rtcp(data)]
        return [packet for packet in packets if packet.ssrc in ssrcs]

    def feedback(self, peer: Peer) -> list[rtcp.Packet]:
        """RTCP that went to the peer."""
        return [packet for data in self.take(peer) if rtp.is_rtcp(data) for packet in rtcp.parse(data)]

    def dropped(self, reason: Drop) -> int:
        return self.core.counters().dropped.get(reason, 0)

    def of(self, kind: type[E]) -> list[E]:
        """Events of one kind so far."""
        return [event for event in self.events if isinstance(event, kind)]


def slot_ssrc(slot: SlotHandle) -> int:
    return 500_000 + 10 * slot


class Sent:
    """One RTP packet that left the plane, taken apart."""

    def __init__(self, data: bytes) -> None:
        header = rtp.parse_header(data)
        self.data = data
        self.ssrc = header.ssrc
        self.payload_type = header.payload_type
        self.sequence = header.sequence_number
        self.timestamp = header.timestamp
        self.marker = header.marker
        self.extensions = header.extensions
        self.payload = data[header.payload_offset :]

    @property
    def picture(self) -> vp8.Vp8Descriptor:
        return vp8.parse_descriptor(self.payload)

    @property
    def redundant(self) -> red.RedPayload:
        return red.parse(self.payload)

    @property
    def tag(self) -> bytes:
        """The last bytes of the payload, by which a test knows a packet again."""
        return self.payload[-TAG:]


TAG = 12
_TEMPORAL = {
    1: ((0, True),),
    2: ((0, False), (1, True), (0, False), (1, False)),
    3: (
        (0, False),
        (2, True),
        (1, True),
        (2, True),
        (0, False),
        (2, False),
        (1, False),
        (2, False),
    ),
}
"""(TID, Y bit) from a keyframe on."""


class Encoder:
    """A VP8 or Opus sender of one SSRC; counters start where the test says, to cross their ends."""

    def __init__(
        self,
        ssrc: int,
        *,
        mid: str,
        rid: str | None = None,
        sequence: int = 0,
        timestamp: int = 0,
        picture_id: int | None = 0,
        tl0picidx: int | None = 0,
        wide: bool = True,
        payload_type: int = VP8_PT,
        temporal_layers: int = 1,
    ) -> None:
        """``temporal_layers``: 1 to 3, in the order that libvpx encodes them in."""
        self.ssrc = ssrc
        self.mid = mid
        self.rid = rid
        self.sequence = sequence
        self.timestamp = timestamp
        self.picture_id = picture_id
        self.tl0picidx = tl0picidx
        self.wide = wide
        self.payload_type = payload_type
        self.temporal = _TEMPORAL[temporal_layers]
        self.place = 0
        """Frames since the last keyframe."""
        self.sounds: list[tuple[int, bytes]] = []
        """(timestamp, payload) of the last ones."""
        self.count = 0

    def _packet(
        self,
        payload: bytes,
        *,
        marker: bool,
        padding: int = 0,
        level: int | None = None,
        payload_type: int | None = None,
    ) -> bytes:
        extensions = {IDS.mid: self.mid.encode(), IDS.abs_send_time: b"xyz", 7: b"unknown"}
        if self.rid is not None:
            extensions[IDS.rid] = self.rid.encode()
        if level is not None:
            extensions[IDS.audio_level] = bytes((0x80 | level,))
        packet = rtp.build(
            payload_type=payload_type or self.payload_type,
            sequence_number=self.sequence,
            timestamp=self.timestamp,
            ssrc=self.ssrc,
            payload=payload,
            marker=marker,
            extensions=extensions,
            padding_length=padding,
        )
        self.sequence += 1
        return packet

    def tag(self) -> bytes:
        self.count += 1
        return self.ssrc.to_bytes(4, "big") + self.count.to_bytes(TAG - 4, "big")

    def frame(self, packets: int = 1, *, keyframe: bool = False, after_rtp: int = 3000) -> list[bytes]:
        """The packets of the next frame."""
        self.timestamp += after_rtp
        if self.picture_id is not None:
            self.picture_id += 1
        self.place = 0 if keyframe else self.place + 1
        tid, sync = self.temporal[self.place % len(self.temporal)]
        if self.tl0picidx is not None and tid == 0:
            self.tl0picidx += 1
        made = []
        for index in range(packets):
            start = index == 0
            body = bytes((0 if keyframe and start else 1, 0, 0))
            if keyframe and start:
                body += b"\x9d\x01\x2a\x40\x01\xb4\x00"
            payload = self._descriptor(start=start, tid=tid, sync=sync) + body + self.tag()
            made.append(self._packet(payload, marker=index == packets - 1))
        return made

    def _descriptor(self, *, start: bool, tid: int, sync: bool) -> bytes:
        first = 0x10 if start else 0
        if self.picture_id is None:
            return bytes((first,))
        present = 0x80 | (0x60 if self.tl0picidx is not None else 0)
        head = bytes((0x80 | first, present))
        if self.wide:
            head += (0x8000 | self.picture_id & 0x7FFF).to_bytes(2, "big")
        else:
            head += bytes((self.picture_id & 0x7F,))
        if self.tl0picidx is not None:
            head += bytes((self.tl0picidx & 0xFF, tid << 6 | sync << 5))
        return head

    def sound(self, *, level: int | None = 30, after_rtp: int = 960, redundancy: int = 0) -> bytes:
        """The next 20 ms of sound, with so many before it."""
        self.timestamp += after_rtp
        payload = b"opus" + self.tag()
        payload_type = self.payload_type
        oldest = self.timestamp - red.MAX_TIMESTAMP_OFFSET
        earlier = [each for each in self.sounds[-redundancy:] if each[0] >= oldest]
        self.sounds = [*self.sounds[-3:], (self.timestamp, payload)]
        if redundancy:
            payload_type = RED_PT
            blocks = [red.RedundantBlock(OPUS_PT, self.timestamp - at, each) for at, each in earlier]
            payload = red.build(blocks, OPUS_PT, payload)
        return self._packet(payload, marker=False, level=level, payload_type=payload_type)

    def padding(self) -> bytes:
        """A packet with nothing but padding."""
        return self._packet(b"", marker=False, padding=200)

    def report(self, ntp_us: int, timestamp: int | None = None) -> bytes:
        """A sender report: at this time of its clock (us since the epoch) the media stood there."""
        return rtcp.build_sender_report(
            self.ssrc,
            ntp=rtcp.ntp_from_us(ntp_us),
            rtp_timestamp=self.timestamp if timestamp is None else timestamp,
            packet_count=1,
            octet_count=1,
        )


def repair(original: bytes, *, ssrc: int, sequence: int, rid: str | None = None, mid: str = "1") -> bytes:
    """The RTX packet (RFC 4588) by which a publisher sends ``original`` again."""
    header = rtp.parse_header(original)
    extensions = {IDS.mid: mid.encode()}
    if rid is not None:
        extensions[IDS.repaired_rid] = rid.encode()
    return rtp.build(
        payload_type=VP8_RTX_PT,
        sequence_number=sequence,
        timestamp=header.timestamp,
        ssrc=ssrc,
        payload=header.sequence_number.to_bytes(2, "big") + original[header.payload_offset :],
        marker=header.marker,
        extensions=extensions,
    )


def sequences(packets: Iterable[Sent]) -> list[int]:
    return [packet.sequence for packet in packets]


def consecutive(numbers: Sequence[int], bits: int = 16) -> bool:
    """Whether each number follows the one before, modulo 2**bits."""
    return all((b - a) % (1 << bits) == 1 for a, b in pairs(numbers))


def pairs(items: Sequence[E]) -> Iterator[tuple[E, E]]:
    return pairwise(items)
