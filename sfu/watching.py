"""Which layers of a publication anybody gets, so that its publisher need not send the others. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

LINGER_US: Final = 2_000_000
"""How long a layer counts as watched after the last viewer left it: people look back, pages turn back."""
LINGER_BELOW_US: Final = 60_000_000
"""The same while somebody gets a higher layer: lines come and go, and each layer that Chromium takes up or
leaves costs those who get another one half a second of its bits."""
AWAITED_US: Final = 1_500_000
"""A wanted layer from which nothing came for so long may not exist (a small capture has fewer), or its line
does not carry it: then the next lower one is watched too."""
SETTLED_US: Final = 1_000_000
"""How long a wanted layer must have come before the lower ones, which were shown in its place, may go:
viewers go over to it at a keyframe."""


class Watching:
    """One publication's layers, lowest first. Call ``want`` when viewers change, ``came`` with what arrived,
    then ask ``watched``."""

    __slots__ = ("_began_us", "_came_us", "_until_us", "_wanted", "_wanted_us", "_watched")

    def __init__(self, layers: int, now_us: int) -> None:
        self._wanted = [False] * layers
        self._wanted_us = [0] * layers
        self._until_us = [now_us + LINGER_US] * layers
        self._came_us: list[int | None] = [None] * layers
        self._began_us = [0] * layers
        """Since when the layer has come without a break."""
        self._watched = [True] * layers

    def want(self, layers: Collection[int], now_us: int) -> None:
        """These are the layers that somebody is to get now."""
        highest = max(layers, default=-1)
        for index, before in enumerate(self._wanted):
            now = index in layers
            if now and not before:
                self._wanted_us[index] = now_us
            elif before and not now:
                self._until_us[index] = now_us + (LINGER_BELOW_US if index < highest else LINGER_US)
            elif not layers:
                self._until_us[index] = min(self._until_us[index], now_us + LINGER_US)
            self._wanted[index] = now

    def came(self, layer_bps: Sequence[int], now_us: int) -> None:
        """How much came of each layer since the last time."""
        for index, bps in enumerate(layer_bps[: len(self._came_us)]):
            if bps:
                before_us = self._came_us[index]
                if before_us is None or now_us - before_us >= AWAITED_US:
                    self._began_us[index] = now_us
                self._came_us[index] = now_us

    def absent(self, layer: int, now_us: int) -> bool:
        """Whether the layer has been wanted for a while and does not come, though a lower one does."""
        overdue = now_us - self._wanted_us[layer] >= AWAITED_US and not self._flows(layer, now_us)
        return self._wanted[layer] and overdue and any(self._flows(lower, now_us) for lower in range(layer))

    def _flows(self, layer: int, now_us: int) -> bool:
        came_us = self._came_us[layer]
        return came_us is not None and now_us - came_us < AWAITED_US

    def watched(self, now_us: int) -> tuple[bool, ...]:
        """For each layer whether it is to be sent."""
        missing = overdue = False
        for index in range(len(self._wanted) - 1, -1, -1):
            wanted = self._wanted[index]
            instead = overdue or (missing and self._watched[index])
            self._watched[index] = wanted or now_us < self._until_us[index] or instead
            if wanted or overdue:
                flows = self._flows(index, now_us)
                missing = not (flows and now_us - self._began_us[index] >= SETTLED_US)
                overdue = not flows and now_us - self._wanted_us[index] >= AWAITED_US
        return tuple(self._watched)
