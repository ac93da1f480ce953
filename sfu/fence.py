"""What this worker may send for: lessons under the newest epoch it knows, while signalling confirms it."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from sfu.model import Epoch, LessonId, Refused
from sfu.rpc.holding import HOLD_S

HOLD_US: Final = round(HOLD_S * 1_000_000)
MAX_EPOCHS_KEPT: Final = 10_000


class Fence:
    """Times are of one clock that never steps and never stands still, in us; ``heard_us``: the start, since
    nobody can have placed a lesson here before."""

    def __init__(self, heard_us: int) -> None:
        self._heard_us = heard_us
        self._epochs: OrderedDict[LessonId, Epoch] = OrderedDict()

    def confirm(self, stamp_us: int, now_us: int) -> None:
        """Signalling got the status of that moment; one from the future is no stamp of ours."""
        if self._heard_us < stamp_us <= now_us:
            self._heard_us = stamp_us

    def holds(self, now_us: int) -> bool:
        """Whether lessons may go on, and others be opened."""
        return now_us - self._heard_us <= HOLD_US

    def admit(self, lesson: LessonId, epoch: Epoch) -> None:
        """A request of this epoch: an older one than was ever seen is refused."""
        if epoch < self._epochs.get(lesson, Epoch(-1)):
            raise Refused("stale_epoch")
        self._epochs[lesson] = epoch
        self._epochs.move_to_end(lesson)
        while len(self._epochs) > MAX_EPOCHS_KEPT:
            self._epochs.popitem(last=False)

    def over(self, lesson: LessonId, epoch: Epoch) -> None:
        """The lesson ended here unasked: it may go on elsewhere, and here only under a new epoch."""
        self.admit(lesson, Epoch(epoch + 1))
