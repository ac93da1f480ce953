"""Everything that is kept about one person, made nameless: what ``zvonok erase`` does but for the films."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from sfu.model import Role
from signaling.catalog.audit import OPERATOR, Entry
from signaling.catalog.keeping import NAMELESS
from signaling.catalog.store import Catalog, Lesson
from signaling.library_files import LibraryFiles
from signaling.links import participant_of_device, participant_of_teacher
from signaling.log import Clock
from signaling.replica import Record
from signaling.uploads.keeping import Kept

_DEVICE_ROLES: Final = (Role.STUDENT, Role.CO_TEACHER)


@dataclass(slots=True)
class Account:
    """What was done (or would be), by lesson, and what could not be; ids and counts only."""

    known: bool = False
    """Whether anything is kept about such a person."""
    lessons: int = 0
    events: int = 0
    names: int = 0
    files: int = 0
    videos: list[str] = field(default_factory=list)
    """Videos from which they are to be taken out."""
    left: list[tuple[str, str]] = field(default_factory=list)
    """(Id of a lesson or a recording, why nothing was done with it)."""


class Erasing:
    """Errors of the database and of files go through as they are."""

    def __init__(
        self,
        catalog: Catalog,
        files: LibraryFiles,
        kept: Kept,
        people_key: bytes,
        keep_ended_ms: int,
        now_ms: Clock,
    ) -> None:
        """``people_key`` makes participants' ids; ``keep_ended_ms``: how long processes and Redis may still
        hold a lesson that ended."""
        self._catalog = catalog
        self._files = files
        self._kept = kept
        self._key = people_key
        self._keep_ended_ms = keep_ended_ms
        self._now_ms = now_ms

    async def find(self, person: str) -> dict[str, set[str]]:
        """Lesson -> who this was in it. ``person``: a teacher's id, a participant's (also as
        ``lesson/participant``, when attendance is forgotten already), or that of a device's cookie."""
        keeping = self._catalog.keeping
        lesson, slash, participant = person.partition("/")
        if slash:
            return {lesson: {participant}}
        if await keeping.is_teacher(person):
            mine = await keeping.lessons_of(person)
            return {each: {participant_of_teacher(self._key, each, person)} for each in mine}
        found = await keeping.present((person,))
        if found:
            return found
        of_device = {
            participant_of_device(self._key, each, role, person): each
            for each in await keeping.lessons()
            for role in _DEVICE_ROLES
        }
        return await keeping.present(of_device)

    async def erase(self, person: str, *, dry: bool) -> Account:
        """Make somebody nameless in SQL and ask for their videos without them."""
        account = Account()
        found = await self.find(person)
        teacher = await self._catalog.keeping.is_teacher(person)
        account.known = teacher or bool(found)
        for lesson in sorted(found):
            row = await self._catalog.lesson(lesson)
            if row is None:
                account.left.append((lesson, "there is no such lesson"))
            elif not self._is_over(row):
                account.left.append((lesson, "goes on, or has just ended: repeat this later"))
            else:
                await self._lesson(lesson, found[lesson], account, teacher=teacher, dry=dry)
        if teacher and not dry:
            await self._catalog.keeping.forget_teacher(person)
        if account.known and not dry:
            for video in account.videos:
                lesson = await self._lesson_of(video)
                await self._catalog.withdrawals.ask(video, found[lesson], OPERATOR, self._now_ms())
            count = account.events + account.names + account.files + len(account.videos)
            await self._catalog.audit.add(Entry(self._now_ms(), "erased", OPERATOR, person, count))
        return account

    async def _lesson(
        self, lesson: str, who: Collection[str], account: Account, *, teacher: bool, dry: bool
    ) -> None:
        keeping = self._catalog.keeping
        account.lessons += 1
        account.names += await keeping.named(lesson, who)
        if not dry:
            await keeping.forget_names(lesson, who)
        events = await self._catalog.events(lesson)
        account.events += await keeping.rewrite(lesson, events, nameless(who, teacher=teacher), dry=dry)
        brought = await self._catalog.materials.of_lesson(lesson, who)
        account.files += len(brought)
        if not dry:
            await self._kept.forget(*brought)
        for recording, state in await keeping.recordings_of(lesson):
            takes = await self._files.takes(recording)
            if state == "empty":
                continue
            if state != "ready":
                account.left.append((recording, f"is {state}, not a video yet: repeat this later"))
            elif takes is None:
                account.left.append((recording, "nobody knows who is in it: delete it, or keep it"))
            elif any(each.participant in who for each in takes.people):
                account.videos.append(recording)

    async def _lesson_of(self, recording: str) -> str:
        found = await self._catalog.recordings.recording(recording)
        return "" if found is None else found.lesson

    def _is_over(self, lesson: Lesson) -> bool:
        ended = lesson.ended_at_ms
        return ended is not None and ended + self._keep_ended_ms <= self._now_ms()


_DRAWN: Final[Mapping[str, Any]] = {"name": NAMELESS, "text": "", "points": b"", "pressures": b""}
"""What of a board and its elements is words or writing."""


def nameless(participants: Collection[str], *, teacher: bool) -> Callable[[Record], Record]:
    """Makes an event one without these people's names and words; with ``teacher`` without the name of whose
    lesson it is. Pure."""

    def change(event: Record) -> Record:
        changed = {path: _nameless(path, value, participants, teacher) for path, value in event.set.items()}
        if changed == event.set:
            return event
        return Record(event.number, event.kind, event.at_ms, event.by, changed, event.delete)

    return change


def _nameless(path: str, value: Any, participants: Collection[str], teacher: bool) -> Any:
    kind, _, rest = path.partition("/")
    if not isinstance(value, Mapping):
        return value
    if kind in ("person", "lobby") and rest in participants:
        return {**value, "name": NAMELESS}
    if kind in ("chat", "note", "group_chat", "group_notice") and value.get("participant") in participants:
        return {**value, "name": NAMELESS, "text": ""}
    if kind == "held" and rest.partition("/")[0] in participants:
        return {**value, "name": NAMELESS, "text": ""}
    if kind == "board" and value.get("by") in participants:
        return {**value, **{what: empty for what, empty in _DRAWN.items() if what in value}}
    if kind == "material" and value.get("by") in participants:
        return {**value, "name": NAMELESS, "url": ""}
    if kind == "quiz_answer" and rest.partition("/")[0] in participants and value.get("text") is not None:
        return {**value, "text": ""}
    if kind == "lesson" and teacher:
        return {**value, "teacher": NAMELESS}
    return value
