"""Which picture the video shows when: a screen, else a leader's camera, a student's, else the title card.

Pure: it decides from times and keyframes alone, piece by piece; what a piece decides looks no further ahead
than LATER_US. Times are server time in us; frames are numbers into a Film.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from recorder.journal import NEVER_US
from recorder.timeline import Part, Stay
from recorder.tracks import Times, Track
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
CARD_EVERY_US: Final = 5_000_000
"""The title card is repeated, so that a player can seek."""
_SOON_US: Final = 1_000_000
"""One that is followed so soon would only be more bytes."""
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

    ``film`` None is the title card, once. Frames ``first`` to ``end`` (exclusive) are shown at their own
    times; those from ``key`` to ``first`` come at ``start_us`` and only bring the decoder to where the film
    is. A shot lasts until the next.
    """

    start_us: int
    film: Film | None = None
    key: int = 0
    first: int = 0
    end: int = 0


Place = tuple[int, int]
"""A frame: number of its track, number in it."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What is to happen to the picture: ``film`` (participant, source) begins at a keyframe ``key``, or it
    stops, and with ``card`` the title card comes."""

    at_us: int
    film: tuple[str, Source] | None = None
    key: Place | None = None
    card: bool = False


Wanted = tuple[str, Source, int]
"""Whose picture should be shown, switched on when."""


@dataclass(frozen=True, slots=True)
class View:
    """How the picture stands at a moment; ``View()`` at the beginning, ``next_part`` at a later part's."""

    wanted: Wanted | None = None
    film: tuple[str, Source] | None = None
    """Whose frames go on."""
    card_us: int | None = None
    """When the card was shown last, while it is."""
    shown: bool = False
    """Whether there is a picture that can stand."""
    ahead: tuple[Turn, ...] = ()
    begun: Mapping[Wanted, int] = field(default_factory=dict)
    """From when on who is there could be shown."""
    decided: bool = False
    """Whether anything was decided in this part."""

    def next_part(self) -> View:
        """At the beginning of the next part: a camera's or a screen's last picture stands."""
        return View(shown=self.shown and self.card_us is None)


def rank(source: Source, role: Role, order: int) -> tuple[int, int]:
    """For Film: screens, the teacher's camera, co-teachers', students'; then by place in the class."""
    if source is Source.SCREEN:
        return 0, 0
    return {Role.TEACHER: 1, Role.CO_TEACHER: 2, Role.STUDENT: 3}[role], order


def film(
    participant: str,
    source: Source,
    place: tuple[int, int],
    tracks: Sequence[tuple[int, Track]],
) -> Film | None:
    """Put the frames of one publication's tracks (with their numbers) behind one another.

    None when there is not one frame. A later track takes over at its first keyframe.
    """
    pieces = [_piece(number, track) for number, track in tracks if len(track.frames)]
    pieces.sort(key=lambda piece: int(piece[0][0]))
    for index, (times, *_) in enumerate(pieces[:-1]):
        keep = int(np.searchsorted(times, pieces[index + 1][0][0]))
        pieces[index] = tuple(column[:keep] for column in pieces[index])  # type: ignore[assignment]
    pieces = [piece for piece in pieces if len(piece[0])]
    if not pieces:
        return None
    known = {number: track.first_us for number, track in tracks}
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
        tuple(
            (int(piece[0][0]) if first_us is None else first_us, int(piece[0][-1]))
            for piece in pieces
            for first_us in [known[int(piece[2][0])]]
        ),
    )


_Piece = tuple[Times, NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]


def _piece(number: int, track: Track) -> _Piece:
    count = len(track.frames)
    return (
        track.time_us,
        np.array(track.frames.key, dtype=np.int64),
        np.full(count, number, dtype=np.int64),
        np.arange(track.frames.base, track.frames.base + count, dtype=np.int64),
    )


@dataclass(frozen=True, slots=True)
class _Presence:
    """A film can be shown from its first keyframe until it is switched off."""

    film: Film
    since_us: int
    """When it was switched on."""
    start_us: int
    end_us: int

    @property
    def wanted(self) -> Wanted:
        return self.film.participant, self.film.source, self.since_us


def plan(
    view: View,
    part: Part,
    films: Sequence[Film],
    stays: Iterable[Stay],
    since_us: int,
    until_us: int,
    seen_us: int,
) -> tuple[list[Shot], View]:
    """The shots from ``since_us`` to ``until_us`` of a part, and how the picture stands then.

    ``films`` and ``stays`` are those up to ``seen_us``, which lies at least LATER_US behind ``until_us``, or
    is the part's end. Times of frames before ``since_us`` are those of the call before.
    """
    by_key = {(each.participant, each.source): each for each in films}
    presences = _presences(films, stays, view.begun, since_us, seen_us)
    turns = list(view.ahead)
    scenes = _scenes(presences, since_us, seen_us)
    wanted, shown = view.wanted, view.shown
    former = next((each for each in presences if each.wanted == wanted), None)
    for index, (start_us, end_us, presence) in enumerate(scenes):
        if start_us >= until_us:
            break
        now = None if presence is None else presence.wanted
        if view.decided and index == 0 and now == wanted:
            entered = presence is None or view.film == _key(presence.film) or bool(turns)
            if entered:
                former = presence
                continue
        turns = [turn for turn in turns if turn.at_us < start_us]
        goes_on = former is not None and former is not presence and former.end_us > start_us
        follows = index + 1 < len(scenes)
        new = _turns(part, start_us, end_us, presence, goes_on=goes_on, shown=shown, follows=follows)
        shown = shown or any(turn.card or turn.film is not None for turn in new)
        turns += new
        wanted, former = now, presence
    shots, film, card_us, ahead = _shots(view, turns, by_key, since_us, until_us)
    begun = {each.wanted: each.start_us for each in presences if each.start_us < until_us}
    return shots, View(wanted, film, card_us, shown, tuple(ahead), begun, decided=True)


def _key(film: Film) -> tuple[str, Source]:
    return film.participant, film.source


def _scenes(
    presences: Sequence[_Presence], since_us: int, seen_us: int
) -> list[tuple[int, int, _Presence | None]]:
    moments = sorted(
        {since_us}
        | {each.start_us for each in presences if since_us < each.start_us < seen_us}
        | {each.end_us for each in presences if since_us < each.end_us < seen_us}
    )
    scenes: list[tuple[int, int, _Presence | None]] = []
    for start_us, end_us in zip(moments, [*moments[1:], seen_us], strict=True):
        best = _best(presences, start_us)
        if scenes and scenes[-1][2] is best:
            scenes[-1] = (scenes[-1][0], end_us, best)
        else:
            scenes.append((start_us, end_us, best))
    return scenes


def _presences(
    films: Sequence[Film], stays: Iterable[Stay], begun: Mapping[Wanted, int], since_us: int, seen_us: int
) -> list[_Presence]:
    by_source: dict[tuple[str, str], list[Stay]] = {}
    for stay in stays:
        by_source.setdefault((stay.participant, stay.source), []).append(stay)
    found: list[_Presence] = []
    for each in films:
        told = [
            (stay.start_us, NEVER_US if stay.end_us is None else stay.end_us)
            for stay in by_source.get((each.participant, each.source), ())
        ]
        told += [
            (first_us, last_us + _FADED_US)
            for first_us, last_us in each.track_ends
            if not any(start_us - EARLY_US <= last_us and first_us <= end_us for start_us, end_us in told)
        ]
        key_times = each.time_us[each.key]
        for start_us, end_us in told:
            if end_us <= since_us or start_us >= seen_us:
                continue
            shown_us = begun.get((each.participant, each.source, start_us))
            if shown_us is None:
                index = int(np.searchsorted(key_times, start_us - EARLY_US))
                if index == len(key_times):
                    continue
                shown_us = max(start_us, int(key_times[index]))
            if shown_us < min(end_us, seen_us):
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


def _turns(
    part: Part,
    start_us: int,
    end_us: int,
    presence: _Presence | None,
    *,
    goes_on: bool,
    shown: bool,
    follows: bool,
) -> list[Turn]:
    """What comes of it that from a moment on somebody else, or nobody, is to be shown."""
    if presence is None:
        stands = follows and end_us - start_us <= (STAND_US if shown else SOON_US)
        return [Turn(start_us, card=not stands)]
    entry = _enter(presence.film, start_us, end_us, part, goes_on=goes_on)
    if entry is None:
        return [Turn(start_us, card=not shown)]
    at_us, key = entry
    place = int(presence.film.track[key]), int(presence.film.frame[key])
    begins = Turn(at_us, _key(presence.film), place)
    if at_us == start_us or (goes_on and shown):
        return [begins]
    return [Turn(start_us, card=not shown and at_us - start_us > SOON_US), begins]


def _shots(
    view: View, turns: Sequence[Turn], films: Mapping[tuple[str, Source], Film], since_us: int, until_us: int
) -> tuple[list[Shot], tuple[str, Source] | None, int | None, list[Turn]]:
    """The turns' shots up to a moment; then whose frames go on, when the card was shown last, and the turns
    that lie ahead."""
    timed = sorted((_timed(turn, films) for turn in turns), key=lambda each: each[0].at_us)
    coming = [(turn, key) for turn, key in timed if turn.at_us < until_us]
    ahead = [turn for turn, _ in timed if turn.at_us >= until_us]
    shots: list[Shot] = []
    film, card_us, at_us = view.film, view.card_us, since_us
    key: int | None = None
    for turn, next_key in [*coming, (None, None)]:
        end_us = until_us if turn is None else turn.at_us
        following_us = end_us if turn is not None else ahead[0].at_us if ahead else NEVER_US
        if film is not None and film in films:
            moving = films[film]
            first, end = np.searchsorted(moving.time_us, (at_us, end_us)).tolist()
            begin = first if key is None else key
            if end > begin:
                shots.append(Shot(at_us, moving, begin, max(first, begin), end))
        while card_us is not None and card_us + CARD_EVERY_US < min(end_us, following_us - _SOON_US):
            card_us += CARD_EVERY_US
            shots.append(Shot(card_us))
        if turn is not None:
            film, at_us, key, card_us = turn.film, turn.at_us, next_key, None
            if turn.card:
                card_us = at_us
                shots.append(Shot(at_us))
    return shots, film, card_us, ahead


def _timed(turn: Turn, films: Mapping[tuple[str, Source], Film]) -> tuple[Turn, int | None]:
    """The turn at the time that its keyframe has now, and the keyframe's number."""
    if turn.film is None or turn.key is None or turn.film not in films:
        return turn, None
    film = films[turn.film]
    track, frame = turn.key
    found = np.flatnonzero((film.track == track) & (film.frame == frame))
    if not len(found):  # a later tap took over before it
        found = np.flatnonzero(film.key & (film.time_us >= turn.at_us))
        if not len(found):
            return Turn(turn.at_us), None
    key = int(found[0])
    return replace(turn, at_us=max(turn.at_us, int(film.time_us[key]))), key


def _enter(each: Film, start_us: int, end_us: int, part: Part, *, goes_on: bool) -> tuple[int, int] | None:
    """Begin with a film at a moment: when and with which keyframe; None when there is no way in before
    ``end_us``.

    At a keyframe when one is near enough, else with what a decoder wants from the last keyframe on.
    """
    at = int(np.searchsorted(each.time_us, start_us))
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
            return next_us, key
    if last_key is None or not can_catch_up:
        return None
    return start_us, last_key


def largest(shots: Iterable[Shot], tracks: Mapping[int, Track], size: tuple[int, int]) -> tuple[int, int]:
    """Width and height of the largest keyframe that is shown, ``size`` if that is larger."""
    for shot in shots:
        if shot.film is None:
            continue
        film = shot.film
        for index in (shot.key + np.flatnonzero(film.key[shot.key : shot.end])).tolist():
            frames = tracks[int(film.track[index])].frames
            number = int(film.frame[index]) - frames.base
            size = max(
                size, (frames.width[number], frames.height[number]), key=lambda each: each[0] * each[1]
            )
    return size
