"""Frames above a slot's temporal layer are left out without a gap; at sync points they come again."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfu import rtcp
from sfu.plane.api import ALL_TEMPORAL, LINGER_US, SlotSwitched
from tests.sfu.plane.rig import (
    TAG,
    Encoder,
    Peer,
    Rig,
    Sent,
    consecutive,
    pairs,
    repair,
    sequences,
    slot_ssrc,
)

FRAME_US = 33_000
TIDS = (0, 2, 1, 2)
"""From a keyframe on, over and over; the first four each begin at a sync point."""


class Thinned:
    """A camera with three temporal layers that one student's slot shows."""

    def __init__(self, plane: str, *, temporal: int = ALL_TEMPORAL, **changes: int | bool | None) -> None:
        self.rig = Rig(plane)
        self.teacher: Peer = self.rig.add_peer()
        self.student: Peer = self.rig.add_peer()
        self.source = self.rig.add_camera(self.teacher, rids=())
        self.slot = self.rig.add_slot(self.student)
        values = {"sequence": 65_520, "picture_id": 32_760, "tl0picidx": 250, "temporal_layers": 3, **changes}
        self.camera = Encoder(7, mid="1", **values)  # type: ignore[arg-type]
        self.sent: list[Sent] = []
        self.send(self.frame(keyframe=True))
        self.show(temporal)
        self.send(self.frame(keyframe=True))
        assert len(self.sent) == 2

    def show(self, temporal: int) -> None:
        self.rig.show(self.slot, self.source, 0, temporal)

    def frame(self, packets: int = 2, *, keyframe: bool = False) -> list[bytes]:
        return self.camera.frame(packets, keyframe=keyframe)

    def send(self, packets: Sequence[bytes]) -> list[Sent]:
        """What leaves when these come."""
        for packet in packets:
            self.rig.receive(packet, self.teacher.address)
        self.rig.pass_us(FRAME_US)
        sent = self.rig.media(self.student, self.slot)
        self.sent += sent
        return sent

    def frames(self, count: int, packets: int = 2) -> list[int]:
        """Temporal layers of the frames that leave of so many that come."""
        found: list[int] = []
        for _ in range(count):
            sent = self.send(self.frame(packets))
            assert len(sent) in (0, packets), "a frame is not cut in two"
            found += [tid(packet) for packet in sent if packet.picture.start]
        return found

    def nack(self, *numbers: int) -> list[Sent]:
        """The repairs that a request brings."""
        self.rig.receive(rtcp.build_nack(1, slot_ssrc(self.slot), numbers), self.student.address)
        return [packet for packet in self.rig.media(self.student, self.slot) if packet.payload_type == 97]

    def goes_on(self) -> bool:
        """Whether numbers and picture ids of all that left, in their order, have no gap."""
        packets = in_order(self.sent)
        pictures = list(dict.fromkeys(picture(packet) for packet in packets))
        return consecutive(sequences(packets)) and consecutive(pictures, 15)


def in_order(packets: Sequence[Sent]) -> list[Sent]:
    first = packets[0].sequence
    return sorted(packets, key=lambda packet: (packet.sequence - first) & 0xFFFF)


def tid(packet: Sent) -> int:
    found = packet.picture.tid
    assert found is not None
    return found


def picture(packet: Sent) -> int:
    found = packet.picture.picture_id
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("temporal", "layers"),
    [(3, (0, 1, 2)), (2, (0, 1, 2)), (1, (0, 1)), (0, (0,)), (-1, (0,)), (200, (0, 1, 2))],
)
def test_frames_above_are_left_out_without_a_gap(plane: str, temporal: int, layers: tuple[int, ...]) -> None:
    thinned = Thinned(plane, temporal=temporal)
    pattern = [TIDS[number % 4] for number in range(1, 41)]
    assert thinned.frames(40, packets=3) == [each for each in pattern if each in layers]
    assert thinned.goes_on()


def test_timestamps_and_tl0picidx_stay_those_of_the_frames(plane: str) -> None:
    thinned = Thinned(plane, temporal=0)
    thinned.frames(16, packets=1)
    bases = [packet for packet in thinned.sent if packet.picture.start]
    assert [(packet.timestamp - bases[0].timestamp) & 0xFFFFFFFF for packet in bases] == [
        12_000 * number for number in range(5)
    ]
    assert consecutive([packet.picture.tl0picidx or 0 for packet in bases], 8)


def test_lowered_it_holds_from_the_next_frame_on(plane: str) -> None:
    thinned = Thinned(plane)
    assert thinned.frames(4) == [2, 1, 2, 0]
    first, *rest = thinned.frame(3)
    assert len(thinned.send([first])) == 1
    thinned.show(0)
    assert len(thinned.send(rest)) == 2, "a frame that began goes whole"
    assert thinned.frames(7) == [0, 0]
    assert thinned.goes_on()


def test_raised_each_layer_begins_at_its_own_sync_point(plane: str) -> None:
    thinned = Thinned(plane, temporal=0)
    assert thinned.frames(6) == [0]
    thinned.show(2)
    # The seventh and eighth frame of eight are no sync points; the ninth is of the lowest layer.
    assert thinned.frames(2) == [0]
    assert thinned.frames(4) == [2, 1, 2, 0]
    assert thinned.goes_on()


def test_raised_by_one_the_highest_stays_out(plane: str) -> None:
    thinned = Thinned(plane, temporal=0)
    thinned.frames(7)
    thinned.show(1)
    assert thinned.frames(9) == [0, 1, 0, 1, 0]
    assert thinned.goes_on()


def test_a_sync_point_of_a_lower_layer_takes_nothing_away(plane: str) -> None:
    thinned = Thinned(plane)
    thinned.camera.temporal = ((0, False), (2, True), (1, True), (2, False))
    assert thinned.frames(9) == [2, 1, 2, 0, 2, 1, 2, 0, 2]


def test_raised_in_the_middle_of_a_frame_it_waits_for_the_next(plane: str) -> None:
    thinned = Thinned(plane, temporal=1)
    thinned.frames(8)
    first, *rest = thinned.frame(3)
    assert thinned.send([first]) == []
    thinned.show(2)
    assert thinned.send(rest) == []
    assert thinned.frames(2) == [1, 2]
    assert thinned.goes_on()


def test_a_keyframe_brings_what_is_wanted_at_once(plane: str) -> None:
    thinned = Thinned(plane, temporal=0, temporal_layers=2)
    thinned.camera.temporal = ((0, False), (1, False))
    thinned.show(1)
    assert thinned.frames(5) == [0, 0], "without sync points nothing begins"
    thinned.send(thinned.frame(keyframe=True))
    assert thinned.frames(4) == [1, 0, 1, 0]
    assert thinned.goes_on()


def test_a_temporal_layer_alone_asks_for_no_keyframe_and_is_no_switch(plane: str) -> None:
    thinned = Thinned(plane)
    thinned.rig.pass_us(1_000_000)
    thinned.rig.events.clear()
    thinned.rig.out.clear()
    for temporal in (0, 2, 1):
        thinned.show(temporal)
        thinned.frames(8)
    asked = [p for p in thinned.rig.feedback(thinned.teacher) if isinstance(p, rtcp.Pli)]
    assert asked == []
    assert thinned.rig.of(SlotSwitched) == []


def test_a_switch_begins_with_what_is_wanted(plane: str) -> None:
    thinned = Thinned(plane, temporal=0)
    assert thinned.frames(5) == [0]
    rig, other = thinned.rig, thinned.rig.add_peer()
    source = rig.add_camera(other, rids=())
    camera = Encoder(8, mid="1", temporal_layers=3, picture_id=500)

    def send(packets: Sequence[bytes]) -> list[Sent]:
        for packet in packets:
            rig.receive(packet, other.address)
        sent = rig.media(thinned.student, thinned.slot)
        thinned.sent += sent
        return sent

    send(camera.frame(keyframe=True))
    rig.show(thinned.slot, source, 0, 2)
    assert thinned.frames(5) == [0, 2, 1], "what was wanted last holds for what lingers too"
    assert send(camera.frame(keyframe=True))
    assert [len(send(camera.frame(2))) for _ in range(4)] == [2] * 4
    assert thinned.goes_on()
    rig.pass_us(2 * LINGER_US)


@pytest.mark.parametrize("changes", [{"picture_id": None}, {"tl0picidx": None}])
def test_packets_without_a_temporal_layer_always_go(plane: str, changes: dict[str, None]) -> None:
    thinned = Thinned(plane, temporal=0, **changes)
    for _ in range(12):
        assert len(thinned.send(thinned.frame(2))) == 2
    assert consecutive(sequences(thinned.sent))


def test_what_comes_late_of_a_frame_that_was_left_out_fills_its_gap(plane: str) -> None:
    thinned = Thinned(plane, temporal=0)
    late, *rest = thinned.frame(3)
    assert thinned.send(rest) == []
    thinned.frames(3)
    (filled,) = thinned.send([late])
    assert filled.tag == late[-TAG:]
    assert consecutive(sequences(in_order(thinned.sent)))


def test_a_frame_that_comes_late_whole_keeps_its_picture_id(plane: str) -> None:
    thinned = Thinned(plane, temporal=0)
    assert thinned.frames(4) == [0]
    late = thinned.frame(2)
    assert thinned.frames(7) == [0, 0]
    assert len(thinned.send(late)) == 2
    assert thinned.goes_on()


def test_base_frames_that_come_late_keep_the_picture_ids_that_they_would_have_had(plane: str) -> None:
    thinned = Thinned(plane, temporal=0)
    assert thinned.frames(3) == []
    late = thinned.frame(2)
    assert thinned.frames(11) == [0, 0]
    assert len(thinned.send(late)) == 2
    assert thinned.goes_on()


def test_repairs_have_the_picture_ids_that_the_packets_had(plane: str) -> None:
    thinned = Thinned(plane, temporal=1)
    thinned.frames(40, packets=2)
    thinned.show(0)
    thinned.frames(20, packets=2)
    sent = thinned.sent[-40:]
    by_number = {packet.sequence: packet for packet in sent}
    repaired = [each for at in range(0, 40, 8) for each in thinned.nack(*sequences(sent[at : at + 8]))]
    assert len(repaired) == len(sent)
    for packet in repaired:
        original = by_number[int.from_bytes(packet.payload[:2], "big")]
        assert packet.payload[2:] == original.payload


def test_repairs_of_what_was_sent_before_a_switch_have_their_picture_ids(plane: str) -> None:
    thinned = Thinned(plane, temporal=0)
    thinned.frames(20)
    before = thinned.sent[-6:]
    thinned.rig.show(thinned.slot, None)
    thinned.show(1)
    thinned.send(thinned.frame(keyframe=True))
    thinned.frames(10)
    payloads = [packet.payload[2:] for packet in thinned.nack(*sequences(before))]
    assert payloads == [packet.payload for packet in before]


def test_a_publishers_repair_of_a_frame_that_is_left_out_fills_the_gap(plane: str) -> None:
    thinned = Thinned(plane, temporal=0)
    lost, *rest = thinned.frame(2)
    assert thinned.send(rest) == []
    assert thinned.frames(3) == [0]
    (filled,) = thinned.send([repair(lost, ssrc=99, sequence=1)])
    assert filled.tag == lost[-TAG:]
    assert consecutive(sequences(in_order(thinned.sent)))


def test_what_overtook_a_keyframes_first_packet_is_thinned_too(plane: str) -> None:
    thinned = Thinned(plane, temporal=0)
    thinned.rig.show(thinned.slot, None)
    thinned.show(0)
    first, *rest = thinned.frame(3, keyframe=True)
    above = thinned.frame(2)
    assert thinned.send([*rest, *above]) == []
    sent = thinned.send([first])
    assert [packet.tag for packet in sent] == [packet[-TAG:] for packet in (first, *rest)]
    assert thinned.frames(3) == [0]
    assert thinned.goes_on()


NEVER = -1
FRAMES = st.lists(
    st.tuples(
        st.sampled_from([None, None, None, 0, 1, 2]),
        st.lists(st.sampled_from([0, 0, 0, 0, 1, 2, 9, NEVER]), min_size=1, max_size=3),
    ),
    min_size=4,
    max_size=60,
)
"""Of each frame the temporal layer that is wanted from it on, and how many frames late each packet comes."""


@settings(max_examples=60, deadline=None)
@given(FRAMES)
def test_whatever_is_left_out_lost_or_late_frames_that_leave_whole_follow_each_other(
    plane: str, frames: list[tuple[int | None, list[int]]]
) -> None:
    thinned = Thinned(plane)
    left: dict[int, list[Sent]] = {}
    sent: dict[bytes, int] = {}
    due: dict[int, list[bytes]] = {}

    def arrive(packets: Sequence[bytes]) -> None:
        for packet in thinned.send(packets):
            left.setdefault(sent[packet.tag], []).append(packet)

    for number, (temporal, delays) in enumerate(frames):
        if temporal is not None:
            thinned.show(temporal)
        for packet, delay in zip(thinned.frame(len(delays)), delays, strict=True):
            sent[packet[-TAG:]] = number
            if delay != NEVER:
                due.setdefault(number + delay, []).append(packet)
        arrive(due.pop(number, []))
    for packets in due.values():
        arrive(packets)

    numbers = [packet.sequence for packets in left.values() for packet in packets]
    assert len(set(numbers)) == len(numbers)
    start = thinned.sent[0].sequence
    whole = [
        sorted(packets, key=lambda packet: (packet.sequence - start) & 0xFFFF)
        for number, packets in sorted(left.items())
        if len(packets) == len(frames[number][1])
    ]
    for frame in whole:
        assert consecutive(sequences(frame))
        assert len({picture(packet) for packet in frame}) == 1
    for before, after in pairs(whole):
        assert 0 < (after[0].sequence - before[-1].sequence) & 0xFFFF < 1 << 15
        assert 0 < (picture(after[0]) - picture(before[0])) & 0x7FFF < 1 << 14
        assert 0 < (after[0].timestamp - before[0].timestamp) & 0xFFFFFFFF < 1 << 31
