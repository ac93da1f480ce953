"""Who is together: the lesson itself and its groups, and who speaks in each of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Final

from sfu.allocation import Member
from sfu.model import ParticipantId, Source
from sfu.speakers import SpeakerTracker

MAIN: Final = ""
"""The lesson itself, beside its groups."""
SPEAKERS_EVERY_US: Final = 250_000

Speaking = tuple[tuple[ParticipantId, int], ...]


def gathered(people: Iterable[tuple[str, bool, Member]]) -> dict[str, list[Member]]:
    """Who is to be seen and heard in each room, of (their room, whether they speak to all, who).

    Nobody is among the members of a room that they are not in, but with the microphone by which they speak to
    all. This is what keeps groups apart: whatever is allocated comes from a room's members.
    """
    rooms: dict[str, list[Member]] = {MAIN: []}
    to_all: list[tuple[str, Member]] = []
    for room, speaks_to_all, member in people:
        rooms.setdefault(room, []).append(member)
        if speaks_to_all:
            to_all.append((room, replace(member, sources=member.sources & {Source.MICROPHONE}, apart=True)))
    for room, members in rooms.items():
        members += [voice for home, voice in to_all if home != room]
    return rooms


class Voices:
    """The speakers of every room: ``update`` about every 100 ms, then read the others. Pure.

    A room is there while somebody is in it; who goes from one to another is heard anew.
    """

    def __init__(self) -> None:
        self._trackers: dict[str, SpeakerTracker] = {}
        self._told: dict[str, Speaking] = {}
        self._due_us = 0

    def update(
        self,
        now_us: int,
        levels: Mapping[ParticipantId, int],
        microphones: Mapping[str, Collection[ParticipantId]],
    ) -> bool:
        """Take one moment's levels. ``microphones``: for each room whose microphones are heard there. Whether
        anybody's rank changed."""
        for gone in self._trackers.keys() - microphones.keys():
            del self._trackers[gone]
        changed = False
        for room, heard in microphones.items():
            tracker = self._trackers.setdefault(room, SpeakerTracker())
            before = (tracker.ranking, tracker.spoke)
            tracker.update(now_us, levels, heard)
            changed |= (tracker.ranking, tracker.spoke) != before
        return changed

    def ranking(self, room: str) -> tuple[ParticipantId, ...]:
        """As SpeakerTracker.ranking, in this room."""
        return self._trackers[room].ranking if room in self._trackers else ()

    def spoke(self, room: str) -> tuple[ParticipantId, ...]:
        """As SpeakerTracker.spoke, in this room."""
        return self._trackers[room].spoke if room in self._trackers else ()

    def news(self, now_us: int) -> Iterator[tuple[str, Speaking]]:
        """Rooms whose speakers are to be told, at most 4 times a second; nobody for a room that is gone."""
        if now_us < self._due_us:
            return
        for room in sorted(self._trackers.keys() | self._told.keys()):
            speaking = self._trackers[room].speaking if room in self._trackers else ()
            if speaking != self._told.get(room, ()):
                self._told[room] = speaking
                self._due_us = now_us + SPEAKERS_EVERY_US
                yield room, speaking
            if room not in self._trackers:
                self._told.pop(room, None)

    def tell_again(self) -> None:
        """Somebody new listens to ``news``."""
        self._told.clear()
