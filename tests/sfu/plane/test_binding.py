"""SSRCs are bound once, by MID and RID or by announcement, and latched."""

from __future__ import annotations

import pytest

from sfu import rtp
from sfu.plane.api import MAX_SSRCS_PER_TRANSPORT, Drop, StreamBound
from tests.sfu.plane.rig import IDS, OPUS_PT, VP8_PT, VP8_RTX_PT, Encoder, Rig


def bound(rig: Rig) -> list[StreamBound]:
    rig.pass_us(200_000)
    return rig.of(StreamBound)


def test_layers_are_told_apart_by_rid_and_stay_bound_without_it(plane: str) -> None:
    rig = Rig(plane)
    teacher, student = rig.add_peer(), rig.add_peer()
    camera = rig.add_camera(teacher)
    slot = rig.add_slot(student)
    rig.show(slot, camera, 1)
    high, low = Encoder(2, mid="1", rid="h"), Encoder(1, mid="1", rid="q")
    rig.receive(high.frame(keyframe=True)[0], teacher.address)
    rig.receive(low.frame(keyframe=True)[0], teacher.address)
    high.mid = low.mid = "x"
    high.rid = low.rid = None
    rig.receive(high.frame()[0], teacher.address)
    rig.receive(low.frame()[0], teacher.address)
    assert len(rig.media(student, slot)) == 2
    assert bound(rig) == [StreamBound(camera, 1, 2, rtx=False), StreamBound(camera, 0, 1, rtx=False)]


@pytest.mark.parametrize(
    ("name", "extensions", "payload_type", "layer", "rtx"),
    [
        ("rid", {IDS.mid: b"1", IDS.rid: b"f"}, VP8_PT, 2, False),
        ("repaired rid", {IDS.mid: b"1", IDS.repaired_rid: b"f"}, VP8_RTX_PT, 2, True),
        ("another section's mid", {IDS.mid: b"9", IDS.rid: b"f"}, VP8_PT, None, False),
        ("unknown rid", {IDS.mid: b"1", IDS.rid: b"z"}, VP8_PT, None, False),
        ("rid without mid", {IDS.rid: b"f"}, VP8_PT, None, False),
        ("mid without rid", {IDS.mid: b"1"}, VP8_PT, None, False),
        ("nothing", {}, VP8_PT, None, False),
    ],
)
def test_what_binds_a_simulcast_stream(
    plane: str, name: str, extensions: dict[int, bytes], payload_type: int, layer: int | None, rtx: bool
) -> None:
    rig = Rig(plane)
    teacher = rig.add_peer()
    camera = rig.add_camera(teacher)
    rig.receive(
        rtp.build(
            payload_type=payload_type,
            sequence_number=1,
            timestamp=1,
            ssrc=99,
            payload=b"\x10\x01\x00\x00",
            extensions=extensions,
        ),
        teacher.address,
    )
    expected = [] if layer is None else [StreamBound(camera, layer, 99, rtx=rtx)]
    assert bound(rig) == expected, name
    assert rig.dropped(Drop.UNBOUND_SSRC) == (layer is None)


def test_one_layer_binds_by_mid_and_payload_type_alone(plane: str) -> None:
    rig = Rig(plane)
    teacher = rig.add_peer()
    camera = rig.add_camera(teacher, rids=())
    rig.receive(Encoder(5, mid="1").frame()[0], teacher.address)
    rig.receive(Encoder(6, mid="1", payload_type=VP8_RTX_PT).frame()[0], teacher.address)
    assert bound(rig) == [StreamBound(camera, 0, 5, rtx=False), StreamBound(camera, 0, 6, rtx=True)]


def test_announced_ssrcs_need_no_mid(plane: str) -> None:
    rig = Rig(plane)
    teacher = rig.add_peer()
    camera = rig.add_camera(teacher, rids=(), ssrcs=(5,), rtx_ssrcs=(6,))
    microphone = rig.add_microphone(teacher, ssrcs=(7,))
    for ssrc, payload_type in ((5, VP8_PT), (6, VP8_RTX_PT), (7, OPUS_PT)):
        rig.receive(
            rtp.build(
                payload_type=payload_type, sequence_number=1, timestamp=1, ssrc=ssrc, payload=b"\x10\x01\x00"
            ),
            teacher.address,
        )
    assert bound(rig) == [
        StreamBound(camera, 0, 5, rtx=False),
        StreamBound(camera, 0, 6, rtx=True),
        StreamBound(microphone, 0, 7, rtx=False),
    ]


def test_at_most_sixteen_ssrcs_a_peer(plane: str) -> None:
    rig = Rig(plane)
    teacher = rig.add_peer()
    rig.add_microphone(teacher)
    for ssrc in range(1, 30):
        rig.receive(Encoder(ssrc, mid="0", payload_type=OPUS_PT).sound(), teacher.address)
    assert len(bound(rig)) == MAX_SSRCS_PER_TRANSPORT
    assert rig.dropped(Drop.TOO_MANY_SSRCS) == 29 - MAX_SSRCS_PER_TRANSPORT


def test_a_payload_type_that_was_not_negotiated_is_dropped(plane: str) -> None:
    rig = Rig(plane)
    teacher = rig.add_peer()
    rig.add_camera(teacher, rids=())
    encoder = Encoder(5, mid="1")
    rig.receive(encoder.frame()[0], teacher.address)
    encoder.payload_type = 50
    rig.receive(encoder.frame()[0], teacher.address)
    assert rig.dropped(Drop.PAYLOAD_TYPE) == 1


def test_another_peers_ssrc_is_not_taken_over(plane: str) -> None:
    rig = Rig(plane)
    teacher, student, listener = rig.add_peer(), rig.add_peer(), rig.add_peer()
    microphone = rig.add_microphone(teacher)
    rig.add_microphone(student, mid="9")
    slot = rig.add_slot(listener, video=False)
    rig.show(slot, microphone)
    voice = Encoder(5, mid="0", payload_type=OPUS_PT)
    rig.receive(voice.sound(), teacher.address)
    rig.receive(voice.sound(), student.address)
    assert len(rig.media(listener, slot)) == 1
    assert rig.dropped(Drop.UNBOUND_SSRC) == 1


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("header cut short", b"\x80\x60\x00\x01"),
        ("extension past the end", b"\x90\x60" + bytes(10) + b"\xbe\xde\x00\x09" + bytes(4)),
        ("padding longer than the payload", b"\xa0\x60" + bytes(10) + b"\x00\x00\x00\x20"),
        ("csrcs past the end", b"\x8f\x60" + bytes(20)),
        ("too long", b"\x80\x60" + bytes(1400)),
    ],
)
def test_malformed_packets_are_dropped_and_nothing_else_happens(plane: str, name: str, data: bytes) -> None:
    rig = Rig(plane)
    teacher = rig.add_peer()
    rig.add_camera(teacher, rids=(), ssrcs=(0,))
    rig.receive(data, teacher.address)
    assert rig.dropped(Drop.RTP_MALFORMED) == 1, name


def test_a_malformed_payload_descriptor_is_dropped(plane: str) -> None:
    rig = Rig(plane)
    teacher, student = rig.add_peer(), rig.add_peer()
    slot = rig.add_slot(student)
    rig.show(slot, rig.add_camera(teacher, rids=(), ssrcs=(5,)))
    rig.receive(
        rtp.build(payload_type=VP8_PT, sequence_number=1, timestamp=1, ssrc=5, payload=b"\x90\x80"),
        teacher.address,
    )
    assert rig.dropped(Drop.PAYLOAD_MALFORMED) == 1
    assert rig.media(student, slot) == []
