"""What was done to recordings and to what is kept of people: one table, ids and counts only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from signaling.catalog.database import Database
from signaling.catalog.models import AuditRow

What = Literal[
    "recording_started", "recording_stopped", "video_deleted", "withdrawal_asked", "withdrawn", "erased",
    "retention",
]  # fmt: skip
SERVER: Final = "server"
"""Who did what nobody asked for at that moment."""
OPERATOR: Final = "operator"


@dataclass(frozen=True, slots=True)
class Entry:
    """One deed. ``by``: a teacher's or participant's id, ``operator`` or ``server``. ``subject``: the id of
    what it was done to (``lesson``, ``recording``, ``recording/participant``). ``count``: how many things."""

    at_ms: int
    what: What
    by: str
    subject: str
    count: int = 1


class Audit:
    """Entries are only ever added. Errors of the database go through as they are."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, entry: Entry) -> None:
        """Note a deed that no other table tells of."""
        async with self._database.begin() as connection:
            await note(connection, entry)

    async def entries(self, limit: int, since_ms: int = 0) -> list[Entry]:
        """The newest ones, oldest of them first."""
        async with self._database.connect() as connection:
            rows = await connection.execute(
                select(AuditRow.__table__)
                .where(AuditRow.at_ms >= since_ms)
                .order_by(AuditRow.id.desc())
                .limit(limit)
            )
            found = [_entry(row) for row in rows]
        return found[::-1]


async def note(connection: AsyncConnection, entry: Entry) -> None:
    """Note a deed in the transaction that does it."""
    await connection.execute(
        insert(AuditRow).values(
            at_ms=entry.at_ms, what=entry.what, by=entry.by, subject=entry.subject, count=entry.count
        )
    )


def _entry(row: Any) -> Entry:
    return Entry(row.at_ms, row.what, row.by, row.subject, row.count)
