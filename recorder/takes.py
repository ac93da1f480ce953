"""Who is seen and heard in a video lesson when: noted while its pictures and sounds are written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from recorder.timeline import Person
from sfu.model import Role, Source
from signaling.catalog.takes import Cast, Take, Takes
from signaling.wire import Timeline

_LAST: Final = 1 << 30

Who = tuple[str, Source]
"""(Participant, source)."""
Span = tuple[int, int]
"""From and to before, in ms of the video."""


class Appearances:
    """Told in the order of the video's times; then asked for the ``takes``."""

    def __init__(self) -> None:
        self._spans: dict[Who, list[Span]] = {}
        self._shown: Who | None = None
        self._since_ms = 0

    def seen(self, at_ms: int, who: Who | None) -> None:
        """A picture of somebody was written with this time; None: the title card. It lasts until the next."""
        if who == self._shown:
            return
        if self._shown is not None:
            self._add(self._shown, (self._since_ms, at_ms))
        self._shown, self._since_ms = who, at_ms

    def heard(self, from_ms: int, to_ms: int, voices: Iterable[Who]) -> None:
        """These sound together."""
        for who in voices:
            self._add(who, (from_ms, to_ms))

    def takes(
        self, beside: Timeline, people: Mapping[str, Person], known: Mapping[str, tuple[Role, int]]
    ) -> Takes:
        """Who is in the video, whose last picture is written. ``known``: roles of those whom the log does not
        name too."""
        # The last picture may be pushed behind the end: whoever takes it out must find it.
        end_ms = beside.duration_ms
        self.seen(max(end_ms, self._since_ms) + 1, None)
        listed = [
            Take(participant, source.value, from_ms, to_ms)
            for (participant, source), spans in self._spans.items()
            for from_ms, to_ms in spans
            if from_ms <= end_ms
        ]
        listed.sort(key=lambda take: (take.from_ms, take.participant, take.source))
        there = {take.participant for take in listed}
        there |= {said.participant for said in beside.chat if said.participant}
        there |= {hand.participant for hand in beside.hands}
        there |= {who for who, person in people.items() if person.role == "teacher"}  # on the title card
        return Takes(_cast(there, people, known), tuple(listed))

    def _add(self, who: Who, span: Span) -> None:
        spans = self._spans.setdefault(who, [])
        if spans and span[0] <= spans[-1][1]:
            spans[-1] = spans[-1][0], max(span[1], spans[-1][1])
        else:
            spans.append(span)


def _cast(
    there: Iterable[str], people: Mapping[str, Person], known: Mapping[str, tuple[Role, int]]
) -> tuple[Cast, ...]:
    order = {who: people[who].order if who in people else _LAST for who in there}
    return tuple(
        Cast(who, people[who].name, people[who].role)
        if who in people
        else Cast(who, "", known[who][0].value if who in known else "student")
        for who in sorted(order, key=lambda who: (order[who], who))
    )
