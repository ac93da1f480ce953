"""RTCP of our own: sender reports on the server's clock, receiver reports, REMB."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from struct import pack

import pytest

from sfu import rtcp
from sfu.plane.api import Drop, SetIngressEstimate, SlotHandle, SourceHandle, TransportState
from sfu.plane.core.clock import MediaClock, PublisherClock
from tests.sfu.plane.cores import WALL_OFFSET_US
from tests.sfu.plane.rig import START_US, Encoder, Peer, Rig, Sent, pairs, slot_ssrc


def reports(rig: Rig, peer: Peer) -> list[rtcp.SenderReport]:
    return [packet for packet in rig.feedback(peer) if isinstance(packet, rtcp.SenderReport)]


class Lesson:
    """Publishers whose clocks are off by ``clock_us``, and a student with a stage: picture and sound."""

    def __init__(
        self, plane: str, clocks_us: list[int], *, network_us: int = 20_000, drifts_ppm: tuple[int, ...] = ()
    ) -> None:
        self.rig = Rig(plane)
        self.network_us = network_us
        self.student = self.rig.add_peer()
        self.picture = self.rig.add_slot(self.student, sequence=100, timestamp=1000)
        self.sound = self.rig.add_slot(self.student, video=False, sequence=5, timestamp=4_294_960_000)
        self.publishers = [
            Publisher(self.rig, clock_us, number, drifts_ppm[number] if drifts_ppm else 0)
            for number, clock_us in enumerate(clocks_us)
        ]
        self.media: dict[SlotHandle, list[tuple[int, Sent]]] = {self.picture: [], self.sound: []}
        self.reports: dict[int, list[rtcp.SenderReport]] = {}

    def run(self, duration_us: int, *, report_every_us: int = 1_000_000) -> None:
        """Everybody sends: a frame each 40 ms, sound each 20 ms, reports of both."""
        rig = self.rig
        end_us = rig.now_us + duration_us
        while rig.now_us < end_us:
            if rig.now_us % 10_000_000 == 0:
                for peer in (self.student, *(publisher.peer for publisher in self.publishers)):
                    rig.check(peer)
            for publisher in self.publishers:
                publisher.send(rig, self.network_us, report_every_us)
            self._collect()
            rig.pass_us(20_000)
            self._collect()

    def _collect(self) -> None:
        for data in self.rig.take(self.student):
            if 192 <= data[1] <= 223:
                for packet in rtcp.parse(data):
                    if isinstance(packet, rtcp.SenderReport):
                        self.reports.setdefault(packet.ssrc, []).append(packet)
            else:
                sent = Sent(data)
                for slot in self.media:
                    if sent.ssrc == slot_ssrc(slot):
                        self.media[slot].append((self.rig.now_us, sent))

    def show(self, number: int) -> None:
        publisher = self.publishers[number]
        self.rig.show(self.picture, publisher.camera, 0)
        self.rig.show(self.sound, publisher.microphone)

    def captured_us(self, slot: SlotHandle, sent: Sent, rate: int) -> float:
        """When the receiver takes a packet to be captured, by the slot's last report."""
        report = self.reports[slot_ssrc(slot)][-1]
        ahead = (sent.timestamp - report.rtp_timestamp + 0x80000000) % 0x100000000 - 0x80000000
        return rtcp.us_from_ntp(report.ntp) + ahead * 1_000_000 / rate

    def skew_ms(self) -> float:
        """Picture against sound, as the receiver would align packets that were captured together."""
        arrived_us, picture = self.media[self.picture][-1]
        sound = min(self.media[self.sound], key=lambda item: abs(item[0] - arrived_us))
        by_reports = self.captured_us(self.picture, picture, 90_000) - self.captured_us(
            self.sound, sound[1], 48_000
        )
        return (by_reports - (arrived_us - sound[0])) / 1000


class Publisher:
    """Captures picture and sound on a clock of its own; two publishers' frames fall between each other."""

    def __init__(self, rig: Rig, clock_us: int, number: int, drift_ppm: int) -> None:
        self.drift_ppm = drift_ppm
        self._phase_us = number % 2 * 20_000
        self.peer = rig.add_peer()
        self.camera: SourceHandle = rig.add_camera(self.peer, rids=())
        self.microphone: SourceHandle = rig.add_microphone(self.peer)
        self.clock_us = clock_us
        self.picture = Encoder(1000 + number, mid="1", timestamp=number * 77_777_777)
        self.voice = Encoder(2000 + number, mid="0", timestamp=number * 99_999_999, payload_type=111)
        self._bases = (self.picture.timestamp, self.voice.timestamp)
        self._reported_us = 0

    def send(self, rig: Rig, network_us: int, report_every_us: int) -> None:
        """What was captured ``network_us`` ago arrives now."""
        captured_us = rig.now_us - network_us
        elapsed_us = captured_us - START_US
        own_us = elapsed_us + elapsed_us * self.drift_ppm // 1_000_000
        if elapsed_us % 40_000 == self._phase_us:
            self.picture.timestamp = self._bases[0] + own_us * 90_000 // 1_000_000
            for packet in self.picture.frame(keyframe=elapsed_us % 200_000 == self._phase_us, after_rtp=0):
                rig.receive(packet, self.peer.address)
        self.voice.timestamp = self._bases[1] + own_us * 48_000 // 1_000_000
        rig.receive(self.voice.sound(after_rtp=0), self.peer.address)
        if report_every_us and rig.now_us - self._reported_us >= report_every_us:
            self._reported_us = rig.now_us
            ntp_us = START_US + own_us + WALL_OFFSET_US + self.clock_us
            picture_rtp = self._bases[0] + own_us * 90_000 // 1_000_000
            rig.receive(self.picture.report(ntp_us, picture_rtp & 0xFFFFFFFF), self.peer.address)
            rig.receive(self.voice.report(ntp_us), self.peer.address)


def test_a_slot_reports_within_a_tick_of_its_first_packet_and_then_each_second(plane: str) -> None:
    lesson = Lesson(plane, [0])
    lesson.show(0)
    lesson.run(400_000)
    assert len(lesson.reports[slot_ssrc(lesson.picture)]) >= 1
    first_us, first = lesson.media[lesson.picture][0]
    report = lesson.reports[slot_ssrc(lesson.picture)][0]
    assert 0 <= rtcp.us_from_ntp(report.ntp) - WALL_OFFSET_US - first_us <= 10_000
    assert report.packet_count == 1
    assert report.octet_count == len(first.payload)
    lesson.run(5_000_000)
    assert 5 <= len(lesson.reports[slot_ssrc(lesson.picture)]) <= 8


def test_a_slow_slot_reports_each_five_seconds_and_a_silent_one_not_at_all(plane: str) -> None:
    rig = Rig(plane)
    teacher, student = rig.add_peer(), rig.add_peer()
    slot = rig.add_slot(student)
    rig.show(slot, rig.add_camera(teacher, rids=()))
    encoder = Encoder(7, mid="1")
    for index in range(40):
        rig.receive(encoder.frame(keyframe=index == 0)[0], teacher.address)
        rig.pass_us(500_000)
    assert len(reports(rig, student)) in (4, 5), "the first one and one each 5 s"
    rig.pass_us(6_000_000)
    reports(rig, student)
    rig.pass_us(3_000_000)
    assert reports(rig, student) == []


def test_report_and_timestamps_agree_to_the_millisecond_on_the_servers_clock(plane: str) -> None:
    lesson = Lesson(plane, [-3_000_000_000])
    lesson.show(0)
    lesson.run(4_000_000)
    for slot, rate in ((lesson.picture, 90_000), (lesson.sound, 48_000)):
        sent_us, sent = lesson.media[slot][-1]
        captured_us = lesson.captured_us(slot, sent, rate) - WALL_OFFSET_US
        assert abs(captured_us - sent_us) < 1000, "the smallest delay is not seen as age"


@pytest.mark.parametrize("network_us", [0, 20_000, 120_000])
def test_picture_and_sound_stay_together_across_publishers_whose_clocks_are_seven_seconds_apart(
    plane: str,
    network_us: int,
) -> None:
    lesson = Lesson(plane, [0, 7_000_000, -7_000_000], network_us=network_us)
    for step in range(9):
        lesson.show(step % 3)
        lesson.run(1_200_000)
        assert abs(lesson.skew_ms()) < 5, f"after switch {step}"


def test_timestamps_run_on_at_the_rate_of_time_across_switches(plane: str) -> None:
    lesson = Lesson(plane, [0, 7_000_000])
    for step in range(8):
        lesson.show(step % 2)
        lesson.run(1_000_000)
    for slot, rate in ((lesson.picture, 90_000), (lesson.sound, 48_000)):
        (start_us, first), (end_us, last) = lesson.media[slot][0], lesson.media[slot][-1]
        elapsed_ms = ((last.timestamp - first.timestamp) & 0xFFFFFFFF) * 1000 / rate
        assert abs(elapsed_ms - (end_us - start_us) / 1000) < 5


def test_clocks_that_drift_neither_stretch_a_slots_time_nor_part_picture_from_sound(plane: str) -> None:
    lesson = Lesson(plane, [0, 7_000_000], drifts_ppm=(500, -500))
    for number, duration_us in ((0, 80_000_000), (1, 2_000_000), (0, 2_000_000), (1, 2_000_000)):
        lesson.show(number)
        lesson.run(duration_us)
        assert abs(lesson.skew_ms()) < 5
    for slot, rate in ((lesson.picture, 90_000), (lesson.sound, 48_000)):
        (start_us, first), (end_us, last) = lesson.media[slot][0], lesson.media[slot][-1]
        elapsed_ms = ((last.timestamp - first.timestamp) & 0xFFFFFFFF) * 1000 / rate
        assert abs(elapsed_ms - (end_us - start_us) / 1000) < 80 * 0.5 + 10, "only the sender's own drift"
        times = [(b.timestamp - a.timestamp) & 0xFFFFFFFF for (_, a), (_, b) in pairs(lesson.media[slot])]
        assert min(times) > rate // 1000, "no switch had to be squeezed behind the last packet"


def test_without_any_report_arrival_times_keep_picture_and_sound_together(plane: str) -> None:
    lesson = Lesson(plane, [0, 7_000_000])
    for step in range(4):
        lesson.show(step % 2)
        lesson.run(1_000_000, report_every_us=0)
        assert abs(lesson.skew_ms()) < 25


def test_a_report_carries_the_slots_cname(plane: str) -> None:
    lesson = Lesson(plane, [0])
    lesson.show(0)
    rig = lesson.rig
    rig.receive(lesson.publishers[0].voice.sound(), lesson.publishers[0].peer.address)
    rig.pass_us(10_000)
    names = [p.cnames for p in rig.feedback(lesson.student) if isinstance(p, rtcp.Sdes)]
    assert names == [((slot_ssrc(lesson.sound), "zvonok"),)]


def test_an_idle_slot_reports_nothing(plane: str) -> None:
    rig = Rig(plane)
    student = rig.add_peer()
    rig.add_slot(student)
    rig.pass_us(5_000_000)
    assert rig.feedback(student) == []


def test_a_publisher_is_told_loss_and_the_time_of_its_last_report(plane: str) -> None:
    rig = Rig(plane)
    teacher = rig.add_peer()
    rig.add_camera(teacher, rids=())
    encoder = Encoder(7, mid="1", sequence=65_530)
    for index in range(100):
        (packet,) = encoder.frame()
        if index % 10 != 5:
            rig.receive(packet, teacher.address)
        if index == 50:
            rig.receive(encoder.report(1_700_000_000_000_000), teacher.address)
        rig.pass_us(5000)
    rig.pass_us(1_000_000)
    told = [p for p in rig.feedback(teacher) if isinstance(p, rtcp.ReceiverReport)]
    blocks = [block for report in told for block in report.reports]
    assert sum(block.packets_lost for block in blocks[-1:]) == 10
    assert blocks[-1].highest_sequence == 65_530 + 99
    assert blocks[-1].lsr == rtcp.ntp_middle(rtcp.ntp_from_us(1_700_000_000_000_000))
    assert 0 < blocks[-1].dlsr < 65_536 * 2
    rig.pass_us(3_000_000)
    assert rig.feedback(teacher) == [], "nothing came since: nothing to report"


def test_who_sends_is_reported_to_four_times_a_second(plane: str) -> None:
    rig = Rig(plane)
    teacher = rig.add_peer()
    rig.add_camera(teacher, rids=())
    encoder = Encoder(7, mid="1")
    told_us = []
    for _ in range(300):
        rig.receive(encoder.frame()[0], teacher.address)
        rig.pass_us(10_000)
        told_us += [rig.now_us for p in rig.feedback(teacher) if isinstance(p, rtcp.ReceiverReport)]
    assert len(told_us) == 12
    assert all(later - earlier == 250_000 for earlier, later in pairwise(told_us))


def test_the_estimate_goes_out_at_once_and_each_second_and_is_capped(plane: str) -> None:
    rig = Rig(plane)
    teacher = rig.add_peer(max_ingress_bps=3_000_000)
    rig.add_camera(teacher, rids=())
    rig.receive(Encoder(7, mid="1").frame()[0], teacher.address)
    rig.pass_us(10_000)
    rig.out.clear()

    def told() -> list[rtcp.Remb]:
        return [p for p in rig.feedback(teacher) if isinstance(p, rtcp.Remb)]

    rig.apply(SetIngressEstimate(teacher.handle, 2_000_000))
    (remb,) = told()
    assert (remb.bps, remb.ssrcs) == (2_000_000, (7,))
    rig.pass_us(5_000_000)
    assert len(told()) == 5
    rig.apply(SetIngressEstimate(teacher.handle, 9_000_000))
    (remb,) = told()
    assert 2_990_000 <= remb.bps <= 3_000_000


def test_the_estimate_reaches_a_publisher_when_its_first_video_is_bound(plane: str) -> None:
    rig = Rig(plane)
    teacher = rig.add_peer()
    rig.add_camera(teacher, rids=())
    rig.apply(SetIngressEstimate(teacher.handle, 2_000_000))
    rig.receive(Encoder(7, mid="1").frame()[0], teacher.address)
    rig.pass_us(10_000)
    assert [p.bps for p in rig.feedback(teacher) if isinstance(p, rtcp.Remb)] == [2_000_000]


def test_pictures_and_sound_are_counted_apart(plane: str) -> None:
    rig = Rig(plane)
    teacher, student = rig.add_peer(), rig.add_peer()
    pictures, sound = rig.add_slot(student), rig.add_slot(student, video=False)
    rig.show(pictures, rig.add_camera(teacher, rids=()))
    rig.receive(Encoder(7, mid="1").frame(keyframe=True)[0], teacher.address)

    def report(*blocks: tuple[SlotHandle, int, int]) -> None:
        told = [
            rtcp.ReportBlock(slot_ssrc(slot), fraction_lost=fraction, highest_sequence=highest)
            for slot, fraction, highest in blocks
        ]
        rig.receive(rtcp.build_receiver_report(1, told), student.address)

    report((pictures, 0, 1000), (sound, 0, 1000))
    report((pictures, 64, 1100))
    report((pictures, 128, 1200), (sound, 32, 1080))
    rig.pass_us(200_000)
    state = rig.of(TransportState)[-1]
    assert (state.pictures_reported, state.pictures_lost) == (200, 75)
    assert (state.sound_reported, state.sound_lost) == (80, 10)
    assert state.media_bytes_sent < state.bytes_sent, "reports and repairs are not media"
    assert state == rig.core.transport_state(student.handle)


def test_a_receivers_reports_become_its_state(plane: str) -> None:
    rig = Rig(plane)
    teacher, student = rig.add_peer(), rig.add_peer()
    slot = rig.add_slot(student)
    rig.show(slot, rig.add_camera(teacher, rids=()))
    rig.receive(Encoder(7, mid="1").frame(keyframe=True)[0], teacher.address)
    rig.pass_us(10_000)
    (report,) = reports(rig, student)
    ssrc = slot_ssrc(slot)

    def block(fraction: int, highest: int) -> rtcp.ReportBlock:
        return rtcp.ReportBlock(
            ssrc, fraction_lost=fraction, highest_sequence=highest, lsr=rtcp.ntp_middle(report.ntp), dlsr=6554
        )

    rig.receive(rtcp.build_receiver_report(1, [block(0, 1000)]), student.address)
    rig.pass_us(150_000)
    rig.receive(
        rtcp.build_receiver_report(1, [block(64, 1100)]) + rtcp.build_remb(1, 700_000, [ssrc]),
        student.address,
    )
    rig.pass_us(200_000)
    state = rig.of(TransportState)[-1]
    assert state.transport == student.handle
    assert state.fraction_lost == pytest.approx(0.25)
    assert state.remb_bps == pytest.approx(700_000, rel=0.01)
    assert state.round_trip_ms == pytest.approx(50, abs=2), "150 ms went by, 100 of them at the peer"
    assert state == rig.core.transport_state(student.handle)
    assert state.packets_sent >= 2


@pytest.mark.parametrize(
    ("late", "fraction", "expected"),
    [
        ((), 128, 0.0),  # 50 of 100 numbers are missing, and these 50 never came to the worker
        (range(30, 55), 128, 1 / 3),  # 25 of them came late after all: 25 of 75 were lost on the way
        ((), 192, 0.5),  # 75 are missing, 25 more than never came
    ],
)
def test_what_the_publishers_line_lost_is_no_loss_of_the_receivers(
    plane: str, late: Sequence[int], fraction: int, expected: float
) -> None:
    rig = Rig(plane)
    teacher, student = rig.add_peer(), rig.add_peer()
    slot = rig.add_slot(student, sequence=65_500)
    rig.show(slot, rig.add_camera(teacher, rids=()))
    encoder = Encoder(7, mid="1")
    packets = [encoder.frame(keyframe=index == 0)[0] for index in range(101)]

    def report(fraction: int) -> None:
        numbers = [sent.sequence for sent in rig.media(student, slot)]
        highest = 65_536 + numbers[-1] if numbers[-1] < 65_500 else numbers[-1]
        block = rtcp.ReportBlock(slot_ssrc(slot), fraction_lost=fraction, highest_sequence=highest)
        rig.receive(rtcp.build_receiver_report(1, [block]), student.address)

    rig.receive(packets[0], teacher.address)
    report(0)
    for index in (*range(1, 30), *range(80, 100), *late, 100):
        rig.receive(packets[index], teacher.address)
    report(fraction)
    rig.pass_us(200_000)
    assert rig.of(TransportState)[-1].fraction_lost == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize(
    "data", [b"\x80\xc8\x00\x06" + bytes(10), b"\x81\xcd\x00\x01" + bytes(4), b"\x80\xc9"]
)
def test_malformed_rtcp_is_dropped(plane: str, data: bytes) -> None:
    rig = Rig(plane)
    peer = rig.add_peer()
    rig.receive(data, peer.address)
    assert rig.dropped(Drop.RTCP_MALFORMED) == 1


def test_the_offset_of_a_publisher_is_its_smallest_delay_and_follows_a_drifting_clock() -> None:
    clock = PublisherClock()
    for second in range(120):
        delay_us = 20_000 + (second * 7919 % 50) * 1000
        clock.report(second * 1_000_000 + second * 100, second * 1_000_000 + delay_us)
        assert clock.offset_us is not None
        assert abs(clock.offset_us - (20_000 - second * 100)) < 55_000
    assert clock.offset_us is not None
    assert abs(clock.offset_us - (20_000 - 120 * 100)) < 6_000


def test_a_step_of_the_publishers_clock_is_followed_at_once() -> None:
    clock = PublisherClock()
    clock.report(0, 10_000)
    clock.report(1_000_000 - 5_000_000, 1_010_000)
    assert clock.offset_us == 5_010_000


def test_reports_that_make_no_sense_fall_back_to_arrival() -> None:
    publisher = PublisherClock()
    clock = MediaClock(90_000, publisher)
    clock.packet(0, 1_000_000)
    publisher.report(50_000_000, 1_000_000)
    clock.report(50_000_000, 900_000_000)
    clock.packet(90_000, 2_000_000)
    assert clock.server_us(90_000) == 2_000_000
    assert clock.timestamp_rtp(2_000_000) == 90_000


def test_who_sends_nothing_is_told_its_round_trip(plane: str) -> None:
    """Chromium's receivers ask by XR (RFC 3611), each for itself; one answer tells all of them."""
    rig = Rig(plane)
    student = rig.add_peer()
    slot = rig.add_slot(student)

    def ask(ssrc: int) -> list[rtcp.Packet]:
        block = pack("!BBHQ", 4, 0, 2, 0x0102030405060708)
        rig.receive(pack("!BBHI", 0x80, rtcp.XR, 4, ssrc) + block, student.address)
        return [p for p in rig.feedback(student) if isinstance(p, rtcp.Other) and p.packet_type == rtcp.XR]

    answer = pack("!IBBHIII", slot_ssrc(slot), 5, 0, 3, 77, 0x03040506, 0)
    assert ask(77) == [rtcp.Other(rtcp.XR, 0, answer)]
    assert ask(78) == []
    rig.pass_us(400_000)
    assert len(ask(77)) == 1
