"""Steps that are done once for each content: a step's stamp holds the hash of all that it depends on."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path


def content_hash(paths: Iterable[Path], *words: str) -> str:
    """SHA-256 over ``words`` and the names and bytes of files; folders count with all that is in them."""
    digest = hashlib.sha256("\0".join(words).encode())
    for path in sorted(_files(paths)):
        data = path.read_bytes()
        digest.update(f"\0{path}\0{len(data)}\0".encode())
        digest.update(data)
    return digest.hexdigest()


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from (file for file in path.rglob("*") if file.is_file())
        elif path.is_file():
            yield path


def is_stamped(stamp: Path, content: str) -> bool:
    """Whether the step was finished for this content."""
    try:
        return stamp.read_text(encoding="ascii") == content
    except OSError:
        return False


def write_stamp(stamp: Path, content: str) -> None:
    """Say that the step is finished; whole or not at all, even when interrupted."""
    half = stamp.with_name(f"{stamp.name}.{os.getpid()}")
    half.write_text(content, encoding="ascii")
    half.replace(stamp)


@contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """Two set-ups in one checkout wait for each other; the lock goes with the process."""
    with (folder / ".setup-lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
