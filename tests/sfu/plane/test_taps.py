"""What a tap copies: one layer at a time from keyframe to keyframe, nothing through a shut gate."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sfu import rtcp
from sfu.plane.api import (
    TAP_KEYFRAME_US,
    AddTap,
    Drop,
    RemoveTap,
    RemoveTransport,
    SetGate,
    SourceHandle,
    Tapped,
)
from sfu.plane.core.taps import MAX_PACKETS_A_BATCH
from sfu.rtp import is_rtcp
from tests.sfu.plane.rig import OPUS_PT, RIDS, Encoder, Peer, Rig, Sent, pairs, repair

TAP, FRAME_US = 5, 40_000
LOW, MIDDLE, HIGH = range(3)


class Studio:
    """A publisher of three layers, tapped; the camera's SSRCs are 10, 11, 12 from the lowest up."""

    def __init__(self, plane: str, *, tapped: bool = True, wide: bool = True) -> None:
        self.rig = Rig(plane)
        self.peer: Peer = self.rig.add_peer()
        self.camera: SourceHandle = self.rig.add_camera(self.peer)
        self.layers = [
            Encoder(10 + index, mid="1", rid=rid, wide=wide, sequence=65_530)
            for index, rid in enumerate(RIDS)
        ]
        if tapped:
            self.tap()

    def tap(self, layer: int = HIGH) -> None:
        self.rig.apply(AddTap(TAP, self.camera, layer))

    def send(self, *packets: bytes) -> None:
        for packet in packets:
            self.rig.receive(packet, self.peer.address)

    def frames(self, count: int = 1, *, layers: tuple[int, ...] = (0, 1, 2), keyframe: bool = False) -> None:
        """So many frames on each of these layers, as time goes by."""
        for _ in range(count):
            for index in layers:
                self.send(*self.layers[index].frame(keyframe=keyframe))
            self.rig.pass_us(FRAME_US)

    def taken(self) -> list[bytes]:
        """What the tap told since the last time, up to now."""
        self.rig.pass_us(200_000)
        batches = self.rig.of(Tapped)
        self.rig.events.clear()
        assert all(batch.tap == TAP and not batch.dropped for batch in batches)
        return [packet for batch in batches for _, packet in batch.packets]

    def asked(self) -> list[int]:
        """SSRCs of which the publisher was asked a keyframe."""
        return [packet.media_ssrc for packet in self.rig.feedback(self.peer) if isinstance(packet, rtcp.Pli)]


def layer_of(packet: bytes) -> int:
    return Sent(packet).ssrc - 10


def test_a_tap_begins_with_the_first_keyframe_and_asks_for_it(plane: str) -> None:
    studio = Studio(plane)
    studio.frames(3, layers=(HIGH,))
    assert studio.taken() == []
    assert studio.asked() == [12]
    packets = studio.layers[HIGH].frame(3, keyframe=True) + studio.layers[HIGH].frame()
    studio.send(*packets)
    assert studio.taken() == packets


def test_a_tap_on_a_running_source_asks_at_once(plane: str) -> None:
    studio = Studio(plane, tapped=False)
    studio.frames(5)
    studio.tap()
    assert studio.asked() == [12]


def test_packets_come_with_the_time_they_came_at(plane: str) -> None:
    studio = Studio(plane)
    times = []
    for _ in range(3):
        times.append(studio.rig.now_us)
        studio.frames(layers=(HIGH,), keyframe=True)
    studio.rig.pass_us(200_000)
    assert [at_us for batch in studio.rig.of(Tapped) for at_us, _ in batch.packets] == times


@pytest.mark.parametrize(
    ("wanted", "sent", "copied"),
    [
        (HIGH, (LOW, MIDDLE, HIGH), HIGH),
        (HIGH, (LOW, MIDDLE), MIDDLE),
        (HIGH, (LOW,), LOW),
        (MIDDLE, (LOW, HIGH), LOW),
        (LOW, (MIDDLE, HIGH), MIDDLE),
        (9, (LOW, MIDDLE, HIGH), HIGH),
    ],
)
def test_the_wanted_layer_is_copied_else_the_nearest_lower_else_a_higher(
    plane: str, wanted: int, sent: tuple[int, ...], copied: int
) -> None:
    studio = Studio(plane, tapped=False)
    studio.frames(5, layers=sent)
    studio.tap(wanted)
    studio.frames(5, layers=sent, keyframe=True)
    assert {layer_of(packet) for packet in studio.taken()} == {copied}


def test_a_higher_layer_that_begins_is_gone_over_to_at_its_keyframe(plane: str) -> None:
    studio = Studio(plane)
    studio.frames(layers=(LOW,), keyframe=True)
    studio.frames(3, layers=(LOW, HIGH))
    packets = studio.taken()
    assert [layer_of(packet) for packet in packets] == [LOW] * 4, "the old one goes on"
    assert studio.asked()[-1] == 12
    low, late = studio.layers[LOW].frame(2)
    key = studio.layers[HIGH].frame(3, keyframe=True)
    after = studio.layers[HIGH].frame()[0]
    studio.send(low, *key, late, studio.layers[LOW].frame(keyframe=True)[0], after)
    assert studio.taken() == [low, *key, after]


def test_a_layer_that_ends_is_left_for_a_lower_one_at_a_keyframe_and_taken_up_again(plane: str) -> None:
    studio = Studio(plane)
    studio.frames(2, keyframe=True)
    studio.frames(25, layers=(LOW, MIDDLE))
    assert studio.asked()[-1] == 11
    assert layer_of(studio.taken()[-1]) == HIGH
    studio.frames(layers=(LOW, MIDDLE), keyframe=True)
    studio.frames(3, layers=(LOW, MIDDLE))
    assert [layer_of(packet) for packet in studio.taken()] == [MIDDLE] * 4
    studio.frames(3)
    studio.frames(2, keyframe=True)
    layers = [layer_of(packet) for packet in studio.taken()]
    assert layers == [MIDDLE] * 4 + [HIGH] * 2 or layers == [MIDDLE] * 3 + [HIGH] * 2


def test_a_repaired_packet_has_its_own_form_again(plane: str) -> None:
    studio = Studio(plane, wide=False)
    first, lost, last = studio.layers[HIGH].frame(3, keyframe=True)
    studio.send(first, last, repair(lost, ssrc=77, sequence=1, rid="f"))
    came, after, repaired = studio.taken()
    assert (came, after) == (first, last)
    original, sent = Sent(lost), Sent(repaired)
    assert (sent.ssrc, sent.sequence, sent.timestamp) == (
        original.ssrc,
        original.sequence,
        original.timestamp,
    )
    assert (sent.payload, sent.payload_type) == (original.payload, original.payload_type)


def test_what_overtook_its_keyframes_first_packet_follows_it(plane: str) -> None:
    studio = Studio(plane, wide=False)
    studio.frames(3, layers=(HIGH,))
    early = studio.layers[HIGH].frame()[0]
    first, *others = studio.layers[HIGH].frame(3, keyframe=True)
    studio.send(*others, first, early)
    packets = [Sent(packet) for packet in studio.taken()]
    assert [packet.sequence for packet in packets] == [Sent(packet).sequence for packet in (first, *others)]
    assert [packet.marker for packet in packets] == [False, False, True]
    assert [packet.tag for packet in packets] == [Sent(packet).tag for packet in (first, *others)]
    ids = {packet.picture.picture_id for packet in packets}
    assert ids == {Sent(first).picture.picture_id}


def test_padding_is_copied_since_its_number_would_be_missed(plane: str) -> None:
    studio = Studio(plane)
    padding = studio.layers[HIGH].padding()
    key, after = studio.layers[HIGH].frame(keyframe=True)[0], studio.layers[HIGH].padding()
    studio.send(padding, key, after)
    assert studio.taken() == [key, after]


def test_a_packet_that_comes_twice_is_copied_once(plane: str) -> None:
    studio = Studio(plane)
    key = studio.layers[HIGH].frame(keyframe=True)[0]
    studio.send(key, key)
    assert studio.taken() == [key]


def test_another_ssrc_begins_with_a_keyframe(plane: str) -> None:
    studio = Studio(plane)
    studio.frames(2, layers=(HIGH,), keyframe=True)
    studio.taken()
    again = Encoder(99, mid="1", rid="f")
    before, key, after = again.frame()[0], again.frame(keyframe=True)[0], again.frame()[0]
    studio.send(before)
    studio.rig.pass_us(600_000)
    assert studio.asked()[-1] == 99
    studio.send(key, after)
    assert studio.taken() == [key, after]


def test_sound_begins_with_the_next_packet(plane: str) -> None:
    rig = Rig(plane)
    teacher = rig.add_peer()
    microphone = rig.add_microphone(teacher)
    voice = Encoder(1, mid="0", payload_type=OPUS_PT)
    packets = [voice.sound() for _ in range(4)]
    rig.receive(packets[0], teacher.address)
    rig.apply(AddTap(TAP, microphone, 0))
    for packet in (packets[2], packets[3], packets[1]):
        rig.receive(packet, teacher.address)
    rig.pass_us(200_000)
    copied = [packet for batch in rig.of(Tapped) for _, packet in batch.packets]
    assert copied == [packets[2], packets[3]]
    assert not any(isinstance(packet, rtcp.Pli) for packet in rig.feedback(teacher))


def test_sender_reports_of_every_layer_come_alone_while_the_gate_is_open(plane: str) -> None:
    studio = Studio(plane)
    studio.frames(2, keyframe=True)
    studio.taken()
    reports = [layer.report(1_700_000_000_000_000 + layer.ssrc) for layer in studio.layers]
    blocks = rtcp.build_receiver_report(10, [])
    studio.send(reports[0] + blocks, reports[1] + reports[2])
    assert studio.taken() == reports
    studio.rig.apply(SetGate(studio.camera, open=False))
    studio.send(*reports)
    assert studio.taken() == []


def test_reports_come_before_the_first_keyframe_too(plane: str) -> None:
    studio = Studio(plane)
    studio.frames(1, layers=(HIGH,))
    report = studio.layers[HIGH].report(1)
    studio.send(report)
    assert studio.taken() == [report]


def test_nothing_passes_a_shut_gate_and_an_opened_one_begins_with_a_keyframe(plane: str) -> None:
    studio = Studio(plane)
    studio.frames(3, keyframe=True)
    studio.taken()
    studio.rig.apply(SetGate(studio.camera, open=False))
    studio.frames(30, keyframe=True)
    assert studio.taken() == []
    asked = len(studio.asked())
    studio.rig.apply(SetGate(studio.camera, open=True))
    studio.frames(3)
    assert studio.taken() == []
    assert studio.asked()[asked:] == [12]
    studio.frames(keyframe=True)
    studio.frames(2)
    packets = studio.taken()
    assert len(packets) == 3
    assert Sent(packets[0]).picture.keyframe


def test_a_tap_on_a_shut_source_begins_when_it_opens(plane: str) -> None:
    studio = Studio(plane, tapped=False)
    studio.rig.apply(SetGate(studio.camera, open=False))
    studio.tap()
    studio.frames(20, keyframe=True)
    assert studio.taken() == []
    studio.rig.apply(SetGate(studio.camera, open=True))
    studio.frames(keyframe=True)
    assert HIGH in {layer_of(packet) for packet in studio.taken()}


# --- keyframes -------------------------------------------------------------------------------


def requests_over(studio: Studio, duration_us: int, *, answer: bool, own_every: int = 0) -> list[int]:
    """When (us) a keyframe was asked for while one layer sends 25 frames a second."""
    rig, asked_us, wanted, start_us = studio.rig, list[int](), False, studio.rig.now_us
    for number in range(duration_us // FRAME_US):
        keyframe = number == 0 or (wanted and answer) or bool(own_every and number % own_every == 0)
        rig.check(studio.peer)
        studio.frames(layers=(HIGH,), keyframe=keyframe)
        wanted = bool(studio.asked())
        if wanted:
            asked_us.append(rig.now_us - start_us)
    return asked_us


def test_a_tapped_picture_has_a_keyframe_every_five_seconds(plane: str) -> None:
    asked_us = requests_over(Studio(plane), 60_000_000, answer=True)[1:]
    assert 12 <= len(asked_us) <= 14
    gaps = [later - former for former, later in pairs(asked_us)]
    assert min(gaps) > TAP_KEYFRAME_US - 600_000
    assert max(gaps) <= TAP_KEYFRAME_US


def test_keyframes_that_come_anyway_are_not_asked_for(plane: str) -> None:
    assert len(requests_over(Studio(plane), 60_000_000, answer=True, own_every=100)) <= 1


def test_a_publisher_who_never_answers_is_not_asked_without_end(plane: str) -> None:
    asked_us = requests_over(Studio(plane), 60_000_000, answer=False)
    assert len(asked_us) <= 13 * 7
    gaps = [later - former for former, later in pairs(asked_us)]
    assert min(gaps) >= 500_000 - FRAME_US


def test_an_untapped_picture_is_not_asked_for_keyframes(plane: str) -> None:
    assert requests_over(Studio(plane, tapped=False), 20_000_000, answer=True) == []


# --- the end ---------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["tap", "publisher"])
@pytest.mark.parametrize("copied", [0, 2])
def test_what_was_copied_is_told_at_once_when_a_tap_ends_and_nothing_after(
    plane: str, how: str, copied: int
) -> None:
    studio = Studio(plane)
    studio.rig.pass_us(95_000)
    packets = [studio.layers[HIGH].frame(keyframe=True)[0] for _ in range(copied)]
    studio.send(*packets)
    studio.rig.apply(RemoveTap(TAP) if how == "tap" else RemoveTransport(studio.peer.handle))
    (batch,) = studio.rig.of(Tapped)
    assert ([packet for _, packet in batch.packets], batch.last) == (packets, True)
    studio.frames(5, keyframe=True)
    studio.send(studio.layers[HIGH].report(1))
    studio.rig.pass_us(200_000)
    assert studio.rig.of(Tapped) == [batch]
    unknown = studio.rig.dropped(Drop.UNKNOWN_HANDLE)
    studio.rig.apply(RemoveTap(TAP))
    assert studio.rig.dropped(Drop.UNKNOWN_HANDLE) == unknown + 1


def test_two_taps_of_a_source_are_apart(plane: str) -> None:
    studio = Studio(plane)
    studio.rig.apply(AddTap(TAP + 1, studio.camera, LOW), AddTap(TAP, studio.camera, LOW))
    assert studio.rig.dropped(Drop.UNKNOWN_HANDLE) == 1
    studio.frames(3, keyframe=True)
    studio.rig.apply(RemoveTap(TAP))
    studio.frames(3, keyframe=True)
    studio.rig.apply(RemoveTap(TAP + 1))
    layers: dict[int, list[int]] = {TAP: [], TAP + 1: []}
    for batch in studio.rig.of(Tapped):
        layers[batch.tap] += [layer_of(packet) for _, packet in batch.packets]
    assert layers[TAP + 1] == [LOW] * 6
    assert layers[TAP][-2:] == [HIGH] * 2


def test_a_batch_is_bounded_and_counts_the_rest(plane: str) -> None:
    rig = Rig(plane)
    teacher = rig.add_peer(max_ingress_bps=500_000_000)
    microphone = rig.add_microphone(teacher)
    rig.apply(AddTap(TAP, microphone))
    voice = Encoder(1, mid="0", payload_type=OPUS_PT)
    for index in range(MAX_PACKETS_A_BATCH + 100):
        if index % 1000 == 0:
            rig.now_us += 250_000
        rig.receive(voice.sound(), teacher.address)
    rig.pass_us(200_000)
    batches = rig.of(Tapped)
    assert sum(batch.dropped for batch in batches) == 100
    assert max(len(batch.packets) for batch in batches) == MAX_PACKETS_A_BATCH
    assert rig.dropped(Drop.TAP_FULL) == 100


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("frame"), st.integers(0, 2), st.integers(1, 3), st.booleans()),
        st.tuples(st.just("report"), st.integers(0, 2), st.just(0), st.just(False)),
        st.tuples(st.just("padding"), st.integers(0, 2), st.just(0), st.just(False)),
        st.tuples(st.just("gate"), st.just(0), st.just(0), st.booleans()),
        st.tuples(st.just("wait"), st.integers(1, 900_000), st.just(0), st.just(False)),
    ),
    min_size=5,
    max_size=120,
)
FATES = st.lists(
    st.sampled_from(["come", "come", "come", "come", "twice", "lost", "late"]), min_size=1, max_size=40
)


@settings(max_examples=150)
@example(
    steps=[
        ("frame", 0, 3, False),
        ("frame", 0, 2, True),
        ("frame", 0, 3, True),
        ("frame", 0, 1, False),
        ("gate", 0, 0, False),
        ("frame", 0, 2, False),
        ("gate", 0, 0, True),
        ("frame", 0, 1, False),
    ],
    fates=["come", "come", "come", "late"],
    wanted=0,
)  # a keyframe from before the gate was shut comes after it was opened
@given(steps=STEPS, fates=FATES, wanted=st.integers(0, 2))
def test_any_history_is_copied_layer_by_layer_from_keyframe_to_keyframe(
    plane: str, steps: list[tuple[str, int, int, bool]], fates: list[str], wanted: int
) -> None:
    studio = Studio(plane, tapped=False)
    studio.tap(wanted)
    is_open, fate = True, 0
    held: list[bytes] = []
    shut: set[bytes] = set()

    def deliver(packet: bytes) -> None:
        if not is_open:
            shut.add(packet)
        studio.send(packet)

    for step, (kind, number, count, flag) in enumerate(steps):
        if kind == "wait":
            studio.rig.pass_us(number)
        elif kind == "gate":
            is_open = flag
            studio.rig.apply(SetGate(studio.camera, open=flag))
        elif kind == "report":
            deliver(studio.layers[number].report(step + 1))
        elif kind == "padding":
            deliver(studio.layers[number].padding())
        else:
            for packet in studio.layers[number].frame(count, keyframe=flag):
                chosen = fates[fate % len(fates)]
                fate += 1
                if chosen == "late":
                    held.append(packet)
                elif chosen != "lost":
                    deliver(packet)
                    if chosen == "twice":
                        deliver(packet)
            if len(held) > 2:
                while held:
                    deliver(held.pop())
    studio.rig.apply(RemoveTap(TAP))
    copied = [packet for batch in studio.rig.of(Tapped) for _, packet in batch.packets]
    assert not shut & set(copied), "the gate leaked"
    media = [Sent(data) for data in copied if not is_rtcp(data)]
    assert len({(sent.ssrc, sent.sequence) for sent in media}) == len(media), "copied twice"
    present = None
    for sent in media:
        if sent.ssrc != present:
            assert sent.payload, "a layer began with padding"
            assert sent.picture.keyframe, "a layer began without a keyframe"
            present = sent.ssrc
