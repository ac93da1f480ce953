"""From what happened to everybody to a verdict: objectives met, missed, or a run that is void. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from msgspec import Struct, structs

from loadtest.continuity import Heard, total
from loadtest.meter import Usage
from loadtest.scenario import SCENARIOS, Limits
from loadtest.seats import Kind, Options, Weight

MET: Final = 0
MISSED: Final = 1
VOID: Final = 2
CPU_LIMIT: Final = 0.8
"""Share of what a process of the generator may use, above which its own times are not to be trusted."""
PROCESS_CORES: Final = 1.0
"""What a process of the generator may use: its threads share one interpreter lock."""
MEDIA_FLEET: Final = "fleet media"
"""How the processes are called in which people with media sit."""


class Sample(Struct, frozen=True):
    """One thing that was done or waited for, and how long it took; ``error`` when it failed."""

    kind: str
    ms: float
    error: str = ""


class Outcome(Struct, frozen=True, kw_only=True):
    """How it went for one person. ``late_ms``: how much later than ``at_s`` the generator let them come.

    ``dropped``: why their connection ended before they left, empty when it did not. ``heard``: of listeners.
    """

    number: int
    kind: Kind
    weight: Weight
    at_s: float
    late_ms: float = 0.0
    came_in: bool = False
    dropped: str = ""
    heard: Heard | None = None
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
    people = options.people
    if len(outcomes) < people:
        errors["never heard of again"] += people - len(outcomes)
    if swept:
        errors["lesson not ended by its teacher"] += swept
    dropped = Counter(outcome.dropped for outcome in outcomes if outcome.dropped)
    in_count = sum(outcome.came_in for outcome in outcomes)
    limits = SCENARIOS[options.scenario].limits
    if limits.sound_back_s is None:  # nobody kills a worker: media that was moved was lost
        moved = sum(bool(outcome.heard and outcome.heard.moves) for outcome in outcomes)
        dropped += Counter({"the server lost the media": moved})
    media_wanted = options.media + options.listeners > 0
    busiest = max((usage.cores / PROCESS_CORES for usage in usages), default=0.0)
    reasons = list(void)
    if busiest > CPU_LIMIT:
        reasons.append(f"the generator took {busiest:.0%} of what it may use (limit {CPU_LIMIT:.0%})")
    return Verdict(
        objectives={
            "all_in_percent": Objective(
                100.0 * in_count / people,
                100.0,
                "%",
                in_count == people,
                f"{in_count} of {people} people",
            ),
            "roster_p99_ms": _time(students, "roster", 1.0, limits.roster_ms, "ms"),
            "sound_p99_s": _time(students, "first_sound", 1000.0, limits.sound_s, "s", wanted=media_wanted),
            "picture_p99_s": _time(
                students, "first_picture", 1000.0, limits.picture_s, "s", wanted=media_wanted
            ),
            **(_heard(students, limits) if options.listeners else {}),
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
            "media": _media_cost(options, outcomes, usages),
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
    outcomes: Sequence[Outcome],
    kind: str,
    ms_a_unit: float,
    limit: float,
    unit: str,
    *,
    percent: int = 99,
    wanted: bool = True,
) -> Objective:
    if not wanted:
        return Objective(None, limit, unit, met=None, note="not measured: nobody was asked to")
    values = _values(outcomes, kind)
    found = percentile(values, percent)
    if found is None:
        return Objective(None, limit, unit, met=False, note="never came")  # nobody got so far
    note = f"of {len(values)}" + ", so the slowest" * (math.ceil(len(values) * percent / 100) == len(values))
    return Objective(found / ms_a_unit, limit, unit, found / ms_a_unit <= limit, note)


def _heard(students: Sequence[Outcome], limits: Limits) -> dict[str, Objective]:
    """What listeners' counts come to."""
    heard = [student.heard for student in students if student.heard is not None]
    sound, picture = total(each.sound for each in heard), total(each.picture for each in heard)
    found = {}
    for name, count, limit in (
        ("sound_lost_percent", sound, limits.sound_lost_percent),
        ("picture_lost_percent", picture, limits.picture_lost_percent),
    ):
        note = f"{count.lost} of {count.lost + count.received} packets"
        note += f", {count.repaired} were repaired" * (count.repaired > 0)
        met = count.received > 0 and count.lost_percent <= limit
        found[name] = Objective(count.lost_percent, limit, "%", met, note)
    if limits.out_of_order is not None:
        both = total((sound, picture))
        wrong = float(both.duplicates + both.reordered)
        note = f"{both.duplicates} came twice, {both.reordered} after a later one" if wrong else ""
        found["out_of_order"] = Objective(
            wrong, limits.out_of_order, "packets", wrong <= limits.out_of_order, note
        )
    moved = bool(heard) and all(each.moves for each in heard)
    found["pause_p99_s"] = (
        Objective(None, limits.pause_s, "s", met=None, note="everybody's media was moved")
        if moved
        else _time(students, "sound_pause", 1000.0, limits.pause_s, "s")
    )
    if limits.sound_back_s is not None:
        back = _time(students, "sound_back", 1000.0, limits.sound_back_s, "s", percent=95)
        silent = sum(
            bool(each.error) for student in students for each in student.samples if each.kind == "sound_back"
        )
        if silent:
            back = structs.replace(back, met=False, note=f"{silent} hear nothing still")
        found["sound_back_p95_s"] = back
    return found


def _media_cost(options: Options, outcomes: Sequence[Outcome], usages: Sequence[Usage]) -> dict[str, Any]:
    """What people with media cost the generator, each: ms of CPU a second. None without any, and where they
    come and go by the bell."""
    people = Counter(outcome.weight for outcome in outcomes if outcome.weight != "signalling")
    cores = sum(usage.cores for usage in usages if usage.name.startswith(MEDIA_FLEET))
    return {
        "people": dict(people),
        "cpu_ms_s": 1000 * cores / people.total() if people and options.bells == 1 else None,
    }


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
