"""A picture gives way to another source's: until its keyframe the old one goes on, within its bounds."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from sfu import rtcp
from sfu.plane.api import (
    LINGER_US,
    RemoveTransport,
    SetForward,
    SetGate,
    SlotHandle,
    SlotSwitched,
    SourceHandle,
)
from tests.sfu.plane.rig import TAG, Encoder, Peer, Rig, Sent, consecutive, pairs, sequences, slot_ssrc

FRAME_US = 20_000


@dataclass
class Camera:
    peer: Peer
    source: SourceHandle
    encoder: Encoder


class Stage:
    """Cameras of three people, and a student whose slot shows the first."""

    def __init__(self, plane: str) -> None:
        self.rig = Rig(plane)
        self.student = self.rig.add_peer()
        self.slot: SlotHandle = self.rig.add_slot(self.student)
        self.cameras = [self._camera(number) for number in range(3)]
        self.old, self.new, self.other = self.cameras
        for camera in self.cameras:
            self.send(camera, keyframe=True)
        self.show(self.old)
        self.send(self.old, keyframe=True)
        self.sent = self.take()
        self.rig.pass_us(1_000_000)
        assert self.switches() == [self.old.source]

    def _camera(self, number: int) -> Camera:
        peer = self.rig.add_peer()
        encoder = Encoder(10 + number, mid="1", sequence=500 * number, picture_id=300 * number)
        return Camera(peer, self.rig.add_camera(peer, rids=()), encoder)

    def show(self, camera: Camera | None) -> None:
        self.rig.show(self.slot, None if camera is None else camera.source)

    def send(self, camera: Camera, packets: int = 2, *, keyframe: bool = False) -> list[bytes]:
        """One frame; returns its tags."""
        frame = camera.encoder.frame(packets, keyframe=keyframe, after_rtp=FRAME_US * 9 // 100)
        for packet in frame:
            self.rig.receive(packet, camera.peer.address)
        return [packet[-TAG:] for packet in frame]

    def take(self) -> list[Sent]:
        return self.rig.media(self.student, self.slot)

    def flows(self, camera: Camera) -> bool:
        """Whether a frame of the camera, no keyframe, leaves through the slot at once."""
        self.take()
        tags = self.send(camera)
        sent = self.take()
        self.sent += sent
        assert [packet.tag for packet in sent] in ([], tags)
        return bool(sent)

    def begins(self, camera: Camera) -> bool:
        """Whether the camera's keyframe leaves through the slot, just after what left before."""
        self.take()
        tags = self.send(camera, keyframe=True)
        sent = self.take()
        self.sent += sent
        assert [packet.tag for packet in sent] in ([], tags)
        assert consecutive(sequences(self.sent))
        return bool(sent)

    def switches(self) -> list[SourceHandle | None]:
        """What was said so far, after the next batch."""
        self.rig.pass_us(100_000)
        return [event.source for event in self.rig.of(SlotSwitched)]

    def asked(self, camera: Camera) -> list[int]:
        """SSRCs the publisher was asked keyframes of."""
        return [p.media_ssrc for p in self.rig.feedback(camera.peer) if isinstance(p, rtcp.Pli)]


def test_the_old_picture_goes_on_until_the_new_ones_keyframe_and_not_a_packet_longer(plane: str) -> None:
    stage = Stage(plane)
    stage.rig.out.clear()
    stage.show(stage.new)
    assert stage.asked(stage.new) == [11], "asked for at once"
    for _ in range(10):
        assert stage.flows(stage.old)
        assert not stage.flows(stage.new)
        stage.rig.pass_us(FRAME_US)
    assert stage.switches() == [stage.old.source], "nothing says that the new one is here"
    assert stage.begins(stage.new)
    assert not stage.flows(stage.old)
    assert not stage.begins(stage.old)
    assert stage.flows(stage.new)
    assert stage.switches() == [stage.old.source, stage.new.source]
    pictures = [packet.picture.picture_id or 0 for packet in stage.sent if packet.picture.start]
    assert consecutive(pictures, 15)
    stage.rig.pass_us(2 * LINGER_US)
    assert stage.flows(stage.new)


def test_without_a_keyframe_the_old_picture_stops_after_its_time_and_the_slot_still_waits(plane: str) -> None:
    stage = Stage(plane)
    stage.show(stage.new)
    stage.rig.pass_us(LINGER_US - 10_000)
    assert stage.flows(stage.old)
    stage.rig.pass_us(20_000)
    assert not stage.flows(stage.old)
    assert not stage.begins(stage.old)
    assert stage.switches() == [stage.old.source, None]
    stage.rig.out.clear()
    stage.rig.pass_us(3_000_000)
    assert 11 in stage.asked(stage.new), "still asked for"
    assert stage.begins(stage.new)
    assert stage.switches() == [stage.old.source, None, stage.new.source]


def test_asking_again_for_the_same_gives_the_old_picture_no_more_time(plane: str) -> None:
    stage = Stage(plane)
    stage.show(stage.new)
    for _ in range(6):
        stage.rig.pass_us(LINGER_US // 5)
        stage.show(stage.new)
    assert not stage.flows(stage.old)


def test_of_three_in_a_row_the_first_has_only_its_own_second(plane: str) -> None:
    stage = Stage(plane)
    stage.show(stage.new)
    stage.rig.pass_us(LINGER_US * 3 // 4)
    stage.show(stage.other)
    assert stage.flows(stage.old)
    assert not stage.begins(stage.new), "no longer waited for"
    stage.rig.pass_us(LINGER_US // 2)
    assert not stage.flows(stage.old)
    assert stage.begins(stage.other)
    assert stage.switches() == [stage.old.source, None, stage.other.source]


def test_back_to_the_old_one_before_the_keyframe_just_goes_on(plane: str) -> None:
    stage = Stage(plane)
    stage.show(stage.new)
    assert stage.flows(stage.old)
    stage.rig.pass_us(100_000)
    stage.rig.out.clear()
    stage.show(stage.old)
    assert stage.flows(stage.old)
    assert not stage.begins(stage.new)
    stage.rig.pass_us(2 * LINGER_US)
    assert stage.asked(stage.old) == []
    assert stage.flows(stage.old), "no time runs any more"
    assert stage.switches() == [stage.old.source]
    stage.show(stage.new)
    stage.rig.pass_us(LINGER_US // 2)
    assert stage.flows(stage.old), "a later switch has its own second"
    assert stage.begins(stage.new)


def test_back_to_the_old_one_after_its_time_waits_for_its_keyframe(plane: str) -> None:
    stage = Stage(plane)
    stage.show(stage.new)
    stage.rig.pass_us(LINGER_US + 100_000)
    stage.show(stage.old)
    assert not stage.flows(stage.old)
    assert stage.begins(stage.old)
    assert stage.switches() == [stage.old.source, None, stage.old.source]


def test_a_shut_gate_stops_the_old_picture_at_once_and_for_good(plane: str) -> None:
    stage = Stage(plane)
    stage.show(stage.new)
    assert stage.flows(stage.old)
    stage.rig.apply(SetGate(stage.old.source, open=False))
    assert not stage.flows(stage.old)
    assert stage.switches() == [stage.old.source, None]
    stage.rig.apply(SetGate(stage.old.source, open=True))
    assert not stage.flows(stage.old)
    assert not stage.begins(stage.old)
    assert stage.begins(stage.new)


@pytest.mark.parametrize("shut_first", [True, False])
def test_behind_a_shut_gate_nothing_is_waited_for_with_the_old_picture(plane: str, shut_first: bool) -> None:
    stage = Stage(plane)
    shut = SetGate(stage.new.source, open=False)
    show = SetForward(stage.slot, stage.new.source)
    stage.rig.apply(*((shut, show) if shut_first else (show, shut)))
    assert not stage.flows(stage.old)
    assert stage.switches() == [stage.old.source, None]
    stage.rig.apply(SetGate(stage.new.source, open=True))
    assert not stage.flows(stage.old)
    assert stage.begins(stage.new)


def test_a_new_source_that_never_sent_stops_the_old_picture_at_once(plane: str) -> None:
    stage = Stage(plane)
    silent = stage._camera(3)
    stage.show(silent)
    assert not stage.flows(stage.old)
    assert stage.switches() == [stage.old.source, None]
    assert stage.begins(silent)


def test_an_old_source_that_goes_away_is_forgotten_and_the_new_one_still_begins(plane: str) -> None:
    stage = Stage(plane)
    stage.show(stage.new)
    stage.rig.apply(RemoveTransport(stage.old.peer.handle))
    assert stage.switches() == [stage.old.source, None]
    stage.rig.pass_us(2 * LINGER_US)
    assert stage.begins(stage.new)
    assert stage.switches() == [stage.old.source, None, stage.new.source]


def test_a_new_source_that_goes_away_takes_the_old_picture_with_it(plane: str) -> None:
    stage = Stage(plane)
    stage.show(stage.new)
    stage.rig.apply(RemoveTransport(stage.new.peer.handle))
    assert not stage.flows(stage.old)
    assert not stage.begins(stage.old)
    assert stage.switches() == [stage.old.source, None]


def test_an_emptied_slot_stops_the_old_picture(plane: str) -> None:
    stage = Stage(plane)
    stage.show(stage.new)
    stage.show(None)
    assert not stage.flows(stage.old)
    assert not stage.begins(stage.new)
    assert stage.switches() == [stage.old.source, None]


def test_a_receiver_that_could_not_be_sent_to_goes_on_with_the_new_one_only(plane: str) -> None:
    stage = Stage(plane)
    stage.show(stage.new)
    somebody = stage.rig.add_peer()
    stage.rig.check(somebody, address=stage.student.address)
    stage.rig.check(stage.student)
    assert not stage.flows(stage.old)
    assert stage.begins(stage.new)
    assert stage.switches() == [stage.old.source, None, stage.new.source]


def test_a_new_ssrc_of_the_new_source_leaves_the_old_picture_going(plane: str) -> None:
    stage = Stage(plane)
    stage.show(stage.new)
    stage.new.encoder = Encoder(4242, mid="1", sequence=3, timestamp=77, picture_id=5)
    assert not stage.flows(stage.new)
    assert stage.flows(stage.old)
    assert stage.begins(stage.new)


def test_a_new_ssrc_of_the_old_source_ends_it(plane: str) -> None:
    stage = Stage(plane)
    stage.show(stage.new)
    stage.old.encoder = Encoder(4242, mid="1", sequence=3, timestamp=77, picture_id=5)
    assert not stage.begins(stage.old)
    assert stage.begins(stage.new)


def test_a_receivers_request_asks_the_one_that_is_waited_for(plane: str) -> None:
    stage = Stage(plane)
    stage.show(stage.new)
    stage.rig.pass_us(600_000)
    stage.send(stage.new)
    stage.rig.out.clear()
    stage.rig.receive(rtcp.build_pli(1, slot_ssrc(stage.slot)), stage.student.address)
    stage.rig.pass_us(600_000)
    assert set(stage.asked(stage.new)) == {11}
    stage.rig.receive(rtcp.build_pli(1, slot_ssrc(stage.slot)), stage.student.address)
    stage.rig.pass_us(600_000)
    assert stage.asked(stage.old) == []


def test_what_lingered_is_repaired_after_the_switch_with_the_numbers_it_had(plane: str) -> None:
    stage = Stage(plane)
    stage.show(stage.new)
    assert stage.flows(stage.old)
    assert stage.begins(stage.new)
    lost = stage.sent[-4:]
    stage.rig.receive(
        rtcp.build_nack(1, slot_ssrc(stage.slot), [packet.sequence for packet in lost]),
        stage.student.address,
    )
    again = stage.take()
    assert [packet.payload[2:] for packet in again] == [packet.payload for packet in lost]
    assert [packet.timestamp for packet in again] == [packet.timestamp for packet in lost]


def test_sound_of_another_source_stops_at_once(plane: str) -> None:
    rig = Rig(plane)
    one, two, student = rig.add_peer(), rig.add_peer(), rig.add_peer()
    slot = rig.add_slot(student, video=False)
    microphones = [rig.add_microphone(one), rig.add_microphone(two)]
    voices = [Encoder(1 + index, mid="0", payload_type=111) for index in range(2)]
    rig.receive(voices[1].sound(), two.address)
    rig.show(slot, microphones[0])
    rig.receive(voices[0].sound(), one.address)
    assert len(rig.media(student, slot)) == 1
    rig.show(slot, microphones[1])
    rig.receive(voices[0].sound(), one.address)
    assert rig.media(student, slot) == []
    rig.receive(voices[1].sound(), two.address)
    assert len(rig.media(student, slot)) == 1


def test_keyframes_that_come_late_do_not_push_the_slots_time_ahead(plane: str) -> None:
    """Those of one camera were captured a frame before the last of the other's picture, and times must not
    fall: what the switch to it adds, the switch from it takes back."""
    stage = Stage(plane)
    rig = stage.rig
    start_us = rig.now_us
    bases = [camera.encoder.timestamp for camera in stage.cameras]
    late: list[tuple[int, bytes, Camera]] = []
    arrived: list[tuple[int, Sent]] = []
    for step in range(1500):
        now_us = start_us + step * FRAME_US
        if step % 50 == 0:
            rig.check(stage.student)
            stage.show(stage.cameras[step // 50 % 2])
        for number, camera in enumerate(stage.cameras[:2]):
            camera.encoder.timestamp = bases[number] + step * FRAME_US * 9 // 100
            in_turn = step % 50
            is_late = number == 1 and 10 <= in_turn <= 12
            due_us = now_us + (12 - in_turn) * FRAME_US if is_late else now_us
            frame = camera.encoder.frame(keyframe=in_turn == 10, after_rtp=0)
            late += [(due_us, packet, camera) for packet in frame]
        for due_us, packet, camera in late:
            if due_us <= now_us:
                rig.receive(packet, camera.peer.address)
        late = [item for item in late if item[0] > now_us]
        arrived += [(now_us, packet) for packet in stage.take()]
        rig.pass_us(FRAME_US)
        arrived += [(now_us, packet) for packet in stage.take()]
    assert len(rig.of(SlotSwitched)) == 30
    (first_us, first), (last_us, last) = arrived[0], arrived[-1]
    elapsed_ms = ((last.timestamp - first.timestamp) & 0xFFFFFFFF) / 90
    assert abs(elapsed_ms - (last_us - first_us) / 1000) < 30
    times = [packet.timestamp for _, packet in arrived]
    assert all((b - a) & 0xFFFFFFFF < 1 << 31 for a, b in pairs(times))
