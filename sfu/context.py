"""What all lessons of one worker share."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Final

from sfu.dtls import Certificate
from sfu.model import Epoch, LessonId
from sfu.plane.api import Plane, SlotHandle, SourceHandle, TransportHandle
from sfu.rpc.messages import Push

if TYPE_CHECKING:
    from sfu.capture import Capture
    from sfu.transport import Transport

HANDSHAKES_AT_ONCE: Final = 128


def monotonic_us() -> int:
    """CLOCK_MONOTONIC in us."""
    return time.monotonic_ns() // 1000


@dataclass(slots=True)
class WorkerContext:
    """Given to every lesson's router. ``transports``, ``sources``, ``slots`` and ``taps`` find the owner of
    what an event names; a Transport or Capture enters and leaves itself."""

    plane: Plane
    certificate: Certificate
    candidates: tuple[tuple[str, int], ...]
    push: Callable[[Push], None]
    max_transports: int
    changed: Callable[[LessonId, Epoch], None]
    """A lesson asks to be allocated anew soon; many calls become one."""
    pacing_bps: int = 0
    """What is sent to one receiver at most; 0: no pacing."""
    wall_offset_us: int = 0
    """Added to the plane's clock: us since 1970. Taken once, so that recorded times do not step."""
    unread_by_recorders: int = 0
    """Packets dropped since the start because a recorder did not read."""
    overloaded: bool = False
    """The worker itself can't keep up."""
    now_us: Callable[[], int] = monotonic_us
    """The plane's clock."""
    handshakes: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(HANDSHAKES_AT_ONCE))
    transports: dict[TransportHandle, Transport] = field(default_factory=dict)
    sources: dict[SourceHandle, Transport] = field(default_factory=dict)
    slots: dict[SlotHandle, tuple[Transport, int]] = field(default_factory=dict)
    taps: dict[int, Capture] = field(default_factory=dict)
    _numbers: count[int] = field(default_factory=lambda: count(1))

    def next_handle(self) -> int:
        """A number never given before by this worker."""
        return next(self._numbers)
