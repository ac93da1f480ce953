"""A term of lessons: each life is well-formed, and nothing of it is lost between the bytes and SQL."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from loadtest.bench._report import Figure
from loadtest.term.life import TEACHER, life, numbers
from loadtest.term.progress import Done, read, write
from loadtest.term.replay import comparable
from loadtest.term.run import figures_of, run
from loadtest.term.shard import Kept, Orders
from signaling import wire
from signaling.codec import decode
from signaling.replica import Record

WHOLE: dict[str, Any] = {
    "redis_commands": 130.0,
    "repeated": 1, "verified": 100, "events": 6000, "lost": 0, "why": [], "elapsed_s": 3.6, "leftovers": 0,
    "valkey_cpu_ms": 4.0, "worker_cpu_ms": 1.0, "signalling_cpu_ms": 15.0,
}  # fmt: skip


@pytest.mark.parametrize("number", range(50))
def test_nobody_speaks_before_coming_or_after_leaving(number: int) -> None:
    lesson = life(number)
    here: set[int] = set()
    for step in lesson.steps:
        if step.what == "come":
            assert step.who not in here
            here.add(step.who)
            continue
        assert step.who in here
        assert TEACHER in here
        message = decode(step.frame)
        if step.what == "leave":
            assert isinstance(message, wire.Leave)
            here.remove(step.who)
        else:
            assert getattr(message, "id", 0) == step.number > 0
    assert isinstance(decode(lesson.steps[-1].frame), wire.End)


def test_a_life_is_the_same_for_its_number_and_seed() -> None:
    assert life(7, 1) == life(7, 1)
    assert len({life(7, seed).steps for seed in range(5)}) == 5
    sizes = [len(life(number).names) for number in range(200)]
    assert 23 < sum(sizes) / len(sizes) < 27


@pytest.mark.parametrize("shards", [1, 2, 3])
def test_shards_live_every_lesson_once(shards: int) -> None:
    lived = [number for shard in range(shards) for number in numbers(10, shard, shards)]
    assert sorted(lived) == list(range(10))


def figures(**changes: Any) -> dict[str, Figure]:
    return figures_of({**WHOLE, **changes}, 100)


def test_a_lost_lesson_or_a_key_left_over_is_a_miss() -> None:
    assert {name: figure.met for name, figure in figures().items() if figure.limit is not None} == {
        "lessons": True,
        "lost": True,
        "leftovers": True,
        "repeated": True,
    }
    assert (figures()["cpu_ms"].value, figures()["events_core_s"].value) == (20.0, 3000)
    assert figures(verified=99)["lessons"].met is False
    assert figures(lost=1, why=["lesson 3: gone"])["lost"].met is False
    assert figures(leftovers=1)["leftovers"].met is False
    assert figures(repeated=0)["repeated"].met is False
    assert figures_of(None, 100, "no Valkey")["lost"].note == "no Valkey"


def test_what_is_behind_one_is_kept_however_it_came(tmp_path: Path) -> None:
    kept = Kept(Orders(100, 1, 3), Done(1))
    for number in (4, 10, 1, 7, 16):
        kept.done.add(number, 3)
    assert (kept.done.until, kept.done.beyond) == (13, {16})
    assert [number for number in numbers(25, 1, 3) if number not in kept.done] == [13, 19, 22]
    assert read(tmp_path / "none.json", Kept) is None
    write(tmp_path / "kept.json", kept)
    assert read(tmp_path / "kept.json", Kept) == kept


def log(person: str, token: str, at_ms: int) -> list[Record]:
    who = {"name": "Student 1", "here": True}
    return [
        Record(1, "joined", at_ms, person, {f"person/{person}": who}),
        Record(2, "chat", at_ms, person, {f"chat/{at_ms:013d}-{token}": {"by": person, "text": "yes"}}),
        Record(3, "left", at_ms, None, {"stage": person}, (f"on/{person}/camera",)),
    ]


def test_logs_are_compared_without_what_differs_from_lesson_to_lesson() -> None:
    first, second = (
        log("p0aaaaa", "0123abcd", 1_796_000_000_000),
        log("p1bbbbb", "fedc3210", 1_796_000_009_999),
    )
    assert comparable(first) == comparable(second)
    assert comparable(first) != comparable(second[:2])
    assert comparable(first) != comparable([*second[:2], Record(3, "left", 1, None, {"stage": "another"})])
    louder = {"chat/1": {"by": "p1bbbbb", "text": "no"}}
    assert comparable(first) != comparable([second[0], Record(2, "chat", 1, "p1bbbbb", louder), second[2]])


@pytest.mark.spare
@pytest.mark.timeout(600)
def test_two_thousand_lessons_are_lived_and_nothing_is_lost() -> None:
    report = run(2000, shards=2)
    assert report.figures["lessons"].value == 2000, report.to_json()
    assert report.figures["lost"].met
    assert report.figures["leftovers"].met
    assert report.figures["repeated"].met
    assert json.loads(report.to_json())["figures"]["cpu_ms"]["value"] > 0


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_term_that_was_killed_goes_on_where_it_stopped(tmp_path: Path) -> None:
    zvonok = Path(sys.executable).with_name("zvonok")
    command = (str(zvonok), "loadtest", "term", "--lessons", "900", "--folder", str(tmp_path), "--json")
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True) as first:
        assert first.stderr is not None
        behind = next(line for line in first.stderr if re.search(r"shard \d: [1-9]", line))
        os.killpg(first.pid, signal.SIGKILL)
    second = subprocess.run(command, capture_output=True, text=True, check=True)
    found = json.loads(second.stdout.splitlines()[-1])
    assert found["figures"]["lessons"]["value"] == 900
    assert found["figures"]["lost"]["met"]
    assert found["figures"]["leftovers"]["met"]
    said = [int(line.split()[2]) for line in second.stderr.splitlines() if line.startswith(behind[:8])]
    assert said[0] >= int(behind.split()[2]), "what was behind it was not lived again"
    other = subprocess.run((*command[:4], "901", *command[5:]), capture_output=True, text=True, check=False)
    assert other.returncode == 2
    assert "another term" in other.stdout


@pytest.mark.long
@pytest.mark.timeout(3 * 3600)
def test_a_hundred_thousand_lessons_are_lived_and_nothing_is_lost() -> None:
    report = run(100_000, shards=2)
    assert report.figures["lessons"].met, report.to_json()
    assert all(report.figures[name].met for name in ("lost", "leftovers", "repeated"))
