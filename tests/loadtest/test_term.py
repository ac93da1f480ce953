"""A term of lessons: each life is well-formed, and nothing of it is lost between the bytes and SQL."""

from __future__ import annotations

import json
from typing import Any

import pytest

from loadtest.bench._report import Figure
from loadtest.term.life import TEACHER, life, numbers
from loadtest.term.run import figures_of, run
from signaling import wire
from signaling.codec import decode

WHOLE: dict[str, Any] = {
    "lived": 100, "verified": 100, "events": 6000, "lost": 0, "why": [], "elapsed_s": 3.6, "leftovers": 0,
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
    }
    assert (figures()["cpu_ms"].value, figures()["events_core_s"].value) == (20.0, 3000)
    assert figures(verified=99)["lessons"].met is False
    assert figures(lost=1, why=["lesson 3: gone"])["lost"].met is False
    assert figures(leftovers=1)["leftovers"].met is False
    assert figures_of(None, 100, "no Valkey")["lost"].note == "no Valkey"


@pytest.mark.long
@pytest.mark.timeout(900)
def test_two_thousand_lessons_are_lived_and_nothing_is_lost() -> None:
    report = run(2000, shards=2)
    assert report.figures["lessons"].value == 2000, report.to_json()
    assert report.figures["lost"].met
    assert report.figures["leftovers"].met
    assert json.loads(report.to_json())["figures"]["cpu_ms"]["value"] > 0
