"""Commands, layers that come and go, levels, caps, and what is left when somebody goes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfu import rtcp
from sfu.plane.api import (
    AddTap,
    Codec,
    Command,
    Drop,
    ExtensionIds,
    Levels,
    RemoveTap,
    RemoveTransport,
    RequestKeyframe,
    RestartIce,
    SendDtls,
    SetForward,
    SetGate,
    SetIngressEstimate,
    SetKeys,
    SlotHandle,
    SlotSwitched,
    SourceHandle,
    SourceState,
    SrtpProfile,
    TransportHandle,
)
from sfu.plane.core import Core
from sfu.plane.core.crypto import NullCrypto
from sfu.plane.core.extensions import ExtensionWriter
from sfu.rtp import build, extensions
from tests.sfu.plane.cores import REFERENCE
from tests.sfu.plane.rig import RIDS, TAG, Encoder, Peer, Rig, consecutive, sequences

FRAME_US = 40_000


def simulcast(rig: Rig) -> tuple[Peer, SourceHandle, list[Encoder]]:
    teacher = rig.add_peer()
    layers = [Encoder(10 + index, mid="1", rid=rid) for index, rid in enumerate(RIDS)]
    return teacher, rig.add_camera(teacher), layers


def send(rig: Rig, teacher: Peer, layers: list[Encoder], frames: int = 1, *, keyframe: bool = False) -> None:
    for _ in range(frames):
        for layer in layers:
            for packet in layer.frame(keyframe=keyframe):
                rig.receive(packet, teacher.address)
        rig.pass_us(FRAME_US)


def layers_shown(rig: Rig, teacher: Peer, layers: list[Encoder]) -> list[int]:
    """Layers that the switches went to, with a keyframe whenever one is asked for."""
    for _ in range(40):
        wanted = any(isinstance(packet, rtcp.Pli) for packet in rig.feedback(teacher))
        send(rig, teacher, layers, keyframe=wanted)
    return [event.layer for event in rig.of(SlotSwitched)]


@pytest.mark.parametrize(
    ("wanted", "sent", "shown"),
    [
        (2, "qhf", 2),
        (1, "qhf", 1),
        (0, "qhf", 0),
        (2, "qh", 1),
        (2, "q", 0),
        (1, "qf", 0),
        (0, "hf", 1),
        (7, "q", 0),
    ],
)
def test_the_wanted_layer_else_the_nearest_lower_else_the_nearest_higher(
    plane: str, wanted: int, sent: str, shown: int
) -> None:
    rig = Rig(plane)
    teacher, camera, layers = simulcast(rig)
    slot = rig.add_slot(rig.add_peer())
    rig.show(slot, camera, wanted)
    assert layers_shown(rig, teacher, [layer for layer in layers if str(layer.rid) in sent])[-1] == shown


def test_a_layer_that_is_no_longer_sent_is_left_and_taken_again_when_it_is_back(plane: str) -> None:
    rig = Rig(plane)
    teacher, camera, layers = simulcast(rig)
    student = rig.add_peer()
    slot = rig.add_slot(student)
    rig.show(slot, camera, 2)
    assert layers_shown(rig, teacher, layers)[-1] == 2
    assert layers_shown(rig, teacher, layers[:2])[-1] == 1
    assert layers_shown(rig, teacher, layers)[-1] == 2
    assert consecutive(sequences(rig.media(student, slot)))


def test_a_source_that_pauses_altogether_keeps_its_layer(plane: str) -> None:
    rig = Rig(plane)
    teacher, camera, layers = simulcast(rig)
    slot = rig.add_slot(rig.add_peer())
    rig.show(slot, camera, 2)
    before = layers_shown(rig, teacher, layers)
    rig.pass_us(5_000_000)
    send(rig, teacher, layers, 2)
    rig.pass_us(200_000)
    assert [event.layer for event in rig.of(SlotSwitched)] == before


def test_a_slot_that_is_emptied_sends_nothing_and_says_so(plane: str) -> None:
    rig = Rig(plane)
    teacher, camera, layers = simulcast(rig)
    student = rig.add_peer()
    slot = rig.add_slot(student)
    rig.show(slot, camera, 0)
    send(rig, teacher, layers, 3, keyframe=True)
    assert rig.media(student, slot)
    rig.show(slot, None)
    send(rig, teacher, layers, 3, keyframe=True)
    rig.pass_us(100_000)
    assert rig.media(student, slot) == []
    assert rig.of(SlotSwitched)[-1] == SlotSwitched(slot, None, 0)


def test_what_showed_a_publisher_who_left_goes_empty(plane: str) -> None:
    rig = Rig(plane)
    teacher, camera, layers = simulcast(rig)
    slot = rig.add_slot(rig.add_peer())
    rig.show(slot, camera, 0)
    send(rig, teacher, layers, keyframe=True)
    rig.apply(RemoveTransport(teacher.handle))
    rig.pass_us(100_000)
    assert rig.of(SlotSwitched)[-1] == SlotSwitched(slot, None, 0)
    rig.receive(layers[0].frame()[0], teacher.address)
    assert rig.dropped(Drop.NOT_VALIDATED) == 1


def test_everything_of_everybody_is_forgotten_when_they_leave() -> None:
    """Looks into the reference's tables; that the native one does not grow is seen by its memory."""
    core = Core(NullCrypto())
    rig = Rig(REFERENCE, core=core)
    peers = [rig.add_peer() for _ in range(4)]
    for peer in peers:
        camera = rig.add_camera(peer)
        for other in peers:
            if other is not peer:
                rig.show(rig.add_slot(other), camera, 2)
        rig.apply(
            AddTap(peer.handle, camera, 0), RestartIce(peer.handle, f"again{peer.handle}", "x", "y", "z")
        )
        layers = [Encoder(10 + index, mid="1", rid=rid) for index, rid in enumerate(RIDS)]
        for layer in layers:
            first, _lost, last = layer.frame(3, keyframe=True)
            rig.receive(first, peer.address)
            rig.receive(last, peer.address)
    for peer in peers:
        rig.apply(RemoveTransport(peer.handle))
    tables = core._tables
    left = {name: getattr(tables, name) for name in tables.__slots__ if name != "levels"}
    assert {name: table for name, table in left.items() if table} == {}
    assert tables.levels.drain() == ()
    assert not any(core._housekeeping._wheel)


UNKNOWN: list[Command] = [
    RestartIce(TransportHandle(99), "a", "b", "c", "d"),
    SetKeys(TransportHandle(99), SrtpProfile.AEAD_AES_128_GCM, bytes(28), bytes(28)),
    SendDtls(TransportHandle(99), b"\x16"),
    RemoveTransport(TransportHandle(99)),
    SetGate(SourceHandle(99), open=True),
    SetForward(SlotHandle(99), None),
    RequestKeyframe(SourceHandle(99)),
    SetIngressEstimate(TransportHandle(99), 1),
    AddTap(1, SourceHandle(99)),
    RemoveTap(99),
]


@pytest.mark.parametrize("command", UNKNOWN, ids=lambda command: type(command).__name__)
def test_a_command_for_something_unknown_is_ignored_and_counted(plane: str, command: Command) -> None:
    rig = Rig(plane)
    rig.apply(command)
    assert rig.dropped(Drop.UNKNOWN_HANDLE) == 1


def test_a_slot_that_is_to_show_an_unknown_source_goes_empty(plane: str) -> None:
    rig = Rig(plane)
    teacher, camera, layers = simulcast(rig)
    student = rig.add_peer()
    slot = rig.add_slot(student)
    rig.show(slot, camera)
    send(rig, teacher, layers, keyframe=True)
    rig.show(slot, SourceHandle(999))
    rig.media(student, slot)
    send(rig, teacher, layers, keyframe=True)
    assert rig.media(student, slot) == []


def test_levels_are_the_loudest_of_each_tenth_of_a_second_and_of_open_sources_only(plane: str) -> None:
    rig = Rig(plane)
    loud, quiet, shut = rig.add_peer(), rig.add_peer(), rig.add_peer()
    sources = [rig.add_microphone(loud), rig.add_microphone(quiet), rig.add_microphone(shut, open=False)]
    voices = [Encoder(index, mid="0", payload_type=111) for index in range(3)]
    rig.pass_us(110_000)
    rig.events.clear()
    for level in (60, 20, 45, 30, 70):
        for peer, voice, offset in zip((loud, quiet, shut), voices, (0, 40, 0), strict=True):
            rig.receive(voice.sound(level=level + offset), peer.address)
        rig.pass_us(20_000)
    rig.pass_us(100_000)
    assert rig.of(Levels) == [Levels(((sources[0], 20), (sources[1], 60)))]


def test_a_shut_source_has_counts_but_no_levels(plane: str) -> None:
    rig = Rig(plane)
    peer = rig.add_peer()
    source = rig.add_microphone(peer, open=False)
    voice = Encoder(1, mid="0", payload_type=111)
    for _ in range(10):
        rig.receive(voice.sound(), peer.address)
        rig.pass_us(20_000)
    rig.pass_us(200_000)
    states = rig.of(SourceState)
    assert sum(state.packets for state in states) == 10
    assert states[-1] == SourceState(source, 0, 0, (0,)), "the last word says that nothing comes any more"
    assert rig.of(Levels) == []


def test_the_level_is_copied_to_a_slot_that_negotiated_it(plane: str) -> None:
    rig = Rig(plane)
    peer, student = rig.add_peer(), rig.add_peer()
    slot = rig.add_slot(student, video=False)
    rig.show(slot, rig.add_microphone(peer))
    voice = Encoder(1, mid="0", payload_type=111)
    rig.receive(voice.sound(level=17), peer.address)
    rig.receive(voice.sound(level=None), peer.address)
    with_level, without = rig.media(student, slot)
    assert with_level.extensions[1] == bytes((0x80 | 17,))
    assert without.extensions[1] == bytes((127,))
    assert len(with_level.data) == len(without.data)


def test_state_tells_rates_by_layer_and_losses(plane: str) -> None:
    rig = Rig(plane)
    teacher, camera, layers = simulcast(rig)
    rig.pass_us(100_000)
    for _ in range(30):
        rig.pass_us(10_000)
        rig.receive(layers[0].frame()[0], teacher.address)
        rig.receive(layers[2].frame()[0], teacher.address)
        layers[2].frame()
    rig.pass_us(100_000)
    states = [state for state in rig.of(SourceState) if state.packets]
    assert [state.source for state in states[:1]] == [camera]
    low, middle, high = states[1].layer_bps
    assert middle == 0
    assert 8 * 30 * 100 < low < 8 * 80 * 100
    assert abs(low - high) < 8 * 100 * 100
    assert 27 <= sum(state.lost for state in states) <= 30


def test_bits_above_the_cap_are_dropped(plane: str) -> None:
    rig = Rig(plane)
    teacher = rig.add_peer(max_ingress_bps=1_000_000)
    rig.add_camera(teacher, rids=(), ssrcs=(5,))
    arrived = 0
    for number in range(4000):
        payload = b"\x10\x01" + bytes(1000)
        rig.receive(
            build(payload_type=96, sequence_number=number, timestamp=number, ssrc=5, payload=payload),
            teacher.address,
        )
        rig.now_us += 1000
    arrived = 4000 - rig.dropped(Drop.PUBLISHER_CAP)
    allowed = 1_000_000 / 8 * 4 / 1014
    assert allowed * 0.95 < arrived < allowed + 1_000_000 / 8 / 2 / 1014 + 1


def test_packets_above_the_cap_are_dropped_however_small(plane: str) -> None:
    rig = Rig(plane)
    teacher = rig.add_peer()
    for _ in range(100_000):
        rig.receive(b"\x80\x60" + bytes(10), teacher.address)
        rig.now_us += 20
    passed = 100_000 - rig.dropped(Drop.PUBLISHER_CAP)
    assert 4000 * 2 * 0.95 < passed <= 4000 * 2.5 + 1


@pytest.mark.parametrize(
    ("ids", "mid", "sound", "expected"),
    [
        (ExtensionIds(), "a", False, {}),
        (ExtensionIds(mid=3), "a", False, {3: b"a"}),
        (ExtensionIds(mid=3, abs_send_time=2), "12", False, {2: b"\1\2\3", 3: b"12"}),
        (ExtensionIds(mid=3, abs_send_time=2, audio_level=1), "0", True, {2: b"\1\2\3", 1: b"\x85", 3: b"0"}),
        (ExtensionIds(audio_level=1), "0", True, {1: b"\x85"}),
        (ExtensionIds(audio_level=1), "0", False, {}),
        (
            ExtensionIds(mid=30, abs_send_time=20, audio_level=15),
            "m" * 20,
            True,
            {20: b"\1\2\3", 15: b"\x85", 30: b"m" * 20},
        ),
    ],
)
def test_extension_blocks(ids: ExtensionIds, mid: str, sound: bool, expected: dict[int, bytes]) -> None:
    writer = ExtensionWriter(ids, mid, sound=sound)
    block = writer.block(b"\1\2\3", 0x85)
    assert len(block) == writer.length
    first = 0x90 if block else 0x80
    assert extensions(bytes((first,)) + bytes(11) + block) == expected


def test_a_slot_without_extensions_is_written_without_a_block(plane: str) -> None:
    rig = Rig(plane)
    peer, student = rig.add_peer(), rig.add_peer()
    slot = rig.add_slot(student, video=False, extensions=ExtensionIds())
    rig.show(slot, rig.add_microphone(peer))
    voice = Encoder(1, mid="0", payload_type=111)
    packet = voice.sound()
    rig.receive(packet, peer.address)
    (sent,) = rig.media(student, slot)
    assert sent.data[0] == 0x80
    assert sent.payload[-TAG:] == packet[-TAG:]


HEADS = [b"", b"\x80\x60", b"\x90\x60", b"\x80\xc8", b"\x81\xcd", b"\x00\x01"]
"""Starts of datagrams that go different ways."""


@settings(max_examples=300)
@given(
    st.lists(st.binary(max_size=120), max_size=20),
    st.sampled_from([b"", b"\x80\x60", b"\x90\x60", b"\x80\xc8", b"\x81\xcd", b"\x00\x01"]),
)
def test_garbage_from_a_validated_peer_never_raises(plane: str, datagrams: list[bytes], head: bytes) -> None:
    rig = Rig(plane)
    peer = rig.add_peer()
    rig.add_camera(peer, rids=(), ssrcs=(0,), rtx_ssrcs=(1,))
    rig.add_slot(peer)
    for data in datagrams:
        rig.receive(head + data, peer.address)
        rig.pass_us(10_000)


def test_codecs_of_the_contract_are_the_ones_the_core_reads() -> None:
    assert set(Codec) == {Codec.VP8, Codec.OPUS}
