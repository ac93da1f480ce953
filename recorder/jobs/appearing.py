"""Who is seen and who speaks when, as the video's takes tell it. Pure.

Whoever was taken out of the video is not in its takes, and so in nothing that is made from here.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from typing import Final, NamedTuple

from signaling.catalog.takes import Takes
from signaling.wire import SourceName

_SEEN: Final[frozenset[SourceName]] = frozenset({"camera", "screen"})


class Shown(NamedTuple):
    """From ``at_ms`` on this participant's camera or screen is the picture; both empty: the title card."""

    at_ms: int
    participant: str
    source: SourceName | None


class Talk(NamedTuple):
    """Somebody is heard at their microphone."""

    from_ms: int
    to_ms: int
    participant: str


def names(takes: Takes) -> dict[str, str]:
    """Participant -> name; empty where nobody knows it."""
    return {each.participant: each.name for each in takes.people}


def shown(takes: Takes) -> list[Shown]:
    """Each change of the picture, ascending."""
    found: list[Shown] = []
    until_ms = 0
    for take in sorted(takes.takes, key=lambda take: take.from_ms):
        if take.source not in _SEEN:
            continue
        if found and take.from_ms > until_ms:
            found.append(Shown(until_ms, "", None))
        if not found or found[-1][1:] != (take.participant, take.source):
            found.append(Shown(take.from_ms, take.participant, take.source))
        until_ms = take.to_ms
    return [*found, Shown(until_ms, "", None)] if found else []


def talks(takes: Takes, pause_ms: int, least_ms: int) -> list[Talk]:
    """Who speaks when, by its beginning: shorter pauses are spoken through, shorter talks are none."""
    last: dict[str, Talk] = {}
    found: list[Talk] = []
    for take in sorted(takes.takes, key=lambda take: take.from_ms):
        if take.source != "microphone":
            continue
        talk = Talk(take.from_ms, take.to_ms, take.participant)
        before = last.get(take.participant)
        if before is not None and talk.from_ms - before.to_ms <= pause_ms:
            talk = before._replace(to_ms=max(before.to_ms, talk.to_ms))
        elif before is not None:
            found.append(before)
        last[take.participant] = talk
    return sorted(talk for talk in [*found, *last.values()] if talk.to_ms - talk.from_ms >= least_ms)


def together(spoken: list[Talk]) -> Iterator[tuple[int, tuple[str, ...]]]:
    """(ms, participants who speak) from each moment on at which they change; who began first comes first."""
    changes = [(talk.from_ms, True, talk.participant) for talk in spoken]
    changes += [(talk.to_ms, False, talk.participant) for talk in spoken]
    now: dict[str, None] = {}
    for at_ms, some in groupby(sorted(changes), key=itemgetter(0)):
        for _, begins, participant in some:
            if begins:
                now[participant] = None
            else:
                now.pop(participant, None)
        yield at_ms, tuple(now)
