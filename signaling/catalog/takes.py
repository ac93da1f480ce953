"""The file ``takes.json`` beside a video: who is seen and heard in it when; it is never served. And what a
timeline is without somebody."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterable
from typing import Any, Final

import msgspec
from msgspec import Struct

from signaling.codec import pack, unpack
from signaling.lesson.fields import author
from signaling.wire import RoleName, SourceName, Timeline

TAKES_NAME: Final = "takes.json"


class Take(Struct, frozen=True):
    """One source of a participant is in the video from ``from_ms`` to before ``to_ms`` of it."""

    participant: str
    source: SourceName
    from_ms: int
    to_ms: int


class Cast(Struct, frozen=True):
    """Somebody who is in a video lesson: seen, heard, or beside it in the chat and with a hand."""

    participant: str
    name: str
    role: RoleName


class Takes(Struct, frozen=True):
    """All of it: takes by their beginning, people by their place in the class. Two takes of one source
    neither touch nor overlap; a mix is a take of everybody in it."""

    people: tuple[Cast, ...] = ()
    takes: tuple[Take, ...] = ()

    def without(self, participants: Iterable[str]) -> Takes:
        """What is left when these people are taken out."""
        gone = frozenset(participants)
        return Takes(
            tuple(each for each in self.people if each.participant not in gone),
            tuple(each for each in self.takes if each.participant not in gone),
        )


def seal(value: Any) -> str:
    """A field's value as a timeline holds it."""
    return b64encode(pack(value)).decode()


def opened(sealed: str) -> Any:
    """Inverse of ``seal``."""
    return unpack(b64decode(sealed))


def timeline_without(timeline: Timeline, participants: Iterable[str]) -> Timeline:
    """The timeline without what these people wrote or drew and without their hands."""
    gone = frozenset(participants)
    return msgspec.structs.replace(
        timeline,
        chat=tuple(each for each in timeline.chat if each.participant not in gone),
        hands=tuple(each for each in timeline.hands if each.participant not in gone),
        changes=tuple(
            msgspec.structs.replace(
                each,
                set={path: value for path, value in each.set.items() if author(opened(value)) not in gone},
            )
            for each in timeline.changes
        ),
    )
