"""The files of video lessons and journals, wherever they lie.

A name is ``<id>/<file>`` or ``<id>/<folder>/<file>``: ids and words of ours, never what people wrote.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

_NAME: Final = re.compile(r"[.]?[A-Za-z0-9_-]{1,64}(/[A-Za-z0-9_-][A-Za-z0-9_.-]{0,127}){1,2}")
_PREFIX: Final = re.compile(r"([.]?[A-Za-z0-9_-]{1,64}/)?([A-Za-z0-9_-]{1,64}/)?")


class StoreAway(OSError):
    """The store does not answer, refuses, or does not hold what was sent: later it may. Nothing is lost."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.strerror = reason


@dataclass(frozen=True, slots=True)
class Stored:
    """A file as it is now. ``tag`` is an entity tag with its quotes (RFC 9110 section 8.8.3) that another
    content of this name never has; ``modified_s`` in seconds since 1970."""

    name: str
    size: int
    tag: str
    modified_s: float


class Files(Protocol):
    """All methods raise StoreAway, OSError; ValueError for what is no name. Each can be repeated."""

    async def put(self, name: str, path: Path) -> None:
        """Keep a file's content under a name, in the place of what was there. When this returns the store has
        it, and said so: its size and checksum are those of ``path``."""

    async def put_bytes(self, name: str, data: bytes) -> None:
        """As ``put``, for a few MiB."""

    async def find(self, name: str) -> Stored | None:
        """What is kept under a name now; None: nothing."""

    def read(self, file: Stored, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        """Bytes ``start`` to ``stop`` (exclusive) in order, in pieces of at most 1 MiB; no more than two are
        in memory. Raises StoreAway when the file is not the same any more."""

    async def fetch(self, name: str, path: Path) -> bool:
        """Write a file's content to ``path``; False: there is none."""

    async def below(self, prefix: str) -> list[Stored]:
        """Everything below ``""``, ``<id>/`` or ``<id>/<folder>/``, sorted by name."""

    async def remove(self, *names: str) -> None:
        """Keep nothing under these names any more."""

    def local(self, name: str) -> Path | None:
        """Where a file of this name lies, or would lie, on this machine's disk; None: elsewhere."""

    async def close(self) -> None:
        """Nothing is asked any more. Idempotent."""


def check_name(name: str) -> str:
    """The name; raises ValueError when it is none."""
    if not _NAME.fullmatch(name) or ".." in name:
        raise ValueError("not a name of a file")
    return name


def check_prefix(prefix: str) -> str:
    """The prefix; raises ValueError when it is none."""
    if not _PREFIX.fullmatch(prefix):
        raise ValueError("not the beginning of a name")
    return prefix


async def remove_all(files: Files, prefix: str) -> bool:
    """Remove everything below a prefix; whether there was anything."""
    found = [each.name for each in await files.below(prefix)]
    await files.remove(*found)
    return bool(found)
