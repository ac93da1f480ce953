"""What the operator may ask of lessons and do to them while signalling runs: in Redis and SQL, as it does."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from typing import Any, Final

from msgspec import UNSET, Struct, UnsetType

from sfu.model import Refused
from sfu.rpc import messages as rpc
from sfu.rpc.client import WorkerLost
from signaling.archive import Archive, fold
from signaling.catalog.store import Catalog
from signaling.follower import Follower
from signaling.lesson import ending, fields
from signaling.lesson.change import Moment
from signaling.log import Clock, LessonLog
from signaling.replica import Replica
from signaling.workers import Workers

OPERATOR: Final = "operator"
"""Who made an event that no participant made."""
_PAGE: Final = 200


class RunningLesson(Struct, frozen=True):
    """A lesson that has begun and is not over. ``teacher``: the account; ``state``: waiting while no teacher
    is there; ``people``: how many are in."""

    lesson: str
    title: str
    teacher: str | None
    state: str
    since_ms: int
    people: int
    worker: str | None


class SeenPerson(Struct, frozen=True, omit_defaults=True):
    """Somebody of a lesson; ``name`` only where it was asked for."""

    participant: str
    role: str
    here: bool
    name: str | UnsetType = UNSET


class SeenRecording(Struct, frozen=True):
    """The recording as the log has it; ``recorder``: the living one that has claimed the lesson."""

    recording: str
    state: str
    part: int
    recorder: str | None


class SeenLesson(Struct, frozen=True):
    """All there is to know of a lesson. ``read_from``: redis, or sql where Redis has it no more. ``held``: a
    signalling process has it in memory. Numbers of events are 0 where there are none."""

    lesson: str
    title: str
    teacher: str | None
    state: str
    read_from: str
    created_at_ms: int | None
    started_at_ms: int | None
    ends_at_ms: int | None
    ended_at_ms: int | None
    locked: bool
    people: tuple[SeenPerson, ...]
    waiting: int
    worker: str | None
    worker_registered: bool
    epoch: int
    held: bool
    number: int
    events_redis: int
    events_sql: int
    last_sql: int
    recording: SeenRecording | None
    video: str | None


class Operations:
    """Redis errors (LogUnreachable) and SQLAlchemyError go through as they are."""

    def __init__(self, catalog: Catalog, lesson_log: LessonLog, workers: Workers, now_ms: Clock) -> None:
        self._catalog = catalog
        self._log = lesson_log
        self._workers = workers
        self._now_ms = now_ms

    async def running(self) -> list[RunningLesson]:
        """Lessons live now, and those whose teacher is away, in the order in which they began."""
        names = await self._log.live_lessons()
        found: list[RunningLesson] = []
        for at in range(0, len(names), _PAGE):
            found += await self._running(names[at : at + _PAGE])
        return sorted(found, key=lambda each: (each.since_ms, each.lesson))

    async def _running(self, names: list[str]) -> list[RunningLesson]:
        states = await self._log.states(names)
        leases = await self._workers.placement.leases(names)
        teachers = {lesson.id: lesson.teacher for lesson in await self._catalog.lessons(names)}
        found = []
        for name, raw, lease in zip(names, states, leases, strict=True):
            state = Replica(0, raw).state
            if fields.LESSON not in state:
                continue
            lesson = fields.lesson(state)
            if lesson.state == "ended" or lesson.started_at_ms is None:
                continue
            found.append(
                RunningLesson(
                    lesson=name,
                    title=lesson.title,
                    teacher=teachers.get(name),
                    state=lesson.state,
                    since_ms=lesson.started_at_ms,
                    people=fields.count_here(state),
                    worker=None if lease is None else lease.worker,
                )
            )
        return found

    async def inspect(self, lesson: str, *, names: bool = False) -> SeenLesson | None:
        """Everything about a lesson, None where there is none of this id. ``names``: with people's names."""
        row = await self._catalog.lesson(lesson)
        loaded = await self._log.load(lesson)
        if loaded is None:
            replica = fold(await self._catalog.events(lesson))
        else:
            replica = Replica(loaded[0], loaded[1])
        if fields.LESSON not in replica.state:
            return None
        state, field = replica.state, fields.lesson(replica.state)
        lease = await self._workers.placement.lease(lesson)
        copied = (await self._catalog.copied([lesson])).get(lesson)
        video = await self._catalog.recordings.video_of_lesson(lesson)
        return SeenLesson(
            lesson=lesson,
            title=field.title,
            teacher=None if row is None else row.teacher,
            state=field.state,
            read_from="sql" if loaded is None else "redis",
            created_at_ms=None if row is None else row.created_at_ms,
            started_at_ms=field.started_at_ms,
            ends_at_ms=field.ends_at_ms,
            ended_at_ms=None if row is None else row.ended_at_ms,
            locked=field.locked,
            people=_people(state, names=names),
            waiting=sum(1 for _ in fields.waiting(state)),
            worker=None if lease is None else lease.worker,
            worker_registered=lease is not None and lease.worker in await self._workers.placement.workers(),
            epoch=0 if lease is None else lease.epoch,
            held=not await self._log.unkept([lesson]),
            number=replica.number,
            events_redis=await self._log.count_events(lesson),
            events_sql=0 if copied is None else copied.events,
            last_sql=0 if copied is None else copied.last or 0,
            recording=await self._recording(lesson, state),
            video=None if video is None else video.id,
        )

    async def _recording(self, lesson: str, state: Mapping[str, Any]) -> SeenRecording | None:
        field = fields.recording(state)
        if field is None:
            return None
        return SeenRecording(field.id, field.state, field.part, await self._log.recorder_of(lesson))

    async def end(self, lesson: str, ended: Callable[[int], None]) -> bool:
        """End it for all, as its teacher would: one event of the log, which processes that hold the lesson
        act upon; what nobody would do for it is done here. ``ended`` is told the event's number as soon as it
        is in the log. False: it had ended; then, too, SQL has all of it afterwards. Raises Refused
        ``not_found``."""
        if await self._log.field(lesson, fields.LESSON) is None:
            # Opening it would give it back to Redis, which has let go of what is over.
            state = fold(await self._catalog.events(lesson)).state
            if fields.LESSON not in state:
                raise Refused("not_found")
            if fields.lesson(state).state == "ended":
                return False
        archive = Archive(self._catalog, self._log, self._now_ms)
        follower = Follower(
            lesson, self._log, archive, self._now_ms, lambda _event: None, lambda: None, _nothing
        )
        await follower.open()
        try:
            moment = Moment(self._now_ms(), secrets.token_hex(4))
            number = await follower.execute(lambda state: ending.end_for_all(state, moment), OPERATOR)
            if number:
                ended(number)
            else:  # perhaps by a command that did not get as far as SQL
                for event in await self._log.since(lesson, follower.replica.number - 1):
                    archive.note(lesson, event)
        finally:
            await follower.close()
        if number and await self._log.unkept([lesson]):
            await self._close_media(lesson)
        await self._log.set_live(lesson, live=False)
        await archive.flush()
        return number > 0

    async def _close_media(self, lesson: str) -> None:
        lease = await self._workers.placement.lease(lesson)
        if lease is None:
            return
        try:
            link = await self._workers.link(lease.worker)
            await link.request(rpc.CloseLesson(lesson, lease.epoch))
        except WorkerLost:
            return  # a worker that nobody reaches ends its lessons by itself


def _people(state: Mapping[str, Any], *, names: bool) -> tuple[SeenPerson, ...]:
    over = fields.lesson(state).state == "ended"
    people = sorted(fields.people(state), key=lambda each: each[1].order)
    return tuple(
        SeenPerson(who, person.role, person.here and not over, person.name if names else UNSET)
        for who, person in people
    )


async def _nothing() -> None:
    pass
