"""Puts a recording's journals together that several recorders brought to the store."""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Final

import msgspec

from recorder.folder import SUFFIX
from recorder.journal import LOG_NAME, Kind, LogEvent, LogHead, Writer, event_of, read
from recorder.logbook import RESTATED
from recorder.shipping import PIECE_LIMIT, Run, runs_of
from sfu.model import ParseError
from signaling.files.api import Files, StoreAway, Stored

_FETCHED: Final = ".fetched"
_AHEAD: Final = 4
"""Pieces in memory at once."""
_JOURNAL: Final = re.compile(r"[A-Za-z0-9_-]{1,120}\.zj")
_LONGEST: Final = PIECE_LIMIT + (1 << 16)


async def fetch(files: Files, pieces: Sequence[Stored], folder: Path) -> None:
    """Write one place's journals into a folder, from its pieces in their order. Raises StoreAway, OSError."""
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    async with aclosing(_ahead(files, pieces)) as found:
        async for piece in found:
            try:
                runs = runs_of(piece)
            except msgspec.MsgspecError:
                raise StoreAway("a piece that is none") from None
            await asyncio.to_thread(_write, folder, runs)


async def gather(files: Files, places: dict[str, list[Stored]], folder: Path) -> None:
    """Add what other places hold to a recording's folder: their taps' journals, and the events of their logs.

    Can be repeated. Nobody writes there meanwhile. Raises StoreAway, OSError.
    """
    fetched = folder / _FETCHED
    await asyncio.to_thread(shutil.rmtree, fetched, ignore_errors=True)
    for place, pieces in places.items():
        await fetch(files, pieces, fetched / place)
    await asyncio.to_thread(_join, folder, [fetched / place for place in places])
    await asyncio.to_thread(shutil.rmtree, fetched, ignore_errors=True)


async def _ahead(files: Files, pieces: Sequence[Stored]) -> AsyncGenerator[bytes, None]:
    waiting: list[asyncio.Task[bytes]] = []
    rest = iter(pieces)
    try:
        while True:
            for piece in rest:
                waiting.append(asyncio.create_task(_whole(files, piece)))
                if len(waiting) == _AHEAD:
                    break
            if not waiting:
                return
            yield await waiting.pop(0)
    finally:
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


async def _whole(files: Files, piece: Stored) -> bytes:
    if piece.size > _LONGEST:
        raise StoreAway("a piece that is none")
    async with aclosing(files.read(piece, 0, piece.size)) as parts:
        return b"".join([part async for part in parts])


def _write(folder: Path, runs: Sequence[Run]) -> None:
    for run in runs:
        if not _JOURNAL.fullmatch(run.file) or run.offset < 0:
            raise StoreAway("a piece that is none")
        with (folder / run.file).open("ab") as file:
            file.truncate(run.offset)
        with (folder / run.file).open("r+b") as file:
            file.seek(run.offset)
            file.write(run.data)


def _join(folder: Path, others: Sequence[Path]) -> None:
    logs = [path for path in (where / LOG_NAME for where in (folder, *others)) if path.exists()]
    if len(logs) > 1 or (logs and logs[0].parent != folder):
        _merge(logs, folder / LOG_NAME)
    for where in others:
        for path in where.glob(f"*{SUFFIX}"):
            if path.name != LOG_NAME:
                path.replace(folder / path.name)


def _merge(logs: Sequence[Path], target: Path) -> None:
    """One log of several: each event once, in the order of its number; what somebody restated comes behind
    the last event that it includes."""
    head: LogHead | None = None
    events: list[tuple[int, bool, int, LogEvent]] = []
    seen: set[int] = set()
    for path in logs:
        found, records = read(path)
        if not isinstance(found, LogHead):
            continue
        head = head or found
        for kind, time_us, body in records:
            if kind != Kind.EVENT:
                continue
            try:
                event = event_of(body)
            except ParseError:
                continue
            if event.kind != RESTATED:
                if event.number in seen:
                    continue
                seen.add(event.number)
            events.append((event.number, event.kind == RESTATED, time_us, event))
    if head is None:
        return
    events.sort(key=lambda each: each[:2])  # stable: pages of one restated state stay together
    draft = target.with_name(f".{target.name}")
    draft.unlink(missing_ok=True)
    writer = Writer(draft, head, events[0][2] if events else 0)
    writer.open()
    try:
        for count, (_, _, time_us, event) in enumerate(events):
            writer.add_event(event, time_us)
            if count % 1000 == 0:
                writer.flush()
        writer.close(events[-1][2] if events else 0)
    finally:
        writer.discard()
    draft.replace(target)
