"""The catalog: what is asked of SQL and what it is told. Plain frozen values cross this line, never rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, Self

from sqlalchemy import bindparam, delete, exists, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import aliased

from sfu.model import Role
from signaling.catalog.audit import Audit
from signaling.catalog.database import Database
from signaling.catalog.jobs import Jobs
from signaling.catalog.keeping import Keeping
from signaling.catalog.materials import Materials
from signaling.catalog.models import EventRow, LessonRow, LinkRow, PresenceRow, TeacherRow, UsedKeyRow
from signaling.catalog.recordings import Recordings
from signaling.catalog.withdrawals import Withdrawals
from signaling.replica import Record
from signaling.wire import AttendanceRow

LessonState = Literal["waiting", "live", "ended"]
BELL_MARGIN_S: Final = 600
"""So near to a bell nothing is done that could wait: no lessons are moved, no MP4 is made."""


@dataclass(frozen=True, slots=True)
class Teacher:
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Lesson:
    """A lesson as the catalog knows it; ``teacher_name`` is how its teacher is called in it."""

    id: str
    teacher: str
    teacher_name: str
    title: str
    subject: str
    grade: int
    state: LessonState
    created_at_ms: int
    ended_at_ms: int | None
    codes: dict[Role, str]
    opens_at_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Copied:
    """What SQL has of a lesson: how many events and the last one's number, how many people's attendance."""

    state: LessonState
    events: int
    last: int
    people: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the log says of a lesson now. ``state`` None: as it was; an ended lesson stays ended.
    ``attendance`` None: as it was, else all who were there."""

    lesson: str
    state: LessonState | None = None
    ended_at_ms: int | None = None
    attendance: tuple[AttendanceRow, ...] | None = None


# Built once: SQLAlchemy takes longer to build a statement than SQLite to carry it out.
_SET_STATE: Final = (
    update(LessonRow.__table__)  # type: ignore[arg-type]
    .where(LessonRow.id == bindparam("of_lesson"), LessonRow.state != "ended")
    .values(state=bindparam("state"), ended_at_ms=bindparam("ended_at_ms"))
)
_FORGET_ATTENDANCE: Final = delete(PresenceRow.__table__).where(  # type: ignore[arg-type]
    PresenceRow.lesson_id == bindparam("of_lesson")
)
_TEACHER: Final = select(TeacherRow.id, TeacherRow.name).where(TeacherRow.id == bindparam("teacher"))
_SAME_LESSON: Final = aliased(LinkRow)
_LINK: Final = (
    select(
        LessonRow.__table__,
        LinkRow.role.label("of_code"),
        _SAME_LESSON.role,
        _SAME_LESSON.code,
    )
    .join(LinkRow, LinkRow.lesson_id == LessonRow.id)
    .join(_SAME_LESSON, _SAME_LESSON.lesson_id == LessonRow.id)
    .where(LinkRow.code == bindparam("code"))
)


class Catalog:
    """SQL behind async calls. Make it with ``open``; errors of the database go through as they are."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.recordings: Final = Recordings(database)
        self.jobs: Final = Jobs(database)
        self.withdrawals: Final = Withdrawals(database)
        self.audit: Final = Audit(database)
        self.keeping: Final = Keeping(database)
        self.materials: Final = Materials(database)

    @classmethod
    async def open(cls, url: str, *, migrate: bool = True) -> Self:
        """Connect and, with ``migrate``, bring the tables up to date. ``url`` is SQLAlchemy's, of an async
        driver. Signalling migrates; who else opens the catalog comes after it."""
        return cls(await Database.open(url, migrate=migrate))

    async def close(self) -> None:
        """Close every connection."""
        await self._database.close()

    async def ping(self) -> None:
        """Look into a table."""
        async with self._database.connect() as connection:
            await connection.scalar(select(TeacherRow.id).limit(1))

    # --- teachers --------------------------------------------------------------------------------

    async def use_key(self, jti: str, teacher: str, now_ms: int) -> bool:
        """Mark a one-time key as used; False when it was already. The teacher exists afterwards."""
        try:
            async with self._database.begin() as connection:
                await connection.execute(
                    insert(UsedKeyRow).values(jti=jti, teacher_id=teacher, used_at_ms=now_ms)
                )
                known = await connection.scalar(select(TeacherRow.id).where(TeacherRow.id == teacher))
                if known is None:
                    await connection.execute(
                        insert(TeacherRow).values(id=teacher, name="", created_at_ms=now_ms)
                    )
        except IntegrityError:
            return False
        return True

    async def teacher(self, teacher: str) -> Teacher | None:
        async with self._database.connect() as connection:
            row = (await connection.execute(_TEACHER, {"teacher": teacher})).one_or_none()
        return None if row is None else Teacher(row.id, row.name)

    # --- lessons ---------------------------------------------------------------------------------

    async def new_lesson(self, lesson: Lesson) -> None:
        """Enter a lesson with its links; its teacher's name is kept for the next one."""
        async with self._database.begin() as connection:
            await connection.execute(
                update(TeacherRow).where(TeacherRow.id == lesson.teacher).values(name=lesson.teacher_name)
            )
            await connection.execute(
                insert(LessonRow).values(
                    id=lesson.id,
                    teacher_id=lesson.teacher,
                    name=lesson.teacher_name,
                    title=lesson.title,
                    subject=lesson.subject,
                    grade=lesson.grade,
                    state=lesson.state,
                    created_at_ms=lesson.created_at_ms,
                    ended_at_ms=lesson.ended_at_ms,
                    opens_at_ms=lesson.opens_at_ms,
                )
            )
            await connection.execute(
                insert(LinkRow),
                [{"code": code, "lesson_id": lesson.id, "role": role} for role, code in lesson.codes.items()],
            )

    async def lesson(self, lesson: str) -> Lesson | None:
        found = await self._lessons(LessonRow.id == lesson)
        return found[0] if found else None

    async def lessons(self, lessons: Sequence[str]) -> list[Lesson]:
        """Those of these lessons that there are, newest first; a few hundred at a time."""
        return await self._lessons(LessonRow.id.in_(lessons), len(lessons))

    async def lessons_of(self, teacher: str, limit: int = 200) -> list[Lesson]:
        """A teacher's lessons, newest first."""
        return await self._lessons(LessonRow.teacher_id == teacher, limit)

    async def opening(self, from_ms: int, until_ms: int) -> dict[str, int]:
        """Announced lessons that nobody has opened yet, and when they open; the next one first."""
        async with self._database.connect() as connection:
            rows = await connection.execute(
                select(LessonRow.id, LessonRow.opens_at_ms)
                .where(LessonRow.state == "waiting", LessonRow.opens_at_ms.between(from_ms, until_ms))
                .order_by(LessonRow.opens_at_ms, LessonRow.id)
            )
            return {row.id: row.opens_at_ms for row in rows}

    async def bell_near(self, at_ms: int) -> bool:
        """Whether an announced lesson opens, or opened, within BELL_MARGIN_S of this moment."""
        margin_ms = BELL_MARGIN_S * 1000
        near = exists().where(LessonRow.opens_at_ms.between(at_ms - margin_ms, at_ms + margin_ms))
        async with self._database.connect() as connection:
            return bool(await connection.scalar(select(near)))

    async def link(self, code: str) -> tuple[Lesson, Role] | None:
        """What a join code leads to."""
        async with self._database.connect() as connection:
            rows = (await connection.execute(_LINK, {"code": code})).all()
        if not rows:
            return None
        return _lesson(rows[0], {Role(row.role): row.code for row in rows}), Role(rows[0].of_code)

    async def _lessons(self, condition: Any, limit: int = 1) -> list[Lesson]:
        async with self._database.connect() as connection:
            rows = (
                await connection.execute(
                    select(LessonRow.__table__)
                    .where(condition)
                    .order_by(LessonRow.created_at_ms.desc(), LessonRow.id)
                    .limit(limit)
                )
            ).all()
            codes: dict[str, dict[Role, str]] = {row.id: {} for row in rows}
            links = await connection.execute(
                select(LinkRow.lesson_id, LinkRow.role, LinkRow.code).where(LinkRow.lesson_id.in_(codes))
            )
            for link in links:
                codes[link.lesson_id][Role(link.role)] = link.code
        return [_lesson(row, codes[row.id]) for row in rows]

    # --- log and attendance ------------------------------------------------------------------------

    async def add_events(self, events: Sequence[tuple[str, Record]]) -> None:
        """Copy events of the log; those that are there already stay as they are."""
        if not events:
            return
        rows = [
            {"lesson_id": lesson, "number": record.number, "body": record.body()} for lesson, record in events
        ]
        async with self._database.begin() as connection:
            await connection.execute(self._database.insert(EventRow).on_conflict_do_nothing(), rows)

    async def events(self, lesson: str) -> list[Record]:
        """All copied events of a lesson in their order."""
        async with self._database.connect() as connection:
            rows = await connection.execute(
                select(EventRow.number, EventRow.body)
                .where(EventRow.lesson_id == lesson)
                .order_by(EventRow.number)
            )
            return [Record.parse(row.number, row.body) for row in rows]

    async def last_number(self, lesson: str) -> int:
        """Number of the last copied event, 0 when there is none."""
        async with self._database.connect() as connection:
            number = await connection.scalar(
                select(func.max(EventRow.number)).where(EventRow.lesson_id == lesson)
            )
        return number or 0

    async def copied(self, lessons: Sequence[str]) -> dict[str, Copied]:
        """What there is of each of these lessons; a few hundred at a time."""
        of_event, of_person = EventRow.lesson_id, PresenceRow.lesson_id
        events = select(of_event, func.count(), func.max(EventRow.number)).where(of_event.in_(lessons))
        people = select(of_person, func.count()).where(of_person.in_(lessons)).group_by(of_person)
        states = select(LessonRow.id, LessonRow.state).where(LessonRow.id.in_(lessons))
        async with self._database.connect() as connection:
            logs = {row[0]: (row[1], row[2]) for row in await connection.execute(events.group_by(of_event))}
            present = {row[0]: row[1] for row in await connection.execute(people)}
            return {
                row.id: Copied(row.state, *logs.get(row.id, (0, 0)), present.get(row.id, 0))
                for row in await connection.execute(states)
            }

    async def put_outcomes(self, outcomes: Sequence[Outcome]) -> None:
        """Enter what became of lessons, all of it or, when it raises, nothing."""
        states = [
            {"of_lesson": each.lesson, "state": each.state, "ended_at_ms": each.ended_at_ms}
            for each in outcomes
            if each.state is not None
        ]
        counted = [each for each in outcomes if each.attendance is not None]
        rows = [
            {
                "lesson_id": each.lesson,
                "participant": row.participant,
                "name": row.name,
                "role": row.role,
                "first_in_ms": row.first_in_ms,
                "last_out_ms": row.last_out_ms,
                "present_ms": row.present_ms,
                "stays": row.stays,
            }
            for each in counted
            for row in each.attendance or ()
        ]
        async with self._database.begin() as connection:
            if states:
                await connection.execute(_SET_STATE, states)
            if counted:
                await connection.execute(_FORGET_ATTENDANCE, [{"of_lesson": each.lesson} for each in counted])
            if rows:
                await connection.execute(insert(PresenceRow), rows)

    async def attendance(self, lesson: str) -> tuple[AttendanceRow, ...]:
        """Who was there, in the order of their first coming."""
        async with self._database.connect() as connection:
            rows = await connection.execute(
                select(PresenceRow.__table__)
                .where(PresenceRow.lesson_id == lesson)
                .order_by(PresenceRow.first_in_ms, PresenceRow.participant)
            )
            return tuple(
                AttendanceRow(
                    participant=row.participant,
                    name=row.name,
                    role=row.role,
                    first_in_ms=row.first_in_ms,
                    last_out_ms=row.last_out_ms,
                    present_ms=row.present_ms,
                    stays=row.stays,
                )
                for row in rows
            )


def _lesson(row: Any, codes: dict[Role, str]) -> Lesson:
    return Lesson(
        id=row.id,
        teacher=row.teacher_id,
        teacher_name=row.name,
        title=row.title,
        subject=row.subject,
        grade=row.grade,
        state=row.state,
        created_at_ms=row.created_at_ms,
        ended_at_ms=row.ended_at_ms,
        codes=codes,
        opens_at_ms=row.opens_at_ms,
    )
