"""Files in a folder of this machine, or one that machines share."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Final

from signaling.files.api import StoreAway, Stored, check_name, check_prefix

PIECE: Final = 1 << 20
_DRAFT: Final = ".draft-"


class FolderFiles:
    """``Files`` below a folder, which need not be there yet."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def local(self, name: str) -> Path | None:
        return self._folder / check_name(name)

    async def put(self, name: str, path: Path) -> None:
        await asyncio.to_thread(self._put, self._folder / check_name(name), path)

    async def put_bytes(self, name: str, data: bytes) -> None:
        await asyncio.to_thread(_keep, self._folder / check_name(name), data)

    async def find(self, name: str) -> Stored | None:
        return await asyncio.to_thread(self._find, check_name(name))

    async def read(self, file: Stored, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        with (self._folder / check_name(file.name)).open("rb", buffering=0) as opened:
            status = os.fstat(opened.fileno())
            if (status.st_size, _tag(status)) != (file.size, file.tag):
                raise StoreAway("another file")
            opened.seek(start)
            while start < stop:
                piece = await asyncio.to_thread(opened.read, min(PIECE, stop - start))
                if not piece:
                    raise StoreAway("shorter than it was")
                start += len(piece)
                yield piece

    async def fetch(self, name: str, path: Path) -> bool:
        try:
            await asyncio.to_thread(shutil.copyfile, self._folder / check_name(name), path)
        except FileNotFoundError:
            return False
        return True

    async def below(self, prefix: str) -> list[Stored]:
        return await asyncio.to_thread(self._below, check_prefix(prefix))

    async def remove(self, *names: str) -> None:
        await asyncio.to_thread(self._remove, [check_name(name) for name in names])

    async def close(self) -> None:
        """Nothing is open."""

    # --- these block ---------------------------------------------------------------------------------

    def _put(self, target: Path, path: Path) -> None:
        if target == path:  # made in its place, and synced there
            if not path.is_file():
                raise FileNotFoundError(path)
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = target.with_name(_DRAFT + secrets.token_hex(4))
        try:
            shutil.copyfile(path, draft)
            _into_place(draft, target)
        finally:
            draft.unlink(missing_ok=True)

    def _find(self, name: str) -> Stored | None:
        try:
            status = (self._folder / name).stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        return Stored(name, status.st_size, _tag(status), status.st_mtime)

    def _below(self, prefix: str) -> list[Stored]:
        below = self._folder / prefix
        found = []
        for path in below.rglob("*") if below.is_dir() else ():
            name = path.relative_to(self._folder).as_posix()
            if path.is_file() and not path.name.startswith(_DRAFT) and (stored := self._find(name)):
                found.append(stored)
        return sorted(found, key=lambda stored: stored.name)

    def _remove(self, names: Sequence[str]) -> None:
        for name in names:
            (self._folder / name).unlink(missing_ok=True)


def _keep(target: Path, data: bytes) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(_DRAFT + secrets.token_hex(4))
    try:
        draft.write_bytes(data)
        _into_place(draft, target)
    finally:
        draft.unlink(missing_ok=True)


def _into_place(draft: Path, target: Path) -> None:
    descriptor = os.open(draft, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    draft.replace(target)


def _tag(status: os.stat_result) -> str:
    """The ETag that aiohttp's file responses have."""
    return f'"{status.st_mtime_ns:x}-{status.st_size:x}"'
