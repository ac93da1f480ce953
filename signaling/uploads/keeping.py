"""Files of lessons where they lie, and the rows that tell whose they are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from config.sections import Materials as Room
from sfu.model import Refused
from signaling.catalog.materials import Material, Materials
from signaling.files.api import Files, Stored, remove_all
from signaling.lesson.change import Actor
from signaling.live import LiveLesson
from signaling.uploads.kinds import FileKind

MIB: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that came whole and is what ``kind`` says. ``path`` is its taker's until they return: it may be
    moved away; what is left is removed. ``name``: as people see it, with an ending that fits."""

    live: LiveLesson
    actor: Actor
    id: str
    path: Path
    name: str
    kind: FileKind
    bytes: int
    at_ms: int


class Kept:
    """Methods raise OSError, SQLAlchemyError."""

    def __init__(self, files: Files, rows: Materials, room: Room) -> None:
        self.files = files
        self.rows: Final = rows
        self._room = room

    @property
    def file_limit(self) -> int:
        """Bytes of one file."""
        return self._room.file_mb * MIB

    @property
    def lesson_limit(self) -> int:
        """Bytes of a lesson's files together."""
        return self._room.lesson_mb * MIB

    async def check_room(self, lesson: str, coming: int) -> None:
        """Whether ``coming`` more bytes fit. Raises Refused ``lesson_files_full``, ``no_room``."""
        if await self.rows.used(lesson) + coming > self.lesson_limit:
            raise Refused("lesson_files_full")
        total = self._room.total_gb * 1024 * MIB
        if total and await self.rows.used() + coming > total:
            raise Refused("no_room")

    async def keep(self, upload: Upload, purpose: str) -> None:
        """Keep the file under its id. Raises Refused ``lesson_files_full``."""
        lesson = upload.live.lesson
        material = Material(
            id=upload.id, lesson=lesson, by=upload.actor.participant, purpose=purpose, name=upload.name,
            media_type=upload.kind.media_type, bytes=upload.bytes, created_at_ms=upload.at_ms,
        )  # fmt: skip
        if not await self.rows.add(material, self.lesson_limit):
            raise Refused("lesson_files_full")
        try:
            await self.files.put(f"{lesson}/{upload.id}", upload.path)
        except BaseException:
            await self.rows.remove((upload.id,))
            raise

    async def find(self, material: Material) -> Stored | None:
        """The file as it is now; None: there is none."""
        return await self.files.find(f"{material.lesson}/{material.id}")

    async def forget(self, *materials: tuple[str, str]) -> None:
        """Remove files by (lesson, id), their rows last: what a kill leaves is found again by them."""
        if materials:
            for lesson, material in materials:
                await remove_all(self.files, f"{lesson}/{material}-pages/")
            await self.files.remove(*(f"{lesson}/{material}" for lesson, material in materials))
            await self.rows.remove([material for _, material in materials])
