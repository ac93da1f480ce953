"""One claimed lesson: follows its log, has its worker send what may be recorded, writes it to journals."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any, Final, NoReturn

from sqlalchemy.exc import SQLAlchemyError

from recorder import logbook
from recorder.disk import Disk, is_full
from recorder.folder import ENTERED_NAME, Busy, FolderLock, is_recording, tap_name
from recorder.journal import LOG_NAME, LogHead, TapHead, Teacher, Writer
from recorder.links import Links
from recorder.shipping import Shipper
from recorder.taps import LOOK_S, NotCaptured, Taps
from sfu.model import Refused
from sfu.rpc import messages as rpc
from signaling.catalog.store import Catalog
from signaling.follower import Follower
from signaling.lesson import fields, recording
from signaling.lesson.change import Moment
from signaling.log import EventHeard, Heard, LeaseHeard, LessonLog, LogUnreachable, RestoredHeard, stop
from signaling.replica import Record
from signaling.wire import RecordingEnd, RecordingField

log = logging.getLogger(__name__)

FIRST_WAIT_S: Final = 0.1
TOLD_S: Final = 0.8
LONGEST_WAIT_S: Final = 2.0
LOCK_TRIES: Final = 20
CATALOG_LIMIT_S: Final = 1.0
SqlError = (SQLAlchemyError, OSError)
_WALL_US: Final = (time.time_ns() - time.monotonic_ns()) // 1000
"""Taken once, as workers take it: where somebody sets the clock, records show it by their events' times."""


class Outcome(StrEnum):
    """Why a capture is over."""

    ENDED = "ended"
    """The lesson ended: the recording can be finished."""
    IDLE = "idle"
    """Nothing is recorded and nothing was."""
    LOST = "lost"
    """Another recorder has the lesson now."""
    LEFT = "left"
    """This process is closing: another one is to go on."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What all captures of a process share. ``claimed``: whether a lesson's claim was ours a moment ago;
    ``shipper``: brings what is written to the store, None where recorders share a folder."""

    log: LessonLog
    links: Links
    disk: Disk
    catalog: Catalog
    folder: Path
    claimed: Callable[[str], bool]
    shipper: Shipper | None = None


class AskNobody:
    """For a follower: SQL is signalling's, which gives a lost lesson back to Redis itself."""

    def note(self, lesson: str, event: Record) -> None:
        """Nothing is kept here."""

    async def recall(self, lesson: str) -> NoReturn:
        """Nothing is known here."""
        raise Refused("not_found", f"{lesson} is not in redis now")


class Capture:
    """``run`` it as a task; tell it what is heard, pushed or lost, and ``lose`` it when the claim is gone.

    It is driven by the lesson's state as its log says, not by single events: whatever was missed, the next
    look at the state makes it good.
    """

    def __init__(self, lesson: str, parts: Parts) -> None:
        self.lesson = lesson
        self.recording = ""
        """Id of the recording, once it is known."""
        self._parts = parts
        self._follower = Follower(
            lesson, parts.log, AskNobody(), _now_ms, self._happened, self._replaced, _nothing
        )
        self._lock: FolderLock | None = None
        self._log: Writer | None = None
        self._part: int | None = None
        """The part that is being written."""
        self._starts: dict[int, RecordingField] = {}
        self._told: set[int] = set()
        """Parts that SQL was told of, or will be."""
        self._ends: dict[int, tuple[int, RecordingEnd, str]] = {}
        self._owed: deque[Callable[[], Awaitable[None]]] = deque()
        self._fault: RecordingEnd | None = None
        self._wake = asyncio.Event()
        self._taps = Taps(lesson, parts.links, parts.disk, self._tap_journal, self._failed, self._wake)
        self._wait_s = FIRST_WAIT_S
        self._backoff_s = FIRST_WAIT_S / 2
        self._leaving: Outcome | None = None
        self._tasks: set[asyncio.Task[Any]] = set()

    # --- told from outside; nothing here waits ------------------------------------------------------

    @property
    def number(self) -> int:
        """Number of the last event seen."""
        return self._follower.replica.number

    @property
    def writing(self) -> bool:
        """Whether a part is being written."""
        return self._part is not None

    def hear(self, heard: Heard) -> None:
        """What was published about the lesson."""
        match heard:
            case EventHeard():
                if not self._follower.hear(heard.event):
                    self.catch_up()
            case RestoredHeard():
                self.catch_up()
            case LeaseHeard():
                self._taps.lease_changed()
            case _:
                pass

    def catch_up(self) -> None:
        """Events were missed: get them from the log."""
        self._spawn(self._catch_up())

    def lose(self) -> None:
        """Another recorder has the claim."""
        self._leaving = Outcome.LOST
        self._wake.set()

    def leave(self) -> None:
        """Close the journals in order; the part is not over, and nobody is told."""
        self._leaving = self._leaving or Outcome.LEFT
        self._wake.set()

    def stop_writing(self, reason: RecordingEnd) -> None:
        """End the running part for this reason, and tell everybody."""
        if self._part is not None and self._fault is None:
            self._fault = reason
            self._wake.set()

    def link_lost(self, worker: str) -> None:
        """The connection to a worker is gone."""
        self._taps.link_lost(worker)

    def pushed(self, worker: str, push: rpc.Push) -> None:
        """What the worker says."""
        self._taps.pushed(worker, push)

    # --- the task -----------------------------------------------------------------------------------

    async def run(self) -> Outcome:
        """Until the lesson ends, or another recorder has it. Raises Refused ``not_found`` and LogUnreachable
        when the lesson's log cannot be read at first."""
        self._parts.links.add(self.lesson, self)
        try:
            await self._follower.open()
            while True:
                self._wake.clear()
                outcome = await self._settle()
                if outcome is not None:
                    return outcome
                try:
                    async with asyncio.timeout(self._wait_s):
                        await self._wake.wait()
                except TimeoutError:
                    pass
        finally:
            await self._close()

    async def _close(self) -> None:
        await self._taps.end(wait=False)
        self._parts.links.discard(self.lesson, self)
        await self._close_log()
        await self._taps.closed()
        if self._tasks:
            await stop(*self._tasks)
        await self._follower.close()
        if self._parts.shipper is not None:
            self._parts.shipper.end(self.recording)
        if self._lock is not None:
            self._lock.close()

    async def _settle(self) -> Outcome | None:
        """Bring what is written in line with the lesson's state; None: go on."""
        if self._leaving is not None:
            return self._leaving
        state = self._follower.state
        field = fields.recording(state)
        if field is None:
            return Outcome.IDLE
        running = field.state != "off" and not self._over
        self._wait_s = LOOK_S
        self.recording = field.id
        if field.state == "on":
            self._starts[field.part] = field
        if self._part is not None and not (running and self._part == field.part):
            await self._end_part(field)
        if running:
            await self._write(field)
        await self._pay()
        if self._over and not self._owed:
            return Outcome.ENDED
        return None

    async def _write(self, field: RecordingField) -> None:
        """Have this part written, or say why it is not."""
        self._part = field.part
        if self._fault is None:
            try:
                await self._open_log(field)
            except OSError as error:
                self._failed(error)
        if self._fault is None:
            await self._capture()
        try:
            if self._fault is not None:
                reason = self._fault
                await self._taps.end(wait=False)
                await self._decide(lambda state, moment: recording.stopped(state, reason, moment, field.part))
            elif self._taps.captured and field.state == "starting":
                await self._decide(lambda state, moment: recording.begun(state, field.id, field.part, moment))
            else:
                self._enter(field.part)
        except Refused as refused:
            log.warning("recording not told", extra={"lesson": self.lesson, "code": refused.code})
            self._retry()

    async def _decide(self, rule: Callable[[Any, Moment], Any]) -> None:
        """Change the lesson by a rule; raises Refused. What follows from it is done by the next look."""
        moment = Moment(_now_ms(), secrets.token_hex(4))
        await self._follower.execute(lambda state: rule(state, moment), None)
        self._wake.set()

    def _retry(self) -> None:
        """Look again soon, and later each time nothing changed in between."""
        self._wait_s = self._backoff_s = min(self._backoff_s * 2, LONGEST_WAIT_S)

    @property
    def _over(self) -> bool:
        """Whether the lesson ended."""
        state = self._follower.state
        return fields.LESSON not in state or fields.lesson(state).state == "ended"

    async def _capture(self) -> None:
        try:
            await self._taps.capture(claimed=self._parts.claimed(self.lesson))
            self._backoff_s = FIRST_WAIT_S / 2
        except NotCaptured as error:
            self._retry()
            if TOLD_S <= self._backoff_s < 2 * TOLD_S:  # once: for a moment, that is how things are
                log.warning("lesson not captured", extra={"lesson": self.lesson, "reason": str(error)})

    # --- journals -----------------------------------------------------------------------------------

    @property
    def _folder(self) -> Path:
        return self._parts.folder / self.recording

    async def _open_log(self, field: RecordingField) -> None:
        """Begin to keep the lesson's events, or go on; raises OSError."""
        if self._log is not None and not self._log.over:
            return None
        disk = self._parts.disk
        if not is_recording(field.id):
            raise OSError("not a folder's name")
        if not await disk.look():
            return self.stop_writing("disk_full")
        if self._lock is None:
            await disk.call(partial(self._folder.mkdir, mode=0o700, parents=True, exist_ok=True))
            self._lock = await _lock(self._folder)
            if self._parts.shipper is not None:
                await self._parts.shipper.begin(field.id)
        head = await self._log_head(field)
        # Nothing is awaited between the state that is restated and the first event that is heard after it.
        writer = Writer(self._folder / LOG_NAME, head, _now_us(), disk.budget)
        self._log = writer
        self._restate()
        try:
            await disk.open(writer, self._failed)
        except OSError:
            writer.discard()
            raise
        return None

    def _tap_journal(self, push: rpc.TapOpened) -> Writer | None:
        if self._part is None:
            return None
        person = self._follower.state.get(fields.person(push.participant))
        head = TapHead(
            lesson=self.lesson,
            recording=self.recording,
            part=self._part,
            participant=push.participant,
            role=push.role,
            name=person.name if person is not None else "",
            source=push.source,
            codec=push.codec,
            clock_rate=push.clock_rate,
            payload_type=push.payload_type,
            audio_level_id=push.audio_level_id,
            epoch=push.epoch,
            connection=push.connection,
        )
        name = tap_name(self._part, push.participant, push.source, secrets.token_hex(3))
        return Writer(self._folder / name, head, _now_us(), self._parts.disk.budget)

    async def _log_head(self, field: RecordingField) -> LogHead:
        state = self._follower.state
        lesson = fields.lesson(state)
        names = [person.name for _, person in fields.people(state) if person.role == "teacher"]
        teacher, created_at_ms = Teacher(id="", name=names[0] if names else ""), field.since_ms
        try:
            async with asyncio.timeout(CATALOG_LIMIT_S):
                known = await self._parts.catalog.lesson(self.lesson)
            if known is not None:
                teacher = Teacher(id=known.teacher, name=known.teacher_name)
                created_at_ms = known.created_at_ms
        except (*SqlError, TimeoutError) as error:
            log.warning("sql: lesson not read", extra={"lesson": self.lesson, "reason": type(error).__name__})
        return LogHead(
            lesson=self.lesson,
            recording=field.id,
            title=lesson.title,
            subject=lesson.subject,
            grade=lesson.grade,
            teacher=teacher,
            created_at_ms=created_at_ms,
        )

    async def _close_log(self) -> None:
        writer, self._log = self._log, None
        if writer is not None:
            await self._parts.disk.close(writer)

    def _failed(self, error: OSError) -> None:
        log.error("journal failed", extra={"lesson": self.lesson, "reason": error.strerror or str(error)})
        self.stop_writing("disk_full" if is_full(error) else "failed")

    async def _end_part(self, field: RecordingField) -> None:
        """The part that we write is over, as the state says."""
        part = self._part
        if part is None:
            return
        await self._taps.end(wait=field.state == "off" and self._fault is None, over=self._over)
        self._part, self._fault = None, None
        await self._close_log()
        self._enter(part)
        if part in self._told:
            if field.part == part and field.state == "off":
                self._note_end(field)
            at_ms, reason, by = self._ends.get(part, (_now_ms(), "failed", ""))
            tell = self._parts.catalog.recordings.end_part
            self._owed.append(partial(tell, self.recording, part, at_ms, reason, by))
        log.info("part written", extra={"lesson": self.lesson, "recording": self.recording, "part": part})

    # --- the log ------------------------------------------------------------------------------------

    def _happened(self, event: Record) -> None:
        if fields.RECORDING in event.set:
            field: RecordingField = fields.typed(fields.RECORDING, event.set[fields.RECORDING])
            if field.state == "on":
                self._starts[field.part] = field
            elif field.state == "off":
                self._note_end(field)
        if self._log is not None:
            kept = logbook.kept(event)
            if kept is not None:
                logbook.add(self._log, kept, _now_us())
        if fields.RECORDING in event.set or fields.LESSON in event.set or event.kind == "ended":
            self._wake.set()

    def _note_end(self, field: RecordingField) -> None:
        self._ends[field.part] = field.since_ms, field.reason or "failed", field.by

    def _replaced(self) -> None:
        self._restate()
        self._wake.set()

    def _restate(self) -> None:
        if self._log is not None:
            for event in logbook.restated(self._follower.replica, _now_ms()):
                logbook.add(self._log, event, _now_us())

    async def _catch_up(self) -> None:
        try:
            await self._follower.catch_up()
        except (Refused, *LogUnreachable) as error:
            log.warning("log not read", extra={"lesson": self.lesson, "reason": type(error).__name__})

    # --- SQL ----------------------------------------------------------------------------------------

    def _enter(self, part: int) -> None:
        """SQL is told of a part that is, or was, on."""
        field = self._starts.get(part)
        if field is not None and part not in self._told:
            self._told.add(part)
            self._owed.append(partial(self._tell_begun, field))

    async def _tell_begun(self, field: RecordingField) -> None:
        begin = self._parts.catalog.recordings.begin
        await begin(field.id, self.lesson, field.part, field.since_ms, field.by)
        entered = self._folder / ENTERED_NAME
        await self._parts.disk.call(entered.touch)

    async def _pay(self) -> None:
        """Tell SQL what it was not told yet, in order; what it does not take is tried again."""
        while self._owed:
            try:
                await self._owed[0]()
            except SqlError as error:
                log.warning(
                    "sql: recording not written, trying again",
                    extra={"lesson": self.lesson, "reason": type(error).__name__},
                )
                return self._retry()
            self._owed.popleft()
        return None

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _nothing() -> None:
    """A follower that never gives a lesson back has nothing to do afterwards."""


async def _lock(folder: Path) -> FolderLock:
    """Share the folder with other recorders; raises OSError when somebody finishes it."""
    for _ in range(LOCK_TRIES):
        try:
            return FolderLock(folder, alone=False)
        except Busy:  # for a moment only: a recorder looks whether somebody is here
            await asyncio.sleep(0.05)
    raise OSError("somebody is finishing this recording")


def _now_us() -> int:
    return _WALL_US + time.monotonic_ns() // 1000


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
