"""One publication: a send section of a connection, its gate, and what arrived from it."""

from __future__ import annotations

from typing import Final

from sfu.answer import Negotiated
from sfu.model import Source
from sfu.plane.api import SetGate, SourceHandle, SourceState
from sfu.watching import Watching

COST_SMOOTHING: Final = 0.05
"""Share of a batch (100 ms) taken over."""
COST_STEP: Final = 0.25
_USUAL_CAMERA_BPS: Final = (150_000, 500_000, 1_700_000)
_USUAL_SCREEN_BPS: Final = (300_000, 1_000_000)
_USUAL_SOUND_BPS: Final = 40_000


def usual_costs(source: Source, layers: int) -> tuple[int, ...]:
    """What each layer of such a source usually costs (bit/s), lowest first; one alone is the highest."""
    match source:
        case Source.CAMERA:
            return _USUAL_CAMERA_BPS[-layers:] if layers == 1 else _USUAL_CAMERA_BPS[:layers]
        case Source.SCREEN:
            return _USUAL_SCREEN_BPS[-layers:]
        case _:
            return (_USUAL_SOUND_BPS,) * layers


class Publication:
    """Owned by its Transport; lives exactly as long. Commands are returned, never sent from here."""

    def __init__(self, source: Source, handle: SourceHandle, layers: int, negotiated: Negotiated) -> None:
        """``layers``: number of simulcast layers (1 without simulcast). Its gate is shut."""
        self.source = source
        self.handle = handle
        self.layers = max(layers, 1)
        self.negotiated = negotiated
        self.open = False
        self.recorded = False
        """Whether it may be recorded now: its gate is open, and signalling says so."""
        self.watching = Watching(self.layers, 0)
        """Begins anew each time the gate is opened."""
        self._smooth_bps = [float(bps) for bps in usual_costs(source, self.layers)]
        self._costs = [0] * self.layers
        self._packets = 0
        self._lost = 0
        self._was_open_since_report = False

    def set_open(self, *, open_: bool, now_us: int) -> list[SetGate]:
        """Open or shut the gate; the command needed for it, none when nothing changes."""
        if open_ == self.open:
            return []
        self.open = open_
        if open_:
            self.watching = Watching(self.layers, now_us)
        self._was_open_since_report = False
        return [SetGate(self.handle, open_)]

    def layer(self, wanted: int) -> int:
        """The existing layer for a wanted one."""
        return min(max(wanted, 0), self.layers - 1)

    def count(self, state: SourceState, now_us: int) -> None:
        """Add what the plane saw since its last batch."""
        self._packets += state.packets
        self._lost += state.lost
        self.watching.came(state.layer_bps, now_us)
        self._spend(state.layer_bps)

    def _spend(self, layer_bps: tuple[int, ...]) -> None:
        for index, bps in enumerate(layer_bps[: self.layers]):
            if bps:
                smooth = self._smooth_bps[index]
                self._smooth_bps[index] = smooth = smooth + COST_SMOOTHING * (bps - smooth)
                cost = self._costs[index]
                if not cost or abs(smooth - cost) > COST_STEP * cost:
                    self._costs[index] = int(smooth)

    def costs(self, now_us: int) -> tuple[int, ...]:
        """What each layer costs (bit/s), lowest first, by steps of a quarter; the usual where none came, and
        of one that is wanted but absent what stands in for it."""
        found: list[int] = []
        for index, usual in enumerate(usual_costs(self.source, self.layers)):
            absent = index > 0 and self.watching.absent(index, now_us)
            found.append(found[-1] if absent else self._costs[index] or usual)
        return tuple(found)

    def report(self) -> tuple[int, int, bool]:
        """(packets, lost, silent) since the last report; ``silent``: open all the time and not one packet."""
        silent = self.open and self._was_open_since_report and self._packets == 0
        found = (self._packets, self._lost, silent)
        self._packets = self._lost = 0
        self._was_open_since_report = self.open
        return found
