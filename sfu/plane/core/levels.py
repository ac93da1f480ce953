"""The loudest audio level of each source between two batches (RFC 6464)."""

from __future__ import annotations

from typing import Final

from sfu.plane.api import SourceHandle

SILENT: Final = 127


class LoudestLevels:
    """Collects -dBov values, 0 loudest; drained each batch."""

    __slots__ = ("_levels",)

    def __init__(self) -> None:
        self._levels: dict[SourceHandle, int] = {}

    def add(self, source: SourceHandle, level: int) -> None:
        """One packet's level, 0 to 127."""
        if level < self._levels.get(source, SILENT + 1):
            self._levels[source] = level

    def forget(self, source: SourceHandle) -> None:
        """The source is gone or shut."""
        self._levels.pop(source, None)

    def drain(self) -> tuple[tuple[SourceHandle, int], ...]:
        """What was collected, in order of the sources' handles."""
        collected = tuple(sorted(self._levels.items()))
        self._levels.clear()
        return collected
