"""What a term has behind it, in its folder, so that the same command goes on where it stopped."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import msgspec

T = TypeVar("T", bound=msgspec.Struct)


class Done(msgspec.Struct):
    """Numbers that are behind one, of a sequence lived nearly in its order: all before ``until``, and
    ``beyond``."""

    until: int = 0
    beyond: set[int] = msgspec.field(default_factory=set)

    def add(self, number: int, step: int) -> None:
        """``number`` is done; those of the sequence are ``step`` apart."""
        self.beyond.add(number)
        while self.until in self.beyond:
            self.beyond.remove(self.until)
            self.until += step

    def __contains__(self, number: int) -> bool:
        return number < self.until or number in self.beyond


def read(path: Path, kind: type[T]) -> T | None:
    """What was written there, None when nothing was; raises OSError, msgspec.ValidationError."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except FileNotFoundError:
        return None


def write(path: Path, found: msgspec.Struct) -> None:
    """Replace what is there, as a whole: whoever is killed leaves the old or the new."""
    fresh = path.with_suffix(".new")
    fresh.write_bytes(msgspec.json.encode(found))
    fresh.replace(path)
