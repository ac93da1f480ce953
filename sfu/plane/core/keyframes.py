"""How often a publisher is asked for a keyframe: a throttle a source, a back-off a receiver."""

from __future__ import annotations

from typing import Final

from sfu.plane.api import KEYFRAME_THROTTLE_US

_IDLE_RETRY_US: Final = 2_000_000
_BACK_OFF_US: Final = (1_000_000, 2_000_000, 4_000_000, 8_000_000)
_FORGET_US: Final = 16_000_000


class KeyframeThrottle:
    """At most one request per 500 ms for a source; what is wanted is asked for until it comes."""

    __slots__ = ("_last_us", "_wanted")

    def __init__(self) -> None:
        self._last_us: int | None = None
        self._wanted: set[int] = set()

    @property
    def wanted(self) -> bool:
        """Whether any layer's keyframe is outstanding."""
        return bool(self._wanted)

    def want(self, layer: int) -> None:
        """A keyframe of this layer is needed."""
        self._wanted.add(layer)

    def arrived(self, layer: int) -> None:
        """A keyframe of this layer came."""
        self._wanted.discard(layer)

    def due(self, now_us: int, receiving: bool) -> list[int]:
        """Layers to ask for now. A source that sends nothing is asked less often."""
        if not self._wanted:
            return []
        interval_us = KEYFRAME_THROTTLE_US if receiving else _IDLE_RETRY_US
        if self._last_us is not None and now_us - self._last_us < interval_us:
            return []
        self._last_us = now_us
        return sorted(self._wanted)


class KeyframeBackOff:
    """One receiver's requests: the first is free, then one per 1, 2, 4, 8 s."""

    __slots__ = ("_last_us", "_next_us", "_step")

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """The slot shows something new: the next request is free again."""
        self._step = 0
        self._next_us = 0
        self._last_us: int | None = None

    def allow(self, now_us: int) -> bool:
        """Whether this request is passed on."""
        if self._last_us is not None and now_us - self._last_us > _FORGET_US:
            self.reset()
        if self._last_us is not None and now_us < self._next_us:
            return False
        self._last_us = now_us
        self._next_us = now_us + _BACK_OFF_US[self._step]
        self._step = min(self._step + 1, len(_BACK_OFF_US) - 1)
        return True
