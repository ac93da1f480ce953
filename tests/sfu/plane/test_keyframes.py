"""Keyframe requests: one per 500 ms a source, a back-off a receiver, repeated while somebody waits."""

from __future__ import annotations

import pytest

from sfu import rtcp
from sfu.plane.api import KEYFRAME_THROTTLE_US, RequestKeyframe, SourceHandle
from sfu.plane.core.keyframes import KeyframeBackOff
from tests.sfu.plane.rig import RIDS, Encoder, Peer, Rig, slot_ssrc


def asked(rig: Rig, teacher: Peer) -> list[int]:
    """SSRCs that the teacher was asked keyframes of."""
    return [packet.media_ssrc for packet in rig.feedback(teacher) if isinstance(packet, rtcp.Pli)]


def playing(rig: Rig, students: int = 1) -> tuple[Peer, SourceHandle, Encoder, list[tuple[Peer, int]]]:
    """A teacher whose one layer the students see; nothing is outstanding."""
    teacher = rig.add_peer()
    camera = rig.add_camera(teacher, rids=())
    encoder = Encoder(7, mid="1")
    shown = []
    for _ in range(students):
        student = rig.add_peer()
        slot = rig.add_slot(student)
        rig.show(slot, camera)
        shown.append((student, slot_ssrc(slot)))
    rig.receive(encoder.frame(keyframe=True)[0], teacher.address)
    rig.pass_us(1_000_000)
    rig.out.clear()
    return teacher, camera, encoder, shown


def test_the_first_request_passes_at_once(plane: str) -> None:
    rig = Rig(plane)
    teacher, _, _, ((student, ssrc),) = playing(rig)
    rig.receive(rtcp.build_pli(1, ssrc), student.address)
    rig.pass_us(10_000)
    assert asked(rig, teacher) == [7]


@pytest.mark.parametrize("kind", ["pli", "fir"])
def test_thirty_receivers_cause_one_request_per_half_second(plane: str, kind: str) -> None:
    rig = Rig(plane)
    teacher, _, encoder, shown = playing(rig, 30)
    for _ in range(300):
        for student, ssrc in shown:
            request = rtcp.build_pli(1, ssrc) if kind == "pli" else rtcp.build_fir(1, [(ssrc, 1)])
            rig.receive(request, student.address)
        rig.pass_us(10_000)
        rig.receive(encoder.frame(keyframe=True)[0], teacher.address)
    assert len(asked(rig, teacher)) <= 3_000_000 // KEYFRAME_THROTTLE_US


def test_one_receiver_backs_off() -> None:
    back_off = KeyframeBackOff()
    passed = [ms for ms in range(0, 40_000, 10) if back_off.allow(ms * 1000)]
    assert passed == [0, 1000, 3000, 7000, 15_000, 23_000, 31_000, 39_000]


def test_a_quiet_receiver_starts_afresh() -> None:
    back_off = KeyframeBackOff()
    assert back_off.allow(0)
    assert not back_off.allow(900_000)
    assert back_off.allow(1_000_000)
    assert back_off.allow(18_000_000)
    assert back_off.allow(19_000_000)


def test_a_keyframe_that_somebody_waits_for_is_asked_for_until_it_comes(plane: str) -> None:
    rig = Rig(plane)
    teacher, camera, encoder, _ = playing(rig)
    rig.show(rig.add_slot(rig.add_peer()), camera)
    for _ in range(40):
        rig.receive(encoder.frame()[0], teacher.address)
        rig.pass_us(100_000)
    times = len(asked(rig, teacher))
    assert 7 <= times <= 9
    rig.receive(encoder.frame(keyframe=True)[0], teacher.address)
    rig.pass_us(2_000_000)
    assert asked(rig, teacher) == []


def test_a_request_that_nobody_waits_for_is_given_up(plane: str) -> None:
    rig = Rig(plane)
    teacher, camera, encoder, _ = playing(rig)
    rig.apply(RequestKeyframe(camera))
    for _ in range(300):
        rig.receive(encoder.frame()[0], teacher.address)
        rig.pass_us(100_000)
    assert 1 <= len(asked(rig, teacher)) <= 8


def test_nothing_is_asked_of_a_peer_whose_keys_are_not_there(plane: str) -> None:
    rig = Rig(plane)
    teacher, camera, encoder, _ = playing(rig)
    student = rig.add_peer(connected=False)
    slot = rig.add_slot(student)
    rig.show(slot, camera)
    rig.pass_us(1_000_000)
    assert asked(rig, teacher) == [], "a receiver that can't be sent to wants no keyframe yet"
    rig.check(student)
    rig.set_keys(student)
    rig.receive(encoder.frame()[0], teacher.address)
    rig.pass_us(10_000)
    assert asked(rig, teacher) == [7]


def test_requests_name_the_layer_that_is_wanted(plane: str) -> None:
    rig = Rig(plane)
    teacher, student = rig.add_peer(), rig.add_peer()
    camera = rig.add_camera(teacher)
    encoders = [Encoder(70 + index, mid="1", rid=rid) for index, rid in enumerate(RIDS)]
    for encoder in encoders:
        rig.receive(encoder.frame()[0], teacher.address)
    slot = rig.add_slot(student)
    rig.show(slot, camera, 2)
    assert asked(rig, teacher) == [72]
