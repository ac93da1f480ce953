"""What of an allocation a receiver's line bears, and what is taken away first. Pure: docs/allocation.md."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from sfu.allocation import Allocation, Target
from sfu.model import MediaKind, ParticipantId, SlotIndex, Source, slot_kind
from sfu.plane.api import ALL_TEMPORAL
from sfu.rpc.messages import Spared

TEMPORAL_SHARES: Final = (0.4, 0.6)
"""What the lowest temporal layer, and the lowest two, cost of a picture of three; libvpx divides so."""
SOUNDS_BPS: Final = 64_000
"""A voice, and often another for a while."""
LITE_BELOW_BPS: Final = 90_000
"""Two voices at once: a line that does not bear them gets one."""
SOUNDS_SHARE: Final = 1 / 2
"""What of a thin line sound may take with its redundancy: a picture is worth less than words understood."""

Costs = Mapping[tuple[ParticipantId, Source], tuple[int, ...]]
"""What each layer of a publication costs (bit/s), lowest first. What is not in it does not flow."""


class Mode(StrEnum):
    """What a person wishes to get."""

    FULL = "full"
    AUDIO = "audio"
    LITE = "lite"


@dataclass(frozen=True, slots=True)
class Share:
    """What flows in a slot: of a picture this layer, with temporal layers up to ``temporal``."""

    layer: int = 0
    temporal: int = ALL_TEMPORAL


@dataclass(frozen=True, slots=True)
class Fit:
    """One share a slot (None: nothing flows), what is spared for the line, whether one sound is left, and how
    many earlier packets of sound come along with each."""

    shares: tuple[Share | None, ...] = ()
    spared: Spared = "nothing"
    lite: bool = False
    redundancy: int = 0


@dataclass(slots=True)
class _Picture:
    """A slot's picture while it is being fitted."""

    index: int
    costs: tuple[int, ...]
    share: Share | None

    @property
    def bps(self) -> float:
        if self.share is None:
            return 0.0
        temporal = self.share.temporal
        part = TEMPORAL_SHARES[temporal] if temporal < len(TEMPORAL_SHARES) else 1.0
        return self.costs[min(self.share.layer, len(self.costs) - 1)] * part

    def slow(self, temporal: int) -> None:
        if self.share is not None:
            self.share = replace(self.share, temporal=min(self.share.temporal, temporal))

    def lower(self, layer: int) -> None:
        if self.share is not None:
            self.share = replace(self.share, layer=min(self.share.layer, layer))

    def drop(self) -> None:
        self.share = None


def fit(
    allocation: Allocation,
    costs: Costs,
    mode: Mode = Mode.FULL,
    budget_bps: int | None = None,
    redundancy: int = 0,
) -> Fit:
    """What flows in each slot. ``budget_bps`` None: no limit. ``redundancy``: how many earlier packets are
    wanted with each of sound; less where sound would take more than a third of the line."""
    targets = allocation.targets
    pictures = {
        index: _Picture(index, _costs(target, costs), Share(target.layer))
        for index, target in enumerate(targets)
        if target is not None and target.drawn and slot_kind(index) is MediaKind.VIDEO
    }
    if mode is not Mode.FULL:
        pictures.clear()
    spared: Spared = "nothing"
    lite = mode is Mode.LITE
    if budget_bps is not None and not lite:
        while redundancy and SOUNDS_BPS * (1 + redundancy) > budget_bps * SOUNDS_SHARE:
            redundancy -= 1
        left = budget_bps - SOUNDS_BPS * (1 + redundancy)
        spared = _sacrifice(pictures, left)
        if budget_bps < LITE_BELOW_BPS:
            pictures.clear()
            lite, spared = True, "lite"
    only = _one_sound(targets) if lite else None
    shares: list[Share | None] = []
    for index, target in enumerate(targets):
        if index in pictures:
            shares.append(pictures[index].share)
        elif target is None or not target.drawn or slot_kind(index) is MediaKind.VIDEO:
            shares.append(None)
        else:
            shares.append(Share() if not lite or index == only else None)
    return Fit(tuple(shares), spared, lite, 0 if lite else redundancy)


def wanted_bps(allocation: Allocation, costs: Costs) -> int:
    """What all that is drawn would cost."""
    return SOUNDS_BPS + sum(
        _costs(target, costs)[min(target.layer, len(_costs(target, costs)) - 1)]
        for index, target in enumerate(allocation.targets)
        if target is not None and target.drawn and slot_kind(index) is MediaKind.VIDEO
    )


def _sacrifice(pictures: Mapping[int, _Picture], left_bps: float) -> Spared:
    """Take away, in order, until it fits; what is spared in words."""
    spared: Spared = "nothing"
    costs = sum(picture.bps for picture in pictures.values())
    for word, step in _steps(pictures):
        if costs <= left_bps:
            break
        before, costs = costs, _after(step, pictures)
        if costs < before:
            spared = word
    return spared


def _after(step: Callable[[], None], pictures: Mapping[int, _Picture]) -> float:
    step()
    return sum(picture.bps for picture in pictures.values())


def _steps(pictures: Mapping[int, _Picture]) -> Iterator[tuple[Spared, Callable[[], None]]]:
    tiles = [pictures[index] for index in sorted(pictures, reverse=True) if index >= SlotIndex.FIRST_TILE]
    for temporal in (1, 0):
        for tile in tiles:
            yield "tiles", lambda tile=tile, temporal=temporal: tile.slow(temporal)  # type: ignore[misc]
    for tile in tiles:
        yield "tiles", lambda tile=tile: tile.lower(0)  # type: ignore[misc]
    for tile in tiles:
        yield "tiles", tile.drop
    stage = pictures.get(SlotIndex.STAGE_VIDEO)
    if stage is not None:
        yield "pictures", lambda: stage.lower(1)
        yield "pictures", lambda: stage.lower(0)
        yield "pictures", lambda: stage.slow(1)
        yield "pictures", lambda: stage.slow(0)
        yield "pictures", stage.drop
    screen = pictures.get(SlotIndex.SCREEN_VIDEO)
    if screen is not None:
        yield "pictures", lambda: screen.slow(1)
        yield "pictures", lambda: screen.slow(0)
        yield "pictures", lambda: screen.lower(0)
        yield "pictures", screen.drop


def _costs(target: Target, costs: Costs) -> tuple[int, ...]:
    found = None if target.source is None else costs.get((target.participant, target.source))
    return found or (0,)


def _one_sound(targets: tuple[Target | None, ...]) -> int | None:
    """The teacher's sound; for who has no teacher to hear the stage's, else the loudest's."""
    for index in (
        SlotIndex.TEACHER_SOUND,
        SlotIndex.STAGE_SOUND,
        SlotIndex.LOUD_1,
        SlotIndex.LOUD_2,
        SlotIndex.LOUD_3,
    ):
        target = targets[index] if index < len(targets) else None
        if target is not None and target.drawn:
            return index
    return None
