"""Which files of lessons are kept, and how much they are."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import delete, func, insert, select

from signaling.catalog.database import Database
from signaling.catalog.models import LessonRow, MaterialRow


@dataclass(frozen=True, slots=True)
class Material:
    """A kept file; ``by``: the participant who brought it, ``purpose``: what for."""

    id: str
    lesson: str
    by: str
    purpose: str
    name: str
    media_type: str
    bytes: int
    created_at_ms: int


class Materials:
    """All methods can be repeated. Errors of the database go through as they are."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def used(self, lesson: str | None = None) -> int:
        """Bytes that are kept of a lesson, or of all."""
        query = select(func.coalesce(func.sum(MaterialRow.bytes), 0))
        if lesson is not None:
            query = query.where(MaterialRow.lesson_id == lesson)
        async with self._database.connect() as connection:
            return int(await connection.scalar(query) or 0)

    async def add(self, material: Material, lesson_limit: int) -> bool:
        """Enter a file; False: the lesson has no room for it."""
        async with self._database.begin() as connection:
            await connection.execute(
                insert(MaterialRow).values(
                    id=material.id,
                    lesson_id=material.lesson,
                    by=material.by,
                    purpose=material.purpose,
                    name=material.name,
                    media_type=material.media_type,
                    bytes=material.bytes,
                    created_at_ms=material.created_at_ms,
                )
            )
            used = await connection.scalar(
                select(func.sum(MaterialRow.bytes)).where(MaterialRow.lesson_id == material.lesson)
            )
            if (used or 0) > lesson_limit:
                await connection.execute(delete(MaterialRow).where(MaterialRow.id == material.id))
                return False
        return True

    async def find(self, material: str) -> Material | None:
        async with self._database.connect() as connection:
            row = (
                await connection.execute(select(MaterialRow.__table__).where(MaterialRow.id == material))
            ).one_or_none()
        if row is None:
            return None
        return Material(
            row.id, row.lesson_id, row.by, row.purpose, row.name, row.media_type, row.bytes, row.created_at_ms
        )

    async def remove(self, materials: Collection[str]) -> None:
        async with self._database.begin() as connection:
            await connection.execute(delete(MaterialRow).where(MaterialRow.id.in_(materials)))

    async def of_lesson(self, lesson: str, by: Collection[str] | None = None) -> list[tuple[str, str]]:
        """(lesson, material) of a lesson's files, or of those that these people brought."""
        query = select(MaterialRow.lesson_id, MaterialRow.id).where(MaterialRow.lesson_id == lesson)
        if by is not None:
            query = query.where(MaterialRow.by.in_(by))
        async with self._database.connect() as connection:
            return [(row.lesson_id, row.id) for row in await connection.execute(query)]

    async def old(self, before_ms: int, limit: int = 500) -> list[tuple[str, str]]:
        """(lesson, material) of lessons that ended before then."""
        async with self._database.connect() as connection:
            rows = await connection.execute(
                select(MaterialRow.lesson_id, MaterialRow.id)
                .join(LessonRow, LessonRow.id == MaterialRow.lesson_id)
                .where(LessonRow.state == "ended", LessonRow.ended_at_ms < before_ms)
                .limit(limit)
            )
            return [(row.lesson_id, row.id) for row in rows]
