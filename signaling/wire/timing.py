"""The class's timer."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from signaling.wire.names import RequestNumber

MAX_TIMER_S: Final = 3 * 3600


class SetTimer(Struct, tag_field="t", tag="set_timer", frozen=True):
    """Leaders: start the timer anew with so many seconds, add so many, hold it, let it go on, or put it away.
    Refused: ``not_found`` when there is none."""

    id: RequestNumber
    do: Literal["start", "add", "hold", "go_on", "stop"]
    seconds: Annotated[int, Meta(ge=5, le=MAX_TIMER_S)] = 60


class TimerField(Struct, frozen=True):
    """Everybody's timer. While it runs ``ends_at_ms`` is the server time at which it is over; while it is
    held that is None and ``left_ms`` is left. ``total_ms``: all it was given."""

    by: str
    total_ms: int
    ends_at_ms: int | None = None
    left_ms: int = 0
