"""Lost packets: asked for upstream, sent again downstream, within budgets."""

from __future__ import annotations

import pytest

from sfu import rtcp, rtp
from sfu.plane.api import Drop, RemoveTransport, SetGate, SlotHandle
from sfu.plane.core.nack import MAX_MISSING, MAX_TRIES, NackList
from sfu.plane.core.repair import RepairBudget
from tests.sfu.plane.rig import (
    IDS,
    TAG,
    VP8_RTX_PT,
    Encoder,
    Peer,
    Rig,
    Sent,
    consecutive,
    repair,
    sequences,
    slot_ssrc,
)


class Call:
    """A teacher with one layer shown to a student."""

    def __init__(self, plane: str) -> None:
        self.rig = Rig(plane)
        self.teacher, self.student = self.rig.add_peer(), self.rig.add_peer()
        self.camera = self.rig.add_camera(self.teacher, rids=())
        self.slot: SlotHandle = self.rig.add_slot(self.student)
        self.encoder = Encoder(7, mid="1", sequence=65_500)
        self.rig.show(self.slot, self.camera)
        self.send(self.encoder.frame(2, keyframe=True))

    def send(self, packets: list[bytes]) -> list[Sent]:
        for packet in packets:
            self.rig.receive(packet, self.teacher.address)
        return self.rig.media(self.student, self.slot)

    def nack(self, numbers: list[int], peer: Peer | None = None) -> list[Sent]:
        self.rig.receive(rtcp.build_nack(1, slot_ssrc(self.slot), numbers), (peer or self.student).address)
        return self.rig.media(self.student, self.slot)


def test_a_nacked_packet_is_sent_again_on_the_rtx_ssrc_with_its_payload(plane: str) -> None:
    call = Call(plane)
    sent = call.send(call.encoder.frame(3))
    again = call.nack([sent[0].sequence, sent[2].sequence])
    assert [packet.ssrc for packet in again] == [slot_ssrc(call.slot) + 1] * 2
    assert [packet.payload_type for packet in again] == [VP8_RTX_PT] * 2
    for repaired, original in zip(again, (sent[0], sent[2]), strict=True):
        assert repaired.payload == original.sequence.to_bytes(2, "big") + original.payload
        assert (repaired.timestamp, repaired.marker) == (original.timestamp, original.marker)
        assert repaired.extensions[IDS.mid] == original.extensions[IDS.mid]
    assert consecutive(sequences(again))
    assert call.rig.core.counters().packets_retransmitted == 2


def test_packets_from_before_a_switch_are_repaired_with_the_numbers_they_had(plane: str) -> None:
    call = Call(plane)
    rig = call.rig
    before = call.send(call.encoder.frame(2))
    other = rig.add_peer()
    camera = rig.add_camera(other, rids=())
    encoder = Encoder(8, mid="1", sequence=4, picture_id=900, tl0picidx=3)
    rig.show(call.slot, camera)
    for packet in encoder.frame(2, keyframe=True):
        rig.receive(packet, other.address)
    after = rig.media(call.student, call.slot)
    again = call.nack([packet.sequence for packet in before + after])
    assert [packet.payload[2:] for packet in again] == [packet.payload for packet in before + after]
    assert [packet.timestamp for packet in again] == [packet.timestamp for packet in before + after]


def test_a_packet_is_not_repeated_within_a_round_trip(plane: str) -> None:
    call = Call(plane)
    (sent,) = call.send(call.encoder.frame())
    assert len(call.nack([sent.sequence])) == 1
    assert call.nack([sent.sequence]) == []
    assert call.rig.dropped(Drop.RTX_BUDGET) == 1
    call.rig.pass_us(21_000)
    assert len(call.nack([sent.sequence])) == 1


def report_loss(call: Call, fraction: float) -> None:
    """Two receiver reports, the second with this loss since the first."""
    for highest in (1000, 1100):
        block = rtcp.ReportBlock(slot_ssrc(call.slot), round(256 * fraction), 0, highest, 0, 0, 0)
        call.rig.receive(rtcp.build_receiver_report(1, [block]), call.student.address)


@pytest.mark.parametrize(("fraction", "copies"), [(0.0, 1), (0.02, 1), (0.03125, 2), (0.39, 2), (0.41, 1)])
def test_a_repair_goes_twice_where_many_are_lost_but_not_most(
    plane: str, fraction: float, copies: int
) -> None:
    call = Call(plane)
    sent = call.send(call.encoder.frame(3))
    report_loss(call, fraction)
    numbers = [sent[0].sequence, sent[2].sequence]
    again = call.nack(numbers)
    assert [int.from_bytes(packet.payload[:2], "big") for packet in again] == numbers * copies
    assert consecutive(sequences(again))
    assert call.rig.core.counters().packets_retransmitted == 2 * copies
    assert call.nack(numbers) == []
    assert call.rig.dropped(Drop.RTX_BUDGET) == 2


def test_nack_for_what_never_left_is_counted_and_unanswered(plane: str) -> None:
    call = Call(plane)
    (sent,) = call.send(call.encoder.frame())
    assert call.nack([sent.sequence + 1, sent.sequence - 5000]) == []
    assert call.rig.dropped(Drop.RTX_UNKNOWN) == 2


def test_a_gap_that_came_from_upstream_is_not_answered_with_another_packet(plane: str) -> None:
    call = Call(plane)
    first, _lost, last = call.encoder.frame(3)
    sent = call.send([first, last])
    missing = (sent[0].sequence + 1) & 0xFFFF
    assert call.nack([missing]) == []


def test_a_shut_source_is_not_repaired(plane: str) -> None:
    call = Call(plane)
    (sent,) = call.send(call.encoder.frame())
    call.rig.apply(SetGate(call.camera, open=False))
    assert call.nack([sent.sequence]) == []


def test_nothing_is_repaired_from_a_publisher_who_left(plane: str) -> None:
    call = Call(plane)
    (sent,) = call.send(call.encoder.frame())
    call.rig.apply(RemoveTransport(call.teacher.handle))
    assert call.nack([sent.sequence]) == []


def test_nothing_is_repaired_from_a_former_ssrc_of_a_publisher_who_left(plane: str) -> None:
    call = Call(plane)
    (sent,) = call.send(call.encoder.frame())
    call.send(Encoder(8, mid="1").frame(keyframe=True))
    assert len(call.nack([sent.sequence])) == 1, "another SSRC began, and what was sent can be repaired"
    call.rig.apply(RemoveTransport(call.teacher.handle))
    call.rig.pass_us(100_000)
    assert call.nack([sent.sequence]) == []


def test_a_nack_for_somebody_elses_slot_does_nothing(plane: str) -> None:
    call = Call(plane)
    (sent,) = call.send(call.encoder.frame())
    assert call.nack([sent.sequence], peer=call.rig.add_peer()) == []


def test_repairs_never_exceed_what_was_sent(plane: str) -> None:
    call = Call(plane)
    octets = repaired = 0
    for _ in range(10):
        sent = call.send(call.encoder.frame(3))
        octets += sum(len(packet.data) for packet in sent)
        for _ in range(20):
            call.rig.pass_us(20_000)
            repaired += sum(len(packet.data) for packet in call.nack([p.sequence for p in sent]))
    keyframe = 200
    assert octets / 2 < repaired <= octets + keyframe
    assert call.rig.dropped(Drop.RTX_BUDGET) > 0


def test_a_long_quiet_call_earns_no_flood() -> None:
    budget = RepairBudget()
    allowed = sum(budget.allow(number, 1000, 10**9, 0, 0) for number in range(10_000))
    assert allowed == 64 * 1024 // 1000


def test_a_gap_is_asked_for_once_and_again_each_round_trip_until_it_comes(plane: str) -> None:
    call = Call(plane)
    rig = call.rig
    first, lost, last = call.encoder.frame(3)
    call.send([first, last])
    asked = []
    for _ in range(100):
        rig.pass_us(10_000)
        asked += [p.lost for p in rig.feedback(call.teacher) if isinstance(p, rtcp.Nack)]
    number = (call.encoder.sequence - 2) & 0xFFFF
    assert asked[0] == (number,)
    assert 5 <= len(asked) <= MAX_TRIES
    rig.receive(lost, call.teacher.address)
    rig.pass_us(3_000_000)
    assert [p for p in rig.feedback(call.teacher) if isinstance(p, rtcp.Nack)] == []


def test_reordering_alone_is_not_asked_for(plane: str) -> None:
    call = Call(plane)
    a, b, c = call.encoder.frame(3)
    call.send([a, c, b])
    call.rig.pass_us(500_000)
    assert [p for p in call.rig.feedback(call.teacher) if isinstance(p, rtcp.Nack)] == []


@pytest.mark.parametrize("bound_by", ["repaired-rid", "ssrc"])
def test_a_repaired_packet_from_a_publisher_takes_its_place(plane: str, bound_by: str) -> None:
    rig = Rig(plane)
    teacher, student = rig.add_peer(), rig.add_peer()
    by_rid = bound_by == "repaired-rid"
    camera = (
        rig.add_camera(teacher) if by_rid else rig.add_camera(teacher, rids=(), ssrcs=(7,), rtx_ssrcs=(8,))
    )
    slot = rig.add_slot(student)
    rig.show(slot, camera)
    encoder = Encoder(7, mid="1", rid="q" if by_rid else None)
    rig.receive(encoder.frame(keyframe=True)[0], teacher.address)
    first, lost, last = encoder.frame(3)
    for packet in (first, last, repair(lost, ssrc=8, sequence=99, rid="q" if by_rid else None)):
        rig.receive(packet, teacher.address)
    sent = rig.media(student, slot)
    assert [packet.tag for packet in sent[1:]] == [data[-TAG:] for data in (first, last, lost)]
    assert sent[3].sequence == (sent[1].sequence + 1) & 0xFFFF
    assert sent[3].marker is False
    rig.receive(repair(lost, ssrc=8, sequence=100, rid="q" if by_rid else None), teacher.address)
    assert rig.dropped(Drop.DUPLICATE) == 1
    assert rig.media(student, slot) == []


def test_repair_of_something_unknown_and_padding_probes_are_dropped(plane: str) -> None:
    call = Call(plane)
    rig = call.rig
    probe = Encoder(8, mid="1", payload_type=VP8_RTX_PT)
    rig.receive(probe.padding(), call.teacher.address)
    assert rig.dropped(Drop.PADDING_ONLY) == 1
    call.encoder.sequence += 100
    (future,) = call.encoder.frame()
    rig.receive(repair(future, ssrc=8, sequence=1), call.teacher.address)
    assert rig.dropped(Drop.RTX_UNKNOWN) == 1


def test_the_first_repair_tells_when_to_ask_again(plane: str) -> None:
    """A publisher who receives nothing has no report blocks to tell the round trip by."""
    call = Call(plane)
    rig = call.rig

    def asked() -> list[int]:
        told = [p for p in rig.feedback(call.teacher) if isinstance(p, rtcp.Nack)]
        return [number for packet in told for number in packet.lost]

    first, lost, last = call.encoder.frame(3)
    call.send([first, last])
    rig.pass_us(10_000)
    assert asked() == [rtp.sequence_number(lost)]
    rig.pass_us(40_000)
    rig.receive(repair(lost, ssrc=8, sequence=1), call.teacher.address)
    first, lost, last = call.encoder.frame(3)
    call.send([first, last])
    rig.pass_us(10_000)
    assert asked() == [rtp.sequence_number(lost)]
    rig.pass_us(40_000)
    assert asked() == []
    rig.pass_us(10_000)
    assert asked() == [rtp.sequence_number(lost)], "40 ms and a quarter, not 125 ms"


def test_the_list_of_missing_packets_is_bounded() -> None:
    missing = NackList()
    missing.gap(0, 100_000, 0)
    assert len(missing.due(1_000_000, 0)) == MAX_MISSING
    missing.gap(100_000, 100_100, 0)
    assert len(missing.due(500_000, 0)) <= MAX_MISSING


def test_rtx_of_the_last_sent_packet_across_the_wrap_of_numbers(plane: str) -> None:
    call = Call(plane)
    sent: list[Sent] = []
    for _ in range(180):
        sent += call.send(call.encoder.frame(3))
    recent = sent[-500:]
    assert {p.sequence for p in recent} & {0, 65_535}, "the wrap is inside what is asked for"
    again = call.nack([p.sequence for p in recent])
    assert [p.payload[2:] for p in again] == [p.payload for p in recent]
