"""What is fuzzed: what a target's records are, where its inputs begin, and what must hold for every input.

Both planes get the same; a difference raises, and so does an error of either that is not a refusal.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from struct import pack, unpack_from
from typing import Final

from sfu import rtp, stun
from sfu.codecs import red
from sfu.model import ParseError
from sfu.plane.api import SetKeys, SetRedundancy, SrtpProfile
from sfu.plane.srtp import LibsrtpCrypto
from tests.fuzz import seeds
from tests.fuzz.mutation import Input
from tests.fuzz.orders import play_orders
from tests.sfu.plane.cores import TWIN, PlaneCore, TwinCore, native_core, reference_core
from tests.sfu.plane.rig import PASSWORD, RED_PT, VP8_PT, Encoder, Peer, Rig
from tests.sfu.plane.srtp_line import SrtpLine
from tests.sfu.plane.test_native_bytes import (
    FINGERPRINT,
    MESSAGE_INTEGRITY,
    attribute,
    same_rtcp,
    same_stun,
    same_vp8,
)

STEP_US: Final = 4_000


@dataclass(frozen=True)
class Target:
    """``play`` raises for what must not be; the core that it returns tells what an input came to."""

    name: str
    seeds: Callable[[], list[Input]]
    play: Callable[[Input], PlaneCore]


class Classroom:
    """A teacher with microphone, simulcast camera and single camera; a student who gets all of it; somebody
    without keys, somebody without a check."""

    def __init__(self, core: TwinCore | None = None, line: SrtpLine | None = None) -> None:
        self.rig = rig = Rig(TWIN, core=core)
        self.line = line
        self.teacher, self.student = self._connected(), self._connected()
        self.keyless = rig.add_peer(connected=False)
        rig.check(self.keyless)
        self.unchecked = rig.add_peer(connected=False)
        rig.set_keys(self.unchecked)
        sources = (
            rig.add_microphone(self.teacher, red_payload_type=RED_PT),
            rig.add_camera(self.teacher),
            rig.add_camera(self.teacher, rids=(), mid="2"),
        )
        for index, source in enumerate(sources):
            slot = rig.add_slot(self.student, video=index > 0, redundant=index == 0)
            rig.show(slot, source, 2 * (index == 1), temporal=1)
        rig.apply(SetRedundancy(self.student.handle, 2))

    def _connected(self) -> Peer:
        peer = self.rig.add_peer(connected=False)
        if self.line is not None:
            self.line.heard(peer, peer.address)
        self.rig.check(peer)
        if self.line is None:
            self.rig.set_keys(peer)
        else:
            self.rig.apply(SetKeys(peer.handle, *self.line.keys(peer)))
        return peer

    def receive(self, data: bytes, address: tuple[str, int]) -> None:
        self.rig.receive(data, address)
        self.rig.out.clear()
        self.rig.pass_us(STEP_US, step_us=STEP_US)

    def end(self) -> None:
        """Let everything that is due come: repairs, reports, events, silence, ends of consent."""
        self.rig.pass_us(300_000, step_us=20_000)
        self.rig.pass_us(40_000_000, step_us=4_000_000)


def play_stun(records: Input) -> PlaneCore:
    """Records are STUN messages. They are read alone, and taken by a core from a peer and from a stranger,
    as they are and with right length and integrity."""
    room = Classroom()
    for record in records:
        same_stun(record)
        fits = record[:2] + pack("!H", len(record) - 20) + record[4:] if len(record) >= 20 else record
        same_stun(fits)
        for address in (room.teacher.address, ("203.0.113.9", 9)):
            room.receive(record, address)
            room.receive(signed(fits), address)
    room.end()
    return room.rig.core


def signed(message: bytes) -> bytes:
    """The message up to its first MESSAGE-INTEGRITY, FINGERPRINT or broken attribute, with integrity by the
    password that everybody of a rig has."""
    if len(message) < stun.HEADER_LENGTH:
        return message
    end = stun.HEADER_LENGTH
    while end + 4 <= len(message):
        kind, length = unpack_from("!HH", message, end)
        after = end + 4 + length + -length % 4
        if kind in (MESSAGE_INTEGRITY, FINGERPRINT) or after > len(message):
            break
        end = after
    covered = message[:2] + pack("!H", end + 4) + message[4:end]
    return covered + attribute(MESSAGE_INTEGRITY, hmac.digest(PASSWORD.encode(), covered, "sha1"))


def play_rtcp(records: Input) -> PlaneCore:
    """Records are RTCP datagrams, read alone and taken by a core: from the student and from the teacher."""
    room = Classroom()
    camera = Encoder(77, mid="2")
    for record in records:
        same_rtcp(record)
        for packet in camera.frame(keyframe=camera.count == 0):
            room.receive(packet, room.teacher.address)
        room.receive(record, room.student.address)
        room.receive(record, room.teacher.address)
    room.end()
    return room.rig.core


def play_payloads(records: Input) -> PlaneCore:
    """Records are VP8 payloads: read alone, and forwarded in packets whose headers are good."""
    room = Classroom()
    for number, record in enumerate(records):
        same_vp8(record)
        packet = rtp.build(
            payload_type=VP8_PT,
            sequence_number=(65_530 + number) & 0xFFFF,
            timestamp=(4_294_960_000 + 3000 * number) & 0xFFFFFFFF,
            ssrc=77,
            payload=record[:1200],
            marker=bool(number % 2),
            extensions={4: b"2"},
        )
        room.receive(packet, room.teacher.address)
    room.end()
    return room.rig.core


def play_redundancy(records: Input) -> PlaneCore:
    """Records are payloads with redundancy: what is read of one is written the same, and they come in packets
    some of whose forerunners are missing."""
    room = Classroom()
    for number, record in enumerate(records):
        payload = None
        with suppress(ParseError):
            payload = red.parse(record)
        assert payload is None or red.build(*payload) == record
        packet = rtp.build(
            payload_type=RED_PT,
            sequence_number=(65_530 + number + number // 3 * (1 + number % 4)) & 0xFFFF,
            timestamp=(4_294_960_000 + 960 * number) & 0xFFFFFFFF,
            ssrc=50,
            payload=record[:1200],
            marker=number == 0,
            extensions={4: b"0", 1: bytes((127 if number > 40 else 30,))},
        )
        room.receive(packet, room.teacher.address)
    room.end()
    return room.rig.core


def play_rtp(records: Input) -> PlaneCore:
    """Records are RTP packets of the teacher; Python's readers agree with each other on each."""
    room = Classroom()
    for record in records:
        header = None
        with suppress(ParseError):
            header = rtp.parse_header(record)
        if header is not None:
            assert rtp.payload_offset(record) == header.payload_offset
            for identity in (1, 4, 10, 15):
                assert rtp.extension(record, identity) == header.extensions.get(identity)
        room.receive(record, room.teacher.address)
    room.end()
    return room.rig.core


_PLACES: Final = 8
"""The lowest bits of a datagram record's first byte say who sends: see ``play_datagrams``."""
_SEALED: Final = 8
_SPOILT: Final = 16


def play_datagrams(records: Input) -> PlaneCore:
    """A record is a datagram behind a byte that says whence: teacher, student, somebody validated without
    keys, somebody with keys who is not validated, strangers; bit 3: protected as that person does; bit 4:
    and then damaged. Cores with real protection; the profile is the first record's bits 5 and 6."""
    profiles = list(SrtpProfile)
    profile = profiles[(records[0][0] >> 5) % len(profiles)] if records and records[0] else profiles[0]
    line = SrtpLine(profile)
    core = TwinCore(reference_core(LibsrtpCrypto()), native_core(plain=False), line.unseal)
    room = Classroom(core, line)
    people = (room.teacher, room.student, room.keyless, room.unchecked)
    strangers = (("203.0.113.9", 9), ("2001:db8::9", 9), ("203.0.113.9", 10), (room.teacher.address[0], 9))
    for record in records:
        who, datagram = (record[0], record[1:]) if record else (0, b"")
        place = who % _PLACES
        if place >= len(people):
            room.receive(datagram, strangers[place - len(people)])
            continue
        if who & _SEALED:
            datagram = line.seal(people[place], datagram)
            if who & _SPOILT and datagram:
                at = sum(datagram[:12]) % len(datagram)
                datagram = datagram[:at] + bytes((datagram[at] ^ 0x20,)) + datagram[at + 1 :]
        room.receive(datagram, people[place].address)
    room.end()
    return room.rig.core


TARGETS: Final = {
    target.name: target
    for target in (
        Target("datagram", seeds.datagrams, play_datagrams),
        Target("rtp", seeds.rtp_packets, play_rtp),
        Target("rtcp", seeds.rtcp_datagrams, play_rtcp),
        Target("stun", seeds.stun_messages, play_stun),
        Target("payload", seeds.payloads, play_payloads),
        Target("redundancy", seeds.redundant_payloads, play_redundancy),
        Target("commands", seeds.orders, play_orders),
    )
}
