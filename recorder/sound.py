"""Who is heard when, and which of their Opus packets the video takes.

Pure: it decides from times and levels (RFC 6464). While one voice is active its packets pass through; while
none is, the room tone of who spoke last, else the teacher's; while several are, they are mixed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from recorder import opus
from recorder.frames import LENGTH_BITS
from recorder.tracks import UNKNOWN_LEVEL, Times, Track
from sfu.model import Role, Source

SPEAKS: Final = 55
"""-dBov at which a microphone is active, unless its own noise is louder."""
LOUDEST_NOISE: Final = 45
"""However noisy a microphone is, this is active."""
OVER_NOISE_DB: Final = 6
SOUNDS: Final = 70
"""-dBov at which the sound of a screen is active."""
_PAUSE_US: Final = 400_000
"""Pauses between words do not end activity."""
_BEFORE_US: Final = 60_000
_AFTER_US: Final = 160_000
_FEWEST: Final = 2
"""A single loud packet is a click."""
SHORT_OVERLAP_US: Final = 100_000
"""Who spoke first keeps so short an overlap."""
MIX_GAP_US: Final = 500_000
"""Mixing goes on over so short a gap."""
ROUND_US: Final = 1_000_000
"""Speech and mixes that are further away change nothing."""
MOST_MIXED: Final = 6
THERE_US: Final = 600_000
"""A voice is there while packets come this often: in silence encoders send one each 400 ms."""
_CONTENT: Final = 8
"""A packet without level is sound if it has more bytes; silence and comfort noise have fewer."""


@dataclass(frozen=True, slots=True)
class Voice:
    """The packets of one participant's microphone or screen sound that are known, ascending in time.

    ``track`` and ``where`` tell where a payload is, ``level`` is -dBov or UNKNOWN_LEVEL. ``active`` and
    ``there`` are (start, end) pairs, apart and ascending: somebody speaks; packets come.
    """

    participant: str
    source: Source
    role: Role
    order: int
    time_us: Times
    level: NDArray[np.uint8]
    track: NDArray[np.int64]
    where: NDArray[np.uint64]
    active: tuple[tuple[int, int], ...]
    there: tuple[tuple[int, int], ...]
    threshold: int
    """Packets of this level (-dBov) or less are active."""


@dataclass(frozen=True, slots=True)
class Scene:
    """From ``start_us`` to ``end_us`` these voices (numbers) are heard: none: silence; several: mixed."""

    start_us: int
    end_us: int
    voices: tuple[int, ...]


def voice(
    participant: str, source: Source, role: Role, order: int, tracks: Sequence[tuple[int, Track]]
) -> Voice | None:
    """Put the packets of one publication's tracks (with their numbers) in order of time.

    None when there is not one packet.
    """
    tracks = [each for each in tracks if len(each[1].sound)]
    if not tracks:
        return None
    time_us = np.concatenate([track.time_us for _, track in tracks])
    level = np.concatenate([np.array(track.sound.level, dtype=np.uint8) for _, track in tracks])
    where = np.concatenate([np.array(track.sound.where, dtype=np.uint64) for _, track in tracks])
    number = np.concatenate([np.full(len(track.sound), number, dtype=np.int64) for number, track in tracks])
    if np.any(np.diff(time_us) < 1000):
        order_of = np.argsort(time_us, kind="stable")
        once = np.concatenate([[True], np.diff(time_us[order_of]) >= 1000])
        chosen = order_of[once]
        time_us, level, where, number = time_us[chosen], level[chosen], where[chosen], number[chosen]
    threshold = SOUNDS if source is Source.SCREEN_SOUND else _threshold(level)
    sized = (where & np.uint64((1 << LENGTH_BITS) - 1)) > _CONTENT
    loud = np.where(level == UNKNOWN_LEVEL, sized, level <= threshold)
    active = [
        (start_us - _BEFORE_US, end_us + _AFTER_US)
        for start_us, end_us, count in runs(time_us[loud], _PAUSE_US)
        if count >= _FEWEST
    ]
    there = [(start_us, end_us + opus.FRAME_US) for start_us, end_us, _ in runs(time_us, THERE_US)]
    return Voice(
        participant,
        source,
        role,
        order,
        time_us,
        level,
        number,
        where,
        tuple(active),
        tuple(there),
        threshold,
    )


def _threshold(level: NDArray[np.uint8]) -> int:
    """By the quietest tenth of what is known, which is the noise of the last minute."""
    counts = np.bincount(level, minlength=256)[:127].cumsum()
    if not counts[-1]:
        return SPEAKS
    noise = int(np.searchsorted(counts, 0.9 * counts[-1]))
    return min(SPEAKS, max(LOUDEST_NOISE, noise - OVER_NOISE_DB))


def runs(time_us: Times, longest_gap_us: int) -> list[tuple[int, int, int]]:
    """Stretches without a longer gap as (first, last, how many)."""
    if not len(time_us):
        return []
    ends = np.flatnonzero(np.diff(time_us) > longest_gap_us)
    first = np.concatenate([[0], ends + 1])
    last = np.concatenate([ends, [len(time_us) - 1]])
    return list(
        zip(time_us[first].tolist(), time_us[last].tolist(), (last - first + 1).tolist(), strict=True)
    )


def scenes(voices: Sequence[Voice], start_us: int, end_us: int, last: int | None) -> list[Scene]:
    """Who is heard from ``start_us`` to ``end_us``, without gaps: silence is a scene too.

    ``last``: who spoke last before, if anybody. What is around counts as far as ROUND_US.
    """
    result: list[Scene] = []
    for scene in _mixes(_short_overlaps(_actives(voices, start_us - ROUND_US, end_us + ROUND_US))):
        if scene.end_us <= start_us or scene.start_us >= end_us:
            continue
        scene = Scene(max(scene.start_us, start_us), min(scene.end_us, end_us), scene.voices)
        for each in (scene,) if scene.voices else _room_tone(voices, scene, last):
            if result and result[-1].voices == each.voices:
                result[-1] = Scene(result[-1].start_us, each.end_us, each.voices)
            else:
                result.append(each)
        last = last_speaker(voices, (scene,), last)
    return result


def last_speaker(voices: Sequence[Voice], found: Iterable[Scene], before: int | None) -> int | None:
    """Whose room tone goes on after these scenes: a microphone's."""
    for scene in found:
        before = next(
            (number for number in scene.voices if voices[number].source is Source.MICROPHONE), before
        )
    return before


def _actives(voices: Sequence[Voice], start_us: int, end_us: int) -> list[Scene]:
    changes: list[tuple[int, int, int]] = []
    for number, each in enumerate(voices):
        for begin_us, over_us in each.active:
            if over_us > start_us and begin_us < end_us:
                changes.append((max(begin_us, start_us), 1, number))
                changes.append((min(over_us, end_us), -1, number))
    changes.sort()
    found: list[Scene] = []
    speaking: dict[int, int] = {}
    at_us = start_us
    for moment_us, change, number in [*changes, (end_us, 0, -1)]:
        if moment_us > at_us:
            found.append(Scene(at_us, moment_us, tuple(speaking)))
            at_us = moment_us
        if change:
            speaking[number] = speaking.get(number, 0) + change
            if not speaking[number]:
                del speaking[number]
    return found


def _short_overlaps(found: Sequence[Scene]) -> list[Scene]:
    result: list[Scene] = []
    for scene in found:
        if len(scene.voices) > 1 and scene.end_us - scene.start_us < SHORT_OVERLAP_US:
            scene = Scene(scene.start_us, scene.end_us, scene.voices[:1])
        if result and result[-1].voices == scene.voices:
            result[-1] = Scene(result[-1].start_us, scene.end_us, scene.voices)
        else:
            result.append(scene)
    return result


def _mixes(found: Sequence[Scene]) -> list[Scene]:
    """One scene for what is mixed and what lies shortly between."""
    result: list[Scene] = []
    for scene in found:
        result.append(scene)
        if len(scene.voices) < 2:
            continue
        former = next(
            (index for index in range(len(result) - 2, -1, -1) if len(result[index].voices) > 1), None
        )
        if former is not None and scene.start_us - result[former].end_us <= MIX_GAP_US:
            together = dict.fromkeys(number for each in result[former:] for number in each.voices)
            result[former:] = [Scene(result[former].start_us, scene.end_us, tuple(together)[:MOST_MIXED])]
        else:
            result[-1] = Scene(scene.start_us, scene.end_us, scene.voices[:MOST_MIXED])
    return result


def _room_tone(voices: Sequence[Voice], scene: Scene, last: int | None) -> Iterator[Scene]:
    teachers = [
        number
        for number, each in enumerate(voices)
        if each.role is Role.TEACHER and each.source is Source.MICROPHONE
    ]
    candidates = list(dict.fromkeys(([] if last is None else [last]) + teachers))
    at_us = scene.start_us
    while at_us < scene.end_us:
        next_us, chosen = scene.end_us, None
        for number in candidates:
            span = next((span for span in voices[number].there if span[1] > at_us), None)
            if span is None:
                continue
            if span[0] <= at_us:
                if chosen is None:
                    chosen, next_us = number, min(next_us, span[1])
                break
            next_us = min(next_us, span[0])
        yield Scene(at_us, next_us, () if chosen is None else (chosen,))
        at_us = next_us


@dataclass(slots=True)
class Cursor:
    """Where the sound of the video has got to: packets stand one behind the other without a gap, because
    players count samples. ``at_us`` is a multiple of ``opus.GRAIN_US``. ``former`` is the packet of the same
    voice just before, if there is one."""

    at_us: int = 0
    former: bytes = b""


Sounding = tuple[int, bytes, int]
"""(Time in the video, packet, duration), times in us."""

FAR_US: Final = 12_000
"""A packet that would sound so far from its time is moved there: silence before it, or it is left out."""
NEAR_US: Final = 5_000
"""The same for silence before one that is quiet."""
_CONCEALED_US: Final = 60_000


def passed(packets: Iterable[tuple[int, bytes, bool]], cursor: Cursor) -> Iterator[Sounding]:
    """One voice's packets (video time, payload, whether it is quiet) as they are, from the cursor on.

    Silence fills what is missing before a packet; a short loss is left to the decoder.
    """
    far_us, near_us = FAR_US, NEAR_US
    durations = opus.DURATIONS_US
    former = cursor.former
    at_us = cursor.at_us
    for time_us, packet, quiet in packets:
        duration_us = (packet and durations[packet[0]]) or opus.duration_us(packet)
        if not duration_us:
            continue
        late_us = time_us - at_us
        if late_us < -far_us:
            continue
        if late_us > far_us or (quiet and late_us > near_us):
            if former and far_us < late_us <= _CONCEALED_US:
                length_us, nothing = opus.concealed(former)
                while time_us - at_us > length_us - far_us:
                    yield at_us, nothing, length_us
                    at_us += length_us
            for length_us, nothing in opus.silence(time_us - at_us):
                yield at_us, nothing, length_us
                at_us += length_us
        yield at_us, packet, duration_us
        at_us += duration_us
        cursor.at_us = at_us
        cursor.former = former = packet


def silence(until_us: int, cursor: Cursor) -> Iterator[Sounding]:
    """Silence from the cursor to ``until_us``, or less than ``opus.GRAIN_US`` before it."""
    cursor.former = b""
    for length_us, packet in opus.silence(until_us - cursor.at_us):
        yield cursor.at_us, packet, length_us
        cursor.at_us += length_us
