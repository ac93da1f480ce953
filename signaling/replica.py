"""A lesson's state as the fold of its log, and what each kind of client may see of it. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

import msgspec

from sfu.model import Role
from signaling.codec import builtins, encode, pack, unpack
from signaling.lesson.change import Change
from signaling.lesson.fields import GROUPS_OWN, HIDDEN, LEADERS_ONLY, groups_own, in_group, owner, typed
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

    def sees(self, path: str, who: str = "", group: str | None = None) -> bool:
        """Whether clients of this class and group, or of them ``who`` themselves, may know the field."""
        if path.startswith(HIDDEN):
            return False
        if self is View.LEADER:
            return True
        if path.startswith(GROUPS_OWN):
            return groups_own(path) == group
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

    def seen_by(self, view: View, who: str = "", group: str | None = None) -> Event:
        """The event for clients of this class and group (``who`` themselves), without what is hidden."""
        shown = {path: value for path, value in self.set.items() if view.sees(path, who, group)}
        gone = tuple(path for path in self.delete if view.sees(path, who, group))
        hidden = (self.set or self.delete) and not (shown or gone)
        by = None if hidden else self.by  # who it was would tell what it was
        return Event(number=self.number, kind=self.kind, at_ms=self.at_ms, by=by, set=shown, delete=gone)

    def owners(self) -> frozenset[str]:
        """Students who see something of it that no other student does."""
        return frozenset(who for path in (*self.set, *self.delete) if (who := owner(path)) is not None)

    @property
    def of_groups(self) -> bool:
        """Whether anything of it is a group's own."""
        return any(path.startswith(GROUPS_OWN) for path in (*self.set, *self.delete))

    def moves(self, who: str) -> bool:
        """Whether somebody is in another group by it, and so may see other fields than before."""
        return in_group(who) in self.set or in_group(who) in self.delete


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

    def group(self, who: str) -> str | None:
        """The group whose own fields somebody may see."""
        found: str | None = self.state.get(in_group(who))
        return found

    def fields(self, view: View, who: str = "") -> dict[str, Any]:
        """The whole state for a client of this class, as builtins."""
        group = self.group(who)
        return {path: unpack(value) for path, value in self.raw.items() if view.sees(path, who, group)}

    def since(self, number: int, view: View, who: str = "") -> tuple[Event, ...] | None:
        """Events after ``number`` for a client of this class; None when they are not kept any more, or when
        the client may see other fields since then."""
        if number == self.number:
            return ()
        if number > self.number or not self._recent or self._recent[0].number > number + 1:
            return None
        missed = [event for event in self._recent if event.number > number]
        if view is View.STUDENT and any(event.moves(who) for event in missed):
            return None
        group = self.group(who)
        return tuple(event.seen_by(view, who, group) for event in missed)

    def moved(self, event: Record, who: str, before: str | None) -> Event:
        """The last event, for a student who by it is no longer in the group ``before``: with what is their
        new group's own, without what is that one's."""
        group = self.group(who)
        seen = event.seen_by(View.STUDENT, who, group)
        of_groups = {path: whose for path in (*self.raw, *event.delete) if (whose := groups_own(path))}
        own = {p: unpack(self.raw[p]) for p, whose in of_groups.items() if whose == group and p in self.raw}
        former = [path for path, whose in of_groups.items() if whose == before]
        gone = dict.fromkeys((*seen.delete, *former))
        return msgspec.structs.replace(seen, set={**seen.set, **own}, delete=tuple(gone))


class Encoded:
    """One record encoded at most once for each visibility class, for each group and for whom it is about."""

    def __init__(self, event: Record) -> None:
        self._event = event
        self._owners = event.owners()
        self._of_groups = event.of_groups
        self._bytes: dict[tuple[View, str | None], bytes] = {}

    def for_view(self, view: View, who: str = "", group: str | None = None) -> bytes:
        """The message for clients of this class and group (``who`` themselves)."""
        if who in self._owners:
            return encode(self._event.seen_by(view, who, group))
        key = (view, group if self._of_groups else None)
        found = self._bytes.get(key)
        if found is None:
            found = self._bytes[key] = encode(self._event.seen_by(view, "", group))
        return found
