"""The plan's pictures and sounds as packets of the video, read from the journals one by one."""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Final, Self

import numpy as np

from recorder import mixing, opus
from recorder.frames import LENGTH_BITS, LENGTH_MASK, span
from recorder.picture import Shot
from recorder.sound import Cursor, Scene, Sounding, Voice, passed, silence
from recorder.timeline import Part
from recorder.tracks import UNKNOWN_LEVEL, Track

CARD_EVERY_US: Final = 5_000_000
_SHOWN: Final = 0x10
"""The bit of a VP8 frame's first byte that has it shown (RFC 6386 section 9.1)."""
_SOON_US: Final = 1_000_000
_ROUND: Final = 500

Picture = tuple[int, bytes, bool]
"""(ms of the video, VP8 frame, keyframe)."""


class Media:
    """Reads places in journals; a context manager that holds these open."""

    def __init__(self, tracks: Mapping[int, Track]) -> None:
        self._tracks = tracks
        self._maps: dict[int, mmap.mmap] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def bytes_of(self, track: int) -> mmap.mmap:
        """A track's journal; raises OSError."""
        found = self._maps.get(track)
        if found is None:
            with self._tracks[track].path.open("rb") as file:
                found = self._stack.enter_context(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
            self._maps[track] = found
        return found

    def frame(self, track: int, number: int) -> bytes:
        """A VP8 frame."""
        frames, data = self._tracks[track].frames, self.bytes_of(track)
        first = frames.first[number]
        last = frames.first[number + 1] if number + 1 < len(frames) else len(frames.where)
        # As span() has it, which here would cost as much as what is done with it.
        return b"".join(
            [
                data[where >> LENGTH_BITS : (where >> LENGTH_BITS) + (where & LENGTH_MASK)]
                for where in frames.where[first:last]
            ]
        )


def keyframes(part: Part, shots: Sequence[Shot]) -> int:
    """How many keyframes ``pictures`` makes of this, or a few more."""
    count = 0
    for shot, until_us in _lasting(part, shots):
        if shot.film is None:
            count += (until_us - shot.start_us) // CARD_EVERY_US + 1
        else:
            count += int(np.count_nonzero(shot.film.key[shot.key : shot.end]))
    return count


def pictures(part: Part, shots: Sequence[Shot], media: Media, card: Callable[[], bytes]) -> Iterator[Picture]:
    """A part's frames in ascending time."""
    shift_us = part.at_us - part.start_us
    for shot, until_us in _lasting(part, shots):
        if shot.film is None:
            # One that is followed at once would only be more bytes.
            for at_us in range(shot.start_us, max(shot.start_us + 1, until_us - _SOON_US), CARD_EVERY_US):
                yield (at_us + shift_us) // 1000, card(), True
            continue
        film = shot.film
        keys = film.key[shot.key : shot.end].tolist()
        tracks = film.track[shot.key : shot.end].tolist()
        frames = film.frame[shot.key : shot.end].tolist()
        times = ((film.time_us[shot.key : shot.end] + (shift_us + _ROUND)) // 1000).tolist()
        before = shot.first - shot.key
        start_ms = (shot.start_us + shift_us) // 1000
        for index in range(before):
            frame = media.frame(tracks[index], frames[index])
            if index < before - 1:
                # Decoded, not shown: the picture stands where it should be at once.
                frame = bytes((frame[0] & ~_SHOWN,)) + frame[1:]
            yield start_ms + index, frame, keys[index]
        for index in range(before, len(keys)):
            yield times[index], media.frame(tracks[index], frames[index]), keys[index]


def _lasting(part: Part, shots: Sequence[Shot]) -> Iterator[tuple[Shot, int]]:
    """Each shot that is in the part, with the beginning of the next."""
    for index, shot in enumerate(shots):
        if shot.start_us < part.end_us:
            following_us = shots[index + 1].start_us if index + 1 < len(shots) else part.end_us
            yield shot, min(following_us, part.end_us)


def sounds(
    part: Part, scenes: Sequence[Scene], voices: Sequence[Voice], media: Media, cursor: Cursor
) -> Iterator[Sounding]:
    """A part's sound from the cursor up to its end, without a gap."""
    shift_us = part.at_us - part.start_us
    for scene in scenes:
        end_us = min(scene.end_us, part.end_us) + shift_us
        if end_us <= scene.start_us + shift_us:
            break
        if not scene.voices:
            yield from silence(end_us, cursor)
        elif len(scene.voices) == 1:
            each = voices[scene.voices[0]]
            first, last = np.searchsorted(each.time_us, (scene.start_us, end_us - shift_us)).tolist()
            yield from passed(_packets(each, first, last, shift_us, media), cursor)
        else:
            yield from silence(scene.start_us + shift_us, cursor)
            parts = [
                mixing.Part(_around(voices[number], cursor.at_us, end_us, shift_us, media))
                for number in scene.voices
            ]
            count = -(-max(0, end_us - cursor.at_us) // opus.FRAME_US)
            for packet in mixing.mixed(parts, cursor.at_us, count):
                yield cursor.at_us, packet, opus.FRAME_US
                cursor.at_us += opus.FRAME_US
    yield from silence(part.at_us + part.duration_us, cursor)


def _packets(
    each: Voice, first: int, last: int, shift_us: int, media: Media
) -> Iterator[tuple[int, bytes, bool]]:
    times = (each.time_us[first:last] + (shift_us - opus.ENCODER_DELAY_US)).tolist()
    levels = each.level[first:last]
    quiet = ((levels > each.threshold) & (levels != UNKNOWN_LEVEL)).tolist()
    tracks = each.track[first:last].tolist()
    data, current = None, -1
    for index, where in enumerate(each.where[first:last].tolist()):
        if tracks[index] != current or data is None:
            current = tracks[index]
            data = media.bytes_of(current)
        begin, end = span(where)
        yield times[index], data[begin:end], quiet[index]


def _around(each: Voice, at_us: int, end_us: int, shift_us: int, media: Media) -> list[tuple[int, bytes]]:
    """A voice's packets for a mix of this stretch of the video, with those that a decoder wants before."""
    first, last = np.searchsorted(
        each.time_us, (at_us - shift_us, end_us - shift_us + 2 * opus.FRAME_US)
    ).tolist()
    first = max(0, first - mixing.WARM_UP)
    return [(time_us, packet) for time_us, packet, _ in _packets(each, first, last, shift_us, media)]
