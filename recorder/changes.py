"""What the class looked at together, as changes of fields in the video's time. Pure.

Feed ``Changes`` what the log tells; ``replayed`` cuts it to the parts of the video.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any, Protocol

from signaling.catalog.takes import seal
from signaling.lesson.fields import REPLAYED, author
from signaling.wire import TimelineChange


class Part(Protocol):
    """A part of the video, in us: server time, and where it begins in the video."""

    @property
    def start_us(self) -> int: ...
    @property
    def end_us(self) -> int: ...
    @property
    def at_us(self) -> int: ...


class Changes:
    """Changes in the order of the log, (server time in us, path, value or None for deleted)."""

    def __init__(self) -> None:
        self.all: list[tuple[int, str, Any]] = []
        self._there: set[str] = set()

    def set(self, at_us: int, path: str, value: Any, unrecorded: Collection[str]) -> None:
        """A field was set; what is of somebody who is not recorded counts as deleted."""
        if author(value) in unrecorded:
            self.delete(at_us, path)
        elif path.startswith(REPLAYED) and value is not None:
            self._there.add(path)
            self.all.append((at_us, path, value))

    def delete(self, at_us: int, path: str) -> None:
        """A field was deleted."""
        if path in self._there:
            self._there.discard(path)
            self.all.append((at_us, path, None))

    def only(self, at_us: int, stated: Collection[str]) -> None:
        """The whole state was told: what it does not hold is gone."""
        for path in sorted(self._there.difference(stated)):
            self.delete(at_us, path)


def replayed(changes: Sequence[tuple[int, str, Any]], parts: Sequence[Part]) -> Iterator[TimelineChange]:
    """Changes in the video's time: those between two parts happen at once where the next begins, those of one
    moment together. ``changes`` sorted by time."""
    told: dict[str, Any] = {}
    at = 0
    for part in parts:
        before: dict[str, Any] = {}
        while at < len(changes) and changes[at][0] <= part.start_us:
            before[changes[at][1]] = changes[at][2]
            at += 1
        yield from _told(told, part.at_us, before)
        while at < len(changes) and changes[at][0] <= part.end_us:
            moment_us, moment = changes[at][0], dict[str, Any]()
            while at < len(changes) and changes[at][0] == moment_us:
                moment[changes[at][1]] = changes[at][2]
                at += 1
            yield from _told(told, part.at_us + moment_us - part.start_us, moment)


def _told(told: dict[str, Any], at_us: int, changed: dict[str, Any]) -> Iterator[TimelineChange]:
    """The change that a viewer needs who has been told ``told``, which it becomes a part of."""
    new = {path: value for path, value in changed.items() if value is not None and told.get(path) != value}
    gone = tuple(path for path, value in changed.items() if value is None and path in told)
    told.update(new)
    for path in gone:
        del told[path]
    if new or gone:
        yield TimelineChange(at_us // 1000, {path: seal(value) for path, value in new.items()}, gone)
