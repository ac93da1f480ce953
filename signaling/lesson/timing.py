"""The class's timer: one field, read by server time."""

from __future__ import annotations

import msgspec

from sfu.model import Refused
from signaling.lesson.change import Actor, Change, Moment
from signaling.lesson.fields import TIMER, State
from signaling.wire import MAX_TIMER_S, SetTimer, TimerField


def set_timer(state: State, actor: Actor, message: SetTimer, moment: Moment) -> Change | None:
    """None: it is so already. Raises Refused ``not_found`` for a timer that is not there."""
    now_ms, more_ms = moment.now_ms, message.seconds * 1000
    before: TimerField | None = state.get(TIMER)
    if message.do == "start":
        return Change("timer", {TIMER: TimerField(actor.participant, more_ms, now_ms + more_ms)})
    if message.do == "stop":
        return None if before is None else Change("timer", {}, (TIMER,))
    if before is None:
        raise Refused("not_found")
    left_ms = left(before, now_ms)
    if message.do == "add":
        more_ms = min(more_ms, MAX_TIMER_S * 1000 - left_ms)
        total_ms = min(before.total_ms + more_ms, MAX_TIMER_S * 1000)
        if before.ends_at_ms is None:
            after = msgspec.structs.replace(before, total_ms=total_ms, left_ms=left_ms + more_ms)
        else:
            after = msgspec.structs.replace(before, total_ms=total_ms, ends_at_ms=now_ms + left_ms + more_ms)
    elif message.do == "hold":
        if before.ends_at_ms is None or left_ms == 0:
            return None
        after = msgspec.structs.replace(before, ends_at_ms=None, left_ms=left_ms)
    else:
        if before.ends_at_ms is not None:
            return None
        after = msgspec.structs.replace(before, ends_at_ms=now_ms + left_ms, left_ms=0)
    return Change("timer", {TIMER: after})


def left(timer: TimerField, now_ms: int) -> int:
    """How many ms are left, 0 when it is over."""
    return timer.left_ms if timer.ends_at_ms is None else max(0, timer.ends_at_ms - now_ms)
