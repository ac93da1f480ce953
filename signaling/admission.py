"""The door: teachers sign in and make lessons, people with a link get tickets. Knows no HTTP."""

from __future__ import annotations

import base64
import hashlib
import hmac
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from config.sections import IceServer, Settings
from sfu.model import Refused, Role
from signaling import texts, wire
from signaling.archive import Archive
from signaling.catalog.recordings import Video
from signaling.catalog.store import Catalog, Lesson
from signaling.door_queue import Admitted, DoorQueue, Full
from signaling.lesson import fields, presence
from signaling.lesson.change import Actor
from signaling.lessons import Lessons
from signaling.links import (
    Backup,
    backup_code,
    new_code,
    new_id,
    participant_of_device,
    participant_of_teacher,
    read_backup_code,
    read_code,
)
from signaling.live import LiveLesson
from signaling.log import Clock, LessonLog, LogUnreachable
from signaling.objectives import Objective, due
from signaling.replica import record
from signaling.tickets import KeyRing, Ticket, issue_ticket, read_one_time_key

log = logging.getLogger(__name__)

TURN_LIFETIME_S: Final = 600
LONGEST_AHEAD_S: Final = 60 * 24 * 3600
"""Redis keeps a lesson that is announced for later, so that it can be held without SQL; at most so long."""
LINK_KEPT_MS: Final = 10_000
"""A class joins by one link within seconds: SQL is asked once."""
LINKS_KEPT: Final = 10_000
_ROLES: Final = (Role.TEACHER, Role.STUDENT, Role.CO_TEACHER)


@dataclass(frozen=True, slots=True)
class Browser:
    """Who asks, as far as signed cookies tell: a device id, and a teacher's id when one is signed in.

    ``phone``: the browser says that it runs on one (fewer tiles). ``turn_ms``: when it is their turn at the
    door, as this or another process told them lately.
    """

    device: str
    teacher: str | None = None
    phone: bool = False
    turn_ms: int | None = None


class TooMany(Refused):
    """``rate_limited`` with the time after which coming back makes sense."""

    def __init__(self, after_s: float) -> None:
        super().__init__("rate_limited")
        self.after_s = max(1, ceil(after_s))


class Queued(Refused):
    """``door_queue``: nothing is wrong, ask again after ``after_s`` with the same device id."""

    def __init__(self, place: int, wait_s: float, after_s: float) -> None:
        super().__init__("door_queue")
        self.place = place
        self.turn_in_ms = round(wait_s * 1000)
        self.wait_s = max(1, ceil(wait_s))
        self.after_s = max(1, ceil(after_s))


class Admission:
    """Everything here raises Refused with a code for the person."""

    def __init__(
        self,
        settings: Settings,
        catalog: Catalog,
        archive: Archive,
        lessons: Lessons,
        lesson_log: LessonLog,
        keys: Keys,
        origin: Callable[[], str],
        queue: DoorQueue,
        now_ms: Clock,
    ) -> None:
        """``origin``: what links carry."""
        self._settings = settings
        self._catalog = catalog
        self._archive = archive
        self._lessons = lessons
        self._log = lesson_log
        self._keys = keys
        self._origin = origin
        self._queue = queue
        self._now_ms = now_ms
        self._links: dict[str, tuple[int, tuple[Lesson, Role]]] = {}

    async def sign_in(self, key: str) -> str:
        """The teacher's id for a one-time key, which is used up by it."""
        one_time = read_one_time_key(self._keys.cookies, key, self._now_ms() // 1000)
        if not await self._catalog.use_key(one_time.jti, one_time.teacher, self._now_ms()):
            raise Refused("sign_in_key_used")
        return one_time.teacher

    async def teacher(self, browser: Browser) -> wire.TeacherInfo:
        """Who is signed in, and their lessons."""
        teacher = await self._catalog.teacher(self._signed_in(browser))
        if teacher is None:
            raise Refused("not_signed_in")
        lessons = await self._catalog.lessons_of(teacher.id)
        videos = await self._catalog.recordings.videos_of_lessons(lesson.id for lesson in lessons)
        return wire.TeacherInfo(
            teacher.name, tuple(self._info(lesson, videos.get(lesson.id)) for lesson in lessons)
        )

    async def new_lesson(self, browser: Browser, request: wire.NewLesson) -> wire.LessonInfo:
        """Make a lesson: its first event, its row, its links."""
        teacher = await self._catalog.teacher(self._signed_in(browser))
        if teacher is None:
            raise Refused("not_signed_in")
        lesson = Lesson(
            id=new_id(),
            teacher=teacher.id,
            teacher_name=texts.name(request.teacher_name or teacher.name),
            title=texts.line(request.title),
            subject=texts.line(request.subject),
            grade=request.grade,
            state="waiting",
            created_at_ms=self._now_ms(),
            ended_at_ms=None,
            codes={role: new_code() for role in _ROLES},
            opens_at_ms=request.opens_at_ms,
        )
        await self._catalog.new_lesson(lesson)
        change = presence.open_lesson(lesson.title, lesson.subject, lesson.grade, lesson.teacher_name)
        event = record(change, lesson.created_at_ms, None)
        opens_in_s = min(((lesson.opens_at_ms or 0) - lesson.created_at_ms) // 1000, LONGEST_AHEAD_S)
        try:
            await self._log.create(lesson.id, event, change, opens_in_s)
        except LogUnreachable as error:
            raise Refused("internal", type(error).__name__) from None
        self._archive.note(lesson.id, replace(event, number=1))
        due(Objective.HELD)
        return self._info(lesson)

    async def attendance(self, browser: Browser, lesson_id: str) -> wire.Attendance:
        """Who was in a lesson of one's own; another's is ``not_found``."""
        lesson = await self.own_lesson(browser, lesson_id)
        return wire.Attendance(lesson.id, lesson.title, await self._archive.attendance(lesson.id))

    async def own_lesson(self, browser: Browser, lesson_id: str) -> Lesson:
        """A lesson of one's own; another's is ``not_found``. Raises Refused."""
        lesson = await self._catalog.lesson(lesson_id)
        if lesson is None or lesson.teacher != self._signed_in(browser):
            raise Refused("not_found")
        return lesson

    async def link(self, browser: Browser, code: str) -> wire.LinkInfo:
        """What a join page shows."""
        lesson, role = await self._find(code, browser)
        state, name = lesson.state, None
        if state != "ended":
            async with self._lessons.get(lesson.id) as live:
                state = fields.lesson(live.state).state
                person = live.state.get(fields.person(self._participant(browser, lesson, role)))
                waits = live.state.get(fields.lobby(self._participant(browser, lesson, role)))
                name = person.name if person is not None else waits.name if waits is not None else None
        if role is Role.TEACHER:
            name = lesson.teacher_name if browser.teacher == lesson.teacher else None
        video = await self._catalog.recordings.video_of_lesson(lesson.id) if state == "ended" else None
        video_state = None if video is None else video.state
        if state == "ended" and video is None and await self._catalog.recordings.awaited(lesson.id):
            video_state = "processing"  # the recorder is about to begin: who comes this early shall wait
        return wire.LinkInfo(
            lesson.title, lesson.subject, lesson.grade, state, role.value, name, video_state,
            lesson.opens_at_ms,
        )  # fmt: skip

    async def participant(self, browser: Browser, code: str) -> tuple[Lesson, str | None]:
        """The lesson behind a link, and who this browser is in it; None for the teacher's own link."""
        lesson, role = await self._find(code, browser)
        return lesson, None if role is Role.TEACHER else self._participant(browser, lesson, role)

    async def was_let_in(self, browser: Browser, lesson: Lesson, participant: str | None) -> bool:
        """Whether this browser is the lesson's teacher's, or of somebody (``participant``) who was let in and
        not removed since. Raises Refused ``not_found``, ``internal``."""
        if browser.teacher is not None and browser.teacher == lesson.teacher:
            return True
        if participant is None:
            return False
        async with self._lessons.get(lesson.id) as live:
            banned = live.state.get(fields.ban(participant))
            return fields.person(participant) in live.state and not banned

    def actor(self, browser: Browser, live: LiveLesson) -> Actor:
        """Who this browser was let in as, in the role that may most; also when they are away now.

        Raises Refused ``not_found``.
        """
        key = self._keys.people
        known = [
            (participant_of_device(key, live.lesson, role, browser.device), role)
            for role in (Role.CO_TEACHER, Role.STUDENT)
        ]
        if browser.teacher is not None:
            known.insert(0, (participant_of_teacher(key, live.lesson, browser.teacher), Role.TEACHER))
        for participant, role in known:
            person = live.state.get(fields.person(participant))
            banned = live.state.get(fields.ban(participant))
            if person is not None and person.role == role.value and not banned:
                return Actor(participant, role)
        raise Refused("not_found")

    async def join(self, browser: Browser, request: wire.JoinRequest) -> wire.JoinReply:
        """A ticket for the lesson behind a link; Queued when too many want one just now."""
        lesson, role = await self._find(request.code, browser)
        if role is Role.TEACHER and browser.teacher != lesson.teacher:
            raise Refused("not_your_lesson")
        if lesson.state == "ended":
            raise Refused("lesson_ended")
        self._take_turn(browser, role)
        participant = self._participant(browser, lesson, role)
        async with self._lessons.get(lesson.id) as live:
            name = self._check(live, lesson, role, participant, request.name)
            if role is Role.TEACHER:
                live.objectives.teacher_asks(fields.lesson(live.state).started_at_ms, self._now_ms())
        ticket = Ticket(participant, lesson.id, role, name)
        now_s = self._now_ms() // 1000
        limits = self._settings.lesson
        return wire.JoinReply(
            ticket=issue_ticket(self._keys.tickets, ticket, now_s),
            lesson=lesson.id,
            participant=participant,
            role=role.value,
            name=name,
            title=lesson.title,
            subject=lesson.subject,
            grade=lesson.grade,
            tiles=limits.tiles_phone
            if browser.phone
            else limits.tiles_teacher
            if role.leads
            else limits.tiles_student,
            ice_servers=ice_servers(self._settings.media.ice_servers, participant, now_s),
            student_link=self._class_link(lesson) if role.leads else None,
            co_teacher_link=self._link_of(lesson, Role.CO_TEACHER)
            if role is Role.TEACHER and lesson.codes
            else None,
        )

    def waits(self, browser: Browser) -> bool:
        """Whether this browser has a place in the queue, of this process or of another."""
        elsewhere = browser.turn_ms is not None and self._now_ms() < browser.turn_ms
        return elsewhere or self._queue.waits(browser.device)

    def _take_turn(self, browser: Browser, role: Role) -> None:
        turn_s = None if browser.turn_ms is None else browser.turn_ms / 1000
        answer = self._queue.ask(browser.device, role.leads, self._now_ms() / 1000, turn_s)
        match answer:
            case Admitted():
                return
            case Full():
                raise TooMany(answer.retry_s)
            case _:
                raise Queued(answer.place, answer.wait_s, answer.retry_s)

    def _link_of(self, lesson: Lesson, role: Role) -> str:
        return f"{self._origin()}/l/{lesson.codes[role]}"

    def _backup_link(self, lesson: Lesson, role: Role) -> str:
        return f"{self._origin()}/l/{backup_code(self._keys.people, lesson.id, role, lesson.teacher)}"

    def _class_link(self, lesson: Lesson) -> str:
        return (
            self._link_of(lesson, Role.STUDENT) if lesson.codes else self._backup_link(lesson, Role.STUDENT)
        )

    def _check(self, live: LiveLesson, lesson: Lesson, role: Role, participant: str, given: str) -> str:
        presence.check_entry(live.state, participant, role, self._settings.lesson.max_people)
        if role is Role.TEACHER:
            return lesson.teacher_name
        name = texts.name(given)
        presence.check_name(live.state, name, role, lesson.teacher_name)
        return name

    async def _find(self, text: str, browser: Browser) -> tuple[Lesson, Role]:
        backup = read_backup_code(text)
        if backup is not None:
            return await self._find_backup(backup, browser), backup.role
        code = read_code(text)
        if code is None:
            raise Refused("link_unknown")
        known = self._links.get(code)
        if known is not None and self._now_ms() - known[0] < LINK_KEPT_MS:
            return known[1]
        found = await self._catalog.link(code)
        if found is None:
            raise Refused("link_unknown")
        if len(self._links) >= LINKS_KEPT:
            self._links.clear()
        self._links[code] = (self._now_ms(), found)
        return found

    async def _find_backup(self, backup: Backup, browser: Browser) -> Lesson:
        """As SQL has the lesson, or, while that does not answer, as its log has it."""
        if not backup.signed(self._keys.people, browser.teacher or ""):
            raise Refused("not_your_lesson" if backup.role is Role.TEACHER else "link_unknown")
        try:
            lesson = await self._catalog.lesson(backup.lesson)
            if lesson is None:
                raise Refused("link_unknown")
            return lesson
        except SQLAlchemyError as error:
            log.warning("sql: a backup link is used", extra={"reason": type(error).__name__})
        async with self._lessons.get(backup.lesson) as live:
            known = fields.lesson(live.state)
        return Lesson(
            id=backup.lesson,
            teacher=browser.teacher or "" if backup.role is Role.TEACHER else "",
            teacher_name=known.teacher,
            title=known.title,
            subject=known.subject,
            grade=known.grade,
            state=known.state,
            created_at_ms=0,
            ended_at_ms=None,
            codes={},
        )

    def _participant(self, browser: Browser, lesson: Lesson, role: Role) -> str:
        if role is Role.TEACHER:
            return participant_of_teacher(self._keys.people, lesson.id, lesson.teacher)
        return participant_of_device(self._keys.people, lesson.id, role, browser.device)

    def _signed_in(self, browser: Browser) -> str:
        if browser.teacher is None:
            raise Refused("not_signed_in")
        return browser.teacher

    def _info(self, lesson: Lesson, video: Video | None = None) -> wire.LessonInfo:
        held = next((live for live in self._lessons.held() if live.lesson == lesson.id), None)
        state = lesson.state
        if held is not None and fields.LESSON in held.state:
            state = fields.lesson(held.state).state
        return wire.LessonInfo(
            lesson=lesson.id,
            title=lesson.title,
            subject=lesson.subject,
            grade=lesson.grade,
            state=state,
            created_at_ms=lesson.created_at_ms,
            ended_at_ms=lesson.ended_at_ms,
            teacher_link=self._link_of(lesson, Role.TEACHER),
            student_link=self._link_of(lesson, Role.STUDENT),
            co_teacher_link=self._link_of(lesson, Role.CO_TEACHER),
            backup_teacher_link=self._backup_link(lesson, Role.TEACHER),
            backup_student_link=self._backup_link(lesson, Role.STUDENT),
            video=None if video is None else video.id,
            video_state=None if video is None else video.state,
            opens_at_ms=lesson.opens_at_ms,
        )


@dataclass(frozen=True, slots=True)
class Keys:
    """Signing keys: of tickets; of cookies and one-time keys. ``people`` makes participant ids, for ever."""

    tickets: KeyRing
    cookies: KeyRing
    people: bytes


def ice_servers(configured: Sequence[IceServer], participant: str, now_s: int) -> tuple[wire.IceServer, ...]:
    """For browsers; a TURN server with a shared secret gets a user name that is over in TURN_LIFETIME_S
    (the "REST API" form that coturn's use-auth-secret takes)."""
    made = []
    for server in configured:
        username, credential = server.username or None, server.credential or None
        if server.secret:
            username = f"{now_s + TURN_LIFETIME_S}:{participant}"
            digest = hmac.new(server.secret.encode(), username.encode(), hashlib.sha1).digest()
            credential = base64.b64encode(digest).decode()
        made.append(wire.IceServer(server.urls, username, credential))
    return tuple(made)
