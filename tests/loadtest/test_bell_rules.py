"""A bell's arithmetic: who comes when, what the generator may take, what the objectives say."""

from __future__ import annotations

import time
from html.parser import HTMLParser
from random import Random
from typing import Any

import msgspec
import pytest

from loadtest import report
from loadtest.director import CallFailed, Director
from loadtest.meter import TICK_S, Meter, Usage
from loadtest.seats import Options, Place, seats, student_arrivals, teacher_arrivals
from loadtest.verdict import MET, MISSED, VOID, Outcome, Sample, judge, percentile

OPTIONS = Options(lessons=2, students=3, media=1, seed=5)
PLACES = [Place(f"l{n}", f"http://x/l/t{n}", f"http://x/l/s{n}", {"teacher": str(n)}) for n in range(2)]
CALM = [Usage("fleet", 5.0, 0.5, 0.9, 3.0)]


def outcomes(options: Options = OPTIONS, roster_ms: float = 100.0) -> list[Outcome]:
    """Everybody did well."""
    found = []
    for seat in seats(options, "http://x", PLACES):
        samples = [Sample("join", 5.0), Sample("roster", roster_ms)]
        if seat.media and seat.kind == "student":
            samples += [Sample("first_sound", 900.0), Sample("first_picture", 1900.0)]
        found.append(
            Outcome(
                number=seat.number,
                kind=seat.kind,
                weight=seat.weight,
                at_s=seat.at_s,
                came_in=True,
                samples=tuple(samples),
            )
        )
    return found


def changed(index: int, **fields: Any) -> list[Outcome]:
    """Everybody did well, but for one."""
    found = outcomes()
    found[index] = msgspec.structs.replace(found[index], **fields)
    return found


# --- arrivals ------------------------------------------------------------------------------------------


def test_arrivals_have_the_shape_that_is_documented() -> None:
    arrivals = sorted(student_arrivals(20_000, 10.0, Random(1)))
    assert arrivals[0] >= -1.0
    assert arrivals[-1] <= 30.0
    assert sum(at < 0 for at in arrivals) / len(arrivals) == pytest.approx(0.062, abs=0.01)
    assert arrivals[10_000] == pytest.approx(3.2, abs=0.15)
    assert arrivals[19_000] == pytest.approx(10.9, abs=0.4)
    seconds = [sum(second <= at < second + 1 for at in arrivals) for second in range(-1, 15)]
    assert seconds.index(max(seconds)) in (2, 3), (
        "the peak is in the second or third second of a spread of 10"
    )


def test_teachers_come_before_the_bell() -> None:
    arrivals = teacher_arrivals(1000, 8.0, Random(1))
    assert min(arrivals) >= -8.0
    assert max(arrivals) <= -2.0


def test_one_seed_is_one_school() -> None:
    assert seats(OPTIONS, "http://x", PLACES) == seats(OPTIONS, "http://x", PLACES)
    other = msgspec.structs.replace(OPTIONS, seed=6)
    assert seats(other, "http://x", PLACES) != seats(OPTIONS, "http://x", PLACES)


def test_everybody_has_a_seat_of_their_own() -> None:
    everybody = seats(OPTIONS, "http://x", PLACES)
    assert [seat.number for seat in everybody] == list(range(8))
    assert [seat.kind for seat in everybody] == ["teacher"] * 2 + ["student"] * 6
    assert [seat.link for seat in everybody if seat.kind == "student"] == ["http://x/l/s0"] * 3 + [
        "http://x/l/s1"
    ] * 3
    assert sum(seat.media for seat in everybody) == 2 + 2
    assert len({seat.name for seat in everybody if seat.kind == "student"}) == 6
    assert all(not seat.cookies for seat in everybody if seat.kind == "student")
    for teacher, students in zip(everybody[:2], (everybody[2:5], everybody[5:]), strict=True):
        last_s = max(seat.at_s for seat in students) + OPTIONS.stay_s
        assert teacher.at_s + teacher.until_s == pytest.approx(last_s)


@pytest.mark.parametrize(
    "fields",
    [
        {"lessons": 0},
        {"students": 0},
        {"media": 11},
        {"media": -1},
        {"listeners": 9},
        {"bells": 0},
        {"kill_s": -1.0},
        {"spread_s": 0.0},
        {"stay_s": -1.0},
    ],
)
def test_a_bell_that_cannot_be_is_named(fields: dict[str, Any]) -> None:
    assert Options(**fields).fault()
    assert not Options().fault()


# --- the generator's own cost -----------------------------------------------------------------------------


def metered(*cpu_s: float) -> Meter:
    """A process whose CPU time read this, a tick apart."""
    meter = Meter()
    for number, cpu in enumerate(cpu_s):
        meter.tick(number * TICK_S, cpu)
    return meter


def test_usage_is_cpu_over_the_asked_time_only() -> None:
    busy_late = metered(*([0.0] * 11), *(TICK_S * n for n in range(1, 21)))
    assert busy_late.usage("x", 0.0, 1.05).cores == pytest.approx(0.0)
    assert busy_late.usage("x", 0.95, 3.05).cores == pytest.approx(1.0, abs=0.01)
    whole = busy_late.usage("x", 0.0, 9.0)
    assert whole.cores == pytest.approx(2 / 3, abs=0.01)
    assert whole.peak == pytest.approx(1.0, abs=0.02)
    assert busy_late.usage("x", 50.0, 60.0) == Usage("x", 0.0, 0.0, 0.0, 0.0)


def test_lag_is_how_late_a_tick_was() -> None:
    meter = metered(0.0, 0.0)
    meter.tick(2 * TICK_S + 0.25, 0.0)
    assert meter.usage("x", 0.0, 9.0).lag_ms == pytest.approx(250)


# --- the verdict -----------------------------------------------------------------------------------------


def test_percentiles_are_by_nearest_rank() -> None:
    values = [float(n) for n in range(1, 201)]
    assert percentile(values, 50) == 100
    assert percentile(values, 99) == 198
    assert percentile(values[:10], 99) == 10
    assert percentile([], 99) is None


def test_all_is_met_when_all_went_well() -> None:
    verdict = judge(OPTIONS, outcomes(), CALM, leftovers=0, swept=0)
    assert verdict.exit_code == MET
    assert {name: objective.value for name, objective in verdict.objectives.items()} == {
        "all_in_percent": 100.0,
        "roster_p99_ms": 100.0,
        "sound_p99_s": 0.9,
        "picture_p99_s": 1.9,
        "errors": 0.0,
        "dropped": 0.0,
        "leftovers": 0.0,
    }


@pytest.mark.parametrize(
    ("found", "left", "missed"),
    [
        (changed(7, came_in=False), 0, {"all_in_percent"}),
        (outcomes()[:-1], 0, {"all_in_percent", "errors"}),
        (outcomes(roster_ms=150.5), 0, {"roster_p99_ms"}),
        (
            changed(2, samples=(Sample("first_sound", 1001.0), Sample("first_picture", 9.0))),
            0,
            {"sound_p99_s"},
        ),
        (
            changed(2, samples=(Sample("first_sound", 9.0), Sample("first_picture", 2001.0))),
            0,
            {"picture_p99_s"},
        ),
        (changed(3, samples=(Sample("chat", 3.0, "refused: rate_limited"),)), 0, {"errors"}),
        (changed(4, dropped="the WebSocket was lost"), 0, {"dropped"}),
        (outcomes(), 1, {"leftovers"}),
    ],
)
def test_each_objective_can_be_missed(found: list[Outcome], left: int, missed: set[str]) -> None:
    verdict = judge(OPTIONS, found, CALM, leftovers=left, swept=0)
    assert {name for name, objective in verdict.objectives.items() if objective.met is False} == missed
    assert verdict.exit_code == MISSED


def test_what_was_asked_for_and_never_came_is_missed() -> None:
    found = [msgspec.structs.replace(each, samples=()) for each in outcomes()]
    verdict = judge(OPTIONS, found, CALM, leftovers=0, swept=0)
    assert verdict.objectives["sound_p99_s"].met is False
    assert verdict.objectives["roster_p99_ms"].met is False
    without = msgspec.structs.replace(OPTIONS, media=0)
    assert judge(without, outcomes(), CALM, leftovers=0, swept=0).objectives["sound_p99_s"].met is None


def test_a_teacher_who_did_not_end_the_lesson_is_an_error() -> None:
    verdict = judge(OPTIONS, outcomes(), CALM, leftovers=0, swept=1)
    assert verdict.objectives["errors"].value == 1
    assert verdict.objectives["leftovers"].met


@pytest.mark.parametrize(("cores", "exit_code"), [(0.80, MET), (0.81, VOID)])
def test_a_generator_that_is_too_busy_proves_nothing(cores: float, exit_code: int) -> None:
    usages = [*CALM, Usage("other", 5.0, cores, 1.0, 90.0)]
    assert judge(OPTIONS, outcomes(), usages, leftovers=0, swept=0).exit_code == exit_code


def test_void_comes_before_missed() -> None:
    verdict = judge(OPTIONS, [], [], leftovers=2, swept=0, void=["nothing was there"])
    assert verdict.exit_code == VOID
    assert "VOID: nothing was there" in report.table(verdict)


# --- the reports --------------------------------------------------------------------------------------------


class Addresses(HTMLParser):
    """Everything in a page that makes a browser ask somebody."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.found += [value or "" for name, value in attrs if name in ("src", "href", "action", "data")]


def test_the_page_asks_nobody_and_shows_words_as_words() -> None:
    found = changed(3, samples=(Sample("chat", 3.0, "<script>alert(1)</script>"),))
    verdict = judge(OPTIONS, found, CALM, leftovers=0, swept=0)
    everything = report.as_json(verdict, OPTIONS, "http://x", {each.number: each for each in found})
    assert everything == msgspec.json.decode(msgspec.json.encode(everything))
    page = Addresses()
    page.feed(report.page(everything))
    assert page.found == []
    assert not {"script", "link", "img", "iframe"} & set(page.tags)
    assert "rect" in page.tags


def test_the_json_says_how_it_was_measured() -> None:
    found = outcomes()
    verdict = judge(OPTIONS, found, CALM, leftovers=0, swept=0)
    said = report.as_json(verdict, OPTIONS, "http://x", {each.number: each for each in found})
    assert said["exit_code"] == 0
    assert said["seed"] == 5
    assert said["generator_cpu"] == 0.5
    assert said["method"]["lessons"] == 2
    assert len(said["method"]["arrivals_s"]) == 6
    assert said["times_ms"]["roster"] == {"n": 8, "p50": 100, "p95": 100, "p99": 100, "p100": 100}
    assert {"machine", "versions", "commit", "objectives"} <= said.keys()


# --- the director -------------------------------------------------------------------------------------------


class School:
    """Stands for the fleet and for those who run users."""

    def __init__(self, fails: str = "") -> None:
        self.fails = fails
        self.sent: list[tuple[str, Any]] = []

    def call(self, what: str, **_: Any) -> Any:
        if what == self.fails:
            raise CallFailed("no such server")
        return msgspec.to_builtins(PLACES) if what == "prepare" else {"swept": 0, "left": 0}

    def send(self, kind: str, data: Any, node: str) -> None:
        assert kind == "bell_seat"
        self.sent.append((node, data))


def begun(school: School, *, keys: tuple[str, ...] = ("key",)) -> Director:
    director = Director(OPTIONS, school.call, school.send)
    assert not director.over
    director.begin("http://x", keys)
    return director


def test_seats_are_given_when_the_last_user_is_there() -> None:
    school = School()
    director = begun(school)
    for _ in range(2):
        director.ask("teacher", "one")
    for _ in range(5):
        director.ask("student", "two")
    assert school.sent == []
    director.ask("student", "one")
    assert sorted(data["seat"]["number"] for _, data in school.sent) == list(range(8))
    assert {node for node, data in school.sent if data["kind"] == "teacher"} == {"one"}
    assert min(data["in_s"] for _, data in school.sent) > 0, "nobody is late before they know it"
    director.ask("student", "three")
    assert school.sent[-1] == ("three", {"kind": "student", "seat": None, "in_s": 0.0})


def test_a_run_is_over_when_everybody_and_every_node_has_told() -> None:
    director = begun(School())
    for seat in seats(OPTIONS, "http://x", PLACES):
        director.ask(seat.kind, "one")
    over = []
    for outcome in outcomes():
        over.append(director.over)
        director.heard(msgspec.to_builtins(outcome), "one")
    assert over == [False] * 8
    over.append(director.over)
    director.used(msgspec.to_builtins(CALM), "", "one")
    over.append(director.over)
    assert over[8:] == [False, True]
    assert director.conclude().exit_code == MET
    assert director.conclude() is director.verdict


def test_users_who_never_come_are_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    school = School()
    director = begun(school)
    director.ask("teacher", "one")
    director.look()
    assert school.sent == []
    now_s = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now_s + 61)
    director.look()
    assert len(school.sent) == 1


@pytest.mark.parametrize(
    ("school", "keys", "says"),
    [(School("prepare"), ("key",), "no such server"), (School(), (), "no teacher's key")],
)
def test_without_lessons_there_is_nothing_to_judge(school: School, keys: tuple[str, ...], says: str) -> None:
    director = begun(school, keys=keys)
    assert director.over
    verdict = director.conclude()
    assert verdict.exit_code == VOID
    assert says in verdict.void[0]


def test_a_run_that_was_cut_short_or_lost_a_fleet_is_void() -> None:
    assert begun(School()).conclude().exit_code == VOID
    director = begun(School("sweep"))
    director.used([], "the fleet is gone", "one")
    verdict = director.conclude()
    assert any("the fleet is gone" in reason for reason in verdict.void)
    assert verdict.objectives["leftovers"].value == 2
