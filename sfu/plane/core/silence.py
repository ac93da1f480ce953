"""Leaves silence out of what is forwarded, as a sender's own DTX would (RFC 7587 section 3.1.3)."""

from __future__ import annotations

from typing import Final

AUDIBLE_DBOV: Final = 80
"""Levels (-dBov, RFC 6464) above this are silence, far below a quiet room: nothing that is heard is cut."""
HANG_US: Final = 400_000
"""How long silence is forwarded after the last audible packet: the end of a word, a breath."""
_EVERY_US: Final = 400_000
"""One packet of this time goes on: receivers keep their clock and their comfort noise."""


class SilenceGate:
    """One layer's. Opens with the very packet that is audible: no first syllable is lost."""

    __slots__ = ("_audible_us", "_passed_us")

    def __init__(self) -> None:
        self._audible_us: int | None = None
        self._passed_us = 0

    def passes(self, level: int | None, now_us: int) -> bool:
        """Whether a packet with this level byte (None: it carries none) is forwarded."""
        if self._audible_us is None or level is None or level & 0x7F <= AUDIBLE_DBOV:
            self._audible_us = self._passed_us = now_us
            return True
        if now_us - self._audible_us < HANG_US or now_us - self._passed_us >= _EVERY_US:
            self._passed_us = now_us
            return True
        return False
