"""How long recovery took: from what was heard, welcomed and answered to rows and figures. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from loadtest.bench._report import Figure
from loadtest.chaos.invariants import Stretch
from loadtest.chaos.schedule import Fault, Planned
from loadtest.verdict import percentile

Kind = Literal["lost", "owners", "fault"]
"""Of a violation: in what clients got, of the one owner, or a part that did not come back."""
PAUSE_S: Final = 0.2
"""Sound that pauses longer has stopped."""
CUT_BY_S: Final = 0.4
"""Who hears nothing so long after a fault was cut off by it."""
STEADY_S: Final = 1.0
"""Sound is back when it lasts so long."""
PACKETS_A_SECOND: Final = 50
VOID_ABOVE: Final = 0.8
NEVER_S: Final = float("inf")


@dataclass(slots=True)
class Hearing:
    """What one listener heard: ``heard`` with every piece of sound."""

    stretches: list[Stretch] = field(default_factory=list)

    def heard(self, lease: int, at_s: float) -> None:
        """A piece of sound over a connection of this lease."""
        last = self.stretches[-1] if self.stretches else None
        if last is not None and last.lease == lease and at_s - last.last_s <= PAUSE_S:
            last.last_s = at_s
        else:
            self.stretches.append(Stretch(lease, at_s, at_s))


def silent_s(stretches: Sequence[Stretch], at_s: float, until_s: float) -> float:
    """From a fault until sound is back for good; 0 for who was not cut off, NEVER_S if it is not by then."""
    joined: list[tuple[float, float]] = []
    for stretch in stretches:
        if joined and stretch.first_s - joined[-1][1] <= PAUSE_S:
            joined[-1] = (joined[-1][0], max(joined[-1][1], stretch.last_s))
        else:
            joined.append((stretch.first_s, stretch.last_s))
    cut_s = at_s + CUT_BY_S
    if any(first_s <= cut_s <= last_s for first_s, last_s in joined):
        return 0.0
    back = [
        first_s
        for first_s, last_s in joined
        if cut_s < first_s <= until_s and (last_s - first_s >= STEADY_S or last_s >= until_s)
    ]
    return min(back) - at_s if back else NEVER_S


def first_after(times_s: Sequence[float], at_s: float, until_s: float) -> float:
    """The first of these times after a moment, as a distance from it; NEVER_S when there is none."""
    return min((each for each in times_s if at_s < each <= until_s), default=NEVER_S) - at_s


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that was carried out: when it was sent and when the reply came."""

    sent_s: float
    done_s: float


@dataclass(slots=True)
class Happened:
    """One planned fault as it was. ``cut``: listeners whose lesson was at the killed or stopped worker;
    ``redis_back_s``: when Redis answered again; ``registered_s``: when it had every
    lesson again; ``lost``: packets that listeners missed by the next one."""

    planned: Planned
    at_s: float
    until_s: float = NEVER_S
    cut: frozenset[str] = frozenset()
    redis_back_s: float | None = None
    registered_s: float | None = None
    lost: int = 0


@dataclass(frozen=True, slots=True)
class Told:
    """All that was noted: by listener, by client, by lesson."""

    heard: Mapping[str, Sequence[Stretch]]
    welcomed_s: Mapping[str, Sequence[float]]
    asked: Mapping[str, Sequence[Asked]]


@dataclass(frozen=True, slots=True)
class Recovery:
    """Seconds from one fault until everything worked. ``sound_s``: by listener who was cut off."""

    name: str
    at_s: float
    sound_s: Mapping[str, float]
    welcome_s: float | None
    command_s: float
    redis_s: float | None
    registered_s: float | None
    lost: int


def recovery(one: Happened, told: Told) -> Recovery:
    """How long everything took after one fault."""
    sound = {name: silent_s(stretches, one.at_s, one.until_s) for name, stretches in told.heard.items()}
    faults = one.planned.faults
    restarted = Fault.SIGNALLING_KILLED in faults
    # A request that was under way can still be answered when it was carried out before the kill.
    command_s = max(
        first_after([ask.done_s for ask in asked if ask.sent_s > one.at_s], one.at_s, one.until_s)
        for asked in told.asked.values()
    )
    redis_s = None
    if Fault.REDIS_KILLED in faults:
        redis_s = NEVER_S
        if one.redis_back_s is not None:
            redis_s = max(
                first_after([ask.done_s for ask in asked], one.redis_back_s, one.until_s)
                for asked in told.asked.values()
            )
    registered_s = None
    if Fault.REDIS_EMPTIED in faults:
        registered_s = NEVER_S if one.registered_s is None else one.registered_s - one.at_s
    return Recovery(
        one.planned.name,
        one.at_s,
        {name: value for name, value in sound.items() if value > 0 or name in one.cut},
        max(first_after(times, one.at_s, one.until_s) for times in told.welcomed_s.values())
        if restarted
        else None,
        command_s,
        redis_s,
        registered_s,
        one.lost,
    )


def not_heard(recoveries: Sequence[Recovery]) -> list[str]:
    """Faults after which somebody heard nothing until the next one."""
    return [
        f"{each.name}: {', '.join(deaf)} heard nothing until the next fault"
        for each in recoveries
        if (deaf := sorted(name for name, value in each.sound_s.items() if value == NEVER_S))
    ]


def rows(recoveries: Sequence[Recovery], began_s: float) -> list[dict[str, Any]]:
    """A line a fault; None where there is nothing to wait for, "never" where it did not come back."""
    return [
        {
            "at_s": round(each.at_s - began_s, 1),
            "fault": each.name,
            "silenced": len(each.sound_s),
            "sound_back_s": _shown(max(each.sound_s.values(), default=None)),
            "welcome_s": _shown(each.welcome_s),
            "command_s": _shown(each.command_s),
            "after_redis_s": _shown(each.redis_s),
            "registered_s": _shown(each.registered_s),
            "packets_lost": each.lost,
        }
        for each in recoveries
    ]


def _shown(value: float | None) -> float | str | None:
    if value is None:
        return None
    return "never" if value == NEVER_S else round(value, 2)


def figures(recoveries: Sequence[Recovery], violated: Mapping[Kind, int], void: str) -> dict[str, Figure]:
    """Times of faults that came alone; of pairs the rows tell. A figure is empty where none was drawn, and
    all times are where the run is ``void``. ``violated``: how often which kind of invariant was."""

    def alone(fault: Fault) -> list[Recovery]:
        return [each for each in recoveries if each.name == fault]

    def timed(values: Sequence[float], percent: float, limit: float, what: str, why: str) -> Figure:
        found = percentile(values, percent)
        if void or found is None:
            return Figure(None, limit, "s", void or why)
        if found == NEVER_S:
            return Figure(None, limit, "s", "not back before the next fault; see the rows")
        return Figure(round(found, 2), limit, "s", f"of {len(values)} {what}")

    kinds = (Fault.WORKER_KILLED, Fault.SIGNALLING_KILLED, Fault.REDIS_KILLED, Fault.REDIS_EMPTIED)
    worker, signalling, redis, emptied = (alone(fault) for fault in kinds)
    sound = [value for each in worker for value in each.sound_s.values()]
    no_sound = "no worker was killed alone" if not worker else "nobody listened at the worker that was killed"
    signalling_s = [max(each.welcome_s or 0.0, each.command_s) for each in signalling]
    redis_s = [each.redis_s for each in redis if each.redis_s is not None]
    registered_s = [each.registered_s for each in emptied if each.registered_s is not None]
    return {
        "sound_back_p95_s": timed(sound, 95, 5, "listeners who were cut off", no_sound),
        "sound_back_p99_s": timed(sound, 99, 8, "listeners who were cut off", no_sound),
        "signalling_back_s": timed(
            signalling_s, 100, 3, "kills, the slowest", "signalling was not killed alone"
        ),
        "signalling_lost": Figure(
            sum(each.lost for each in signalling) if signalling and not void else None,
            0,
            "packets",
            void or ("" if signalling else "signalling was not killed alone"),
        ),
        "redis_resume_s": timed(redis_s, 100, 5, "kills, the slowest", "redis was not killed alone"),
        "reregister_s": timed(
            registered_s, 100, 10, "times emptied, the slowest", "redis was not emptied alone"
        ),
        "double_owners": Figure(violated.get("owners", 0), 0, ""),
        "lost": Figure(
            violated.get("lost", 0), 0, "", "of what clients were told: events, chat, people; of recordings"
        ),
        "not_back": Figure(
            violated.get("fault", 0),
            0,
            "",
            "parts that were not there, sound that was not back before the next fault",
        ),
    }
