"""One publication: a send section of a connection, its gate, and what arrived from it."""

from __future__ import annotations

from sfu.answer import Negotiated
from sfu.model import Source
from sfu.plane.api import SetGate, SourceHandle, SourceState


class Publication:
    """Owned by its Transport; lives exactly as long. Commands are returned, never sent from here."""

    def __init__(self, source: Source, handle: SourceHandle, layers: int, negotiated: Negotiated) -> None:
        """``layers``: number of simulcast layers (1 without simulcast)."""
        self.source = source
        self.handle = handle
        self.layers = max(layers, 1)
        self.negotiated = negotiated
        self.open = False
        self.recorded = False
        """Whether it may be recorded now: its gate is open, and signalling says so."""
        self._packets = 0
        self._lost = 0
        self._was_open_since_report = False

    def set_open(self, *, open_: bool) -> list[SetGate]:
        """Open or shut the gate; the command needed for it, none when nothing changes."""
        if open_ == self.open:
            return []
        self.open = open_
        self._was_open_since_report = False
        return [SetGate(self.handle, open_)]

    def layer(self, wanted: int) -> int:
        """The existing layer for a wanted one, counted from the top when it is a screen."""
        if self.source is not Source.CAMERA:
            return self.layers - 1
        return min(max(wanted, 0), self.layers - 1)

    def count(self, state: SourceState) -> None:
        """Add what the plane saw since its last batch."""
        self._packets += state.packets
        self._lost += state.lost

    def report(self) -> tuple[int, int, bool]:
        """(packets, lost, silent) since the last report; ``silent``: open all the time and not one packet."""
        silent = self.open and self._was_open_since_report and self._packets == 0
        found = (self._packets, self._lost, silent)
        self._packets = self._lost = 0
        self._was_open_since_report = self.open
        return found
