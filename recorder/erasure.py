"""Takes people out of a finished video lesson. Pure over packets, but for reading and writing the files.

Where they are seen stands the title card, where they are heard is silence of the same length, and the
timeline has nothing of them; every other packet is the one that was there, at its time. Doing it again
changes nothing.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import zip_longest
from pathlib import Path
from typing import Final, NamedTuple

import av
import msgspec

from recorder import card, opus
from recorder.finish import DRAFT, TIMELINE_NAME, VIDEO_NAME, save, sync_folder
from recorder.takes import Span
from recorder.webm import Video
from signaling.catalog.takes import TAKES_NAME, Take, Takes, timeline_without
from signaling.wire import Timeline

KEPT: Final = frozenset({VIDEO_NAME, TIMELINE_NAME, TAKES_NAME})
"""What a video lesson is; any other file in its folder was made from these."""
SOUND_MARGIN_MS: Final = 20
"""A packet stands at most so far from its time, see ``sound.passed`` and ``mixing``."""
CARD_EVERY_MS: Final = 5_000
_CARD_BEFORE_NEXT_MS: Final = 1_000
_SEEN: Final = frozenset({"camera", "screen"})


class NoTakes(Exception):
    """The video is from before takes were kept: nobody can say where anybody is in it."""


class NotAsWritten(Exception):
    """The new file does not hold what was written to it."""


@dataclass(frozen=True, slots=True)
class Words:
    """What stands on the title card; ``title`` is also the file's."""

    title: str
    subject: str
    grade: int | None
    teacher: str


class Packet(NamedTuple):
    """A packet of the file, in the order of its times: ``sound`` or picture, ``key`` is of pictures."""

    at_ms: int
    sound: bool
    data: bytes
    key: bool = True


# --- pure ----------------------------------------------------------------------------------------------


def spans(takes: Iterable[Take], participants: Collection[str], *, seen: bool) -> list[Span]:
    """When any of these people are seen, or heard: ascending and apart."""
    found: list[Span] = []
    wanted = (take for take in takes if take.participant in participants and (take.source in _SEEN) == seen)
    for from_ms, to_ms in sorted((take.from_ms, take.to_ms) for take in wanted):
        if found and from_ms <= found[-1][1]:
            found[-1] = found[-1][0], max(to_ms, found[-1][1])
        else:
            found.append((from_ms, to_ms))
    return found


def pictures(packets: Iterable[Packet], gone: Sequence[Span], title: Callable[[], bytes]) -> Iterator[Packet]:
    """The pictures with the title card in these spans; what comes behind one begins with a keyframe."""
    waiting = list(reversed(gone))
    until_ms, lost = -1, False
    for packet in packets:
        while waiting and packet.at_ms >= waiting[-1][0]:
            from_ms, until_ms = waiting.pop()
            lost = True
            last_ms = max(from_ms + 1, until_ms - _CARD_BEFORE_NEXT_MS)
            for at_ms in range(from_ms, last_ms, CARD_EVERY_MS):
                yield Packet(at_ms, sound=False, data=title())
        if packet.at_ms < until_ms or (lost and not packet.key):
            continue
        lost = False
        yield packet


def sounds(packets: Iterable[Packet], gone: Sequence[Span]) -> Iterator[Packet]:
    """The sound with silence of the same length where a packet is in one of these spans or next to it."""
    wide = [(from_ms - SOUND_MARGIN_MS, to_ms + SOUND_MARGIN_MS) for from_ms, to_ms in gone]
    index = 0
    for packet in packets:
        while index < len(wide) and packet.at_ms >= wide[index][1]:
            index += 1
        length_us = opus.duration_us(packet.data)
        if index == len(wide) or packet.at_ms + length_us / 1000 <= wide[index][0]:
            yield packet
            continue
        at_us = packet.at_ms * 1000
        for part_us, silent in opus.silence(length_us):
            yield Packet(at_us // 1000, sound=True, data=silent)
            at_us += part_us


# --- files ---------------------------------------------------------------------------------------------


def read_takes(folder: Path) -> Takes:
    """Who is in the video of this folder; raises NoTakes, OSError."""
    try:
        return msgspec.json.decode((folder / TAKES_NAME).read_bytes(), type=Takes)
    except FileNotFoundError:
        raise NoTakes from None
    except msgspec.DecodeError:
        raise NoTakes from None


def erase(folder: Path, participants: Collection[str], words: Words) -> int:
    """Take people out of the video in this folder; the new file's size in bytes.

    What was made from the old video is removed first. The new one is written beside it, read back, then put
    in its place; ``takes.json`` comes last, so that whoever is killed before is followed by another. Raises
    NoTakes, NotAsWritten, OSError, av.error.FFmpegError; the old video then is where it was.
    """
    takes = read_takes(folder)
    timeline = msgspec.json.decode((folder / TIMELINE_NAME).read_bytes(), type=Timeline)
    _remove_derived(folder)
    left = takes.without(participants)
    if left != takes:
        seen = (
            _shown_otherwise(left, timeline)
            if _names_card(takes, participants)
            else spans(takes.takes, participants, seen=True)
        )
        heard = spans(takes.takes, participants, seen=False)
        if seen or heard:
            _rewrite(folder / VIDEO_NAME, seen, heard, words, timeline.duration_ms)
        save(folder / TIMELINE_NAME, msgspec.json.encode(timeline_without(timeline, participants)))
        sync_folder(folder)
        save(folder / TAKES_NAME, msgspec.json.encode(left))
        sync_folder(folder)
    return (folder / VIDEO_NAME).stat().st_size


def _names_card(takes: Takes, participants: Collection[str]) -> bool:
    """Whether one of these is on the title card by name: all of it is drawn anew then."""
    return any(each.role == "teacher" and each.participant in participants for each in takes.people)


def _shown_otherwise(left: Takes, timeline: Timeline) -> list[Span]:
    """When nobody who is left is seen."""
    everybody = {each.participant for each in left.people}
    edges = [0, *(at_ms for span in spans(left.takes, everybody, seen=True) for at_ms in span)]
    edges.append(max(timeline.duration_ms, edges[-1]) + 1)
    return [(start, end) for start, end in zip(edges[::2], edges[1::2], strict=True) if start < end]


def _remove_derived(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_file() and path.name not in KEPT:
            path.unlink(missing_ok=True)


def _rewrite(path: Path, seen: Sequence[Span], heard: Sequence[Span], words: Words, duration_ms: int) -> None:
    @cache
    def title() -> bytes:
        return card.encode(card.draw(words.title, words.subject, words.grade, words.teacher))

    def wanted() -> Iterator[Packet]:
        shown = pictures(_read(path, sound=False), seen, title)
        both = heapq.merge(shown, sounds(_read(path, sound=True), heard), key=lambda each: each[:2])
        return (packet for packet in both if packet.at_ms < duration_ms)

    draft = path.with_name(path.name + DRAFT)
    with Video(draft, words.title) as video:
        for packet in wanted():
            if packet.sound:
                video.sound(packet.at_ms, packet.data)
            else:
                video.picture(packet.at_ms, (packet.data,), packet.key)
        video.end(duration_ms, *_size(path))
    for expected, found in zip_longest(wanted(), _both(draft)):
        if expected != found:
            draft.unlink()
            raise NotAsWritten
    draft.replace(path)


def _both(path: Path) -> Iterator[Packet]:
    return heapq.merge(_read(path, sound=False), _read(path, sound=True), key=lambda each: each[:2])


def _read(path: Path, *, sound: bool) -> Iterator[Packet]:
    """The packets of one of a file's two tracks."""
    with av.open(str(path)) as file:
        stream = file.streams.audio[0] if sound else file.streams.video[0]
        for packet in file.demux(stream):
            if packet.size and packet.pts is not None:
                yield Packet(packet.pts, sound, bytes(packet), sound or packet.is_keyframe)


def _size(path: Path) -> tuple[int, int]:
    with av.open(str(path)) as file:
        picture = file.streams.video[0]
        return picture.width, picture.height
