"""What a video lesson lacks: the time in which a leader had something on and nobody's came.

Of students nothing is expected: what of them is recorded is the teacher's choice of the moment.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np

from recorder.picture import Film
from recorder.sound import Voice, runs
from recorder.timeline import Part, Stay
from sfu.model import Source
from signaling.wire import TimelineMissing

LOSS_US: Final = 2_000_000
"""So long without a frame or a packet is a loss: sources begin within a second, encoders send a packet of
silence each 400 ms."""
STILL_US: Final = 10_000_000
"""The same of a screen: browsers send one that stands still rarely."""

_PICTURES: Final = frozenset({Source.CAMERA.value, Source.SCREEN.value})
_MICROPHONES: Final = frozenset({Source.MICROPHONE.value})

Span = tuple[int, int]
"""Start and end, us of the server's clock."""


class Losses:
    """``add`` stretch after stretch of a recording, then ask for what is ``missing``."""

    def __init__(self) -> None:
        self._expected: dict[bool, list[Span]] = {True: [], False: []}
        """When a leader had a picture on (True), or a microphone."""
        self._received: dict[tuple[str, Source], list[Span]] = {}

    def add(
        self,
        since_us: int,
        until_us: int,
        leaders: Iterable[Stay],
        films: Iterable[Film],
        voices: Iterable[Voice],
    ) -> None:
        """A stretch that follows the former one, or a gap between two parts. ``leaders``: their stays."""
        stays = list(leaders)
        for picture, sources in ((True, _PICTURES), (False, _MICROPHONES)):
            self._expected[picture] = _united(
                self._expected[picture] + _on(stays, sources, since_us, until_us)
            )
        everything: list[Film | Voice] = [*films, *voices]
        for each in everything:
            first, last = np.searchsorted(each.time_us, (since_us, until_us)).tolist()
            for first_us, last_us, _ in runs(each.time_us[first:last], _gap_us(each.source)):
                self._come(each.participant, each.source, first_us, last_us)

    def missing(self, parts: Iterable[Part], journals: int) -> TimelineMissing | None:
        """What is lost of these parts; None: nothing is. ``journals``: damaged ones."""
        seen = self._spans(picture=True)
        heard = self._spans(picture=False)
        picture_us = sound_us = silent_parts = 0
        for part in parts:
            shown = _within(self._expected[True], part)
            spoken = _within(self._expected[False], part)
            picture_us += _lost_us(shown, seen)
            sound_us += _lost_us(spoken, heard)
            silent_parts += bool(shown or spoken) and not _within(seen + heard, part)
        if not (picture_us or sound_us or silent_parts or journals):
            return None
        return TimelineMissing(picture_us // 1000, sound_us // 1000, silent_parts, journals)

    def _come(self, participant: str, source: Source, first_us: int, last_us: int) -> None:
        known = self._received.setdefault((participant, source), [])
        if known and first_us - known[-1][1] <= _gap_us(source):
            known[-1] = known[-1][0], last_us
        else:
            known.append((first_us, last_us))

    def _spans(self, *, picture: bool) -> list[Span]:
        return [
            (first_us, last_us + STILL_US if source is Source.SCREEN else last_us)
            for (_, source), spans in self._received.items()
            if (source.value in _PICTURES) == picture
            for first_us, last_us in spans
        ]


def _gap_us(source: Source) -> int:
    return STILL_US if source is Source.SCREEN else LOSS_US


def _on(stays: Iterable[Stay], sources: frozenset[str], since_us: int, until_us: int) -> list[Span]:
    """When any of these sources was on in a stretch."""
    return [
        (max(stay.start_us, since_us), min(end_us, until_us))
        for stay in stays
        if stay.source in sources
        for end_us in (until_us if stay.end_us is None else stay.end_us,)
        if stay.start_us < until_us and end_us > since_us
    ]


def _within(spans: Iterable[Span], part: Part) -> list[Span]:
    return [
        (max(start_us, part.start_us), min(end_us, part.end_us))
        for start_us, end_us in spans
        if start_us < part.end_us and end_us > part.start_us
    ]


def _lost_us(expected: Iterable[Span], received: Iterable[Span]) -> int:
    """How long something was expected and nothing received, without pieces shorter than LOSS_US."""
    lost_us = 0
    there = sorted(received)
    for start_us, end_us in _united(expected):
        at_us = start_us
        for first_us, last_us in [*there, (end_us, end_us)]:
            if last_us < at_us:
                continue
            until_us = min(first_us, end_us)
            if until_us - at_us > LOSS_US:
                lost_us += until_us - at_us
            at_us = max(at_us, last_us)
            if at_us >= end_us:
                break
    return lost_us


def _united(spans: Iterable[Span]) -> list[Span]:
    united: list[Span] = []
    for start_us, end_us in sorted(spans):
        if united and start_us <= united[-1][1]:
            united[-1] = united[-1][0], max(united[-1][1], end_us)
        else:
            united.append((start_us, end_us))
    return united
