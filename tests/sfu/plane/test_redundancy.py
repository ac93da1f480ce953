"""Sound that was lost comes back from the packets after it, and lossy receivers get earlier sound along."""

from __future__ import annotations

import pytest

from sfu import rtp
from sfu.codecs import red
from sfu.codecs.red import RedundantBlock
from sfu.plane.api import (
    AddTap,
    Drop,
    Levels,
    SetGate,
    SetRedundancy,
    SourceState,
    Tapped,
    TransportHandle,
)
from tests.sfu.plane.rig import IDS, OPUS_PT, RED_PT, TAG, Encoder, Peer, Rig, Sent, consecutive, sequences

LOUD, SILENT = 25, 127


class Talk:
    """A microphone whose publisher sends with redundancy, one who hears it, 20 ms a packet."""

    def __init__(self, plane: str, *, distance: int = 0, redundant: bool = True) -> None:
        self.rig = Rig(plane)
        self.teacher: Peer = self.rig.add_peer()
        self.student: Peer = self.rig.add_peer()
        self.source = self.rig.add_microphone(self.teacher, red_payload_type=RED_PT)
        self.slot = self.rig.add_slot(self.student, video=False, redundant=redundant)
        self.voice = Encoder(1, mid="0", payload_type=OPUS_PT, sequence=65_530, timestamp=4_294_960_000)
        self.rig.show(self.slot, self.source)
        self.distance(distance)

    def distance(self, distance: int) -> None:
        self.rig.apply(SetRedundancy(self.student.handle, distance))

    def sounds(self, count: int, *, redundancy: int = 0, level: int = LOUD) -> list[bytes]:
        return [self.voice.sound(level=level, redundancy=redundancy) for _ in range(count)]

    def send(self, *packets: bytes) -> list[Sent]:
        """What the student gets of these."""
        for packet in packets:
            self.rig.receive(packet, self.teacher.address)
            self.rig.pass_us(20_000)
        return self.rig.media(self.student, self.slot)

    def with_payload(self, payload: bytes) -> bytes:
        """The next packet, of the payload type for redundancy."""
        (packet,) = self.sounds(1, redundancy=1)
        return packet[: rtp.payload_offset(packet)] + payload


def tags(packets: list[bytes]) -> list[bytes]:
    return [packet[-TAG:] for packet in packets]


def times(packets: list[Sent]) -> list[int]:
    """Timestamps, from the first one's on."""
    return [(packet.timestamp - packets[0].timestamp) & 0xFFFFFFFF for packet in packets]


def along(packet: Sent) -> int:
    """How many earlier packets it brings."""
    return len(packet.redundant.blocks) if packet.payload_type == RED_PT else 0


def test_a_publishers_redundancy_is_taken_off(plane: str) -> None:
    talk = Talk(plane)
    packets = talk.sounds(5, redundancy=2)
    got = talk.send(*packets)
    assert [packet.tag for packet in got] == tags(packets)
    assert {packet.payload_type for packet in got} == {OPUS_PT}
    assert {len(packet.payload) for packet in got} == {4 + TAG}
    assert [packet.extensions[IDS.audio_level] for packet in got] == [bytes((0x80 | LOUD,))] * 5
    assert consecutive(sequences(got))


@pytest.mark.parametrize(
    ("lost", "redundancy", "back"), [(1, 1, 1), (1, 2, 1), (2, 2, 2), (3, 2, 2), (2, 1, 1)]
)
def test_lost_packets_come_back_in_order_before_the_one_that_brings_them(
    plane: str, lost: int, redundancy: int, back: int
) -> None:
    talk = Talk(plane)
    first, *between, last = talk.sounds(2 + lost, redundancy=redundancy)
    got = talk.send(first, last)
    assert [packet.tag for packet in got] == tags([first, *between[lost - back :], last])
    numbers = [(packet.sequence - got[0].sequence) & 0xFFFF for packet in got]
    assert numbers == [0, *range(1 + lost - back, 2 + lost)]
    assert times(got) == [960 * n for n in numbers]


def test_one_that_came_back_still_counts_as_lost_and_is_a_duplicate_when_it_comes_late(plane: str) -> None:
    talk = Talk(plane)
    packets = talk.sounds(3, redundancy=1)
    talk.send(packets[0], packets[2])
    talk.rig.pass_us(200_000)
    states = talk.rig.of(SourceState)
    assert sum(state.packets for state in states) == 2
    assert sum(state.lost for state in states) == 1
    assert talk.send(packets[1]) == []
    assert talk.rig.dropped(Drop.DUPLICATE) == 1


def test_what_was_there_before_is_not_taken_from_redundancy(plane: str) -> None:
    """Only the gap that a packet makes is filled: late ones bring nothing back, nor does a first one."""
    talk = Talk(plane)
    packets = talk.sounds(6, redundancy=2)
    assert [packet.tag for packet in talk.send(packets[2])] == tags(packets[2:3])
    assert len(talk.send(packets[5])) == 3
    assert talk.send(packets[1]) == [], "from before what the slot shows"


def test_only_the_primarys_level_is_heard_of_but_all_of_them_carry_it(plane: str) -> None:
    talk = Talk(plane)
    talk.send(*talk.sounds(2))
    talk.rig.pass_us(200_000)
    talk.rig.events.clear()
    talk.sounds(1, level=1)
    got = talk.send(*talk.sounds(1, redundancy=1, level=40))
    assert [packet.extensions[IDS.audio_level] for packet in got] == [bytes((0x80 | 40,))] * 2
    talk.rig.pass_us(200_000)
    assert [levels.levels for levels in talk.rig.of(Levels)] == [((talk.source, 40),)]


BLOCK = RedundantBlock(OPUS_PT, 960, b"before")


@pytest.mark.parametrize(
    ("blocks", "got"),
    [
        ([BLOCK], [(3, b"before", 960)]),
        ([BLOCK._replace(timestamp_offset=0)], [(3, b"before", 0)]),
        ([BLOCK._replace(payload_type=0)], []),
        ([BLOCK._replace(payload=b"")], []),
        ([BLOCK, BLOCK._replace(payload=b"")], [(2, b"before", 960)]),
        ([BLOCK, BLOCK._replace(payload_type=0), BLOCK], [(1, b"before", 960), (3, b"before", 960)]),
        ([BLOCK] * 5, [(1, b"before", 960), (2, b"before", 960), (3, b"before", 960)]),
    ],
)
def test_a_blocks_place_tells_its_number(
    plane: str, blocks: list[RedundantBlock], got: list[tuple[int, bytes, int]]
) -> None:
    talk = Talk(plane)
    (first,) = talk.send(*talk.sounds(1))
    talk.sounds(3)
    sent = talk.send(talk.with_payload(red.build(blocks, OPUS_PT, b"now")))
    last = sent[-1]
    assert (last.payload, last.sequence) == (b"now", (first.sequence + 4) & 0xFFFF)
    assert [
        (
            (packet.sequence - first.sequence) & 0xFFFF,
            packet.payload,
            (last.timestamp - packet.timestamp) & 0xFFFFFFFF,
        )
        for packet in sent[:-1]
    ] == got


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"\xef", Drop.PAYLOAD_MALFORMED),
        (red.build([BLOCK], OPUS_PT, b"")[:-1], Drop.PAYLOAD_MALFORMED),
        (red.build([BLOCK], 0, b"now"), Drop.PAYLOAD_TYPE),
        (red.build([], OPUS_PT, b""), Drop.PADDING_ONLY),
    ],
)
def test_payloads_that_cannot_be_used_are_counted_and_left_out(
    plane: str, payload: bytes, reason: Drop
) -> None:
    talk = Talk(plane)
    talk.send(*talk.sounds(1))
    assert talk.send(talk.with_payload(payload)) == []
    assert talk.rig.dropped(reason) == 1
    assert len(talk.send(*talk.sounds(1))) == 1


def test_an_empty_primary_brings_back_what_was_lost(plane: str) -> None:
    talk = Talk(plane)
    talk.send(*talk.sounds(1))
    talk.sounds(1)
    got = talk.send(talk.with_payload(red.build([BLOCK], OPUS_PT, b"")))
    assert [packet.payload for packet in got] == [b"before"]
    assert talk.rig.dropped(Drop.PADDING_ONLY) == 1
    assert consecutive(sequences([*got, *talk.send(*talk.sounds(1))]))


def test_redundancy_that_was_not_negotiated_is_another_payload_type(plane: str) -> None:
    rig = Rig(plane)
    peer = rig.add_peer()
    rig.add_microphone(peer)
    rig.receive(Encoder(1, mid="0", payload_type=OPUS_PT).sound(redundancy=1), peer.address)
    assert rig.dropped(Drop.PAYLOAD_TYPE) == 1


def test_a_shut_gate_lets_nothing_come_back(plane: str) -> None:
    talk = Talk(plane)
    talk.send(*talk.sounds(2))
    talk.rig.apply(SetGate(talk.source, open=False))
    assert talk.send(*talk.sounds(2)) == []
    talk.rig.apply(SetGate(talk.source, open=True))
    assert len(talk.send(*talk.sounds(1, redundancy=2))) == 1


def test_taps_get_plain_packets_and_those_that_came_back(plane: str) -> None:
    talk = Talk(plane)
    talk.rig.apply(AddTap(5, talk.source))
    packets = talk.sounds(4, redundancy=1)
    talk.send(packets[0], packets[1], packets[3])
    talk.rig.pass_us(200_000)
    taken = [Sent(data) for batch in talk.rig.of(Tapped) for _, data in batch.packets]
    assert [packet.tag for packet in taken] == tags(packets)
    assert consecutive(sequences(taken))
    assert {packet.payload_type for packet in taken} == {OPUS_PT}
    assert times(taken) == [0, 960, 1920, 2880]
    original = rtp.parse_header(packets[0]).extensions
    assert [packet.extensions for packet in taken] == [original, original, {}, original]


def test_taps_get_no_padding_of_what_was_taken_apart(plane: str) -> None:
    talk = Talk(plane)
    talk.rig.apply(AddTap(5, talk.source))
    (packet,) = talk.sounds(1, redundancy=1)
    padded = bytes((packet[0] | 0x20,)) + packet[1:] + b"\0\0\3"
    talk.send(padded)
    talk.rig.pass_us(200_000)
    ((_, taken),) = talk.rig.of(Tapped)[0].packets
    assert rtp.parse_header(taken).padding_length == 0
    assert Sent(taken).payload == packet[-4 - TAG :]


def test_a_lossy_receiver_gets_earlier_packets_along(plane: str) -> None:
    talk = Talk(plane, distance=2)
    packets = talk.sounds(4)
    got = talk.send(*packets)
    payloads = [packet[-4 - TAG :] for packet in packets]
    assert [packet.payload_type for packet in got] == [OPUS_PT, RED_PT, RED_PT, RED_PT]
    assert got[0].payload == payloads[0]
    for index, packet in enumerate(got[1:], 1):
        earlier = range(max(0, index - 2), index)
        blocks = tuple(RedundantBlock(OPUS_PT, 960 * (index - at), payloads[at]) for at in earlier)
        assert packet.redundant == red.RedPayload(blocks, OPUS_PT, payloads[index])
    assert consecutive(sequences(got))
    assert times(got) == [0, 960, 1920, 2880]


@pytest.mark.parametrize(("distance", "count"), [(-1, 0), (0, 0), (1, 1), (2, 2), (9, 2)])
def test_the_distance_is_none_to_two(plane: str, distance: int, count: int) -> None:
    talk = Talk(plane, distance=distance)
    last = talk.send(*talk.sounds(5))[-1]
    assert along(last) == count


def test_distance_changes_between_packets_and_belongs_to_one_receiver(plane: str) -> None:
    talk = Talk(plane)
    other = talk.rig.add_peer()
    slot = talk.rig.add_slot(other, video=False, redundant=True)
    talk.rig.show(slot, talk.source)
    assert {packet.payload_type for packet in talk.send(*talk.sounds(3))} == {OPUS_PT}
    talk.distance(1)
    assert {packet.payload_type for packet in talk.send(*talk.sounds(3))} == {RED_PT}
    assert {packet.payload_type for packet in talk.rig.media(other, slot)} == {OPUS_PT}
    talk.distance(0)
    assert {packet.payload_type for packet in talk.send(*talk.sounds(3))} == {OPUS_PT}


def test_a_receiver_without_redundancy_and_an_unknown_one(plane: str) -> None:
    talk = Talk(plane, distance=2, redundant=False)
    assert {packet.payload_type for packet in talk.send(*talk.sounds(3))} == {OPUS_PT}
    talk.rig.apply(SetRedundancy(TransportHandle(9_999), 1))
    assert talk.rig.dropped(Drop.UNKNOWN_HANDLE) == 1


def test_what_was_lost_is_not_along_and_late_packets_go_alone(plane: str) -> None:
    talk = Talk(plane, distance=2)
    packets = talk.sounds(4)
    got = talk.send(packets[0], packets[1], packets[3], packets[2])
    assert [along(packet) for packet in got] == [
        0,
        1,
        1,
        0,
    ]
    assert got[2].redundant.blocks[0].timestamp_offset == 1920
    assert [packet.tag for packet in got] == tags([packets[0], packets[1], packets[3], packets[2]])


def test_what_came_back_goes_along(plane: str) -> None:
    talk = Talk(plane, distance=2)
    packets = talk.sounds(3, redundancy=1)
    got = talk.send(packets[0], packets[2])
    assert [along(packet) for packet in got] == [
        0,
        1,
        2,
    ]


@pytest.mark.parametrize(
    ("sizes", "apart", "count"),
    [
        ((100, 100, 100), 960, 2),
        ((600, 600, 100), 960, 1),
        ((100, 1100, 100), 960, 1),
        ((500, 500, 191), 960, 2),
        ((500, 500, 192), 960, 1),
        ((3, 1023, 100), 960, 2),
        ((3, 1024, 100), 960, 1),
        ((3, 1023, 172), 960, 1),
        ((3, 1023, 173), 960, 0),
        ((100, 100, 1250), 960, 0),
        ((100, 0, 100), 960, 1),
        ((100, 100, 100), 8191, 2),
        ((100, 100, 100), 8192, 1),
        ((100, 100, 100), 16_383, 1),
        ((100, 100, 100), 16_384, 0),
        ((100, 100, 100), 0, 0),
    ],
)
def test_what_goes_along_fits(plane: str, sizes: tuple[int, ...], apart: int, count: int) -> None:
    talk = Talk(plane, distance=2)
    packets = []
    for size in sizes:
        (packet,) = talk.sounds(1)
        talk.voice.timestamp += apart - 960
        packets.append(packet[: rtp.payload_offset(packet)] + bytes(size))
    last = talk.send(*packets)[-1]
    assert along(last) == count
    assert len(last.payload) <= 1200 or not count


def test_nothing_from_before_a_switch_goes_along(plane: str) -> None:
    talk = Talk(plane, distance=2)
    talk.send(*talk.sounds(3))
    talk.rig.show(talk.slot, None)
    talk.send(*talk.sounds(3))
    talk.rig.show(talk.slot, talk.source)
    got = talk.send(*talk.sounds(3))
    assert [along(packet) for packet in got] == [
        0,
        1,
        2,
    ]


def test_silence_brings_nothing_along(plane: str) -> None:
    talk = Talk(plane, distance=2)
    talk.send(*talk.sounds(5))
    got = talk.send(*talk.sounds(60, level=SILENT))
    assert {packet.payload_type for packet in got if len(packet.payload) == 1} == {OPUS_PT}
    assert {packet.payload_type for packet in got if len(packet.payload) > 1} == {RED_PT}
    again = talk.send(*talk.sounds(3))
    assert consecutive(sequences([*got, *again]))
