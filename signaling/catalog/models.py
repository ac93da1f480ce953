"""Tables. The one migrations folder beside this file must lead to exactly these."""

from __future__ import annotations

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, LargeBinary, String, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """All tables of the catalog."""


class TeacherRow(Base):
    """A teacher who signed in at least once. ``name`` is kept for the next lesson."""

    __tablename__ = "teachers"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    name: Mapped[str] = mapped_column(String(60), default="")
    created_at_ms: Mapped[int] = mapped_column(BigInteger)


class UsedKeyRow(Base):
    """A one-time key that was used; its id can't be entered twice."""

    __tablename__ = "used_keys"
    jti: Mapped[str] = mapped_column(String(40), primary_key=True)
    teacher_id: Mapped[str] = mapped_column(String(40))
    used_at_ms: Mapped[int] = mapped_column(BigInteger)


class LessonRow(Base):
    """A lesson. ``state`` follows the log within seconds; ``name`` is how the teacher is called in it.

    ``opens_at_ms``: announced for then.
    """

    __tablename__ = "lessons"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    teacher_id: Mapped[str] = mapped_column(ForeignKey("teachers.id"))
    name: Mapped[str] = mapped_column(String(60))
    title: Mapped[str] = mapped_column(String(120))
    subject: Mapped[str] = mapped_column(String(120))
    grade: Mapped[int] = mapped_column(Integer)
    state: Mapped[str] = mapped_column(String(8))
    created_at_ms: Mapped[int] = mapped_column(BigInteger)
    ended_at_ms: Mapped[int | None] = mapped_column(BigInteger)
    opens_at_ms: Mapped[int | None] = mapped_column(BigInteger)
    __table_args__ = (
        Index("lessons_of_teacher", "teacher_id", "created_at_ms"),
        Index("lessons_opening", "opens_at_ms"),
    )


class LinkRow(Base):
    """A join link's code; one a role and lesson."""

    __tablename__ = "links"
    code: Mapped[str] = mapped_column(String(13), primary_key=True)
    lesson_id: Mapped[str] = mapped_column(ForeignKey("lessons.id"), index=True)
    role: Mapped[str] = mapped_column(String(10))


class EventRow(Base):
    """One event of a lesson's log, as the log holds it."""

    __tablename__ = "lesson_events"
    lesson_id: Mapped[str] = mapped_column(ForeignKey("lessons.id"), primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    body: Mapped[bytes] = mapped_column(LargeBinary)


class PresenceRow(Base):
    """One person's presence, computed from the log."""

    __tablename__ = "attendance"
    lesson_id: Mapped[str] = mapped_column(ForeignKey("lessons.id"), primary_key=True)
    participant: Mapped[str] = mapped_column(String(40), primary_key=True)
    name: Mapped[str] = mapped_column(String(60))
    role: Mapped[str] = mapped_column(String(10))
    first_in_ms: Mapped[int] = mapped_column(BigInteger)
    last_out_ms: Mapped[int | None] = mapped_column(BigInteger)
    present_ms: Mapped[int] = mapped_column(BigInteger)
    stays: Mapped[int] = mapped_column(Integer)


class RecordingRow(Base):
    """A lesson's recording: running, then finishing (its video is being made), ready, empty or failed.

    A lesson has one; a log that was lost before it was copied here can give it a second.
    """

    __tablename__ = "recordings"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    lesson_id: Mapped[str] = mapped_column(ForeignKey("lessons.id"), index=True)
    state: Mapped[str] = mapped_column(String(9), index=True)
    created_at_ms: Mapped[int] = mapped_column(BigInteger)


class PartRow(Base):
    """One part of a recording; still running while ``ended_at_ms`` is null."""

    __tablename__ = "parts"
    recording_id: Mapped[str] = mapped_column(ForeignKey("recordings.id"), primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    started_at_ms: Mapped[int] = mapped_column(BigInteger)
    ended_at_ms: Mapped[int | None] = mapped_column(BigInteger)
    reason: Mapped[str | None] = mapped_column(String(11))


class VideoRow(Base):
    """A video lesson; its id is its recording's. ``search`` is the title folded for comparing: SQLite's own
    functions know the case of ASCII letters only."""

    __tablename__ = "videos"
    id: Mapped[str] = mapped_column(ForeignKey("recordings.id"), primary_key=True)
    lesson_id: Mapped[str] = mapped_column(ForeignKey("lessons.id"), index=True)
    teacher_id: Mapped[str] = mapped_column(ForeignKey("teachers.id"))
    teacher_name: Mapped[str] = mapped_column(String(60))
    title: Mapped[str] = mapped_column(String(120))
    search: Mapped[str] = mapped_column(Text)
    subject: Mapped[str] = mapped_column(String(120))
    grade: Mapped[int] = mapped_column(Integer)
    state: Mapped[str] = mapped_column(String(10))
    recorded_at_ms: Mapped[int] = mapped_column(BigInteger)
    duration_ms: Mapped[int] = mapped_column(BigInteger)
    bytes: Mapped[int] = mapped_column(BigInteger)
    width: Mapped[int] = mapped_column(Integer)
    height: Mapped[int] = mapped_column(Integer)
    published_at_ms: Mapped[int | None] = mapped_column(BigInteger)
    __table_args__ = (
        Index("videos_newest", "recorded_at_ms", "id"),
        Index("videos_of_subject", "subject", "recorded_at_ms", "id"),
        Index("videos_of_grade", "grade", "recorded_at_ms", "id"),
        Index("videos_of_teacher_name", "teacher_name", "recorded_at_ms", "id"),
        Index("videos_of_teacher", "teacher_id", "recorded_at_ms", "id"),
    )


class WithdrawalRow(Base):
    """Somebody is to be taken out of a video, or was (``done_at_ms``): one that is made again of its journals
    is again without them. ``by``: who asked."""

    __tablename__ = "withdrawals"
    recording_id: Mapped[str] = mapped_column(ForeignKey("recordings.id"), primary_key=True)
    participant: Mapped[str] = mapped_column(String(40), primary_key=True)
    by: Mapped[str] = mapped_column(String(40))
    asked_at_ms: Mapped[int] = mapped_column(BigInteger)
    done_at_ms: Mapped[int | None] = mapped_column(BigInteger)


class AuditRow(Base):
    """What was done to recordings and to what is kept of people; rows are only ever added."""

    __tablename__ = "audit"
    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    at_ms: Mapped[int] = mapped_column(BigInteger, index=True)
    what: Mapped[str] = mapped_column(String(20))
    by: Mapped[str] = mapped_column(String(40))
    subject: Mapped[str] = mapped_column(String(90))
    count: Mapped[int] = mapped_column(BigInteger)


class MaterialRow(Base):
    """A file that somebody brought into a lesson; its content lies under ``<lesson>/<id>``."""

    __tablename__ = "materials"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    lesson_id: Mapped[str] = mapped_column(ForeignKey("lessons.id"), index=True)
    by: Mapped[str] = mapped_column(String(40))
    purpose: Mapped[str] = mapped_column(String(20))
    name: Mapped[str] = mapped_column(String(160))
    media_type: Mapped[str] = mapped_column(String(100))
    bytes: Mapped[int] = mapped_column(BigInteger)
    created_at_ms: Mapped[int] = mapped_column(BigInteger)


class JobRow(Base):
    """One step behind a recording's video: waiting (until ``due_at_ms``), running, done or failed.

    Whoever has ``claim`` carries it out, as long as ``seen_at_ms`` is young. ``progress`` is in percent.
    """

    __tablename__ = "jobs"
    recording_id: Mapped[str] = mapped_column(ForeignKey("recordings.id"), primary_key=True)
    step: Mapped[str] = mapped_column(String(12), primary_key=True)
    state: Mapped[str] = mapped_column(String(8))
    priority: Mapped[int] = mapped_column(Integer)
    tries: Mapped[int] = mapped_column(Integer)
    progress: Mapped[int] = mapped_column(Integer)
    error: Mapped[str | None] = mapped_column(String(20))
    claim: Mapped[str | None] = mapped_column(String(40))
    seen_at_ms: Mapped[int] = mapped_column(BigInteger)
    due_at_ms: Mapped[int] = mapped_column(BigInteger)
    queued_at_ms: Mapped[int] = mapped_column(BigInteger)
    started_at_ms: Mapped[int | None] = mapped_column(BigInteger)
    ended_at_ms: Mapped[int | None] = mapped_column(BigInteger)
    __table_args__ = (Index("jobs_due", "state", "priority", "queued_at_ms"),)
