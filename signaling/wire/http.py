"""Bodies of the door's HTTP requests and answers, of attendance and of refusals."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from signaling.wire.names import MAX_TIME_MS, RoleName, VideoState


class JoinRequest(Struct, frozen=True):
    """POST /api/join. ``code`` is a join link's code; ``name`` is ignored for the teacher's own link."""

    code: Annotated[str, Meta(max_length=64)]
    name: Annotated[str, Meta(max_length=400)] = ""


class IceServer(Struct, frozen=True):
    """W3C RTCIceServer."""

    urls: tuple[str, ...]
    username: str | None = None
    credential: str | None = None


class JoinReply(Struct, frozen=True):
    """``ticket`` lives 2 minutes: the client joins again for another one.

    ``student_link`` is for leaders, ``co_teacher_link`` for the teacher; None for others.
    """

    ticket: str
    lesson: str
    participant: str
    role: RoleName
    name: str
    title: str
    subject: str
    grade: int
    tiles: int
    ice_servers: tuple[IceServer, ...] = ()
    student_link: str | None = None
    co_teacher_link: str | None = None


class LinkInfo(Struct, frozen=True):
    """GET /api/links/<code>: what the join page shows. ``name``: as this browser joined before.

    ``video_state`` of the lesson's video lesson once it ended, None when there is none.
    """

    title: str
    subject: str
    grade: int
    state: Literal["waiting", "live", "ended"]
    role: RoleName
    name: str | None = None
    video_state: VideoState | None = None
    opens_at_ms: int | None = None


class NewLesson(Struct, frozen=True):
    """POST /api/lessons (teacher's cookie). ``teacher_name`` is kept for the next time.

    ``opens_at_ms`` announces the lesson for then (server time); it is for people to know, the teacher opens
    the lesson by coming, before or after.
    """

    title: Annotated[str, Meta(max_length=400)]
    subject: Annotated[str, Meta(max_length=400)]
    grade: Annotated[int, Meta(ge=1, le=11)]
    teacher_name: Annotated[str, Meta(max_length=400)] = ""
    opens_at_ms: Annotated[int, Meta(ge=0, le=MAX_TIME_MS)] | None = None


class LessonInfo(Struct, frozen=True):
    """A lesson of one's own. Links carry the configured public origin; backup links lead into the lesson also
    while the database does not answer."""

    lesson: str
    title: str
    subject: str
    grade: int
    state: Literal["waiting", "live", "ended"]
    created_at_ms: int
    ended_at_ms: int | None
    teacher_link: str
    student_link: str
    co_teacher_link: str
    backup_teacher_link: str
    backup_student_link: str
    video: str | None = None
    video_state: VideoState | None = None
    opens_at_ms: int | None = None


class TeacherInfo(Struct, frozen=True):
    """GET /api/teacher: who is signed in, and their lessons, newest first."""

    name: str
    lessons: tuple[LessonInfo, ...]


class SignIn(Struct, frozen=True):
    """POST /api/teacher/sign-in with the one-time key of the printed link."""

    key: Annotated[str, Meta(max_length=4096)]


class AttendanceRow(Struct, frozen=True):
    """One person's presence. Times are server ms; ``present_ms`` adds up all stays."""

    participant: str
    name: str
    role: RoleName
    first_in_ms: int
    last_out_ms: int | None
    present_ms: int
    stays: int


class Attendance(Struct, frozen=True):
    """GET /api/lessons/<lesson>/attendance; the same as CSV under attendance.csv."""

    lesson: str
    title: str
    rows: tuple[AttendanceRow, ...]


class ErrorReply(Struct, frozen=True):
    """Body of every HTTP answer of 400 and above. ``retry_after_s``: when coming back makes sense.

    With ``door_queue``: ``place`` in the queue, from 1 on, and about when it is one's turn.
    """

    code: str
    retry_after_s: int | None = None
    place: int | None = None
    wait_s: int | None = None
