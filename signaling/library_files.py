"""The folders of video lessons. Everything here blocks: call it off the loop.

A deletion is noted in ``<library>/.deleted/<video>`` (when, in server ms) before SQL forgets the video, so
that what a kill left half done can be done later.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Final

import msgspec

from signaling.catalog.takes import TAKES_NAME, Takes
from signaling.media_address import MediaFile, is_video_id

_NOTES: Final = ".deleted"


class LibraryFiles:
    """``library`` holds a folder a video, ``recordings`` a folder of journals a recording of the same id.

    Methods raise OSError. Ids are ``is_video_id``'s.
    """

    def __init__(self, library: Path, recordings: Path) -> None:
        self._library = library
        self._recordings = recordings

    def find(self, video: str, file: MediaFile) -> Path | None:
        """Where a file of a video lies; None: nowhere."""
        path = self._library / video / ("video.webm" if file == "download" else file)
        return path if path.is_file() else None

    def takes(self, video: str) -> Takes | None:
        """Who is in a video; None: it has no takes that can be read, being from before they were kept."""
        try:
            return msgspec.json.decode((self._library / video / TAKES_NAME).read_bytes(), type=Takes)
        except (FileNotFoundError, msgspec.DecodeError):
            return None

    def note_deletion(self, video: str, at_ms: int) -> None:
        """From now on what is left of this video is to go, if SQL does not know it."""
        notes = self._library / _NOTES
        notes.mkdir(parents=True, exist_ok=True)
        with (notes / video).open("w", encoding="ascii") as note:
            note.write(str(at_ms))
            note.flush()
            os.fsync(note.fileno())

    def deletions(self) -> list[tuple[str, int]]:
        """(video, when it was noted) of each note; one that a kill left unwritten counts as of old."""
        notes = self._library / _NOTES
        if not notes.is_dir():
            return []
        found: list[tuple[str, int]] = []
        for note in notes.iterdir():
            if is_video_id(note.name):
                try:
                    text = note.read_text(encoding="ascii", errors="replace")
                except FileNotFoundError:
                    continue
                found.append((note.name, int(text) if text.isdecimal() else 0))
        return found

    def drop_note(self, video: str) -> None:
        """The deletion is carried out, or was never begun."""
        (self._library / _NOTES / video).unlink(missing_ok=True)

    def remove(self, video: str) -> bool:
        """Remove the video's and the journals' folder; whether there was anything."""
        found = False
        for folder in (self._library / video, self._recordings / video):
            if folder.exists():
                found = True
                try:
                    shutil.rmtree(folder)
                except FileNotFoundError:  # another process removes it too
                    pass
        return found
