"""The plan's pictures and sounds as packets of the video, read from the journals one by one."""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from recorder import mixing, opus
from recorder.frames import LENGTH_BITS, LENGTH_MASK, span
from recorder.mixing import Mix
from recorder.picture import Shot
from recorder.sound import Cursor, Scene, Sounding, Voice, passed, silence
from recorder.tracks import UNKNOWN_LEVEL, Track
from sfu.model import Source

_SHOWN: Final = 0x10
"""The bit of a VP8 frame's first byte that has it shown (RFC 6386 section 9.1)."""
_ROUND: Final = 500

Who = tuple[str, Source]
"""A participant and what of them is seen or heard."""
Picture = tuple[int, Sequence[bytes], bool, Who | None]
"""(ms of the video, VP8 frame in pieces, keyframe, whose it is)."""


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
        """A track's journal, as long as it was at the first call; raises OSError."""
        found = self._maps.get(track)
        if found is None:
            with self._tracks[track].tail.path.open("rb") as file:
                found = self._stack.enter_context(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
            self._maps[track] = found
        return found

    def frame(self, track: int, number: int) -> list[bytes]:
        """A VP8 frame, in pieces."""
        frames, data = self._tracks[track].frames, self.bytes_of(track)
        # As span() has it, which here would cost as much as what is done with it.
        return [
            data[where >> LENGTH_BITS : (where >> LENGTH_BITS) + (where & LENGTH_MASK)]
            for where in frames.where[number - frames.base]
        ]


def pictures(
    shots: Sequence[Shot], shift_us: int, media: Media, card: Callable[[], bytes]
) -> Iterator[Picture]:
    """The shots' frames in ascending time; ``shift_us`` is video time less server time."""
    for shot in shots:
        start_ms = (shot.start_us + shift_us) // 1000
        if shot.film is None:
            yield start_ms, (card(),), True, None
            continue
        film = shot.film
        who = film.participant, film.source
        keys = film.key[shot.key : shot.end].tolist()
        tracks = film.track[shot.key : shot.end].tolist()
        frames = film.frame[shot.key : shot.end].tolist()
        times = ((film.time_us[shot.key : shot.end] + (shift_us + _ROUND)) // 1000).tolist()
        before = shot.first - shot.key
        for index in range(before):
            frame = media.frame(tracks[index], frames[index])
            if index < before - 1:
                # Decoded, not shown: the picture stands where it should be at once.
                frame[0] = bytes((frame[0][0] & ~_SHOWN,)) + frame[0][1:]
            yield start_ms + index, frame, keys[index], who
        for index in range(before, len(keys)):
            yield times[index], media.frame(tracks[index], frames[index]), keys[index], who


@dataclass(slots=True)
class _Mixed:
    """A voice in a mix; packets up to ``until_us`` (video time) are in it."""

    part: mixing.Part
    until_us: int


class SoundTrack:
    """The video's sound being made, scene by scene, without a gap."""

    def __init__(self) -> None:
        self.cursor = Cursor()
        self._heard: Who | None = None
        self._mix: Mix | None = None
        self._mixed: dict[Who, _Mixed] = {}

    def silence(self, until_us: int) -> Iterator[Sounding]:
        """Nobody from here to ``until_us`` of the video."""
        self._change(None)
        yield from silence(until_us, self.cursor)

    def scene(
        self, scene: Scene, voices: Sequence[Voice], shift_us: int, media: Media, *, goes_on: bool
    ) -> Iterator[Sounding]:
        """What is heard in a scene. ``goes_on``: the next one may be heard by the same, so that nothing is
        taken from behind its end."""
        start_us, end_us = scene.start_us + shift_us, scene.end_us + shift_us
        if not scene.voices:
            yield from self.silence(end_us)
        elif len(scene.voices) == 1:
            each = voices[scene.voices[0]]
            self._change((each.participant, each.source))
            first, last = np.searchsorted(each.time_us, (scene.start_us, scene.end_us)).tolist()
            yield from passed(_packets(each, first, last, shift_us, media), self.cursor)
        else:
            self._heard = None
            heard = [voices[number] for number in scene.voices]
            yield from self._mixed_scene(heard, start_us, end_us, shift_us, media, goes_on=goes_on)

    def _change(self, heard: Who | None) -> None:
        self._mix = None
        if heard != self._heard:
            self._heard = heard
            self.cursor.former = b""

    def _mixed_scene(
        self,
        heard: Sequence[Voice],
        start_us: int,
        end_us: int,
        shift_us: int,
        media: Media,
        *,
        goes_on: bool,
    ) -> Iterator[Sounding]:
        cursor = self.cursor
        if self._mix is None:
            yield from silence(start_us, cursor)
            self._mixed = {}
        if goes_on:
            until_us = end_us
            count = max(0, end_us - mixing.LOOKAHEAD_US - cursor.at_us) // opus.FRAME_US
        else:
            until_us = end_us + 2 * opus.FRAME_US
            count = -(-max(0, end_us - cursor.at_us) // opus.FRAME_US)
        former, self._mixed = self._mixed, {}
        for each in heard:
            who = (each.participant, each.source)
            mixed = former.get(who)
            since_us = start_us if mixed is None else mixed.until_us
            first, last = np.searchsorted(
                each.time_us, (since_us - shift_us, max(since_us, until_us) - shift_us)
            ).tolist()
            if mixed is None:
                first = max(0, first - mixing.WARM_UP)
                mixed = _Mixed(mixing.Part([]), 0)
            mixed.part.add([(at_us, data) for at_us, data, _ in _packets(each, first, last, shift_us, media)])
            mixed.until_us = max(since_us, until_us)
            self._mixed[who] = mixed
        parts = [mixed.part for mixed in self._mixed.values()]
        if self._mix is None:
            self._mix = Mix(cursor.at_us, stereo=mixing.any_stereo(parts))
        for packet in self._mix.frames(parts, count):
            yield cursor.at_us, packet, opus.FRAME_US
            cursor.at_us += opus.FRAME_US


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
