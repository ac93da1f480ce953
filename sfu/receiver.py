"""The slots of one connection: what the plane was told, what flows, what the client was told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from sfu.allocation import NOTHING, Allocation
from sfu.fitting import Fit
from sfu.model import MediaKind, ParticipantId, Source, slot_kind
from sfu.plane.api import SetForward, SlotHandle, SourceHandle
from sfu.publication import Publication
from sfu.rpc.messages import SlotContent, Spared


class News(NamedTuple):
    """What the client is told; fields as in ``rpc.messages.Slots``."""

    pages: int
    slots: tuple[SlotContent, ...]
    spared: Spared
    lite: bool


class Receiver:
    """Turns allocations into the few commands that differ and into the contents to tell.

    After each ``assign``, apply the commands; after ``assign`` or ``switched``, ask ``news``.
    """

    def __init__(self, slots: Sequence[SlotHandle | None]) -> None:
        """``slots``: handles in slot order, None for a section that is absent."""
        self.slots = tuple(slots)
        self.allocation: Allocation = NOTHING
        self.fit = Fit()
        self._forwarded: list[tuple[SourceHandle, int, int] | None] = [None] * len(slots)
        self._shown: list[SourceHandle | None] = [None] * len(slots)
        self._told: News | None = None
        self._version = 0
        self._looked_at = False

    def assign(
        self,
        allocation: Allocation,
        fit: Fit,
        publications: Mapping[tuple[ParticipantId, Source], Publication],
    ) -> list[SetForward]:
        """Take an allocation and what of it fits; the commands for what differs from the last. Sources of no
        live connection are not forwarded."""
        self.allocation = allocation
        self.fit = fit
        self._looked_at = False
        commands: list[SetForward] = []
        for index, slot in enumerate(self.slots):
            target = allocation.targets[index] if index < len(allocation.targets) else None
            share = fit.shares[index] if index < len(fit.shares) else None
            wanted: tuple[SourceHandle, int, int] | None = None
            if share is not None and target is not None and target.source is not None and slot is not None:
                publication = publications.get((target.participant, target.source))
                if publication is not None:
                    wanted = (publication.handle, publication.layer(share.layer), share.temporal)
            if slot is None or wanted == self._forwarded[index]:
                continue
            self._forwarded[index] = wanted
            if wanted is None:
                self._shown[index] = None
                commands.append(SetForward(slot, None))
            else:
                commands.append(SetForward(slot, *wanted))
        return commands

    def forwarded(self) -> Iterator[tuple[SourceHandle, int]]:
        """(source, layer) of each slot that is to get packets."""
        return (each[:2] for each in self._forwarded if each is not None)

    def switched(self, index: int, source: SourceHandle | None) -> None:
        """The slot's packets are of this source now; late news of one that was emptied is ignored."""
        if source is None or self._forwarded[index] is not None:
            self._shown[index] = source
            self._looked_at = False

    def news(self, *, again: bool = False) -> tuple[int, News] | None:
        """(version, what is in the slots) when it differs from what was told last, or ``again``."""
        if self._looked_at and not again:
            return None
        self._looked_at = True
        contents = tuple(self._content(index) for index in range(len(self.slots)))
        news = News(self.allocation.pages, contents, self.fit.spared, self.fit.lite)
        if news == self._told and not again:
            return None
        self._version += news != self._told
        self._told = news
        return self._version, news

    def _content(self, index: int) -> SlotContent:
        target = self.allocation.targets[index] if index < len(self.allocation.targets) else None
        if target is None:
            return SlotContent(index, None, None, live=False)
        forwarded = self._forwarded[index]
        live = forwarded is not None and (
            slot_kind(index) is MediaKind.AUDIO or self._shown[index] == forwarded[0]
        )
        source = None if target.source is None else target.source.value
        return SlotContent(index, target.participant, source, live)
