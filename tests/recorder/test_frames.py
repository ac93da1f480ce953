"""Packets become whole frames, in order, and nothing that builds on what is missing."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random

import pytest

from recorder.frames import Assembler, Frames, span
from recorder.journal import NEVER_US
from sfu import rtp

TICK = 3_600


def frame_packets(
    index: int,
    *,
    key: bool = False,
    pieces: int = 3,
    first_number: int,
    picture_id: int | None = None,
    padding: int = 0,
) -> list[bytes]:
    """One frame whose payload says which piece of which frame it is."""
    packets = []
    for piece in range(pieces):
        head = bytes((0x90 if piece == 0 else 0x80, 0x80))
        if picture_id is not None:
            head += (0x8000 | picture_id & 0x7FFF).to_bytes(2)
        else:
            head = bytes((0x10 if piece == 0 else 0x00,))
        body = f"[{index}.{piece}]".encode()
        if piece == 0:
            tag = b"\x10\x00\x00\x9d\x01\x2a\x40\x01\xb4\x00" if key else b"\x11\x00\x00"
            body = tag + body
        packets.append(
            rtp.build(
                payload_type=96,
                sequence_number=first_number + piece,
                timestamp=(0xFFFF_FF00 + index * TICK) & 0xFFFFFFFF,
                ssrc=1,
                payload=head + body,
                marker=piece == pieces - 1,
                extensions={3: b"\x00\x01"} if index % 2 else None,
                padding_length=padding,
            )
        )
    return packets


def film(count: int, *, keys: Iterable[int] = (0,), picture_ids: bool = True) -> list[bytes]:
    packets: list[bytes] = []
    for index in range(count):
        packets += frame_packets(
            index,
            key=index in keys,
            first_number=65_530 + len(packets),
            picture_id=32_765 + index if picture_ids else None,
            padding=index % 3,
        )
    return packets


def assemble(packets: Iterable[bytes], *, spacing_us: int = 100) -> tuple[list[int], Frames, Assembler]:
    """Which frames come out, by number, checked to be whole."""
    journal = b"".join(packets := list(packets))
    frames = Frames()
    assembler = Assembler(frames, 0)
    offset = 0
    for count, packet in enumerate(packets):
        assembler.add(rtp.sequence_number(packet), rtp.timestamp(packet), count * spacing_us, packet, offset)
        offset += len(packet)
    assembler.settle(NEVER_US)
    found = []
    for index, pieces in enumerate(frames.where):
        data = b"".join(journal[slice(*span(where))] for where in pieces)
        number = round((frames.rtp[index] - frames.rtp[0]) / TICK) + _first_number(journal, frames)
        body = data[10:] if frames.key[index] else data[3:]
        assert body == b"".join(f"[{number}.{piece}]".encode() for piece in range(3)), (number, data)
        found.append(number)
    return found, frames, assembler


def _first_number(journal: bytes, frames: Frames) -> int:
    begin, end = span(frames.where[0][0])
    return int(journal[begin:end].partition(b"[")[2].partition(b".")[0])


def test_frames_in_order_come_whole_across_all_wraps() -> None:
    found, frames, assembler = assemble(film(12))
    assert found == list(range(12))
    assert list(frames.key) == [1] + [0] * 11
    assert (frames.width[0], frames.height[0]) == (320, 180)
    assert frames.rtp[-1] - frames.rtp[0] == 11 * TICK
    assert assembler.left_out == 0


def test_shuffled_and_doubled_packets_change_nothing() -> None:
    packets = film(40)
    chance = Random(4)
    shuffled = sorted(
        [*enumerate(packets), *enumerate(packets)], key=lambda each: each[0] + chance.random() * 12
    )
    found, _, _ = assemble(packet for _, packet in shuffled)
    assert found == list(range(40))


def test_a_repair_that_comes_late_is_waited_for() -> None:
    packets = film(20)
    late = packets.pop(10)
    found, _, _ = assemble([*packets[:40], late, *packets[40:]], spacing_us=10_000)
    assert found == list(range(20))


def test_a_frame_that_misses_a_packet_goes_with_all_up_to_the_next_keyframe() -> None:
    packets = film(12, keys=(0, 8))
    del packets[3 * 3 + 1]
    found, _, assembler = assemble(packets)
    assert found == [0, 1, 2, 8, 9, 10, 11]
    assert assembler.left_out >= 5


@pytest.mark.parametrize("piece", [0, 1, 2])
def test_any_missing_piece_counts(piece: int) -> None:
    packets = film(6, keys=(0, 4))
    del packets[2 * 3 + piece]
    found, _, _ = assemble(packets)
    assert found == [0, 1, 4, 5]


def test_a_whole_missing_frame_counts() -> None:
    packets = film(6, keys=(0, 4))
    del packets[6:9]
    found, _, _ = assemble(packets)
    assert found == [0, 1, 4, 5]


def test_missing_padding_between_frames_breaks_nothing() -> None:
    packets = film(6)
    for index in range(9, len(packets)):  # a number is free before frame 3
        number = rtp.sequence_number(packets[index]) + 1
        packets[index] = packets[index][:2] + (number & 0xFFFF).to_bytes(2) + packets[index][4:]
    found, _, _ = assemble(packets)
    assert found == list(range(6))


def test_without_picture_ids_a_gap_is_a_loss() -> None:
    packets = film(6, keys=(0, 4), picture_ids=False)
    del packets[6:9]
    found, _, _ = assemble(packets)
    assert found == [0, 1, 4, 5]


def test_padding_only_packets_are_passed_over() -> None:
    packets = film(4)
    padding = rtp.build(
        payload_type=96,
        sequence_number=(65_530 + 6) & 0xFFFF,
        timestamp=0,
        ssrc=1,
        payload=b"",
        padding_length=200,
    )
    for index in range(6, len(packets)):
        number = rtp.sequence_number(packets[index]) + 1
        packets[index] = packets[index][:2] + (number & 0xFFFF).to_bytes(2) + packets[index][4:]
    found, _, _ = assemble([*packets[:6], padding, *packets[6:]])
    assert found == list(range(4))


def test_nothing_comes_before_the_first_keyframe() -> None:
    found, _, assembler = assemble(film(8, keys=(5,)))
    assert found == [5, 6, 7]
    assert assembler.left_out == 5


def test_no_keyframe_no_frames() -> None:
    frames = Frames()
    assembler = Assembler(frames, 0)
    for packet in film(8, keys=()):
        assembler.add(rtp.sequence_number(packet), rtp.timestamp(packet), 0, packet, 0)
    assembler.settle(NEVER_US)
    assert len(frames) == 0


def test_garbage_is_no_frame_and_raises_nothing() -> None:
    chance = Random(7)
    frames = Frames()
    assembler = Assembler(frames, 0)
    whole = film(200, keys=range(0, 200, 10))
    for packet in whole:
        damaged = bytearray(packet)
        if chance.random() < 0.3:
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        if chance.random() < 0.1:
            del damaged[chance.randrange(13, len(damaged)) :]
        data = bytes(damaged)
        assembler.add(rtp.sequence_number(packet), rtp.timestamp(data), 0, data, 0)
    assembler.settle(NEVER_US)
    assert 0 < len(frames) < 200
