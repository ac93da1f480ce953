"""``zvonok erase`` and ``zvonok audit``: what is kept about a person goes; what was done to recordings."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Final, TypeVar

import msgspec
from sqlalchemy.exc import SQLAlchemyError

from config.settings import Settings
from recorder.withdrawal import Rewriter
from signaling.app import wall_clock
from signaling.catalog.audit import Entry
from signaling.catalog.database import check_is_there
from signaling.catalog.store import Catalog
from signaling.erasing import Account, Erasing
from signaling.files.opening import open_journals, open_library, open_materials
from signaling.library_files import LibraryFiles
from signaling.uploads.keeping import Kept

T = TypeVar("T")
Say = Callable[[str], None]
_NOT_OURS: Final = (
    "cannot be: backups of the database and of the library, videos that somebody downloaded, and what others "
    "say of this person"
)


class CannotErase(Exception):
    """The database does not answer, or nothing is kept about such a person; the message is one line."""


def erase(settings: Settings, person: str, say: Say, *, dry: bool) -> int:
    """Erase a person, or, ``dry``, say what would be; 1 when something has to be repeated later. Raises
    CannotErase, OSError."""
    return _with_catalog(settings, lambda catalog: _erase(settings, catalog, person, say, dry=dry))


def audit(settings: Settings, limit: int, say: Say, *, as_json: bool) -> int:
    """The newest entries, oldest of them first. Raises CannotErase, OSError."""
    entries = _with_catalog(settings, lambda catalog: catalog.audit.entries(limit))
    if as_json:
        say(msgspec.json.encode(entries).decode())
    else:
        for entry in entries:
            say(_line(entry))
    return 0


async def _erase(settings: Settings, catalog: Catalog, person: str, say: Say, *, dry: bool) -> int:
    library = open_library(settings)
    files = LibraryFiles(library, settings.paths.recordings, open_journals(settings))
    erasing = Erasing(
        catalog,
        files,
        Kept(open_materials(settings), catalog.materials, settings.materials),
        settings.paths.secret("people.key"),
        settings.lesson.keep_ended_s * 1000,
        wall_clock,
    )
    account = await erasing.erase(person, dry=dry)
    if not account.known:
        raise CannotErase(f"nothing is kept about {person}")
    rewriter = Rewriter(catalog, settings.paths.library, _nobody_waits, files=library)
    try:
        if account.videos and not dry:
            await rewriter.run()
    finally:
        rewriter.close()
    waiting = {each.video for each in await catalog.withdrawals.waiting()} if not dry else set[str]()
    for line in _account(account, waiting, dry=dry):
        say(line)
    return 1 if account.left or waiting & set(account.videos) else 0


async def _nobody_waits(_recording: str) -> None:
    """What a server makes from a video it makes by itself."""


def _account(account: Account, waiting: set[str], *, dry: bool) -> list[str]:
    done = "would be" if dry else "is"
    lines = [
        f"lessons          {account.lessons}",
        f"log              {account.events} events: name and words {done} erased",
        f"attendance       {account.names} rows: name {done} erased",
    ]
    if account.files:
        lines.append(f"files            {account.files} that they brought into lessons: {done} deleted")
    for video in account.videos:
        state = f"{done} published without them"
        if video in waiting:
            state = "is hidden; a recorder publishes it without them when it is free"
        lines.append(f"video            {video}: {state}")
    lines += [f"not done         {what}: {why}" for what, why in account.left]
    return [*lines, _NOT_OURS]


def _with_catalog(settings: Settings, work: Callable[[Catalog], Awaitable[T]]) -> T:
    async def run() -> T:
        check_is_there(settings.sql.url)
        catalog = await Catalog.open(settings.sql.url, migrate=False)
        try:
            return await work(catalog)
        finally:
            await catalog.close()

    try:
        return asyncio.run(run())
    except SQLAlchemyError as error:
        raise CannotErase(f"the database cannot be used ({type(error).__name__}): check sql.url") from None


def _line(entry: Entry) -> str:
    when = datetime.fromtimestamp(entry.at_ms / 1000).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    return f"{when}  {entry.what:<18} {entry.count:>6}  {entry.by:<16}  {entry.subject}"
