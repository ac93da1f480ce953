"""A line in words: good, weak or lost, and whose fault. Pure: numbers and time in, words out."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final, Literal

from sfu.rpc import messages as rpc
from signaling.wire import LineQuality

LOSS_WEAK: Final = 0.05
ROUND_TRIP_WEAK_MS: Final = 400.0
HELD_S: Final = 4.0
"""How long a word stays after it was last deserved: what comes and goes would only unsettle."""
MANY: Final = 3
"""So many weak lines at once, and half of all, are the server's doing and not theirs."""

_Fault = Literal["sender", "receiver", "server"]
_RANK: Final = {"good": 0, "weak": 1, "lost": 2}


class Words:
    """What is said of the lines of one lesson. Call ``say`` with each report of its worker."""

    def __init__(self) -> None:
        self._said: dict[str, tuple[LineQuality, float]] = {}

    def say(
        self, report: Sequence[rpc.LineQuality], lost: Collection[str], now_s: float, *, overloaded: bool
    ) -> tuple[LineQuality, ...]:
        """Lines that are not good. ``lost``: people who are here and have had no connection for a while;
        ``overloaded``: the worker says that it can't keep up."""
        found = {line.participant: _word(line) for line in report}
        weak = [who for who, line in found.items() if line.line == "weak"]
        if weak and (overloaded or (len(weak) >= MANY and 2 * len(weak) >= len(found))):
            for who in weak:
                found[who] = LineQuality(who, "weak", found[who].silent, "server")
        for who in lost:
            found[who] = LineQuality(who, "lost", silent=False, fault="receiver")
        said: dict[str, tuple[LineQuality, float]] = {}
        for who, line in found.items():
            before = self._said.get(who)
            if before is not None and now_s < before[1] and _RANK[line.line] < _RANK[before[0].line]:
                held = LineQuality(who, before[0].line, line.silent, before[0].fault)
                said[who] = (held, before[1])
            elif line.line != "good" or line.silent:
                said[who] = (line, now_s + HELD_S)
        self._said = said
        return tuple(line for line, _ in said.values())


def _word(line: rpc.LineQuality) -> LineQuality:
    if line.lost:
        return LineQuality(line.participant, "lost", line.silent_microphone, "receiver")
    up, down = line.loss_up or 0.0, line.loss_down or 0.0
    fault: _Fault | None = None
    if up > LOSS_WEAK and up >= down:
        fault = "sender"
    elif down > LOSS_WEAK or (line.round_trip_ms or 0.0) > ROUND_TRIP_WEAK_MS or line.spared != "nothing":
        fault = "receiver"
    return LineQuality(line.participant, "good" if fault is None else "weak", line.silent_microphone, fault)
