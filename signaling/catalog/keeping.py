"""What SQL keeps of people: forgotten when it is old, or made nameless for one of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import ColumnElement, and_, bindparam, delete, exists, func, or_, select, update
from sqlalchemy.orm import InstrumentedAttribute

from signaling.catalog.audit import SERVER, Entry, note
from signaling.catalog.database import Database
from signaling.catalog.models import EventRow, LessonRow, PresenceRow, RecordingRow, TeacherRow, VideoRow
from signaling.replica import Record

NAMELESS: Final = "—"
"""Stands for the name of somebody who was erased."""
CHUNK: Final = 500
"""Ids in one statement, lessons in one transaction."""
_REWRITE: Final = (
    update(EventRow.__table__)  # type: ignore[arg-type]
    .where(EventRow.lesson_id == bindparam("of_lesson"), EventRow.number == bindparam("of_number"))
    .values(body=bindparam("new_body"))
)


@dataclass(frozen=True, slots=True)
class Forgotten:
    """How much went: lessons of which log, chat and attendance were kept, and their rows."""

    lessons: int
    events: int
    people: int


class Keeping:
    """All methods can be repeated. Errors of the database go through as they are."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # --- what is old ---------------------------------------------------------------------------------

    async def old_videos(self, before_ms: int, limit: int = CHUNK) -> list[str]:
        """Videos that were recorded before then, oldest first; none that is being made."""
        async with self._database.connect() as connection:
            rows = await connection.scalars(
                select(VideoRow.id)
                .join(RecordingRow, RecordingRow.id == VideoRow.id)
                .where(VideoRow.recorded_at_ms < before_ms, RecordingRow.state.in_(("ready", "failed")))
                .order_by(VideoRow.recorded_at_ms, VideoRow.id)
                .limit(limit)
            )
            return list(rows)

    async def forget_lessons(self, before_ms: int, at_ms: int, limit: int = CHUNK) -> Forgotten:
        """Forget log, chat and attendance of lessons that ended before then; lessons, links, videos stay."""
        kept = or_(
            exists().where(EventRow.lesson_id == LessonRow.id),
            exists().where(PresenceRow.lesson_id == LessonRow.id),
        )
        async with self._database.begin() as connection:
            found = await connection.scalars(
                select(LessonRow.id)
                .where(LessonRow.state == "ended", LessonRow.ended_at_ms < before_ms, kept)
                .order_by(LessonRow.ended_at_ms)
                .limit(limit)
            )
            lessons = list(found)
            if not lessons:
                return Forgotten(0, 0, 0)
            events = await connection.execute(delete(EventRow).where(EventRow.lesson_id.in_(lessons)))
            people = await connection.execute(delete(PresenceRow).where(PresenceRow.lesson_id.in_(lessons)))
            gone = Forgotten(len(lessons), events.rowcount, people.rowcount)
            await note(connection, Entry(at_ms, "retention", SERVER, "lessons", gone.lessons))
        return gone

    # --- one person ------------------------------------------------------------------------------------

    async def is_teacher(self, teacher: str) -> bool:
        async with self._database.connect() as connection:
            return bool(await connection.scalar(select(exists().where(TeacherRow.id == teacher))))

    async def lessons_of(self, teacher: str) -> list[str]:
        """Every lesson of a teacher."""
        return await self._ids(select(LessonRow.id).where(LessonRow.teacher_id == teacher))

    async def lessons(self) -> list[str]:
        """Every lesson there is."""
        return await self._ids(select(LessonRow.id))

    async def present(self, participants: Iterable[str]) -> dict[str, set[str]]:
        """Lesson -> who of these was there."""
        wanted = sorted(set(participants))
        found: dict[str, set[str]] = {}
        async with self._database.connect() as connection:
            for at in range(0, len(wanted), CHUNK):
                rows = await connection.execute(
                    select(PresenceRow.lesson_id, PresenceRow.participant).where(
                        PresenceRow.participant.in_(wanted[at : at + CHUNK])
                    )
                )
                for row in rows:
                    found.setdefault(row.lesson_id, set()).add(row.participant)
        return found

    async def recordings_of(self, lesson: str) -> list[tuple[str, str]]:
        """(recording, state) of each recording of a lesson."""
        async with self._database.connect() as connection:
            rows = await connection.execute(
                select(RecordingRow.id, RecordingRow.state).where(RecordingRow.lesson_id == lesson)
            )
            return [(row.id, row.state) for row in rows]

    async def named(self, lesson: str, participants: Collection[str]) -> int:
        """How many of these have a name in a lesson's attendance."""
        async with self._database.connect() as connection:
            count = await connection.scalar(
                select(func.count()).where(_rows_of(lesson, participants), PresenceRow.name != NAMELESS)
            )
        return count or 0

    async def forget_names(self, lesson: str, participants: Collection[str]) -> None:
        """These are nameless in a lesson's attendance."""
        async with self._database.begin() as connection:
            await connection.execute(
                update(PresenceRow).where(_rows_of(lesson, participants)).values(name=NAMELESS)
            )

    async def rewrite(
        self, lesson: str, events: Sequence[Record], change: Callable[[Record], Record], *, dry: bool
    ) -> int:
        """Put changed events in the place of a lesson's events; how many are (or, ``dry``, would be)."""
        changed = [
            {"of_lesson": lesson, "of_number": event.number, "new_body": after.body()}
            for event in events
            if (after := change(event)) != event
        ]
        if changed and not dry:
            async with self._database.begin() as connection:
                await connection.execute(_REWRITE, changed)
        return len(changed)

    async def forget_teacher(self, teacher: str) -> None:
        """A teacher is nameless wherever their name is kept beside their lessons' logs."""
        nameless: list[tuple[InstrumentedAttribute[str], InstrumentedAttribute[str]]] = [
            (TeacherRow.name, TeacherRow.id),
            (LessonRow.name, LessonRow.teacher_id),
            (VideoRow.teacher_name, VideoRow.teacher_id),
        ]
        async with self._database.begin() as connection:
            for name, whose in nameless:
                await connection.execute(update(name.class_).where(whose == teacher).values({name: NAMELESS}))

    async def _ids(self, query: object) -> list[str]:
        async with self._database.connect() as connection:
            return list(await connection.scalars(query))  # type: ignore[call-overload]


def _rows_of(lesson: str, participants: Collection[str]) -> ColumnElement[bool]:
    return and_(PresenceRow.lesson_id == lesson, PresenceRow.participant.in_(participants))
