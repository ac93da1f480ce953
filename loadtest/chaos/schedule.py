"""Which part is killed when: drawn from a seed, nothing else. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Final

FIRST_S: Final = 5.0
GAP_S: Final = (12.0, 20.0)
"""From one fault to the next: long enough to see the recovery whole, and the quiet after it."""
STOP_S: Final = (4.0, 8.0)
"""How long a stopped worker stays stopped; more than two seconds and it is given up."""


class Fault(StrEnum):
    """What happens to one part of the server."""

    WORKER_KILLED = "worker killed"
    SIGNALLING_KILLED = "signalling killed"
    REDIS_KILLED = "redis killed"
    REDIS_EMPTIED = "redis emptied"
    WORKER_STOPPED = "worker stopped"


REST_S: Final = {Fault.WORKER_KILLED: 33.0, Fault.SIGNALLING_KILLED: 65.0, Fault.REDIS_KILLED: 65.0}
"""So long a kind of process is not killed again: the tree waits longer before each start of one that did not
live for a minute, and that wait is not what is measured. Of two workers each lives twice as long."""
CHOICES: Final[tuple[frozenset[Fault], ...]] = (
    *(frozenset({fault}) for fault in Fault),
    *(frozenset({one, other}) for one in REST_S for other in REST_S if one < other),
    frozenset({Fault.REDIS_EMPTIED, Fault.WORKER_KILLED}),
)
"""Not among them: Redis emptied while signalling is killed. What neither has, SQL has but for the last two
seconds, so that an event may be lost."""
INSTEAD: Final = (frozenset({Fault.WORKER_KILLED}), frozenset({Fault.WORKER_STOPPED}))


@dataclass(frozen=True, slots=True)
class Planned:
    """Faults that happen together, ``at_s`` after the lessons began; ``stop_s``: of a stopped worker."""

    at_s: float
    faults: frozenset[Fault]
    stop_s: float = 0.0

    @property
    def name(self) -> str:
        """In words."""
        return " and ".join(sorted(self.faults))


def plan(seed: int, minutes: float) -> list[Planned]:
    """Faults for so many minutes; the last gap is part of them, so the end sees no recovery cut short.

    They come in rounds, each with every choice once in an order by chance. What has not rested yet comes
    later, and a worker is killed, or else stopped, instead: of that there is most to measure.
    """
    chance = Random(seed)
    killed_at_s = {fault: -rest_s for fault, rest_s in REST_S.items()}
    planned: list[Planned] = []
    left: list[frozenset[Fault]] = []
    at_s = FIRST_S
    while at_s <= minutes * 60 - GAP_S[1]:
        left = left or chance.sample(CHOICES, len(CHOICES))
        faults = next(
            choice
            for choice in (*left, *INSTEAD)
            if all(at_s - killed_at_s[fault] >= REST_S[fault] for fault in choice & REST_S.keys())
        )
        if faults in left:
            left.remove(faults)
        stop_s = round(chance.uniform(*STOP_S), 1) if Fault.WORKER_STOPPED in faults else 0.0
        killed_at_s |= dict.fromkeys(faults & REST_S.keys(), at_s)
        planned.append(Planned(round(at_s, 1), faults, stop_s))
        at_s += round(chance.uniform(*GAP_S), 1)
    return planned


def ends(planned: Sequence[Planned], minutes: float) -> list[float]:
    """Until when each fault's recovery is looked at: the next fault, or the end."""
    return [*(each.at_s for each in planned[1:]), minutes * 60][: len(planned)]
