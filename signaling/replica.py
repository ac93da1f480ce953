"""A lesson's state as the fold of its log, and what each kind of client may see of it. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from sfu.model import Role
from signaling.codec import builtins, encode, pack, unpack
from signaling.lesson.change import Change
from signaling.lesson.fields import HIDDEN, LEADERS_ONLY, owner, typed
from signaling.wire import Event

KEPT_EVENTS: Final = 1000
"""Events kept in memory for clients that resume; older ones get the whole state."""
RESTORE_GAP: Final = 1000
"""Numbers skipped when a lesson is restored, so that no number ever means two events."""


class View(StrEnum):
    """Visibility class of a client: an event is encoded once for each."""

    LEADER = "leader"
    STUDENT = "student"

    @classmethod
    def of(cls, role: Role) -> View:
        return cls.LEADER if role.leads else cls.STUDENT

    def sees(self, path: str, who: str = "") -> bool:
        """Whether clients of this class, or of it ``who`` themselves, may know the field."""
        if path.startswith(HIDDEN):
            return False
        if self is View.LEADER:
            return True
        return not path.startswith(LEADERS_ONLY) and owner(path) in (None, who)


@dataclass(frozen=True, slots=True)
class Record:
    """One event of the log with its number; values are builtins (what the log holds)."""

    number: int
    kind: str
    at_ms: int
    by: str | None
    set: Mapping[str, Any] = field(default_factory=dict)
    delete: tuple[str, ...] = ()

    def body(self) -> bytes:
        """As the log holds it; the number is beside it."""
        return pack([self.kind, self.at_ms, self.by, self.set, self.delete])

    @classmethod
    def parse(cls, number: int, body: bytes) -> Record:
        """Inverse of ``body``."""
        kind, at_ms, by, changed, deleted = unpack(body)
        return cls(number, kind, at_ms, by, changed, tuple(deleted))

    def seen_by(self, view: View, who: str = "") -> Event:
        """The event for clients of this class (``who`` themselves), without what they may not see."""
        shown = {path: value for path, value in self.set.items() if view.sees(path, who)}
        gone = tuple(path for path in self.delete if view.sees(path, who))
        hidden = (self.set or self.delete) and not (shown or gone)
        by = None if hidden else self.by  # who it was would tell what it was
        return Event(number=self.number, kind=self.kind, at_ms=self.at_ms, by=by, set=shown, delete=gone)

    def owners(self) -> frozenset[str]:
        """Students who see something of it that no other student does."""
        return frozenset(who for path in (*self.set, *self.delete) if (who := owner(path)) is not None)


def record(change: Change, at_ms: int, by: str | None) -> Record:
    """A change as the event to append; its number is not known yet (0)."""
    return Record(0, change.kind, at_ms, by, {p: builtins(v) for p, v in change.set.items()}, change.delete)


class Replica:
    """State of one lesson after event ``number``: ``state`` typed for rules, ``raw`` packed as in the log.

    Feed it ``apply`` with consecutive records; ``reset`` with a whole state after a gap that the log
    cannot fill.
    """

    def __init__(self, number: int = 0, raw: Mapping[str, bytes] | None = None) -> None:
        self.number = number
        self.raw: dict[str, bytes] = {}
        self.state: dict[str, Any] = {}
        self._recent: deque[Record] = deque(maxlen=KEPT_EVENTS)
        self.reset(number, raw or {})

    def reset(self, number: int, raw: Mapping[str, bytes], recent: Iterable[Record] = ()) -> None:
        """Take over a whole state; ``recent`` are the last records up to ``number``."""
        self.number = number
        self.raw = dict(raw)
        self.state = {path: typed(path, unpack(value)) for path, value in raw.items()}
        self._recent.clear()
        for event in recent:
            if self._recent and event.number != self._recent[-1].number + 1:
                self._recent.clear()
            if event.number <= number:
                self._recent.append(event)
        if self._recent and self._recent[-1].number != number:
            self._recent.clear()

    def apply(self, event: Record) -> bool:
        """Apply the next event; False (and nothing happens) unless it is the next one."""
        if event.number != self.number + 1:
            return False
        for path in event.delete:
            self.raw.pop(path, None)
            self.state.pop(path, None)
        for path, value in event.set.items():
            self.raw[path] = pack(value)
            self.state[path] = typed(path, value)
        self.number = event.number
        self._recent.append(event)
        return True

    def fields(self, view: View, who: str = "") -> dict[str, Any]:
        """The whole state for a client of this class, as builtins."""
        return {path: unpack(value) for path, value in self.raw.items() if view.sees(path, who)}

    def since(self, number: int, view: View, who: str = "") -> tuple[Event, ...] | None:
        """Events after ``number`` for a client of this class; None when they are not kept any more."""
        if number == self.number:
            return ()
        if number > self.number or not self._recent or self._recent[0].number > number + 1:
            return None
        return tuple(event.seen_by(view, who) for event in self._recent if event.number > number)


class Encoded:
    """One record encoded at most once for each visibility class, and for whom it is about."""

    def __init__(self, event: Record) -> None:
        self._event = event
        self._owners = event.owners()
        self._bytes: dict[View, bytes] = {}

    def for_view(self, view: View, who: str = "") -> bytes:
        """The message for clients of this class (``who`` themselves)."""
        if who in self._owners:
            return encode(self._event.seen_by(view, who))
        found = self._bytes.get(view)
        if found is None:
            found = self._bytes[view] = encode(self._event.seen_by(view))
        return found
