"""Which picture the video shows when: a screen, else a leader's camera, a student's, else the title card.

Pure: it decides from times and keyframes alone. Times are server time in us; frames are numbers into a Film.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from recorder.sync import Times
from recorder.timeline import Part, Stay
from recorder.tracks import Track
from sfu.model import Role, Source

EARLY_US: Final = 2_000_000
"""A source's first frames may have come so long before the log says that it is on."""
SOON_US: Final = 300_000
"""A keyframe so near is waited for, though nothing else moves meanwhile."""
LATER_US: Final = 6_000_000
"""A keyframe so near is waited for while the former picture goes on."""
STAND_US: Final = 3_000_000
"""When nothing is on for no longer than this, the last frame stands."""
MOST_CAUGHT_UP: Final = 900
"""So many frames at most are decoded at once to begin between keyframes."""
_FADED_US: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Film:
    """All frames of one participant's camera or screen, in decoding order: each is a keyframe or builds on
    the one before. ``track`` and ``frame`` tell where a frame is; times never fall.

    ``track_ends`` are the (first, last) times of each track with frames, ascending.
    """

    participant: str
    source: Source
    rank: tuple[int, int]
    """Whose picture comes first, lowest first; of two screens the newer one does."""
    time_us: Times
    key: NDArray[np.bool_]
    track: NDArray[np.int64]
    frame: NDArray[np.int64]
    track_ends: tuple[tuple[int, int], ...]

    @property
    def keys(self) -> NDArray[np.int64]:
        """Numbers of the keyframes."""
        return np.flatnonzero(self.key)


@dataclass(frozen=True, slots=True)
class Shot:
    """A piece of the picture plan.

    ``film`` None is the title card. Frames ``first`` to ``end`` (exclusive) are shown at their own times;
    those from ``key`` to ``first`` come at ``start_us`` and only bring the decoder to where the film is. A
    shot lasts until the next; ``end_us`` is when its frames stop.
    """

    start_us: int
    end_us: int
    film: Film | None = None
    key: int = 0
    first: int = 0
    end: int = 0


def rank(source: Source, role: Role, order: int) -> tuple[int, int]:
    """For Film: screens, the teacher's camera, co-teachers', students'; then by place in the class."""
    if source is Source.SCREEN:
        return 0, 0
    return {Role.TEACHER: 1, Role.CO_TEACHER: 2, Role.STUDENT: 3}[role], order


def film(
    participant: str,
    source: Source,
    place: tuple[int, int],
    tracks: Sequence[tuple[int, Track, Times]],
) -> Film | None:
    """Put the frames of one publication's tracks (number, track, times of its frames) behind one another.

    None when there is not one frame. A later track takes over at its first keyframe.
    """
    pieces = [_clean(number, track, times) for number, track, times in tracks if len(track.frames)]
    pieces = sorted((piece for piece in pieces if len(piece[0])), key=lambda piece: int(piece[0][0]))
    for index, (times, *_) in enumerate(pieces[:-1]):
        keep = int(np.searchsorted(times, pieces[index + 1][0][0]))
        pieces[index] = tuple(column[:keep] for column in pieces[index])  # type: ignore[assignment]
    pieces = [piece for piece in pieces if len(piece[0])]
    if not pieces:
        return None
    times, key, track_numbers, frames = (
        np.concatenate([piece[column] for piece in pieces]) for column in range(4)
    )
    return Film(
        participant,
        source,
        place,
        times,
        key.astype(np.bool_),
        track_numbers,
        frames,
        tuple((int(piece[0][0]), int(piece[0][-1])) for piece in pieces),
    )


_Piece = tuple[Times, NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]


def _clean(number: int, track: Track, times: Times) -> _Piece:
    """The frames of a track without those of a layer that another one has taken over from."""
    layers = np.frombuffer(track.frames.layer, dtype=np.uint16)
    keys = np.frombuffer(track.frames.key, dtype=np.uint8)
    kept = np.arange(len(times), dtype=np.int64)
    if layers.min() != layers.max():
        order: list[int] = []
        current, last_us = -1, -1
        for index, (layer, key, time_us) in enumerate(
            zip(layers.tolist(), keys.tolist(), times.tolist(), strict=True)
        ):
            if layer != current:
                if not key or time_us < last_us:
                    continue
                current = layer
            order.append(index)
            last_us = max(last_us, time_us)
        kept = np.array(order, dtype=np.int64)
    return (
        np.maximum.accumulate(times[kept]),
        keys[kept].astype(np.int64),
        np.full(len(kept), number, dtype=np.int64),
        kept,
    )


@dataclass(frozen=True, slots=True)
class _Presence:
    """A film can be shown from its first keyframe until it is switched off."""

    film: Film
    since_us: int
    """When it was switched on."""
    start_us: int
    end_us: int


def plan(part: Part, films: Sequence[Film], stays: Iterable[Stay], *, standing: bool) -> list[Shot]:
    """The shots of one part. The first is at its start, unless a former part's picture is ``standing``."""
    presences = _presences(films, stays, part)
    moments = sorted(
        {part.start_us}
        | {each.start_us for each in presences if part.start_us < each.start_us < part.end_us}
        | {each.end_us for each in presences if part.start_us < each.end_us < part.end_us}
    )
    scenes: list[tuple[int, int, _Presence | None]] = []
    for start_us, end_us in zip(moments, [*moments[1:], part.end_us], strict=True):
        best = _best(presences, start_us)
        if scenes and scenes[-1][2] is best:
            scenes[-1] = (scenes[-1][0], end_us, best)
        else:
            scenes.append((start_us, end_us, best))
    return _shots(part, scenes, standing=standing)


def _presences(films: Sequence[Film], stays: Iterable[Stay], part: Part) -> list[_Presence]:
    by_source: dict[tuple[str, str], list[Stay]] = {}
    for stay in stays:
        by_source.setdefault((stay.participant, stay.source), []).append(stay)
    found: list[_Presence] = []
    for each in films:
        told = [
            (stay.start_us, part.end_us if stay.end_us is None else stay.end_us)
            for stay in by_source.get((each.participant, each.source), ())
        ]
        told += [
            (first_us, last_us + _FADED_US)
            for first_us, last_us in each.track_ends
            if not any(start_us - EARLY_US <= last_us and first_us <= end_us for start_us, end_us in told)
        ]
        key_times = each.time_us[each.key]
        for start_us, end_us in told:
            index = int(np.searchsorted(key_times, start_us - EARLY_US))
            if index == len(key_times):
                continue
            shown_us = max(start_us, int(key_times[index]))
            if shown_us < min(end_us, part.end_us) and end_us > part.start_us:
                found.append(_Presence(each, start_us, shown_us, end_us))
    return found


def _best(presences: Sequence[_Presence], moment_us: int) -> _Presence | None:
    there = [each for each in presences if each.start_us <= moment_us < each.end_us]
    return min(
        there,
        key=lambda each: (
            each.film.rank[0],
            -each.since_us if each.film.source is Source.SCREEN else 0,
            each.film.rank[1],
            each.film.participant,
        ),
        default=None,
    )


def _shots(part: Part, scenes: Sequence[tuple[int, int, _Presence | None]], *, standing: bool) -> list[Shot]:
    shots: list[Shot] = []
    for index, (start_us, end_us, presence) in enumerate(scenes):
        if presence is None:
            follows = index + 1 < len(scenes)
            if not ((shots or standing) and follows and end_us - start_us <= STAND_US):
                shots.append(Shot(start_us, end_us))
            continue
        former = scenes[index - 1][2] if index else None
        goes_on = former is not None and former.end_us > start_us
        shot = _enter(presence.film, start_us, end_us, part, goes_on=goes_on)
        if shot is None:
            if not shots and not standing:
                shots.append(Shot(start_us, end_us))
            continue
        if not shots and not standing and shot.start_us > part.start_us:
            shots.append(Shot(part.start_us, shot.start_us))
        if goes_on and shots and shots[-1].film is not None and shot.start_us > start_us:
            shots[-1] = _until(shots[-1], shot.start_us)
        shots.append(shot)
    return shots


def _until(shot: Shot, end_us: int) -> Shot:
    """The shot with its frames going on until then."""
    if shot.film is None:
        return shot
    end = int(np.searchsorted(shot.film.time_us, end_us))
    return replace(shot, end_us=end_us, end=max(shot.end, end))


def _enter(each: Film, start_us: int, end_us: int, part: Part, *, goes_on: bool) -> Shot | None:
    """Begin with a film at a moment; None when it has no way in before ``end_us``.

    At a keyframe when one is near enough, else with what a decoder wants from the last keyframe on.
    """
    at = int(np.searchsorted(each.time_us, start_us))
    end = max(at, int(np.searchsorted(each.time_us, end_us)))
    keys = each.keys
    after = int(np.searchsorted(keys, at))
    last_key = int(keys[after - 1]) if after else None
    can_catch_up = last_key is not None and at - last_key <= MOST_CAUGHT_UP
    if after < len(keys) and each.time_us[keys[after]] < end_us:
        key = int(keys[after])
        next_us = int(each.time_us[key])
        if last_key is None or each.track[at - 1] != each.track[at]:
            # What is before belongs to a tap that is over: nothing of it is of now.
            wait_us = LATER_US if goes_on else STAND_US
        elif start_us - each.time_us[last_key] <= EARLY_US:
            wait_us = 0  # the keyframe of the moment: it came just before the log knew
        elif goes_on:
            wait_us = LATER_US
        else:
            wait_us = 0 if start_us == part.start_us else SOON_US
        if next_us - start_us <= wait_us or not can_catch_up:
            return Shot(next_us, end_us, each, key, key, end)
    if last_key is None or not can_catch_up:
        return None
    return Shot(start_us, end_us, each, last_key, at, end)


def sizes(shots: Iterable[Shot], tracks: Mapping[int, Track]) -> tuple[int, int]:
    """Width and height of the largest keyframe that is shown, 0 when there is none."""
    largest = (0, 0)
    for shot in shots:
        if shot.film is None:
            continue
        keys = shot.film.keys
        for index in keys[np.searchsorted(keys, shot.key) : np.searchsorted(keys, shot.end)].tolist():
            frames = tracks[int(shot.film.track[index])].frames
            number = int(shot.film.frame[index])
            largest = max(
                largest, (frames.width[number], frames.height[number]), key=lambda size: size[0] * size[1]
            )
    return largest
