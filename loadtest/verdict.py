"""From what happened to everybody to a verdict: objectives met, missed, or a run that is void. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from msgspec import Struct

from loadtest.meter import Usage
from loadtest.seats import Kind, Options

MET: Final = 0
MISSED: Final = 1
VOID: Final = 2
CPU_LIMIT: Final = 0.8
"""Share of what a process of the generator may use, above which its own times are not to be trusted."""
PROCESS_CORES: Final = 1.0
"""What a process of the generator may use: its threads share one interpreter lock."""
ROSTER_MS: Final = 150.0
SOUND_S: Final = 1.0
PICTURE_S: Final = 2.0


class Sample(Struct, frozen=True):
    """One thing that was done or waited for, and how long it took; ``error`` when it failed."""

    kind: str
    ms: float
    error: str = ""


class Outcome(Struct, frozen=True, kw_only=True):
    """How it went for one person. ``late_ms``: how much later than ``at_s`` the generator let them come.

    ``dropped``: why their connection ended before they left, empty when it did not.
    """

    number: int
    kind: Kind
    media: bool
    at_s: float
    late_ms: float = 0.0
    came_in: bool = False
    dropped: str = ""
    samples: tuple[Sample, ...] = ()


class Objective(Struct, frozen=True):
    """A figure and what it had to be. ``value`` None: there is none, and ``met`` says whether that is a miss
    (False) or nobody asked for it (None)."""

    value: float | None
    limit: float
    unit: str
    met: bool | None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a run says. ``void`` lists why it proves nothing; ``times``: kind -> n, and p50 to p100 in ms."""

    objectives: Mapping[str, Objective]
    void: Sequence[str]
    times: Mapping[str, Mapping[str, float]]
    errors: Mapping[str, int]
    generator: Mapping[str, Any]

    @property
    def exit_code(self) -> int:
        """0 all met, 1 one missed, 2 void."""
        if self.void:
            return VOID
        return MISSED if any(each.met is False for each in self.objectives.values()) else MET


def percentile(values: Sequence[float], percent: float) -> float | None:
    """The smallest value that so many percent do not exceed (nearest rank); None of nothing."""
    if not values:
        return None
    return sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)]


def judge(
    options: Options,
    outcomes: Sequence[Outcome],
    usages: Sequence[Usage],
    *,
    leftovers: int,
    swept: int,
    void: Sequence[str] = (),
) -> Verdict:
    """``leftovers`` are lessons that could not be ended, ``swept`` those that their teachers had not."""
    students = [outcome for outcome in outcomes if outcome.kind == "student"]
    errors = Counter(
        f"{sample.kind}: {sample.error}" for outcome in outcomes for sample in outcome.samples if sample.error
    )
    if len(outcomes) < options.people:
        errors["never heard of again"] += options.people - len(outcomes)
    if swept:
        errors["lesson not ended by its teacher"] += swept
    dropped = Counter(outcome.dropped for outcome in outcomes if outcome.dropped)
    in_count = sum(outcome.came_in for outcome in outcomes)
    media_wanted = options.media > 0 and options.students > 0
    busiest = max((usage.cores / PROCESS_CORES for usage in usages), default=0.0)
    reasons = list(void)
    if busiest > CPU_LIMIT:
        reasons.append(f"the generator took {busiest:.0%} of what it may use (limit {CPU_LIMIT:.0%})")
    return Verdict(
        objectives={
            "all_in_percent": Objective(
                100.0 * in_count / options.people,
                100.0,
                "%",
                in_count == options.people,
                f"{in_count} of {options.people} people",
            ),
            "roster_p99_ms": _time(students, "roster", 1.0, ROSTER_MS, "ms", wanted=options.students > 0),
            "sound_p99_s": _time(students, "first_sound", 1000.0, SOUND_S, "s", wanted=media_wanted),
            "picture_p99_s": _time(students, "first_picture", 1000.0, PICTURE_S, "s", wanted=media_wanted),
            "errors": _none_of(errors.total(), ""),
            "dropped": _none_of(dropped.total(), "people"),
            "leftovers": _none_of(leftovers, "lessons"),
        },
        void=reasons,
        times=_times(outcomes),
        errors=dict((errors + Counter({f"dropped: {why}": n for why, n in dropped.items()})).most_common()),
        generator={
            "cores": sum(usage.cores for usage in usages),
            "busiest_share": busiest,
            "limit": CPU_LIMIT,
            "late_p99_ms": percentile([outcome.late_ms for outcome in outcomes], 99),
            "all_in_s": _all_in_s(outcomes),
            "processes": [
                {
                    "name": usage.name,
                    "seconds": usage.seconds,
                    "cores": usage.cores,
                    "peak": usage.peak,
                    "lag_ms": usage.lag_ms,
                }
                for usage in usages
            ],
        },
    )


def _values(outcomes: Sequence[Outcome], kind: str) -> list[float]:
    return [
        sample.ms
        for outcome in outcomes
        for sample in outcome.samples
        if sample.kind == kind and not sample.error
    ]


def _none_of(count: int, unit: str) -> Objective:
    return Objective(float(count), 0.0, unit, count == 0)


def _time(
    outcomes: Sequence[Outcome], kind: str, ms_a_unit: float, limit: float, unit: str, *, wanted: bool
) -> Objective:
    if not wanted:
        return Objective(None, limit, unit, met=None, note="not measured: nobody was asked to")
    values = _values(outcomes, kind)
    found = percentile(values, 99)
    if found is None:
        return Objective(None, limit, unit, met=False, note="never came")  # nobody got so far
    note = f"of {len(values)}" + ", so the slowest" * (len(values) < 100)
    return Objective(found / ms_a_unit, limit, unit, found / ms_a_unit <= limit, note)


def _times(outcomes: Sequence[Outcome]) -> dict[str, dict[str, float]]:
    kinds = dict.fromkeys(sample.kind for outcome in outcomes for sample in outcome.samples)
    found: dict[str, dict[str, float]] = {}
    for kind in kinds:
        values = _values(outcomes, kind)
        found[kind] = {"n": float(len(values))} | {
            f"p{percent}": percentile(values, percent) or 0.0 for percent in (50, 95, 99, 100) if values
        }
    return found


def _all_in_s(outcomes: Sequence[Outcome]) -> float | None:
    """From the bell until the last who came in was in."""
    return max(
        (
            outcome.at_s + (outcome.late_ms + roster) / 1000
            for outcome in outcomes
            if outcome.came_in
            for roster in _values([outcome], "roster")
        ),
        default=None,
    )
