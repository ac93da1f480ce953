"""Videos of lessons that are still recorded, on this machine's disk: as they are, and as they were."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from signaling.files.api import StoreAway, Stored
from signaling.files.growing import DRAFT_NAME, LONGEST_HEAD, Extent, Head, NotWhole, cut, read_head
from signaling.media_address import Snapshot

PIECE: Final = 1 << 20
_LOOKS: Final = 5
"""A head is being written for microseconds each 5 s."""
_TAG_DIGITS: Final = 16


@dataclass(frozen=True, slots=True)
class Draft:
    """A snapshot that can be read: ``head``, and behind it what the file has."""

    path: Path
    stored: Stored
    head: bytes

    async def read(self, file: Stored, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        """As ``Files.read``."""
        if file is not self.stored or stop > file.size:
            raise ValueError("not of this draft")
        if start < min(stop, len(self.head)):
            yield self.head[start:stop]
            start = len(self.head)
        if start >= stop:
            return
        try:
            descriptor = await asyncio.to_thread(os.open, self.path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            raise StoreAway("removed meanwhile") from None
        try:
            while start < stop:
                piece = await asyncio.to_thread(os.pread, descriptor, min(PIECE, stop - start), start)
                if not piece:
                    raise StoreAway("shorter than it was")
                start += len(piece)
                yield piece
        finally:
            os.close(descriptor)


class Drafts:
    """``library``: where videos are made, a folder each. Ids are ``is_video_id``'s; methods raise OSError."""

    def __init__(self, library: Path) -> None:
        self._library = library

    async def newest(self, video: str) -> Snapshot | None:
        """What there is now; None: nothing to see yet, not any more, or on another machine."""
        head = await asyncio.to_thread(_head, self._path(video))
        if head is None or not head.whole.duration_ms:
            return None
        return Snapshot(*head.whole, _tag(head.bytes))

    async def find(self, video: str, snapshot: Snapshot) -> Draft | None:
        """The same bytes as when the snapshot was taken; None: they are not there any more.

        What a head says of what is there changes seldom: when a larger picture came, or it had no room for
        more cues. Then it would be another file under the same address.
        """
        path = self._path(video)
        now = await asyncio.to_thread(_head, path)
        try:
            head = None if now is None else cut(now, Extent(snapshot.bytes, snapshot.duration_ms))
        except NotWhole:
            head = None
        if head is None or _tag(head) != snapshot.tag:
            return None
        # Its bytes never change, so any time will do.
        tag = f'"{snapshot.bytes:x}-{snapshot.tag}"'
        return Draft(path, Stored(f"{video}/{DRAFT_NAME}", snapshot.bytes, tag, 0.0), head)

    def _path(self, video: str) -> Path:
        return self._library / video / DRAFT_NAME


def _head(path: Path) -> Head | None:
    """The head as it is now, not half of it and half of the next."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        before: bytes | None = None
        for _ in range(_LOOKS):
            data = os.pread(descriptor, LONGEST_HEAD, 0)
            try:
                head = read_head(data)
            except NotWhole:
                before = None
                continue
            if head.bytes == before:
                return head
            before = head.bytes
    finally:
        os.close(descriptor)
    return None


def _tag(head: bytes) -> str:
    return hashlib.sha256(head).hexdigest()[:_TAG_DIGITS]
