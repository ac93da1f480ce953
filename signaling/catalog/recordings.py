"""Recordings and video lessons in SQL. Plain frozen values cross this line, never rows."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, TypeVar

from sqlalchemy import ColumnElement, and_, case, delete, exists, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import InstrumentedAttribute

from signaling.catalog.audit import SERVER, Entry, note
from signaling.catalog.database import Database
from signaling.catalog.jobs import queue_all
from signaling.catalog.models import (
    JobRow,
    LessonRow,
    PartRow,
    RecordingRow,
    VideoRow,
    WithdrawalRow,
)
from signaling.catalog.withdrawals import ask_again, is_asked
from signaling.wire import RecordingEnd, VideoState

T = TypeVar("T")
RecordingState = Literal["running", "finishing", "ready", "empty", "failed"]
PAGE: Final = 50
_CHUNK: Final = 500
"""Ids in one statement: databases bound the number of its parameters."""


@dataclass(frozen=True, slots=True)
class Published:
    """What a finished video is; ``bytes`` of the file."""

    duration_ms: int
    bytes: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording. ``lesson_ended``: as the catalog knows it, which follows the log within seconds."""

    id: str
    lesson: str
    state: RecordingState
    created_at_ms: int
    lesson_ended: bool


@dataclass(frozen=True, slots=True)
class Part:
    """One part; ``ended_at_ms`` and ``reason`` are None while it runs, or nobody could say how it ended."""

    number: int
    started_at_ms: int
    ended_at_ms: int | None
    reason: RecordingEnd | None


@dataclass(frozen=True, slots=True)
class Video:
    """A video lesson; its id is its recording's. Sizes are 0 and ``published_at_ms`` None until ``ready``.
    SQL holds none in state ``recording``.

    ``teacher`` is the teacher's id, ``teacher_name`` how they were called in the lesson. ``recorded_at_ms``
    is when the first part began.
    """

    id: str
    lesson: str
    teacher: str
    teacher_name: str
    title: str
    subject: str
    grade: int
    state: VideoState
    recorded_at_ms: int
    duration_ms: int
    bytes: int
    width: int
    height: int
    published_at_ms: int | None

    @property
    def position(self) -> Position:
        """Where it stands in the list."""
        return Position(self.recorded_at_ms, self.id)


class Position(NamedTuple):
    """A place in the list of videos, which goes from the newest to the oldest."""

    recorded_at_ms: int
    id: str


@dataclass(frozen=True, slots=True)
class Filters:
    """Which videos are listed; None: all of them. ``text`` is looked for in titles, in any case of letters.

    Everybody sees those that are ``ready``; the teacher ``teacher`` (an id) also all of their own.
    """

    subject: str | None = None
    grade: int | None = None
    teacher_name: str | None = None
    text: str | None = None
    teacher: str | None = None


@dataclass(frozen=True, slots=True)
class Choices:
    """What videos can be filtered by, sorted."""

    subjects: tuple[str, ...]
    grades: tuple[int, ...]
    teacher_names: tuple[str, ...]


class Recordings:
    """All methods can be repeated: a recorder that dies between two of them is followed by another.

    Errors of the database go through as they are.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    # --- as the recorder goes on ---------------------------------------------------------------------

    async def begin(self, recording: str, lesson: str, part: int, at_ms: int, by: str = "") -> None:
        """A part is being written; the first one makes the recording. ``by``: who asked, if that is known."""
        async with self._database.begin() as connection:
            await connection.execute(
                self._database.insert(RecordingRow)
                .values(id=recording, lesson_id=lesson, state="running", created_at_ms=at_ms)
                .on_conflict_do_nothing(index_elements=["id"])
            )
            begun = await connection.execute(
                self._database.insert(PartRow)
                .values(recording_id=recording, number=part, started_at_ms=at_ms)
                .on_conflict_do_nothing()
            )
            if begun.rowcount:
                await note(
                    connection, Entry(at_ms, "recording_started", by or SERVER, f"{lesson}/{recording}", part)
                )

    async def end_part(
        self, recording: str, part: int, at_ms: int, reason: RecordingEnd, by: str = ""
    ) -> None:
        """A part is over; how it ended first stays."""
        async with self._database.begin() as connection:
            ended = await connection.execute(
                update(PartRow)
                .where(
                    PartRow.recording_id == recording, PartRow.number == part, PartRow.ended_at_ms.is_(None)
                )
                .values(ended_at_ms=at_ms, reason=reason)
            )
            if ended.rowcount:
                await note(connection, Entry(at_ms, "recording_stopped", by or SERVER, recording, part))

    async def finishing(self, recording: str, *, again: bool = False) -> bool:
        """Its video is being made now (again after a failure) and stands in the library as ``processing``.

        False: there is nothing to make, because it was deleted, published or found empty. ``again``: more of
        it came, so that only one that was deleted is not made; what is published stays so meanwhile, unless
        somebody was taken out of it, who is in it again until that is done anew.
        """
        states = ("running", "finishing", "failed", "empty") if again else ("running", "finishing", "failed")
        async with self._database.begin() as connection:
            if again and await connection.scalar(
                select(exists().where(RecordingRow.id == recording, RecordingRow.state == "ready"))
            ):
                if await ask_again(connection, recording):
                    await connection.execute(
                        update(VideoRow).where(VideoRow.id == recording).values(state="processing")
                    )
                return True
            changed = await connection.execute(
                update(RecordingRow)
                .where(RecordingRow.id == recording, RecordingRow.state.in_(states))
                .values(state="finishing")
            )
            if not changed.rowcount:
                return False
            found = (
                await connection.execute(
                    select(LessonRow.__table__, RecordingRow.created_at_ms.label("recorded_at_ms"))
                    .join(RecordingRow, RecordingRow.lesson_id == LessonRow.id)
                    .where(RecordingRow.id == recording)
                )
            ).one()
            video = self._database.insert(VideoRow).values(
                id=recording,
                lesson_id=found.id,
                teacher_id=found.teacher_id,
                teacher_name=found.name,
                title=found.title,
                search=fold(found.title),
                subject=found.subject,
                grade=found.grade,
                state="processing",
                recorded_at_ms=found.recorded_at_ms,
                duration_ms=0,
                bytes=0,
                width=0,
                height=0,
            )
            await connection.execute(
                video.on_conflict_do_update(index_elements=["id"], set_={"state": "processing"})
            )
        return True

    async def published(self, recording: str, video: Published, at_ms: int) -> bool:
        """The video is in the library, and jobs behind it wait; it is shown unless somebody is to be taken
        out of it first. False: it was deleted meanwhile, its files are to go."""
        async with self._database.begin() as connection:
            changed = await connection.execute(
                update(VideoRow)
                .where(VideoRow.id == recording)
                .values(
                    state=case((is_asked(recording), "processing"), else_="ready"),
                    duration_ms=video.duration_ms,
                    bytes=video.bytes,
                    width=video.width,
                    height=video.height,
                    published_at_ms=at_ms,
                )
            )
            await self._set_state(connection, recording, "ready")
            if changed.rowcount:
                await queue_all(connection, self._database, recording, at_ms)
        return bool(changed.rowcount)

    async def empty(self, recording: str) -> None:
        """Nothing was recorded, so there is no video."""
        async with self._database.begin() as connection:
            await self._set_state(connection, recording, "empty")
            await connection.execute(delete(VideoRow).where(VideoRow.id == recording))

    async def failed(self, recording: str) -> None:
        """The video could not be made; ``finishing`` may be tried again."""
        async with self._database.begin() as connection:
            await self._set_state(connection, recording, "failed")
            await connection.execute(
                update(VideoRow)
                .where(VideoRow.id == recording, VideoRow.state != "ready")
                .values(state="failed")
            )

    async def unfinished(self, limit: int = 10_000) -> list[Recording]:
        """Recordings that are running or finishing, oldest first."""
        return await self._recordings(RecordingRow.state.in_(("running", "finishing")), limit)

    async def recording(self, recording: str) -> Recording | None:
        found = await self._recordings(RecordingRow.id == recording, 1)
        return found[0] if found else None

    async def exists(self, recording: str) -> bool:
        """False: it was never begun, or was deleted."""
        async with self._database.connect() as connection:
            return bool(await connection.scalar(select(exists().where(RecordingRow.id == recording))))

    async def parts(self, recording: str) -> tuple[Part, ...]:
        """Its parts in their order."""
        async with self._database.connect() as connection:
            rows = await connection.execute(
                select(PartRow.__table__).where(PartRow.recording_id == recording).order_by(PartRow.number)
            )
            return tuple(Part(row.number, row.started_at_ms, row.ended_at_ms, row.reason) for row in rows)

    # --- as the library asks --------------------------------------------------------------------------

    async def video(self, video: str) -> Video | None:
        found = await self._videos(VideoRow.id == video, 1)
        return found[0] if found else None

    async def video_of_lesson(self, lesson: str) -> Video | None:
        """The lesson's video; the newest, should a loss of its log have given it two recordings."""
        found = await self._videos(VideoRow.lesson_id == lesson, 1)
        return found[0] if found else None

    async def still_recorded(self, lesson: str) -> Video | None:
        """What will be the lesson's video, in state ``recording``; None: nothing of it is recorded now."""
        async with self._database.connect() as connection:
            rows = await connection.execute(
                select(
                    LessonRow.__table__,
                    RecordingRow.id.label("video"),
                    RecordingRow.created_at_ms.label("at"),
                )
                .join(RecordingRow, RecordingRow.lesson_id == LessonRow.id)
                .where(LessonRow.id == lesson, RecordingRow.state == "running")
                .order_by(RecordingRow.created_at_ms.desc(), RecordingRow.id.desc())
                .limit(1)
            )
            row = rows.one_or_none()
        if row is None:
            return None
        return Video(
            id=row.video,
            lesson=lesson,
            teacher=row.teacher_id,
            teacher_name=row.name,
            title=row.title,
            subject=row.subject,
            grade=row.grade,
            state="recording",
            recorded_at_ms=row.at,
            duration_ms=0,
            bytes=0,
            width=0,
            height=0,
            published_at_ms=None,
        )

    async def awaited(self, lesson: str) -> bool:
        """Whether something of the lesson was recorded of which no video was begun yet, or is being made."""
        running = RecordingRow.state.in_(("running", "finishing"))
        async with self._database.connect() as connection:
            return bool(
                await connection.scalar(select(exists().where(RecordingRow.lesson_id == lesson, running)))
            )

    async def videos_of_lessons(self, lessons: Iterable[str]) -> dict[str, Video]:
        """Lesson -> its video as ``video_of_lesson`` says, for those that have one."""
        names = sorted(set(lessons))
        found: dict[str, Video] = {}
        for at in range(0, len(names), _CHUNK):
            some = await self._videos(VideoRow.lesson_id.in_(names[at : at + _CHUNK]), 2 * _CHUNK)
            found |= {video.lesson: video for video in reversed(some)}
        return found

    async def videos(self, filters: Filters, after: Position | None = None, limit: int = PAGE) -> list[Video]:
        """Videos after a position, newest first.

        Numbers must fit SQL's: ``grade`` 32 bits, ``after.recorded_at_ms`` 64.
        """
        wanted = [_seen_by(filters.teacher)]
        if filters.subject is not None:
            wanted.append(VideoRow.subject == filters.subject)
        if filters.grade is not None:
            wanted.append(VideoRow.grade == filters.grade)
        if filters.teacher_name is not None:
            wanted.append(VideoRow.teacher_name == filters.teacher_name)
        if filters.text is not None:
            wanted.append(VideoRow.search.contains(fold(filters.text), autoescape=True))
        if after is not None:
            wanted.append(tuple_(VideoRow.recorded_at_ms, VideoRow.id) < after)
        return await self._videos(and_(*wanted), limit)

    async def choices(self, teacher: str | None = None) -> Choices:
        """What the videos that a teacher (or, None, anybody) sees can be filtered by."""
        async with self._database.connect() as connection:
            return Choices(
                await _distinct(connection, VideoRow.subject, teacher),
                await _distinct(connection, VideoRow.grade, teacher),
                await _distinct(connection, VideoRow.teacher_name, teacher),
            )

    async def delete(self, video: str, by: str, at_ms: int) -> bool:
        """Forget a video with its recording, parts, jobs and withdrawals; False: there is none. Files are the
        caller's."""
        async with self._database.begin() as connection:
            gone = await connection.execute(delete(VideoRow).where(VideoRow.id == video))
            if not gone.rowcount:
                return False
            await connection.execute(delete(WithdrawalRow).where(WithdrawalRow.recording_id == video))
            await connection.execute(delete(JobRow).where(JobRow.recording_id == video))
            await connection.execute(delete(PartRow).where(PartRow.recording_id == video))
            await connection.execute(delete(RecordingRow).where(RecordingRow.id == video))
            await note(connection, Entry(at_ms, "video_deleted", by, video))
        return True

    # --------------------------------------------------------------------------------------------------

    async def _set_state(self, connection: AsyncConnection, recording: str, state: RecordingState) -> None:
        await connection.execute(
            update(RecordingRow)
            .where(RecordingRow.id == recording, RecordingRow.state != "ready")
            .values(state=state)
        )

    async def _recordings(self, condition: ColumnElement[bool], limit: int) -> list[Recording]:
        async with self._database.connect() as connection:
            rows = await connection.execute(
                select(RecordingRow.__table__, LessonRow.state.label("lesson_state"))
                .join(LessonRow, LessonRow.id == RecordingRow.lesson_id)
                .where(condition)
                .order_by(RecordingRow.created_at_ms, RecordingRow.id)
                .limit(limit)
            )
            return [
                Recording(row.id, row.lesson_id, row.state, row.created_at_ms, row.lesson_state == "ended")
                for row in rows
            ]

    async def _videos(self, condition: ColumnElement[bool], limit: int) -> list[Video]:
        async with self._database.connect() as connection:
            rows = await connection.execute(
                select(VideoRow.__table__)
                .where(condition)
                .order_by(VideoRow.recorded_at_ms.desc(), VideoRow.id.desc())
                .limit(limit)
            )
            return [
                Video(
                    id=row.id,
                    lesson=row.lesson_id,
                    teacher=row.teacher_id,
                    teacher_name=row.teacher_name,
                    title=row.title,
                    subject=row.subject,
                    grade=row.grade,
                    state=row.state,
                    recorded_at_ms=row.recorded_at_ms,
                    duration_ms=row.duration_ms,
                    bytes=row.bytes,
                    width=row.width,
                    height=row.height,
                    published_at_ms=row.published_at_ms,
                )
                for row in rows
            ]


def fold(text: str) -> str:
    """Text for comparing without regard to case, width or the dots of ё; without control characters."""
    normal = unicodedata.normalize("NFKC", text).casefold()
    shown = "".join(sign for sign in normal if unicodedata.category(sign) not in ("Cc", "Cs"))
    return " ".join(shown.replace("ё", "е").split())


async def _distinct(
    connection: AsyncConnection, column: InstrumentedAttribute[T], teacher: str | None
) -> tuple[T, ...]:
    values = await connection.scalars(select(column).where(_seen_by(teacher)).distinct().order_by(column))
    return tuple(values)


def _seen_by(teacher: str | None) -> ColumnElement[bool]:
    ready = VideoRow.state == "ready"
    return ready if teacher is None else or_(ready, VideoRow.teacher_id == teacher)
