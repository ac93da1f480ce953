"""What a receiver sees of a slot: one stream, whatever happens behind it."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from sfu.plane.api import Drop, SetGate, SlotSwitched, SourceHandle
from sfu.rtp import Extender
from tests.sfu.plane.rig import RIDS, TAG, Encoder, Peer, Rig, Sent, consecutive, pairs, sequences


@dataclass
class Camera:
    peer: Peer
    source: SourceHandle
    layers: list[Encoder]


def camera(rig: Rig, number: int, *, wide: bool = True, first_sequence: int = 65_530) -> Camera:
    """A publisher whose counters are all just before their ends."""
    peer = rig.add_peer()
    layers = [
        Encoder(
            number * 100 + index,
            mid="1",
            rid=rid,
            sequence=first_sequence - 3 * index,
            timestamp=4_294_967_295 - 9000 * (index + number),
            picture_id=(32_760 if wide else 120) - index,
            tl0picidx=250 - index,
            wide=wide,
        )
        for index, rid in enumerate(RIDS)
    ]
    return Camera(peer, rig.add_camera(peer), layers)


def feed(rig: Rig, who: Camera, packets: list[bytes]) -> None:
    for packet in packets:
        rig.receive(packet, who.peer.address)


def test_switches_of_layer_and_publisher_keep_every_count_going(plane: str) -> None:
    rig = Rig(plane)
    student = rig.add_peer()
    slot = rig.add_slot(student, sequence=65_534, timestamp=4_294_967_000)
    cameras = [camera(rig, 1), camera(rig, 2, wide=False), camera(rig, 3)]
    sent: list[Sent] = []
    begun = 0
    for step in range(30):
        shown = cameras[step % 3]
        rig.show(slot, shown.source, step % 2)
        for index in range(4):
            for who in cameras:
                for layer in who.layers:
                    feed(rig, who, layer.frame(3, keyframe=index == 1))
            rig.pass_us(33_000)
        new = rig.media(student, slot)
        own = shown.layers[step % 2].ssrc.to_bytes(4, "big")
        begun += [packet.tag[:4] for packet in new[-9:]] == [own] * 9
        assert all(packet.tag[:4] != own for packet in new[:-9]), "what went on before was the old picture"
        sent += new
    assert begun == 30
    assert consecutive(sequences(sent))
    pictures = [packet.picture.picture_id or 0 for packet in sent if packet.picture.start]
    assert consecutive(pictures, 15)
    assert consecutive([packet.picture.tl0picidx or 0 for packet in sent if packet.picture.start], 8)
    assert {packet.picture.picture_id_bits for packet in sent} == {15}
    clock = Extender(32)
    times = [clock.extend(packet.timestamp) for packet in sent]
    assert all(later > earlier for earlier, later in pairs(sorted(set(times))))
    assert times == sorted(times)
    assert times[-1] - times[0] < 90_000 * 30 * 4 * 0.034


def test_a_switch_of_layer_goes_on_with_the_old_until_the_keyframe(plane: str) -> None:
    rig = Rig(plane)
    student = rig.add_peer()
    slot = rig.add_slot(student)
    one = camera(rig, 1)
    rig.show(slot, one.source, 0)
    for layer in one.layers:
        feed(rig, one, layer.frame(keyframe=True))
    rig.show(slot, one.source, 0)
    rig.media(student, slot)
    rig.show(slot, one.source, 1)
    low, high = one.layers[0], one.layers[1]
    first = low.frame(2)
    feed(rig, one, first)
    feed(rig, one, high.frame(2))
    assert [packet.tag for packet in rig.media(student, slot)] == [data[-TAG:] for data in first]
    key = high.frame(2, keyframe=True)
    feed(rig, one, key)
    feed(rig, one, low.frame(2))
    assert [packet.tag for packet in rig.media(student, slot)] == [data[-TAG:] for data in key]
    rig.pass_us(200_000)
    assert [event.layer for event in rig.of(SlotSwitched)] == [0, 1]


def test_packets_from_before_the_keyframe_that_come_late_are_dropped(plane: str) -> None:
    rig = Rig(plane)
    student = rig.add_peer()
    slot = rig.add_slot(student)
    one = camera(rig, 1)
    rig.show(slot, one.source, 0)
    late = one.layers[0].frame(2)
    feed(rig, one, one.layers[0].frame(2, keyframe=True))
    feed(rig, one, late)
    assert consecutive(sequences(rig.media(student, slot)))
    assert rig.dropped(Drop.TOO_OLD) == 2


def test_the_rest_of_a_keyframe_that_came_before_its_first_packet_is_sent_after_it(plane: str) -> None:
    rig = Rig(plane)
    student = rig.add_peer()
    slot = rig.add_slot(student)
    one = camera(rig, 1)
    rig.show(slot, one.source, 0)
    first, second, third = one.layers[0].frame(3, keyframe=True)
    feed(rig, one, [second, third, first])
    sent = rig.media(student, slot)
    assert [packet.tag for packet in sent] == [data[-TAG:] for data in (first, second, third)]
    assert consecutive(sequences(sent))


def test_reordered_packets_keep_their_places(plane: str) -> None:
    rig = Rig(plane)
    student = rig.add_peer()
    slot = rig.add_slot(student)
    one = camera(rig, 1)
    rig.show(slot, one.source, 0)
    feed(rig, one, one.layers[0].frame(keyframe=True))
    a, b, c = one.layers[0].frame(3)
    feed(rig, one, [c, a, b])
    numbers = sequences(rig.media(student, slot))
    base = numbers[0]
    assert [(number - base) & 0xFFFF for number in numbers] == [0, 3, 1, 2]


def test_padding_leaves_no_gap_and_late_padding_fills_its_place(plane: str) -> None:
    rig = Rig(plane)
    student = rig.add_peer()
    slot = rig.add_slot(student)
    one = camera(rig, 1)
    layer = one.layers[0]
    rig.show(slot, one.source, 0)
    feed(rig, one, layer.frame(keyframe=True))
    feed(rig, one, [layer.padding(), layer.padding(), *layer.frame(2), layer.padding(), *layer.frame()])
    sent = rig.media(student, slot)
    assert len(sent) == 4
    assert consecutive(sequences(sent))
    assert rig.dropped(Drop.PADDING_ONLY) == 3
    padding, (after,) = layer.padding(), layer.frame()
    feed(rig, one, [after, padding])
    later, filler = rig.media(student, slot)
    assert (later.sequence - filler.sequence) & 0xFFFF == 1
    assert filler.payload == b""


def test_sound_switches_at_the_next_packet(plane: str) -> None:
    rig = Rig(plane)
    one, two, student = rig.add_peer(), rig.add_peer(), rig.add_peer()
    slot = rig.add_slot(student, video=False)
    first, second = rig.add_microphone(one), rig.add_microphone(two)
    voices = [
        Encoder(1, mid="0", payload_type=111, sequence=9),
        Encoder(2, mid="0", payload_type=111, sequence=700),
    ]
    sent: list[Sent] = []
    for step in range(40):
        if step % 10 == 0:
            rig.show(slot, (first, second)[step // 10 % 2])
        for peer, voice in zip((one, two), voices, strict=True):
            rig.receive(voice.sound(), peer.address)
        rig.pass_us(20_000)
        sent += rig.media(student, slot)
    assert len(sent) == 40
    assert consecutive(sequences(sent))
    steps = {(b.timestamp - a.timestamp) & 0xFFFFFFFF for a, b in pairs(sent)}
    assert steps == {960}, "arrival times place the switches on the slot's own line"


def test_a_shut_gate_leaks_nothing_and_reopens_at_a_keyframe_without_a_gap(plane: str) -> None:
    rig = Rig(plane)
    student = rig.add_peer()
    slot = rig.add_slot(student)
    one = camera(rig, 1)
    layer = one.layers[0]
    rig.show(slot, one.source, 0)
    feed(rig, one, layer.frame(2, keyframe=True))
    before = rig.media(student, slot)
    rig.apply(SetGate(one.source, open=False))
    for _ in range(50):
        feed(rig, one, layer.frame(2, keyframe=True))
        rig.pass_us(33_000)
    assert rig.media(student, slot) == []
    assert rig.dropped(Drop.GATED) == 100
    rig.apply(SetGate(one.source, open=True))
    feed(rig, one, layer.frame(2))
    assert rig.media(student, slot) == []
    feed(rig, one, layer.frame(2, keyframe=True))
    after = rig.media(student, slot)
    assert consecutive(sequences(before + after))


def test_a_new_ssrc_of_the_same_layer_goes_on_in_the_same_slot(plane: str) -> None:
    rig = Rig(plane)
    student = rig.add_peer()
    slot = rig.add_slot(student)
    one = camera(rig, 1)
    rig.show(slot, one.source, 0)
    feed(rig, one, one.layers[0].frame(2, keyframe=True))
    again = Encoder(4242, mid="1", rid="q", sequence=3, timestamp=77, picture_id=5, tl0picidx=9)
    feed(rig, one, again.frame(2))
    feed(rig, one, again.frame(2, keyframe=True))
    sent = rig.media(student, slot)
    assert len(sent) == 4
    assert consecutive(sequences(sent))


def test_a_stream_that_begins_anew_under_its_ssrc_goes_on_at_a_keyframe(plane: str) -> None:
    rig = Rig(plane)
    student = rig.add_peer()
    slot = rig.add_slot(student)
    one = camera(rig, 1)
    layer = one.layers[0]
    rig.show(slot, one.source, 0)
    feed(rig, one, layer.frame(2, keyframe=True))
    layer.sequence = 30_000
    feed(rig, one, layer.frame(4))
    feed(rig, one, layer.frame(2, keyframe=True))
    sent = rig.media(student, slot)
    assert len(sent) == 4
    assert consecutive(sequences(sent))


ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("frame"), st.integers(0, 1), st.integers(0, 2), st.integers(1, 4), st.booleans()),
        st.tuples(st.just("padding"), st.integers(0, 1), st.integers(0, 2), st.just(0), st.just(False)),
        st.tuples(st.just("show"), st.integers(0, 1), st.integers(0, 2), st.just(0), st.just(False)),
        st.tuples(st.just("gate"), st.integers(0, 1), st.just(0), st.just(0), st.booleans()),
        st.tuples(st.just("wait"), st.integers(1, 900_000), st.just(0), st.just(0), st.just(False)),
    ),
    min_size=5,
    max_size=120,
)
FATES = st.lists(
    st.sampled_from(["come", "come", "come", "come", "twice", "lost", "late"]), min_size=1, max_size=40
)


@settings(max_examples=150)
@given(actions=ACTIONS, fates=FATES, sequence=st.integers(0, 65_535), base=st.integers(65_400, 65_535))
def test_any_history_gives_one_continuous_stream(
    plane: str, actions: list[tuple[str, int, int, int, bool]], fates: list[str], sequence: int, base: int
) -> None:
    rig = Rig(plane)
    student = rig.add_peer()
    slot = rig.add_slot(student, sequence=sequence, timestamp=4_294_960_000)
    cameras = [camera(rig, 1, first_sequence=base), camera(rig, 2, wide=False, first_sequence=base)]
    originals: dict[bytes, tuple[int, int, int]] = {}
    held: list[tuple[int, Camera, bytes]] = []
    fate = 0
    open_gates = {0: True, 1: True}
    shut_tags: set[bytes] = set()

    def deliver(who: Camera, number: int, packet: bytes) -> None:
        if not open_gates[number] and packet[0] & 0x20 == 0:
            shut_tags.add(packet[-TAG:])
        rig.receive(packet, who.peer.address)

    for kind, number, index, count, flag in actions:
        if kind == "wait":
            rig.pass_us(number)
            continue
        who = cameras[number]
        layer = who.layers[index]
        if kind == "show":
            rig.show(slot, who.source, index)
        elif kind == "gate":
            open_gates[number] = flag
            rig.apply(SetGate(who.source, open=flag))
        else:
            packets = [layer.padding()] if kind == "padding" else layer.frame(count, keyframe=flag)
            for packet in packets:
                if kind == "frame":
                    sent = Sent(packet)
                    originals[sent.tag] = (layer.ssrc, sent.sequence, layer.picture_id or 0)
                chosen = fates[fate % len(fates)] if kind == "frame" else "come"
                fate += 1
                if chosen == "late":
                    held.append((number, who, packet))
                    continue
                if chosen != "lost":
                    deliver(who, number, packet)
                if chosen == "twice":
                    deliver(who, number, packet)
            if len(held) > 2:
                for held_number, held_who, packet in held:
                    deliver(held_who, held_number, packet)
                held.clear()

    left = rig.media(student, slot)
    received = [packet for packet in left if packet.payload]
    assert not shut_tags & {packet.tag for packet in received}, "the gate leaked"
    assert len({packet.sequence for packet in received}) == len(received), "a number was used twice"
    assert len({packet.tag for packet in received}) == len(received), "a packet was sent twice"

    numbers = Extender(16)
    times = Extender(32)
    pictures = Extender(15)
    segment: int | None = None
    first_offsets = (0, 0)
    top_number, top_time, top_picture = sequence - 1, None, None
    numbers.highest = sequence
    for got in left:
        number = numbers.extend(got.sequence)
        if not got.payload:  # padding that overtook the keyframe it follows
            top_number = max(top_number, number)
            continue
        ssrc, source_sequence, source_picture = originals[got.tag]
        time = times.extend(got.timestamp)
        picture = pictures.extend(got.picture.picture_id or 0)
        offsets = ((number - source_sequence) & 0xFFFF, (picture - source_picture) & 0x7FFF)
        if ssrc != segment or (
            got.picture.keyframe and number == top_number + 1 and offsets != first_offsets
        ):
            assert got.picture.keyframe, "a segment began without a keyframe"
            assert number == top_number + 1
            assert top_time is None or time > top_time
            assert top_picture is None or picture == top_picture + 1
            segment, first_offsets = ssrc, offsets
        assert offsets[1] == first_offsets[1]
        top_number = max(top_number, number)
        top_time = time if top_time is None else max(top_time, time)
        top_picture = picture if top_picture is None else max(top_picture, picture)


def test_what_a_receiver_does_not_need_is_stripped(plane: str) -> None:
    rig = Rig(plane)
    student = rig.add_peer()
    slot = rig.add_slot(student)
    one = camera(rig, 1)
    rig.show(slot, one.source, 0)
    feed(rig, one, one.layers[0].frame(keyframe=True))
    (packet,) = rig.media(student, slot)
    assert set(packet.extensions) == {2, 4}
    assert packet.extensions[4] == f"s{slot}".encode()
    assert packet.extensions[2] == ((rig.now_us << 18) // 1_000_000 & 0xFFFFFF).to_bytes(3, "big")
