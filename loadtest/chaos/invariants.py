"""What must hold whatever is killed, as checks of what clients and Redis said. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgpack
import msgspec

from signaling import wire
from signaling.lesson.fields import LEADERS_ONLY, OWN

_PRIVATE: Final = LEADERS_ONLY + OWN
KEPT_EVENTS: Final = 20_000
EDGE_S: Final = 2.0
"""A recording may begin so late, and so late after sound is back."""
MOVE_GRACE_S: Final = 3.0
"""Who is moved makes a new connection within this time; until then the old one may still play."""


def content(event: wire.Event) -> bytes:
    """What an event says to everybody, so that what two kinds of clients got can be compared."""
    said = msgspec.to_builtins(event.set, builtin_types=(bytes,))
    changes = sorted((path, value) for path, value in said.items() if not path.startswith(_PRIVATE))
    gone = sorted(path for path in event.delete if not path.startswith(_PRIVATE))
    packed: bytes = msgpack.packb([event.kind, event.at_ms, event.by, changes, gone])
    return packed


def twice(fields: Mapping[str, Any]) -> list[str]:
    """Names of which more than one is here; everybody of a test has a name of their own."""
    people = (value for path, value in fields.items() if path.startswith("person/"))
    names = Counter(str(person["name"]) for person in people if person["here"])
    return sorted(name for name, count in names.items() if count > 1)


def chats(fields: Mapping[str, Any]) -> dict[str, str]:
    """Place in the log -> text of each chat message in these fields."""
    return {path: str(value["text"]) for path, value in fields.items() if path.startswith("chat/")}


class LessonHistory:
    """What each number meant to whoever heard it first; one of a lesson, for all its clients."""

    def __init__(self) -> None:
        self._known: dict[int, bytes] = {}

    def compare(self, event: wire.Event) -> str | None:
        """The fault when the number meant something else to another client."""
        said = content(event)
        if self._known.setdefault(event.number, said) != said:
            return f"event {event.number} ({event.kind}) is not what another client got"
        if len(self._known) > KEPT_EVENTS:
            del self._known[next(iter(self._known))]
        return None


class Witness:
    """One client's history: fed with every message in the order of arrival, it says what was wrong."""

    def __init__(self, name: str, lesson: LessonHistory) -> None:
        self.name = name
        self.number: int | None = None
        self.lease = 0
        self.chats: dict[str, str] = {}
        self.replaced = 0
        """How often the whole state came anew, after the first time."""
        self._lesson = lesson

    def take(self, message: wire.ServerMessage) -> list[str]:
        """Faults of this message, in words."""
        match message:
            case wire.Welcome():
                found = [*self._leased(message.lease), *self._welcome(message)]
            case wire.Event():
                found = self._event(message)
            case wire.Moved():
                found = self._leased(message.lease)
            case _:
                found = []
        return [f"{self.name}: {fault}" for fault in found]

    def _welcome(self, welcome: wire.Welcome) -> list[str]:
        found: list[str] = []
        if welcome.fields is not None:
            if self.number is not None:
                self.replaced += 1
                if welcome.number < self.number:
                    found.append(f"the log went back from {self.number} to {welcome.number}")
            self.number = welcome.number
            self.chats |= chats(welcome.fields)
        for event in welcome.events:
            found += self._event(event)
        if self.number != welcome.number:
            found.append(f"was resumed to {self.number}, the log is at {welcome.number}")
            self.number = welcome.number
        return found

    def _event(self, event: wire.Event) -> list[str]:
        found = []
        if self.number is None or event.number != self.number + 1:
            found.append(f"event {event.number} ({event.kind}) came after {self.number}")
        if different := self._lesson.compare(event):
            found.append(different)
        if event.kind in ("left", "removed", "teacher_away"):
            found.append(f"event {event.number}: {event.kind}, but everybody stays")
        self.number = event.number
        self.chats |= chats(event.set)
        return found

    def _leased(self, lease: int) -> list[str]:
        if lease == 0:  # no worker has the lesson now
            return []
        if lease < self.lease:
            return [f"the lease went back from {self.lease} to {lease}"]
        self.lease = lease
        return []


def undelivered(acknowledged: Iterable[str], witnesses: Iterable[Witness]) -> list[str]:
    """Acknowledged messages that some client has not, or has more than once. Each text was said once."""
    wanted = dict.fromkeys(acknowledged)
    found = []
    for witness in witnesses:
        counts = Counter(witness.chats.values())
        found += [
            f"{witness.name}: chat {text!r} came {counts[text]} times" for text in wanted if counts[text] != 1
        ]
        found += [
            f"{witness.name}: chat {text!r} was not acknowledged and came {count} times"
            for text, count in counts.items()
            if count > 1 and text not in wanted
        ]
    return found


def apart(states: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Clients whose state is not that of the first one, though all have seen everything."""
    shown = {
        name: {path: value for path, value in fields.items() if not path.startswith(_PRIVATE)}
        for name, fields in states.items()
    }
    first = next(iter(shown.values()), {})
    differ = {
        name: sorted(path for path in {*first, *fields} if first.get(path) != fields.get(path))
        for name, fields in shown.items()
    }
    return [f"{name}: the state differs in {', '.join(paths[:3])}" for name, paths in differ.items() if paths]


def cut_short(name: str, recorded_s: float | None, lasted_s: float, silences_s: Iterable[float]) -> list[str]:
    """A recording that is not there, or lacks more than the lesson's own silences and a moment at each."""
    if recorded_s is None:
        return [f"the recording of {name} did not become a video lesson"]
    may_lack_s = EDGE_S + sum(silence_s + EDGE_S for silence_s in silences_s)
    if recorded_s >= lasted_s - may_lack_s:
        return []
    return [f"the recording of {name} has {recorded_s:.1f} of {lasted_s:.1f} s, may lack {may_lack_s:.1f} s"]


@dataclass(slots=True)
class Leases:
    """Leases as Redis had them, one lesson after the other."""

    _worker_of: dict[tuple[str, int], str] = field(default_factory=dict)
    _epoch: dict[str, int] = field(default_factory=dict)

    def saw(self, lesson: str, worker: str, epoch: int) -> list[str]:
        """Faults of this look at a lesson's lease."""
        found = []
        before = self._epoch.get(lesson, 0)
        if epoch < before:
            found.append(f"{lesson}: the lease's epoch went back from {before} to {epoch}")
        owner = self._worker_of.setdefault((lesson, epoch), worker)
        if owner != worker:
            found.append(f"{lesson}: epoch {epoch} is {owner}'s and {worker}'s")
        self._epoch[lesson] = max(before, epoch)
        return found


@dataclass(slots=True)
class Stretch:
    """Sound without a pause over a connection of one lease."""

    lease: int
    first_s: float
    last_s: float


def two_owners(heard: Mapping[str, Sequence[Stretch]]) -> list[str]:
    """Listeners of one lesson who still heard an old lease when another had long heard a newer one."""
    began: dict[int, float] = {}
    for stretches in heard.values():
        for stretch in stretches:
            began[stretch.lease] = min(began.get(stretch.lease, stretch.first_s), stretch.first_s)
    found = []
    for name, stretches in heard.items():
        for stretch in stretches:
            newer = [lease for lease, at_s in began.items() if lease > stretch.lease]
            late = [lease for lease in newer if stretch.last_s > began[lease] + MOVE_GRACE_S]
            if late:
                found.append(
                    f"{name}: lease {stretch.lease} was heard {stretch.last_s - began[late[0]]:.1f} s "
                    f"after lease {late[0]} was"
                )
    return found
