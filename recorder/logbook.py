"""The lesson's log as a recording keeps it: what was so when it began, then each event."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from recorder.journal import LogEvent, Writer
from signaling.lesson.fields import (
    GROUPS,
    GROUPS_OWN,
    HIDDEN,
    LEADERS_ONLY,
    LESSON,
    RECORDING,
    REPLAYED,
    owner,
)
from signaling.replica import Record, Replica

log = logging.getLogger(__name__)

RESTATED: Final = "restated"
_KEPT: Final = ("person/", "on/", "hand/", "unrecorded/", "in/", GROUPS, *REPLAYED)
_BEFORE: Final = ("unrecorded/", "in/", GROUPS)
"""What says that somebody is not recorded."""
_PATHS: Final = 200
_PAGE_BYTES: Final = 256 * 1024
"""Fields in one restated event, and their bytes: far below a record's limit."""


def shown(path: str) -> bool:
    """Whether the field is something that a recording's log holds: what everybody sees, and who is not
    recorded."""
    if path.startswith("unrecorded/"):
        return True
    return owner(path) is None and not path.startswith((HIDDEN, *LEADERS_ONLY, *GROUPS_OWN))


def restated(replica: Replica, at_ms: int) -> list[LogEvent]:
    """The state that a recording rests on: the lesson, people, what they have on, hands, groups, who is
    not recorded, what the class was asked, the recording.

    What was written in the chat before is not of the recording, but which messages were removed: one of this
    recording may be among them. The recording itself comes last.
    """
    kept_paths = (path for path in replica.raw if path.startswith(_KEPT) or _is_removed(replica, path))
    # Who is not recorded comes before what they did.
    paths = sorted(kept_paths, key=lambda path: (not path.startswith(_BEFORE), path))
    pages = list(_pages(replica.raw, paths))
    pages.append([path for path in (LESSON, RECORDING) if path in replica.raw])
    return [
        LogEvent(
            number=replica.number,
            kind=RESTATED,
            at_ms=at_ms,
            by=None,
            set={path: _value(replica.raw, path) for path in page},
        )
        for page in pages
    ]


def _pages(raw: Mapping[str, bytes], paths: Sequence[str]) -> Iterator[list[str]]:
    page: list[str] = []
    size = 0
    for path in paths:
        if len(page) == _PATHS or size + len(raw[path]) > _PAGE_BYTES:
            yield page
            page, size = [], 0
        page.append(path)
        size += len(raw[path])
    if page:
        yield page


def _is_removed(replica: Replica, path: str) -> bool:
    return path.startswith("chat/") and bool(replica.state[path].removed)


def kept(event: Record) -> LogEvent | None:
    """An event without what is not shown; None when nothing is left of it."""
    changed = {path: value for path, value in event.set.items() if shown(path)}
    deleted = tuple(path for path in event.delete if shown(path))
    if not changed and not deleted and (event.set or event.delete):
        return None
    return LogEvent(
        number=event.number, kind=event.kind, at_ms=event.at_ms, by=event.by, set=changed, delete=deleted
    )


def add(writer: Writer, event: LogEvent, now_us: int) -> None:
    """Add an event; one that finds no room is logged."""
    try:
        if writer.add_event(event, now_us) or writer.over:
            return
        reason = "no room"
    except ValueError:
        reason = "too long"
    log.error("event not recorded", extra={"kind": event.kind, "number": event.number, "reason": reason})


def _value(raw: Mapping[str, bytes], path: str) -> Any:
    return msgspec.msgpack.decode(raw[path])
