"""Chapters of a video: places that somebody looks for who was not there, or wants to see it again.

Pure: from the timeline and the takes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from recorder.jobs.appearing import names, shown, talks
from recorder.jobs.vtt import vtt
from signaling.catalog.takes import Takes
from signaling.wire import SourceName, Timeline

Kind = Literal["begin", "part", "screen", "stage", "speaks", "hands", "chat"]
Language = Literal["ru", "en"]
LANGUAGES: Final[tuple[Language, ...]] = ("ru", "en")

APART_MS: Final = 30_000
"""Of two that are nearer the weightier stands, else the first."""
MOST: Final = 60
SPEECH_MS: Final = 15_000
"""An answer or a talk of one's own is at least so long."""
PAUSE_MS: Final = 5_000
"""Somebody who pauses for less still speaks."""
BURST_MS: Final = 60_000
HANDS: Final = 3
MESSAGES: Final = 6
_WEIGHT: Final[dict[Kind, int]] = {
    "begin": 6, "part": 5, "screen": 4, "stage": 3, "speaks": 2, "hands": 1, "chat": 0,
}  # fmt: skip
_WORDS: Final[dict[Language, dict[Kind, str]]] = {
    "ru": {
        "begin": "Начало",
        "part": "Часть {count}",
        "screen": "Экран: {name}",
        "stage": "На экране {name}",
        "speaks": "Говорит {name}",
        "hands": "Поднятые руки: {count}",
        "chat": "Разговор в чате, сообщений: {count}",
    },
    "en": {
        "begin": "Beginning",
        "part": "Part {count}",
        "screen": "Screen: {name}",
        "stage": "{name} is shown",
        "speaks": "{name} speaks",
        "hands": "Raised hands: {count}",
        "chat": "Talk in the chat, messages: {count}",
    },
}


@dataclass(frozen=True, slots=True)
class Chapter:
    """A place in the video. ``name`` of a person, ``count`` of a part, hands or messages; else empty, 0."""

    at_ms: int
    kind: Kind
    name: str = ""
    count: int = 0


def chapters(timeline: Timeline, takes: Takes) -> list[Chapter]:
    """Ascending, the first at 0, at least APART_MS apart, at most MOST."""
    found = sorted(
        (each for each in _all(timeline, takes) if 0 <= each.at_ms < timeline.duration_ms),
        key=lambda each: (-_WEIGHT[each.kind], each.at_ms),
    )
    kept: list[Chapter] = []
    for each in found:
        if len(kept) < MOST and all(abs(each.at_ms - other.at_ms) >= APART_MS for other in kept):
            kept.append(each)
    return sorted(kept, key=lambda each: each.at_ms)


def chapters_vtt(found: Sequence[Chapter], duration_ms: int, language: Language) -> str:
    """The same as WebVTT; each lasts until the next."""
    ends = [each.at_ms for each in found[1:]] + [duration_ms]
    words = _WORDS[language]
    return vtt(
        (each.at_ms, end_ms, words[each.kind].format(name=each.name, count=each.count))
        for each, end_ms in zip(found, ends, strict=True)
    )


def _all(timeline: Timeline, takes: Takes) -> Iterator[Chapter]:
    yield Chapter(0, "begin")
    for number, part in enumerate(timeline.parts[1:], 2):
        yield Chapter(part.at_ms, "part", count=number)
    called, pictures = names(takes), shown(takes)
    # Whose lesson it is: who is shown first of all is no place to look for.
    host = pictures[0].participant if pictures else ""
    before: SourceName | None = None
    for at_ms, participant, source in pictures:
        name = called.get(participant, "")
        if source == "screen":
            yield Chapter(at_ms, "screen", name)
        elif source == "camera" and name and (participant != host or before == "screen"):
            yield Chapter(at_ms, "stage", name)
        before = source
    for talk in talks(takes, PAUSE_MS, SPEECH_MS):
        if talk.participant != host and (name := called.get(talk.participant, "")):
            yield Chapter(talk.from_ms, "speaks", name)
    raised = [hand.at_ms for hand in timeline.hands if hand.up]
    yield from (Chapter(at_ms, "hands", count=count) for at_ms, count in _bursts(raised, HANDS))
    said = [message.at_ms for message in timeline.chat]
    yield from (Chapter(at_ms, "chat", count=count) for at_ms, count in _bursts(said, MESSAGES))


def _bursts(times_ms: Iterable[int], least: int) -> Iterator[tuple[int, int]]:
    """(when it begins, how many) where at least so many come within BURST_MS."""
    window: list[int] = []
    for at_ms in sorted(times_ms):
        if window and at_ms - window[0] > BURST_MS:
            if len(window) >= least:
                yield window[0], len(window)
                window = []
            else:
                window = [each for each in window if at_ms - each <= BURST_MS]
        window.append(at_ms)
    if len(window) >= least:
        yield window[0], len(window)
