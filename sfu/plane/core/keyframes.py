"""How often a publisher is asked for a keyframe: a throttle a source, a back-off a receiver."""

from __future__ import annotations

from collections.abc import Container
from typing import Final

from sfu.plane.api import KEYFRAME_THROTTLE_US

_IDLE_RETRY_US: Final = 2_000_000
_TRIES: Final = 6
"""How often one request is repeated when nobody waits for its answer to begin."""
_BACK_OFF_US: Final = (1_000_000, 2_000_000, 4_000_000, 8_000_000)
_FORGET_US: Final = 16_000_000


class KeyframeThrottle:
    """At most one request per 500 ms for a source; what is wanted is asked for until it comes.

    Repeated without end only while somebody waits to begin with the keyframe: each request makes
    keyframes on all layers, so a forgotten one would cost everybody picture quality.
    """

    __slots__ = ("_last_us", "_wanted")

    def __init__(self) -> None:
        self._last_us: int | None = None
        self._wanted: dict[int, int] = {}

    @property
    def wanted(self) -> bool:
        """Whether any layer's keyframe is outstanding."""
        return bool(self._wanted)

    def want(self, layer: int) -> None:
        """A keyframe of this layer is needed."""
        self._wanted[layer] = _TRIES

    def arrived(self, layer: int) -> None:
        """A keyframe of this layer came."""
        self._wanted.pop(layer, None)

    def due(self, now_us: int, *, receiving: bool, waited_for: Container[int]) -> list[int]:
        """Layers to ask for now. A source that sends nothing is asked less often."""
        interval_us = KEYFRAME_THROTTLE_US if receiving else _IDLE_RETRY_US
        if self._last_us is not None and now_us - self._last_us < interval_us:
            return []
        asked: list[int] = []
        for layer, tries in sorted(self._wanted.items()):
            if layer in waited_for:
                asked.append(layer)
            elif tries:
                asked.append(layer)
                self._wanted[layer] = tries - 1
            else:
                del self._wanted[layer]
        if asked:
            self._last_us = now_us
        return asked


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
