"""Who was in a lesson, when and for how long: pure, from its log."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import msgspec

from signaling.replica import Record
from signaling.wire import Attendance, AttendanceRow, PersonField, RoleName

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


@dataclass(slots=True)
class _Presence:
    name: str
    role: RoleName
    first_in_ms: int
    in_since_ms: int | None
    last_out_ms: int | None = None
    present_ms: int = 0
    stays: int = 1

    def out(self, at_ms: int) -> None:
        if self.in_since_ms is not None:
            self.present_ms += max(0, at_ms - self.in_since_ms)
            self.in_since_ms = None
            self.last_out_ms = at_ms


class Roll:
    """Attendance as it grows: ``add`` each record once, in order; ``rows`` at any moment."""

    def __init__(self, records: Iterable[Record] = ()) -> None:
        self._people: dict[str, _Presence] = {}
        self.number = 0
        """Number of the last record added."""
        for record in records:
            self.add(record)

    def add(self, record: Record) -> None:
        """Take one record into account; one that was added already is passed over."""
        if record.number <= self.number:
            return
        self.number = record.number
        for path, value in record.set.items():
            if path.startswith("person/"):
                self._seen(path[7:], msgspec.convert(value, PersonField), record.at_ms)
        if record.kind == "ended":
            for presence in self._people.values():
                presence.out(record.at_ms)

    def rows(self, now_ms: int) -> tuple[AttendanceRow, ...]:
        """By first coming; whoever is in now has no ``last_out_ms`` and counts up to ``now_ms``."""
        return tuple(
            AttendanceRow(
                participant=participant,
                name=presence.name,
                role=presence.role,
                first_in_ms=presence.first_in_ms,
                last_out_ms=presence.last_out_ms if presence.in_since_ms is None else None,
                present_ms=presence.present_ms
                + (0 if presence.in_since_ms is None else max(0, now_ms - presence.in_since_ms)),
                stays=presence.stays,
            )
            for participant, presence in sorted(
                self._people.items(), key=lambda item: (item[1].first_in_ms, item[0])
            )
        )

    def _seen(self, participant: str, person: PersonField, at_ms: int) -> None:
        presence = self._people.get(participant)
        if presence is None:
            if person.here:
                self._people[participant] = _Presence(person.name, person.role, at_ms, at_ms)
            return
        presence.name, presence.role = person.name, person.role
        if not person.here:
            presence.out(at_ms)
        elif presence.in_since_ms is None:
            presence.in_since_ms = at_ms
            presence.stays += 1


def as_csv(attendance: Attendance) -> str:
    """RFC 4180 with a header line; times in ISO 8601, UTC; nothing a spreadsheet takes for a formula."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(["name", "role", "first_in", "last_out", "present_min", "stays"])
    for row in attendance.rows:
        writer.writerow(
            [
                plain_cell(row.name),
                row.role,
                _iso(row.first_in_ms),
                "" if row.last_out_ms is None else _iso(row.last_out_ms),
                f"{row.present_ms / 60_000:.1f}",
                row.stays,
            ]
        )
    return out.getvalue()


def plain_cell(text: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def _iso(at_ms: int) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
