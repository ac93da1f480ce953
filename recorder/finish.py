"""From the journals of a recording to a video lesson: one step after the other, in a process of its own."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final, Literal

import msgspec
import numpy as np

from recorder import card
from recorder.folder import journals
from recorder.journal import LOG_NAME
from recorder.mux import Video, keep
from recorder.picture import Film, Shot, film, plan, rank, sizes
from recorder.render import Media, Picture, keyframes, pictures, sounds
from recorder.sound import Cursor, Scene, Voice, last_speaker, scenes, voice
from recorder.sync import Layer, Times, clocks
from recorder.timeline import Part, Story, cut, parts_of, read_story, roles, timeline
from recorder.tracks import Track, read_track
from sfu.model import Source

log = logging.getLogger(__name__)

VIDEO_NAME: Final = "video.webm"
TIMELINE_NAME: Final = "timeline.json"
LONGEST_TAIL_US: Final = 30_000_000
"""More than so much emptiness at the end is cut."""
KEPT_TAIL_US: Final = 2_000_000
_DRAFT: Final = ".draft"

Timed = dict[int, Times]
"""Server times (us) of a track's frames or packets, by the track's number."""


@dataclass(frozen=True, slots=True)
class Finished:
    """What became of a recording. ``empty``: nothing was recorded and no video was made; the rest is 0 then.

    ``width`` and ``height`` in pixels are of the largest picture in it.
    """

    state: Literal["ready", "empty"]
    duration_ms: int = 0
    bytes: int = 0
    width: int = 0
    height: int = 0


def finish(folder: Path, library: Path) -> Finished:
    """Make the video lesson of a recording's folder in ``library/<the folder's name>``.

    Idempotent, and the same journals make the same bytes; the folder is only read. Whatever cannot be read of
    the journals is left out and logged. Raises OSError when the library cannot be written.
    """
    story = read_story(folder / LOG_NAME)
    if story.damage:
        _warn("log damaged", folder, reason=story.damage)
    tracks = dict(enumerate(_read(folder)))
    times = server_times(tracks)
    parts = parts_of(story.spans, _received(tracks), story.last_us)
    known = roles(story, ((track.head.participant, track.head.role) for track in tracks.values()))
    films: list[Film] = []
    voices: list[Voice] = []
    for (participant, source), numbers in _publications(tracks).items():
        role, order = known[participant]
        several = [(number, tracks[number], times[number]) for number in numbers]
        moving = film(participant, source, rank(source, role, order), several)
        speaking = voice(participant, source, role, order, several)
        films += [moving] if moving is not None else []
        voices += [speaking] if speaking is not None else []
    parts = cut(parts, _duration_us(parts, films, voices))
    if not parts:
        return Finished("empty")
    target = library / folder.name
    target.mkdir(parents=True, exist_ok=True)
    result = _write(target, story, parts, tracks, films, voices)
    _sync_folder(target)
    _sync_folder(library)
    return result


# --- what there is -----------------------------------------------------------------------------------


def _read(folder: Path) -> Iterator[Track]:
    for path in journals(folder):
        if path.name == LOG_NAME:
            continue
        try:
            track = read_track(path)
        except (OSError, ValueError, IndexError, OverflowError) as error:
            _warn("journal left out", folder, journal=path.name, reason=type(error).__name__)
            continue
        if track is None:
            _warn("journal left out", folder, journal=path.name, reason="no head")
            continue
        if track.damage:
            _warn("journal damaged", folder, journal=path.name, reason=track.damage)
        if track.left_out:
            log.info(
                "packets left out",
                extra={"recording": folder.name, "journal": path.name, "count": track.left_out},
            )
        if len(track.frames) or len(track.sound):
            yield track


def server_times(tracks: Mapping[int, Track]) -> Timed:
    """When each track's frames or packets were made; tracks of one connection share a publisher's clock."""
    connections: dict[tuple[str, int, int], list[int]] = {}
    for number, track in tracks.items():
        head = track.head
        connections.setdefault((head.participant, head.epoch, head.connection), []).append(number)
    times: Timed = {}
    for numbers in connections.values():
        layers: list[Layer] = []
        members: list[tuple[int, np.ndarray[tuple[int], np.dtype[np.bool_]]]] = []
        for number in numbers:
            track = tracks[number]
            columns = track.frames if len(track.frames) else track.sound
            of_layer = np.frombuffer(columns.layer, dtype=np.uint16)
            rtp = np.frombuffer(columns.rtp, dtype=np.int64)
            receive_us = np.frombuffer(columns.receive_us, dtype=np.int64)
            times[number] = np.empty(len(rtp), dtype=np.int64)
            for layer, reports in enumerate(track.reports):
                chosen = of_layer == layer
                members.append((number, chosen))
                layers.append(Layer(track.head.clock_rate, rtp[chosen], receive_us[chosen], reports))
        for (number, chosen), layer_, clock in zip(members, layers, clocks(layers), strict=True):
            if clock is not None:
                times[number][chosen] = clock.server_us(layer_.rtp)
    return times


def _received(tracks: Mapping[int, Track]) -> dict[int, tuple[int, int]]:
    """When the first and the last packet of each part were received."""
    found: dict[int, tuple[int, int]] = {}
    for track in tracks.values():
        columns = track.frames if len(track.frames) else track.sound
        first_us, last_us = found.get(track.head.part, (columns.receive_us[0], 0))
        found[track.head.part] = min(first_us, columns.receive_us[0]), max(last_us, track.last_us)
    return found


def _publications(tracks: Mapping[int, Track]) -> dict[tuple[str, Source], list[int]]:
    found: dict[tuple[str, Source], list[int]] = {}
    for number, track in tracks.items():
        try:
            source = Source(track.head.source)
        except ValueError:
            continue
        found.setdefault((track.head.participant, source), []).append(number)
    return dict(sorted(found.items()))


def _duration_us(parts: Sequence[Part], films: Iterable[Film], voices: Iterable[Voice]) -> int:
    """How long the video is: empty minutes at the end are not in it."""
    if not parts:
        return 0
    whole_us = parts[-1].at_us + parts[-1].duration_us
    last_us = 0
    for part in parts:
        moments = [part.start_us]
        for each in films:
            until = int(np.searchsorted(each.time_us, part.end_us))
            moments += [int(each.time_us[until - 1])] if until else []
        for voice_ in voices:
            moments += [
                min(end_us, part.end_us) for start_us, end_us in voice_.active if start_us < part.end_us
            ]
        if max(moments) > part.start_us:
            last_us = part.at_us + max(moments) - part.start_us
    if whole_us - last_us <= LONGEST_TAIL_US:
        return whole_us
    return (last_us + KEPT_TAIL_US) // 1000 * 1000


# --- what becomes of it ------------------------------------------------------------------------------


def _write(
    target: Path,
    story: Story,
    parts: Sequence[Part],
    tracks: Mapping[int, Track],
    films: Sequence[Film],
    voices: Sequence[Voice],
) -> Finished:
    head = story.head
    title = head.title if head is not None else ""

    @cache
    def title_card() -> bytes:
        if head is None:
            return card.encode(card.draw("", "", None, ""))
        return card.encode(card.draw(title, head.subject, head.grade, head.teacher.name))

    shots: list[list[Shot]] = []
    heard: list[list[Scene]] = []
    last: int | None = None
    for part in parts:
        standing = bool(shots and any(shot.film is not None for shot in shots[-1][-1:]))
        shots.append(plan(part, films, story.stays, standing=standing))
        heard.append(scenes(voices, part.start_us, part.end_us, last))
        last = last_speaker(voices, heard[-1], last)
    width, height = sizes((shot for some in shots for shot in some), tracks)
    if not width:
        width, height = card.WIDTH, card.HEIGHT

    written = timeline(story, parts)
    _save(target / TIMELINE_NAME, msgspec.json.encode(written))
    draft = target / (VIDEO_NAME + _DRAFT)
    count = sum(keyframes(part, some) for part, some in zip(parts, shots, strict=True))
    with (
        Media(tracks) as media,
        Video(draft, title=title, width=width, height=height, keyframes=count) as video,
    ):
        cursor = Cursor()
        for part, some, who in zip(parts, shots, heard, strict=True):
            shown = pictures(part, some, media, title_card)
            picture: Picture | None = next(shown, None)
            for at_us, packet, length_us in sounds(part, who, voices, media, cursor):
                at_ms = at_us // 1000
                while picture is not None and picture[0] <= at_ms:
                    video.picture(*picture)
                    picture = next(shown, None)
                video.sound(at_ms, packet, length_us // 1000)
            while picture is not None:
                video.picture(*picture)
                picture = next(shown, None)
    keep(draft)
    size = draft.stat().st_size
    draft.replace(target / VIDEO_NAME)
    return Finished("ready", written.duration_ms, size, width, height)


def _save(path: Path, data: bytes) -> None:
    draft = path.with_name(path.name + _DRAFT)
    draft.write_bytes(data)
    keep(draft)
    draft.replace(path)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _warn(what: str, folder: Path, **ids: str) -> None:
    log.warning(what, extra={"recording": folder.name, **ids})
