"""``zvonok recorder repair``: finish what was left behind, from the shell, while a server runs or not."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Final

from config.settings import Settings
from recorder.claims import Claims
from recorder.elsewhere import Elsewhere
from recorder.folder import Busy, FolderLock, own_place, recordings
from recorder.maker import Finish
from recorder.publish import Outcome, Publisher, Result, Sweep
from recorder.shipping import Shipper
from signaling.catalog.database import check_is_there
from signaling.catalog.store import Catalog
from signaling.files.opening import open_journals, open_library
from signaling.log import connect

_WORDS: Final = {
    Outcome.READY: "in the library",
    Outcome.EMPTY: "nothing was recorded, removed",
    Outcome.FAILED: "no video could be made, kept",
    Outcome.DONE: "was finished or deleted before, removed",
    Outcome.BUSY: "is being recorded or finished by the server",
    Outcome.LIVE: "its lesson has not ended, left to the server",
    Outcome.UNKNOWN: "its lesson is not in the database, kept",
    Outcome.LATE: "its video was made without it and the rest is gone, kept",
}
_TROUBLE: Final = frozenset({Outcome.FAILED, Outcome.UNKNOWN, Outcome.LATE})


async def repair(settings: Settings, say: Callable[[str], None], finish: Finish | None = None) -> bool:
    """Cut torn journals off and make the video of every recording whose lesson ended, failed ones again.

    Says one line for each; whether all went well. Raises SQLAlchemyError, OSError; with a store SettingsError
    and LogUnreachable, too.
    """
    folder = settings.paths.recordings
    found = recordings(folder)
    if not found:
        say(f"nothing to repair in {folder}")
        return True
    check_is_there(settings.sql.url)
    well = True
    async with AsyncExitStack() as closing:
        catalog = await Catalog.open(settings.sql.url, migrate=False)
        closing.push_async_callback(catalog.close)
        publisher = Publisher(
            catalog,
            folder,
            settings.paths.library,
            finish,
            files=open_library(settings),
            elsewhere=_elsewhere(settings, closing),
        )
        closing.push_async_callback(publisher.close)
        sweep = Sweep(catalog, folder, _nobody_knows)
        for recording in found:
            result = await _one(recording, settings, publisher, sweep)
            well = well and result.outcome not in _TROUBLE
            say(_line(result))
    return well


def _elsewhere(settings: Settings, closing: AsyncExitStack) -> Elsewhere | None:
    shared = open_journals(settings)
    if shared is None:
        return None
    folder = settings.paths.recordings
    redis = connect(settings.redis.url)
    closing.push_async_callback(redis.aclose)
    claims = Claims(redis, own_place(folder), secrets.token_hex(4))
    shipper = Shipper(shared, claims, folder)
    return Elsewhere(shared, claims, shipper, folder, lambda: time.time_ns() // 1_000_000)


async def _one(recording: str, settings: Settings, publisher: Publisher, sweep: Sweep) -> Result:
    try:
        with FolderLock(settings.paths.recordings / recording, alone=True):
            what, _ = await sweep.state(recording)
    except Busy:
        return Result(recording, Outcome.BUSY)
    if what is None or what is Outcome.FAILED:
        return await publisher.publish(recording, torn=True)
    return Result(recording, what)


async def _nobody_knows(_lesson: str) -> bool:
    """Without the server only the database says whether a lesson ended."""
    return False


def _line(result: Result) -> str:
    text = f"{result.recording}  {result.outcome:<8} "
    if result.video is not None:
        minutes, seconds = divmod(round(result.video.duration_ms / 1000), 60)
        text += f"{minutes}:{seconds:02}, {result.video.bytes / 1e6:.1f} MB, "
    return text + _WORDS[result.outcome]
