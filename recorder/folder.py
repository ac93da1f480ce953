"""A recording's folder: its files, its lock, and what can be told of the recording from them alone."""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, Self

from recorder.journal import LOG_NAME, Kind, LogHead, event_of, read, repair
from sfu.model import ParseError

LOCK_NAME: Final = "lock"
ENTERED_NAME: Final = "entered"
"""This file says that SQL knows the recording: if it does not any more, the recording was deleted."""
SUFFIX: Final = ".zj"
_RECORDING: Final = re.compile(r"[A-Za-z0-9_-]{1,40}")
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9_-]")
_YOUNG_S: Final = 60.0


class Busy(Exception):
    """Another process, or another task, uses the folder."""


class FolderLock:
    """Held from ``__init__`` to ``close``, and by the kernel no longer than the process lives.

    Who records shares it; who finishes has it alone.
    """

    def __init__(self, folder: Path, *, alone: bool) -> None:
        """Raises Busy, OSError."""
        self._file = os.open(folder / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except BlockingIOError:
            self.close()
            raise Busy from None

    def close(self) -> None:
        """Let go of it. Idempotent."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def is_recording(name: str) -> bool:
    """Whether this can be a recording's id, and so a folder's name."""
    return _RECORDING.fullmatch(name) is not None


def recordings(folder: Path) -> list[str]:
    """Recordings that have a folder here, oldest first; raises OSError."""
    if not folder.exists():
        return []
    return sorted(entry.name for entry in folder.iterdir() if is_recording(entry.name) and entry.is_dir())


def own_place(folder: Path) -> str:
    """A name that no other folder has, made at first use; raises OSError."""
    kept = folder / ".place"
    if not kept.exists():
        draft = folder / f".place.{os.getpid()}"
        draft.write_text(secrets.token_hex(8), encoding="ascii")
        try:
            os.link(draft, kept)  # fails when another process was first
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return kept.read_text(encoding="ascii").strip()


def tap_name(part: int, participant: str, source: str, token: str) -> str:
    """File name of a tap's journal."""
    safe = _UNSAFE.sub("_", participant)[:40]
    return f"{part:03}-{safe}-{_UNSAFE.sub('_', source)}-{token}{SUFFIX}"


def journals(folder: Path) -> list[Path]:
    """Every journal of a recording."""
    return sorted(folder.glob(f"*{SUFFIX}"))


def repair_all(folder: Path) -> int:
    """Cut every journal off behind its last good record; how many bytes were cut. Raises OSError."""
    cut = 0
    for path in journals(folder):
        size = path.stat().st_size
        cut += size - repair(path)
    return cut


def remove(folder: Path) -> None:
    """Remove a folder with all its files; raises OSError. Idempotent."""
    try:
        shutil.rmtree(folder)
    except FileNotFoundError:
        pass


@dataclass(frozen=True, slots=True)
class WrittenPart:
    """A part as the log tells it; times are None while it is not told."""

    number: int
    started_at_ms: int
    ended_at_ms: int | None
    reason: Literal["stopped", "ended", "no_recorder", "disk_full", "failed"] | None


@dataclass(frozen=True, slots=True)
class Written:
    """What a folder tells: ``lesson`` is None when nothing in it can be read."""

    lesson: str | None
    log_read: bool
    """Whether there is a log, so that ``parts`` are all that were ever on."""
    parts: tuple[WrittenPart, ...]
    young: bool
    """Changed within the last minute: somebody may be about to write the rest."""


def written(folder: Path) -> Written:
    """Read a recording's log; raises OSError."""
    young = time.time() - folder.stat().st_mtime < _YOUNG_S
    lesson: str | None = None
    for path in journals(folder):
        head, _ = read(path)
        if head is not None:
            lesson = head.lesson
            break
    log_file = folder / LOG_NAME
    if not log_file.exists():
        return Written(lesson, log_read=False, parts=(), young=young)
    head, records = read(log_file)
    parts: dict[int, WrittenPart] = {}
    for field in _fields(records) if isinstance(head, LogHead) else ():
        part = _part(field, parts.get(_number(field.get("part"))))
        if part is not None:
            parts[part.number] = part
    ordered = tuple(parts[number] for number in sorted(parts))
    return Written(lesson, log_read=isinstance(head, LogHead), parts=ordered, young=young)


def _fields(records: Any) -> Iterator[dict[str, Any]]:
    """Each value that the lesson's field ``recording`` had."""
    for kind, _, body in records:
        if kind != Kind.EVENT:
            continue
        try:
            field = event_of(body).set.get("recording")
        except ParseError:
            continue
        if isinstance(field, dict):
            yield field


def _part(field: dict[str, Any], known: WrittenPart | None) -> WrittenPart | None:
    number, since_ms, reason = _number(field.get("part")), _number(field.get("since_ms")), field.get("reason")
    if field.get("state") == "on" and known is None:
        return WrittenPart(number, since_ms, None, None)
    if field.get("state") == "off" and known is not None and known.ended_at_ms is None:
        match reason:
            case "stopped" | "ended" | "no_recorder" | "disk_full" | "failed":
                return WrittenPart(number, known.started_at_ms, since_ms, reason)
            case _:
                return WrittenPart(number, known.started_at_ms, since_ms, "failed")
    return None


def _number(value: Any) -> int:
    return value if isinstance(value, int) else 0
