"""Who is heard when, and packets that stand one behind the other at their times."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

import numpy as np
import pytest

from recorder import opus
from recorder.sound import Cursor, Scene, Voice, last_speaker, passed, runs, scenes, silence, voice
from recorder.tracks import SoundPackets, Track
from sfu.model import Role, Source

S = 1_000_000
SPEECH, QUIET = b"\x78" + bytes(60), b"\x78" + bytes(12)


def made(
    level: Callable[[float], int | None],
    *,
    role: Role = Role.STUDENT,
    source: Source = Source.MICROPHONE,
    name: str = "p",
    until_s: float = 20,
    size: int = 60,
) -> Voice:
    sound = SoundPackets()
    times = []
    for index in range(round(until_s * 50)):
        loudness = level(index / 50)
        if loudness is not None:
            times.append(index * 20_000)
            sound.layer.append(0)
            sound.rtp.append(index * 960)
            sound.receive_us.append(index * 20_000)
            sound.level.append(loudness)
            sound.where.append(size)
    track = Track.__new__(Track)
    track.sound = sound
    track.time_us = np.array(times, dtype=np.int64)
    found = voice(name, source, role, 1, [(0, track)])
    assert found is not None
    return found


def between(*spans: tuple[float, float], loud: int = 30, quiet: int = 75) -> Callable[[float], int | None]:
    return lambda at_s: loud if any(since <= at_s < until for since, until in spans) else quiet


def in_steps(voices: Sequence[Voice], until_us: int, step_us: int) -> list[Scene]:
    """The scenes, decided step by step."""
    found: list[Scene] = []
    last: int | None = None
    for since_us in range(0, until_us, step_us):
        some = scenes(voices, since_us, min(since_us + step_us, until_us), last)
        last = last_speaker(voices, some, last)
        if found and found[-1].voices == some[0].voices:
            some[0] = Scene(found.pop().start_us, some[0].end_us, some[0].voices)
        found += some
    return found


def heard(voices: Sequence[Voice], until_s: float = 20) -> list[tuple[float, float, str]]:
    found = scenes(voices, 0, round(until_s * S), None)
    assert in_steps(voices, round(until_s * S), 3 * S) == found
    assert [scene.start_us for scene in found] == [0, *(scene.end_us for scene in found[:-1])]
    assert found[-1].end_us == until_s * S
    return [
        (
            round(scene.start_us / S, 1),
            round(scene.end_us / S, 1),
            "+".join(sorted(voices[number].participant for number in scene.voices)),
        )
        for scene in found
    ]


def test_speakers_take_turns_and_the_last_ones_room_tone_stays() -> None:
    teacher = made(between((0, 5), (12, 20)), role=Role.TEACHER, name="t")
    pupil = made(between((7, 9)), name="p")
    assert heard([teacher, pupil]) == [(0, 6.9, "t"), (6.9, 11.9, "p"), (11.9, 20, "t")]


def test_overlaps_are_mixed_and_short_ones_are_not() -> None:
    teacher = made(between((0, 10)), role=Role.TEACHER, name="t")
    assert heard([teacher, made(between((4, 6)))])[1][2] == "p+t"
    # What is before and behind speech is not an overlap of any length.
    assert all("+" not in who for _, _, who in heard([teacher, made(between((10.14, 12)))]))


def test_mixing_does_not_stop_for_a_pause() -> None:
    teacher = made(between((0, 10)), role=Role.TEACHER, name="t")
    pupil = made(between((2, 4), (4.6, 7)))
    assert [who for _, _, who in heard([teacher, pupil])] == ["t", "p+t", "t"]


def test_a_click_is_nobody_speaking() -> None:
    teacher = made(between((0, 10)), role=Role.TEACHER, name="t")
    assert heard([teacher, made(between((5, 5.02)))]) == [(0, 20, "t")]


def test_a_noisy_microphone_does_not_speak_all_the_time() -> None:
    teacher = made(between((0, 20)), role=Role.TEACHER, name="t")
    noisy = made(between((8, 10), loud=25, quiet=52), name="n")
    assert [who for _, _, who in heard([teacher, noisy])] == ["t", "n+t", "t"]


def test_somebody_who_never_pauses_is_heard() -> None:
    assert heard([made(lambda _: 30, name="p")]) == [(0, 20, "p")]


def test_the_teachers_room_tone_stands_in_for_a_microphone_switched_off() -> None:
    teacher = made(lambda _: 75, role=Role.TEACHER, name="t")
    pupil = made(lambda at_s: (30 if at_s < 4 else 75) if at_s < 8 else None)
    assert heard([teacher, pupil]) == [(0, 8, "p"), (8, 20, "t")]


def test_nobody_there_is_silence() -> None:
    pupil = made(lambda at_s: 75 if 5 <= at_s < 8 else None, role=Role.TEACHER)
    assert heard([pupil]) == [(0, 5, ""), (5, 8, "p"), (8, 20, "")]
    assert heard([]) == [(0, 20, "")]


def test_sound_of_a_screen_takes_part_while_it_sounds() -> None:
    teacher = made(between((0, 20)), role=Role.TEACHER, name="t")
    film = made(between((5, 9), loud=65, quiet=127), source=Source.SCREEN_SOUND, name="f")
    assert [who for _, _, who in heard([teacher, film])] == ["t", "f+t", "t"]
    # It is nobody's room tone.
    assert heard([made(lambda _: 75, role=Role.TEACHER, name="t"), film])[-1][2] == "t"


def test_packets_without_level_count_by_their_size() -> None:
    unknown = made(lambda _: 255, name="u")
    empty = made(lambda _: 255, name="e", size=3)
    assert unknown.active
    assert not empty.active


def test_last_speaker_is_a_microphone() -> None:
    voices = [made(lambda _: 30), made(lambda _: 30, source=Source.SCREEN_SOUND)]
    assert last_speaker(voices, [Scene(0, 1, (0,)), Scene(1, 2, (1,)), Scene(2, 3, ())], None) == 0


def test_runs_are_parted_by_gaps() -> None:
    times = np.array([0, 10, 20, 200, 210, 900], dtype=np.int64)
    assert runs(times, 100) == [(0, 20, 3), (200, 210, 2), (900, 900, 1)]
    assert runs(times[:0], 100) == []


def play(
    packets: Sequence[tuple[int, bytes, bool]], start_us: int = 0
) -> tuple[list[tuple[int, bytes, int]], Cursor]:
    cursor = Cursor(start_us)
    out = list(passed(packets, cursor))
    at_us = start_us
    for time_us, packet, length_us in out:
        assert time_us == at_us
        assert opus.duration_us(packet) == length_us
        at_us += length_us
    assert cursor.at_us == at_us
    return out, cursor


def lateness(out: Sequence[tuple[int, bytes, int]], packets: Sequence[tuple[int, bytes, bool]]) -> list[int]:
    times = {packet: time_us for time_us, packet, _ in packets}
    return [time_us - times[packet] for time_us, packet, _ in out if packet in times]


def numbered(times: Sequence[int], *, quiet: bool = False) -> list[tuple[int, bytes, bool]]:
    return [(time_us, b"\x78" + index.to_bytes(4) + bytes(40), quiet) for index, time_us in enumerate(times)]


def test_packets_in_time_pass_untouched() -> None:
    packets = numbered([3_000 + 20_000 * index for index in range(500)])
    out, _ = play(packets)
    assert [packet for _, packet, _ in out] == [packet for _, packet, _ in packets]


@pytest.mark.parametrize("quiet", [False, True])
@pytest.mark.parametrize("drift", [100e-6, -100e-6])
def test_a_drifting_clock_stays_within_a_packet(drift: float, quiet: bool) -> None:
    packets = numbered([round(20_000 * index * (1 + drift)) for index in range(135_000)], quiet=quiet)
    out, _ = play(packets)
    late = lateness(out, packets)
    assert max(map(abs, late)) <= 12_000
    assert len(late) >= len(packets) - 25  # 45 minutes at 100 ppm are 270 ms


def test_jitter_of_times_moves_nothing() -> None:
    chance = Random(1)
    packets = numbered([20_000 * index + chance.randrange(-4_000, 4_000) for index in range(1_000)])
    out, _ = play(packets)
    assert len(out) == 1_000


def test_a_gap_is_filled_to_the_time_of_the_next() -> None:
    packets = numbered([0, 20_000, 40_000, 1_033_000, 1_053_000])
    out, _ = play(packets)
    assert max(map(abs, lateness(out, packets))) < opus.GRAIN_US
    assert [packet for _, packet, _ in out[3:-2]] == [
        packet for _, packet in opus.silence(1_033_000 - 60_000)
    ]


def test_a_short_loss_is_left_to_the_decoder() -> None:
    packets = numbered([20_000 * index for index in range(10) if index not in (4, 5)])
    out, _ = play(packets)
    assert [packet for _, packet, _ in out[4:6]] == [b"\x78", b"\x78"]
    assert lateness(out, packets) == [0] * 8


def test_a_change_of_speaker_loses_at_most_one_packet() -> None:
    for phase_us in range(0, 20_000, 500):
        cursor = Cursor(0)
        first = list(passed(numbered([20_000 * index for index in range(50)]), cursor))
        second = numbered([1_000_000 + phase_us - 10_000 + 20_000 * index for index in range(50)])
        out = list(passed(second, cursor))
        assert len(first) == 50
        assert len(lateness(out, second)) >= 49
        assert max(map(abs, lateness(out, second))) <= 12_000


def test_other_packet_lengths_keep_time() -> None:
    for toc, length_us in ((0x70, 10_000), (0x18, 60_000), (0x79, 40_000), (0x7B, 60_000)):
        packets = [
            (length_us * index, bytes((toc, 3)) + index.to_bytes(4) + bytes(40), False)
            for index in range(100)
        ]
        out, cursor = play(packets)
        assert len(out) == 100
        assert cursor.at_us == 100 * length_us


def test_what_is_no_packet_is_passed_over() -> None:
    packets = [(0, b"", False), (0, b"\x7b", False), (0, b"\x7b\x3f", False), *numbered([0, 20_000])]
    out, _ = play(packets)
    assert len(out) == 2


@pytest.mark.parametrize("length_us", [0, 1, 2_500, 19_999, 37_500, 1_000_000])
def test_silence_fills_to_a_grain(length_us: int) -> None:
    cursor = Cursor(0)
    out = list(silence(length_us, cursor))
    assert 0 <= length_us - cursor.at_us < opus.GRAIN_US
    assert sum(length for _, _, length in out) == cursor.at_us
    assert list(silence(cursor.at_us - 50_000, cursor)) == []
