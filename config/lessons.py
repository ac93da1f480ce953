"""``zvonok lessons`` and ``zvonok lesson``: what is live here, one lesson from all sides, its end."""

from __future__ import annotations

import asyncio
import logging
import os
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime
from typing import Final, TypeVar

import msgspec
from sqlalchemy.exc import SQLAlchemyError

from config.logs import JsonFormatter
from config.settings import Settings
from sfu.model import Refused
from sfu.rpc.node_tls import NodeTls
from signaling.app import wall_clock
from signaling.catalog.database import check_is_there
from signaling.catalog.store import Catalog
from signaling.log import LessonLog, LogUnreachable, connect
from signaling.operations import OPERATOR, Operations, RunningLesson, SeenLesson
from signaling.placement import Placement
from signaling.workers import Workers

T = TypeVar("T")
Say = Callable[[str], None]

LOG: Final = "operator.log"
"""Among the processes' logs: what was done to lessons from the shell."""
_PROCESS: Final = "operator"


class CannotTell(Exception):
    """There is no such lesson, or a part of the server does not answer; the message is one line."""


def list_lessons(settings: Settings, say: Say, *, as_json: bool) -> int:
    """What is live now. Raises CannotTell."""
    found = _ask(settings, Operations.running)
    if as_json:
        say(msgspec.json.encode(found).decode())
    elif not found:
        say("no lesson is live")
    else:
        for line in _columns(_row(lesson) for lesson in found):
            say(line)
    return 0


def inspect(settings: Settings, lesson: str, say: Say, *, as_json: bool, names: bool) -> int:
    """One lesson as Redis, SQL and the registry have it. Raises CannotTell."""
    seen = _ask(settings, lambda operations: operations.inspect(lesson, names=names))
    if seen is None:
        raise CannotTell(f"there is no lesson {lesson}")
    if as_json:
        say(msgspec.json.encode(seen).decode())
    else:
        for line in _lines(seen):
            say(line)
    return 0


def end(settings: Settings, lesson: str, say: Say, *, as_json: bool) -> int:
    """End it for all. Raises CannotTell, also where it had ended."""
    numbers: list[int] = []

    def ended(number: int) -> None:
        numbers.append(number)
        _note(settings, lesson, number)

    try:
        _ask(settings, lambda operations: operations.end(lesson, ended))
    except Refused as refused:
        why = "there is no lesson" if refused.code == "not_found" else f"{refused.code}: cannot end"
        raise CannotTell(f"{why} {lesson}") from None
    except CannotTell as fault:
        if numbers:
            raise CannotTell(f"lesson {lesson} has ended; repeat the command later, {fault}") from None
        raise
    if not numbers:
        raise CannotTell(f"lesson {lesson} had ended already")
    said = {"lesson": lesson, "ended": True, "number": numbers[0]}
    say(msgspec.json.encode(said).decode() if as_json else f"lesson {lesson} has ended (event {numbers[0]})")
    return 0


# --- the server's parts ----------------------------------------------------------------------------------


def _ask(settings: Settings, question: Callable[[Operations], Awaitable[T]]) -> T:
    try:
        return asyncio.run(_with_parts(settings, question))
    except LogUnreachable as error:
        if isinstance(error, OSError) and error.filename:
            raise CannotTell(
                f"{error.filename} cannot be used ({error.strerror}): run as the server's user"
            ) from None
        raise CannotTell(f"Redis does not answer ({type(error).__name__}): does the server run?") from None
    except SQLAlchemyError as error:
        raise CannotTell(f"the database cannot be used ({type(error).__name__}): check sql.url") from None


async def _with_parts(settings: Settings, question: Callable[[Operations], Awaitable[T]]) -> T:
    keep_s = settings.lesson.keep_state_h * 3600
    check_is_there(settings.sql.url)
    catalog = await Catalog.open(settings.sql.url, migrate=False)
    try:
        redis = connect(settings.redis.url)
        lesson_log = LessonLog(redis, keep_s, wall_clock, _PROCESS, settings.lesson.keep_ended_s)
        tls = NodeTls.of(settings.paths.keys)
        workers = Workers(Placement(redis, keep_s), settings.paths.secret("rpc.key"), _PROCESS, tls=tls)
        try:
            await lesson_log.ping()
            return await question(Operations(catalog, lesson_log, workers, wall_clock))
        finally:
            await workers.close()
            await lesson_log.close()
    finally:
        await catalog.close()


def _note(settings: Settings, lesson: str, number: int) -> None:
    """One line of the log for who looks later who ended it."""
    settings.paths.log.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(settings.paths.log / LOG, encoding="utf-8")
    handler.setFormatter(JsonFormatter())
    who = {"uid": os.getuid(), "sudo_uid": os.environ.get("SUDO_UID")}
    handler.emit(
        logging.makeLogRecord(
            {"name": OPERATOR, "levelname": "INFO", "msg": "lesson ended", "lesson": lesson, "number": number}
            | who
        )
    )
    handler.close()


# --- words -----------------------------------------------------------------------------------------------


def _row(lesson: RunningLesson) -> Sequence[str]:
    return (
        lesson.lesson,
        "live" if lesson.state == "live" else "teacher away",
        _time(lesson.since_ms),
        str(lesson.people),
        lesson.worker or "-",
        lesson.teacher or "-",
        lesson.title,
    )


def _columns(rows: Iterable[Sequence[str]]) -> list[str]:
    table = [("ID", "STATE", "SINCE", "PEOPLE", "WORKER", "TEACHER", "TITLE"), *rows]
    widths = [max(len(row[at]) for row in table) for at in range(len(table[0]))]
    return [
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in table
    ]


def _lines(seen: SeenLesson) -> list[str]:
    worker = "none yet" if seen.worker is None else seen.worker
    if seen.worker is not None and not seen.worker_registered:
        worker += " (not in the registry)"
    recording = "none"
    if seen.recording is not None:
        recorder = seen.recording.recorder or "no recorder"
        recording = (
            f"{seen.recording.state}, part {seen.recording.part}, {recorder}: {seen.recording.recording}"
        )
    named = [
        ("lesson", seen.lesson),
        ("title", seen.title),
        ("teacher", seen.teacher or "-"),
        ("state", f"{seen.state}{', locked' if seen.locked else ''} (from {seen.read_from})"),
        ("made", _time(seen.created_at_ms)),
        ("live since", _time(seen.started_at_ms)),
        *((("ends", f"{_time(seen.ends_at_ms)}, without a teacher"),) if seen.ends_at_ms else ()),
        ("ended", _time(seen.ended_at_ms)),
        ("held", "by a signalling process" if seen.held else "by nobody now"),
        ("worker", f"{worker}, epoch {seen.epoch}"),
        ("events", f"last is {seen.number}"),
        ("in Redis", f"{seen.events_redis} events"),
        ("in SQL", f"{seen.events_sql} events, last {seen.last_sql}"),
        ("recording", recording),
        ("video lesson", seen.video or "none"),
        ("lobby", str(seen.waiting)),
    ]  # fmt: skip
    here = Counter(person.role for person in seen.people if person.here)
    lines = [f"{name:<13} {text}" for name, text in named]
    for role in dict.fromkeys(person.role for person in seen.people):
        people = [person for person in seen.people if person.role == role]
        lines.append(f"{role:<13} {here[role]} here, {len(people)} ever")
        for person in people:
            name = "" if person.name is msgspec.UNSET else f"  {person.name}"
            lines.append(f"  {person.participant}  {'here' if person.here else 'gone'}{name}")
    return lines


def _time(at_ms: int | None) -> str:
    """On this machine's clock, to the second."""
    if at_ms is None:
        return "-"
    return datetime.fromtimestamp(at_ms / 1000).astimezone().strftime("%Y-%m-%d %H:%M:%S")
