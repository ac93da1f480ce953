"""Where steps read a video and where what they made goes: the library's files, a folder or a store."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from recorder.folder import Busy, FolderLock, remove
from signaling.catalog.takes import TAKES_NAME
from signaling.files.api import Files
from signaling.wire import JobStep

DRAFTS: Final = ".jobs"
"""Folder in the library with one folder of drafts for each step that runs."""
_YOUNG_S: Final = 60.0
NEEDED: Final[dict[JobStep, tuple[str, ...]]] = {
    "thumbnails": ("video.webm",),
    "sound": ("video.webm",),
    "chapters": ("timeline.json", TAKES_NAME),
    "composite": ("video.webm", TAKES_NAME, "sound.json"),
}
MADE: Final[dict[JobStep, tuple[str, ...]]] = {
    "thumbnails": ("thumbnails.jpg", "thumbnails.vtt"),
    "sound": ("sound.json",),
    "chapters": ("chapters.ru.vtt", "chapters.en.vtt"),
    "composite": ("lesson.mp4",),
}


class VideoFiles:
    """The files of video lessons; ``library`` is this machine's folder, with room for drafts. Everything
    raises OSError, of a store StoreAway."""

    def __init__(self, files: Files, library: Path) -> None:
        self._files = files
        self._library = library

    @contextmanager
    def drafts(self) -> Iterator[Path]:
        """A folder to write to, gone afterwards; those of processes that died go too. Blocks."""
        self.sweep()
        folder = self._library / DRAFTS / secrets.token_hex(6)
        folder.mkdir(mode=0o700)
        try:
            with FolderLock(folder, alone=True):
                yield folder
        finally:
            remove(folder)

    def sweep(self) -> None:
        """Remove drafts of processes that died. Blocks."""
        parent = self._library / DRAFTS
        parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        for left in parent.iterdir():
            try:
                if time.time() - left.stat().st_mtime < _YOUNG_S:
                    continue  # perhaps it is about to be locked
                with FolderLock(left, alone=True):
                    remove(left)
            except (Busy, FileNotFoundError, NotADirectoryError):
                continue

    async def source(self, video: str, step: JobStep, drafts: Path) -> Path:
        """The folder in which the step finds what it needs, as far as there is such: the video's own, or one
        in ``drafts`` with what the store has."""
        here = self._files.local(f"{video}/{NEEDED[step][0]}")
        if here is not None:
            return here.parent
        fetched = drafts / "source"
        fetched.mkdir(mode=0o700)
        for name in NEEDED[step]:
            await self._files.fetch(f"{video}/{name}", fetched / name)
        return fetched

    async def keep(self, video: str, step: JobStep, made: Path) -> None:
        """Have the step's files in ``made`` be the video's."""
        for name in MADE[step]:
            await self._files.put(f"{video}/{name}", made / name)

    async def forget(self, video: str, step: JobStep) -> None:
        """Nothing that the step made is to stay, nor the video's folder if there is nothing else in it."""
        await self._files.remove(*(f"{video}/{name}" for name in MADE[step]))
        here = self._files.local(f"{video}/{NEEDED[step][0]}")
        if here is not None:
            try:
                here.parent.rmdir()
            except OSError:
                pass  # the video is there, or the folder is not
