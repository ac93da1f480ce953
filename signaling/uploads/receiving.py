"""From a request's body to a file aside, counted while it comes."""

from __future__ import annotations

import asyncio
import errno
import shutil
import time
from pathlib import Path
from typing import Final

from aiohttp import ClientPayloadError, web

from sfu.model import Refused

PIECE: Final = 256 * 1024
SILENCE_S: Final = 30.0
LONGEST_S: Final = 20 * 60.0
_LEFT_S: Final = 2 * LONGEST_S
_LOOK_EVERY: Final = 8 << 20
"""Bytes after which the disk's room is looked at again."""


def make_ready(folder: Path) -> None:
    """The folder is there, and nothing in it that a kill has left. Blocks."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for file in folder.iterdir():
        try:
            if file.stat().st_mtime < time.time() - _LEFT_S:
                file.unlink()
        except FileNotFoundError:  # its own request removed it
            pass


async def receive(request: web.Request, path: Path, limit: int, reserve: int) -> int:
    """Write the body to ``path``; its size. ``reserve``: bytes that stay free on the disk.

    Raises Refused ``file_too_big``, ``file_empty``, ``no_room``, ``upload_broken``; OSError. What was written
    is the caller's to remove.
    """
    if request.content_length is not None and request.content_length > limit:
        raise Refused("file_too_big")
    size = looked = 0
    await asyncio.to_thread(_check_room, path.parent, reserve)
    try:
        async with asyncio.timeout(LONGEST_S):
            with path.open("xb") as file:
                while True:
                    async with asyncio.timeout(SILENCE_S):
                        piece = await request.content.read(PIECE)
                    if not piece:
                        break
                    size += len(piece)
                    if size > limit:
                        raise Refused("file_too_big")
                    if size - looked > _LOOK_EVERY:
                        looked = size
                        await asyncio.to_thread(_check_room, path.parent, reserve)
                    await asyncio.to_thread(file.write, piece)
    except (TimeoutError, ConnectionError, ClientPayloadError):
        raise Refused("upload_broken") from None
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise Refused("no_room") from None
        raise
    if not size:
        raise Refused("file_empty")
    return size


def _check_room(folder: Path, reserve: int) -> None:
    if shutil.disk_usage(folder).free < reserve:
        raise Refused("no_room")
