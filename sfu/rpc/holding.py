"""How long a worker may send without being confirmed, and when its lessons may move: both sides keep to it.

A worker stamps each status with its own clock; a signalling process confirms the stamp with its next beat. A
worker sends until HOLD_S after the last stamp that was confirmed. So whoever got that stamp knows by its own
clock when the worker has stopped, however late the confirmation came and whatever stood still meanwhile.
"""

from __future__ import annotations

from typing import Final

BEAT_S: Final = 1.0
BEAT_LIMIT_S: Final = 2.0
"""A worker that has not answered a beat for so long is lost."""
HOLD_S: Final = 10.0
"""So long after the last confirmed stamp a worker sends: longer than signalling takes to start anew."""
LATE_S: Final = 1.0
"""So late a worker may notice that it has to stop."""
LOOK_S: Final = 3.0
"""Signalling processes look at what the others hear at least so often, or count from the beginning."""
MOVE_S: Final = 15.0
"""Silent to all for so long, a worker has stopped: its lessons may move."""
BLIND_S: Final = 60.0
"""So long a process confirms without Redis, where the others would see what it hears."""
BLIND_ALONE_S: Final = 600.0
"""The same for a process that knew of no other."""
DRIFT: Final = 0.01
"""Clocks differ by at most this share."""


def require_order(hold_s: float = HOLD_S, move_s: float = MOVE_S) -> None:
    """Raise ValueError unless a worker has stopped before its lessons may move."""
    stopped_s = hold_s * (1 + DRIFT) + LATE_S + LOOK_S
    if stopped_s > move_s * (1 - DRIFT):
        raise ValueError(f"a worker may send for {stopped_s:g} s, its lessons move after {move_s:g} s")
