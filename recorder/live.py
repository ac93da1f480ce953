"""The videos of lessons that are still recorded, in the process that makes them: each a bit at a time."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Final

from recorder.finish import Finished, begin, finish
from recorder.making import Making
from recorder.tail import Late

log = logging.getLogger(__name__)

BEATS: Final = 120
"""So many beats at most in one step, half a second of work, so that no other lesson waits long."""
BEGINNINGS: Final = 3
"""A video that had to be begun so often is made at the end only."""


class Live:
    """What is made of each lesson so far, in memory alone: whoever comes after a kill begins anew."""

    def __init__(self) -> None:
        self._makings: dict[str, Making] = {}
        self._begun: dict[str, int] = {}

    def advance(self, folder: Path, library: Path, now_us: int) -> bool:
        """Make what is settled of a recording; whether there is more. Raises OSError."""
        name = folder.name
        making = self._makings.get(name)
        if making is None:
            begun = self._begun.get(name, 0)
            if begun == BEGINNINGS:
                return False
            self._begun[name] = begun + 1
            making = self._makings[name] = begin(folder, library)
        try:
            return making.advance(now_us, BEATS)
        except Late as late:
            log.warning("video begun anew", extra={"recording": name, "journal": str(late)})
            self._drop(name)
            return True
        except BaseException:
            self._drop(name)
            raise

    def finish(self, folder: Path, library: Path) -> Finished:
        """Make the rest, or all of it. Raises OSError."""
        self._begun.pop(folder.name, None)
        making = self._makings.pop(folder.name, None)
        if making is not None:
            try:
                return finish(folder, library, making)
            except Late as late:
                log.warning("video begun anew", extra={"recording": folder.name, "journal": str(late)})
        return finish(folder, library)

    def forget(self, recording: str) -> None:
        """Somebody else records it now, or nobody."""
        self._begun.pop(recording, None)
        self._drop(recording)

    def _drop(self, recording: str) -> None:
        making = self._makings.pop(recording, None)
        if making is not None:
            making.close()
