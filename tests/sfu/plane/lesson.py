"""A lesson that can be played to a core: people with cameras, microphones and slots on lossy lines."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeVar

from sfu import rtcp, rtp
from sfu.plane.api import ExtensionIds, SlotHandle, SourceHandle, SrtpProfile
from tests.sfu.plane.cores import PlaneCore
from tests.sfu.plane.rig import (
    IDS,
    OPUS_PT,
    RED_PT,
    RIDS,
    VP8_PT,
    VP8_RTX_PT,
    Encoder,
    Peer,
    Rig,
    repair,
    slot_ssrc,
)

T = TypeVar("T")

MAX_PEOPLE: Final = 8
MAX_SOURCES: Final = 8
MAX_SLOTS: Final = 32
MAX_TAPS: Final = 4
_REMEMBERED: Final = 600


class Fate:
    """What becomes of a packet on its way."""

    COME: Final = "come"
    LOST: Final = "lost"
    TWICE: Final = "twice"
    LATE: Final = "late"
    """After the packets of the next frame."""
    LATER: Final = "later"
    """Not before somebody lets it come."""


FATES: Final = (Fate.COME,) * 5 + (Fate.LOST, Fate.TWICE, Fate.LATE, Fate.LATER)


@dataclass
class Publisher:
    """One source and who feeds it."""

    person: Person
    source: SourceHandle
    encoders: list[Encoder]
    video: bool
    announced: bool
    """Bound by announced SSRCs; packets carry no MID then."""
    open: bool
    sent: dict[tuple[int, int], tuple[Encoder, bytes]] = field(default_factory=dict)
    """(SSRC, 16-bit number) -> what was sent, the last ones: answers to NACK."""
    rtx_sequence: int = 65_533
    asked: bool = False
    """A keyframe request came since the last keyframe."""

    def rtx_ssrc(self, encoder: Encoder) -> int:
        return encoder.ssrc + 1_000_000

    def remember(self, encoder: Encoder, packet: bytes) -> None:
        self.sent[encoder.ssrc, rtp.parse_header(packet).sequence_number] = encoder, packet
        while len(self.sent) > _REMEMBERED:
            del self.sent[next(iter(self.sent))]


@dataclass
class Person:
    """Somebody with a transport; ``restarted`` are credentials that were not used yet."""

    peer: Peer
    password: str
    restarted: tuple[str, str] | None = None
    publishers: list[Publisher] = field(default_factory=list)
    reports: dict[int, int] = field(default_factory=dict)
    """Our sender reports to this person: SSRC -> middle of the NTP time."""
    checks: int = 0
    keys: bool = False


class Line(Protocol):
    """How a person's media is protected on the wire."""

    def keys(self, peer: Peer) -> tuple[SrtpProfile, bytes, bytes]:
        """Profile, key up, key down; new ones each time."""

    def heard(self, peer: Peer, address: tuple[str, int]) -> None:
        """The peer sends from this address too, or now."""

    def seal(self, peer: Peer, packet: bytes) -> bytes:
        """As the peer sends it."""


class PlainLine:
    """Not at all."""

    def keys(self, peer: Peer) -> tuple[SrtpProfile, bytes, bytes]:
        return SrtpProfile.AEAD_AES_128_GCM, bytes(28), bytes(28)

    def heard(self, peer: Peer, address: tuple[str, int]) -> None:
        pass

    def seal(self, peer: Peer, packet: bytes) -> bytes:
        return packet


class Lesson:
    """State of everybody, so that an action can say "the third slot" and mean something."""

    def __init__(self, core: PlaneCore, line: Line, *, sequence: int = 0, picture_id: int = 0) -> None:
        """Counters of all senders begin near ``sequence`` and ``picture_id``."""
        self.rig = Rig("", core=core)
        self.line = line
        self.people: list[Person] = []
        self.publishers: list[Publisher] = []
        self.slots: list[tuple[Person, SlotHandle]] = []
        self.shown: dict[SlotHandle, tuple[SourceHandle | None, int]] = {}
        """What each slot was last to show: source and layer."""
        self.taps: list[int] = []
        self.held: deque[tuple[Person, bytes]] = deque(maxlen=64)
        self.highest: dict[int, int] = {}
        """Last 16-bit number that left, by a slot's SSRC."""
        self.nacks: deque[tuple[Person, rtcp.Nack]] = deque(maxlen=64)
        self.numbers = 0
        self._sequence = sequence
        self._picture_id = picture_id

    def number(self) -> int:
        """A number that was not used yet."""
        self.numbers += 1
        return self.numbers

    def join(self, *, keys: bool = True, check: bool = True, max_ingress_bps: int = 50_000_000) -> None:
        if len(self.people) >= MAX_PEOPLE:
            return
        peer = self.rig.add_peer(connected=False, max_ingress_bps=max_ingress_bps)
        person = Person(peer, "p" * 22)
        self.people.append(person)
        self.line.heard(peer, peer.address)
        if check:
            self.rig.check(peer)
        if keys:
            self.set_keys(person)
        self.look()

    def set_keys(self, person: Person) -> None:
        """Nothing from before is on the way any more: what of it would be numbered before keys that are set
        anew need not be sent."""
        if person.keys:
            self.held.clear()
            self.nacks.clear()
            for publisher in self.publishers:
                publisher.sent.clear()
        person.keys = True
        self.rig.set_keys(person.peer, *self.line.keys(person.peer))

    def publish(self, person: Person, kind: str, *, is_open: bool) -> None:
        """``kind``: simulcast, single, announced, narrow, bare (no picture ids) or sound.

        Of cameras with picture ids, simulcast has three temporal layers, narrow two.
        """
        if len(self.publishers) >= MAX_SOURCES:
            return
        count = 3 if kind == "simulcast" else 1
        video = kind != "sound"
        numbers = [self.number() for _ in range(count)]
        mid = f"m{numbers[0]}"
        ssrcs = tuple(10_000 + number for number in numbers)
        announced = kind == "announced"
        encoders = [
            Encoder(
                ssrc,
                mid="" if announced else mid,
                rid=RIDS[index] if count > 1 else None,
                sequence=self._sequence + 7 * index,
                timestamp=4_294_967_000 - 50_000 * index,
                picture_id=None
                if kind == "bare"
                else self._picture_id & (0x7F if kind == "narrow" else 0x7FFF),
                tl0picidx=None if kind == "bare" else 250,
                wide=kind != "narrow",
                payload_type=VP8_PT if video else OPUS_PT,
                temporal_layers={"simulcast": 3, "announced": 3, "narrow": 2}.get(kind, 1),
            )
            for index, ssrc in enumerate(ssrcs)
        ]
        changes = (
            {"ssrcs": ssrcs, "rtx_ssrcs": tuple(ssrc + 1_000_000 for ssrc in ssrcs)} if announced else {}
        )
        if video:
            source = self.rig.add_camera(
                person.peer, mid=mid, rids=RIDS if count > 1 else (), open=is_open, **changes
            )
        else:
            source = self.rig.add_microphone(person.peer, mid=mid, open=is_open, red_payload_type=RED_PT)
        publisher = Publisher(person, source, encoders, video, announced, is_open)
        person.publishers.append(publisher)
        self.publishers.append(publisher)

    def add_slot(
        self,
        person: Person,
        *,
        video: bool,
        rtx: bool = True,
        extensions: ExtensionIds = IDS,
        sequence: int,
        redundant: bool = True,
    ) -> None:
        if len(self.slots) >= MAX_SLOTS:
            return
        slot = self.rig.add_slot(
            person.peer,
            video=video,
            rtx=rtx,
            extensions=extensions,
            sequence=sequence,
            redundant=redundant and not video,
        )
        self.slots.append((person, slot))
        self.look()

    def leave(self, person: Person) -> None:
        """After the plane forgot the person."""
        self.people.remove(person)
        self.publishers = [each for each in self.publishers if each.person is not person]
        self.slots = [each for each in self.slots if each[0] is not person]

    def send(
        self, publisher: Publisher, encoder: Encoder, packets: Sequence[bytes], fates: Sequence[str]
    ) -> None:
        """Packets of one frame on the way to the plane."""
        late: list[bytes] = []
        for index, packet in enumerate(packets):
            publisher.remember(encoder, packet)
            fate = fates[index % len(fates)] if fates else Fate.COME
            if fate == Fate.LATE:
                late.append(packet)
            elif fate == Fate.LATER:
                self.held.append((publisher.person, packet))
            elif fate != Fate.LOST:
                self.deliver(publisher.person, packet)
                if fate == Fate.TWICE:
                    self.deliver(publisher.person, packet)
        for packet in late:
            self.deliver(publisher.person, packet)

    def deliver(self, person: Person, packet: bytes) -> None:
        """One RTP or RTCP packet arrives from the person."""
        self.receive(person, self.line.seal(person.peer, packet))

    def receive(self, person: Person, datagram: bytes) -> None:
        """One datagram arrives from the person."""
        self.rig.receive(datagram, person.peer.address)
        self.look()

    def wait(self, duration_us: int, step_us: int = 10_000) -> None:
        self.rig.pass_us(duration_us, step_us)
        self.look()

    def look(self) -> None:
        """Everybody reads what came: keyframe requests, NACKs, reports, numbers."""
        addresses = {person.peer.address: person for person in self.people}
        for data, address in self.rig.out:
            person = addresses.get(address)
            if person is None or len(data) < 12 or not 128 <= data[0] <= 191:
                continue
            if not rtp.is_rtcp(data):
                self.highest[rtp.ssrc(data)] = rtp.sequence_number(data)
                continue
            for packet in rtcp.parse(data):
                if isinstance(packet, rtcp.Nack):
                    self.nacks.append((person, packet))
                elif isinstance(packet, rtcp.SenderReport):
                    person.reports[packet.ssrc] = rtcp.ntp_middle(packet.ntp)
                elif isinstance(packet, rtcp.Pli):
                    for publisher in person.publishers:
                        publisher.asked |= packet.media_ssrc in [each.ssrc for each in publisher.encoders]
        self.rig.out.clear()

    def answer_nacks(self, fates: Sequence[str]) -> None:
        """Publishers send again what was asked for."""
        count = 0
        while self.nacks:
            person, nack = self.nacks.popleft()
            for publisher in person.publishers:
                for number in nack.lost:
                    found = publisher.sent.get((nack.media_ssrc, number))
                    fate = fates[count % len(fates)] if fates else Fate.COME
                    if found is not None and fate not in (Fate.LOST, Fate.LATER):
                        self.deliver(person, self.repaired(publisher, *found))
                    count += 1

    def repaired(self, publisher: Publisher, encoder: Encoder, packet: bytes) -> bytes:
        """The packet on the publisher's repair SSRC."""
        publisher.rtx_sequence += 1
        return repair(
            packet,
            ssrc=publisher.rtx_ssrc(encoder),
            sequence=publisher.rtx_sequence & 0xFFFF,
            rid=encoder.rid,
            mid=encoder.mid,
        )

    def slot_ssrc(self, slot: SlotHandle) -> int:
        return slot_ssrc(slot)

    def probe(self, publisher: Publisher, encoder: Encoder) -> bytes:
        """A packet of padding alone on the publisher's repair SSRC, as congestion control sends it."""
        publisher.rtx_sequence += 1
        extensions = {} if publisher.announced else {IDS.mid: encoder.mid.encode()}
        if encoder.rid is not None:
            extensions[IDS.repaired_rid] = encoder.rid.encode()
        return rtp.build(
            payload_type=VP8_RTX_PT,
            sequence_number=publisher.rtx_sequence & 0xFFFF,
            timestamp=encoder.timestamp,
            ssrc=publisher.rtx_ssrc(encoder),
            extensions=extensions,
            padding_length=200,
        )


def pick(items: Sequence[T], number: int) -> T | None:
    """One of the items, None when there is none."""
    return items[number % len(items)] if items else None
