"""The files of video lessons, and what is left of those that were deleted.

A deletion is noted in ``.deleted/<video>`` of the library (when, in server ms) before SQL forgets the video,
so that what a kill left half done can be done later.
"""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Final

import msgspec

from signaling.catalog.takes import TAKES_NAME, Takes
from signaling.files.api import Files, Stored, remove_all
from signaling.media_address import MediaFile, is_video_id

_NOTES: Final = ".deleted"
_LONGEST_NOTE: Final = 20


class LibraryFiles:
    """``library`` holds a folder a video; ``recordings`` is this machine's folder with one of journals a
    recording of the same id, ``journals`` where recorders bring them (None: nowhere).

    Methods raise OSError. Ids are ``is_video_id``'s.
    """

    def __init__(self, library: Files, recordings: Path, journals: Files | None = None) -> None:
        self.library = library
        self._recordings = recordings
        self._journals = journals

    async def find(self, video: str, file: MediaFile) -> Stored | None:
        """A file of a video as it is now; None: there is none."""
        return await self.library.find(f"{video}/{'video.webm' if file == 'download' else file}")

    async def takes(self, video: str) -> Takes | None:
        """Who is in a video; None: it has no takes that can be read, being from before they were kept."""
        stored = await self.library.find(f"{video}/{TAKES_NAME}")
        if stored is None:
            return None
        try:
            text = b"".join([piece async for piece in self.library.read(stored, 0, stored.size)])
            return msgspec.json.decode(text, type=Takes)
        except (FileNotFoundError, msgspec.DecodeError):
            return None

    async def note_deletion(self, video: str, at_ms: int) -> None:
        """From now on what is left of this video is to go, if SQL does not know it."""
        await self.library.put_bytes(f"{_NOTES}/{video}", str(at_ms).encode())

    async def deletions(self) -> list[tuple[str, int]]:
        """(video, when it was noted) of each note; one that a kill left unwritten counts as of old."""
        found: list[tuple[str, int]] = []
        for note in await self.library.below(f"{_NOTES}/"):
            video = note.name.partition("/")[2]
            if not is_video_id(video):
                continue
            try:
                text = b"".join(
                    [piece async for piece in self.library.read(note, 0, min(note.size, _LONGEST_NOTE))]
                )
            except FileNotFoundError:
                continue
            found.append((video, int(text) if text.isdigit() else 0))
        return found

    async def drop_note(self, video: str) -> None:
        """The deletion is carried out, or was never begun."""
        await self.library.remove(f"{_NOTES}/{video}")

    async def remove(self, video: str) -> bool:
        """Remove the video's files and its journals; whether there was anything."""
        found = await asyncio.to_thread(_remove, self._recordings / video)
        if self._journals is not None:
            found |= await remove_all(self._journals, f"{video}/")
        found |= await remove_all(self.library, f"{video}/")
        folder = self.library.local(f"{video}/video.webm")
        if folder is not None:  # with what was being made
            found |= await asyncio.to_thread(_remove, folder.parent)
        return found


def _remove(folder: Path) -> bool:
    if not folder.exists():
        return False
    try:
        shutil.rmtree(folder)
    except FileNotFoundError:  # another process removes it too
        pass
    return True
