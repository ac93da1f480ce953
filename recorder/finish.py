"""From the journals of a recording to a video lesson, in a process of its own: while it is recorded, and at
its end."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import msgspec

from recorder.making import Making
from recorder.timeline import Story, timeline
from signaling.catalog.takes import TAKES_NAME
from signaling.files.growing import DRAFT_NAME

VIDEO_NAME: Final = "video.webm"
TIMELINE_NAME: Final = "timeline.json"
DRAFT: Final = ".draft"
"""Behind the name of what is being written."""


@dataclass(frozen=True, slots=True)
class Finished:
    """What became of a recording. ``empty``: nothing was recorded and no video was made; the rest is 0 then.

    ``width`` and ``height`` in pixels are of the largest picture in it.
    """

    state: Literal["ready", "empty"]
    duration_ms: int = 0
    bytes: int = 0
    width: int = 0
    height: int = 0


def begin(folder: Path, library: Path) -> Making:
    """A video lesson that is made from a recording's folder into ``library/<the folder's name>``."""
    return Making(folder, library / folder.name / DRAFT_NAME)


def finish(folder: Path, library: Path, making: Making | None = None) -> Finished:
    """Make the video lesson of a recording's folder in ``library/<the folder's name>``.

    ``making``: what was made of it already. Idempotent, and the same journals make the same bytes; the folder
    is only read. Whatever cannot be read of the journals is left out and logged. Raises OSError when the
    library cannot be written, and Late, only with ``making``.
    """
    making = making or begin(folder, library)
    try:
        made = making.end()
    finally:
        making.close()
    if made is None:
        return Finished("empty")
    target, story = library / folder.name, Story() if making.log is None else making.log.story
    written = timeline(story, made.parts, made.missing)
    takes = making.appearances.takes(written, story.people, making.known())
    save(target / TIMELINE_NAME, msgspec.json.encode(written))
    save(target / TAKES_NAME, msgspec.json.encode(takes))
    (target / DRAFT_NAME).replace(target / VIDEO_NAME)
    sync_folder(target)
    sync_folder(target.parent)
    return Finished("ready", written.duration_ms, made.bytes, made.width, made.height)


def save(path: Path, data: bytes) -> None:
    """Put a file in the place of another, or of none; raises OSError."""
    draft = path.with_name(path.name + DRAFT)
    with draft.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def sync_folder(folder: Path) -> None:
    """Have the disk keep which files are there; raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
