"""The bench of a lesson: what its figures say, and a small lesson at a real server."""

from __future__ import annotations

from typing import Any

import pytest

from loadtest.bench.lesson import figures_of, run

ROWS: list[dict[str, Any]] = [
    {"what": "few", "people": 7, "events": 720, "signalling_ms": 1.0, "generator_cpu": 0.1},
    {"what": "all", "people": 37, "events": 720, "signalling_ms": 1.4, "generator_cpu": 0.2, "memory_kib": 9},
    {"what": "ink", "people": 37, "arrived": 0.995, "p50_ms": 3.0, "p99_ms": 20.0, "generator_cpu": 0.1},
    {"what": "log", "events": 9, "log_kib": 600.0, "state_kib": 500.0},
]


def test_figures_say_what_was_met() -> None:
    figures = figures_of(ROWS, 30, "")
    assert figures["fanout_ms"].value == pytest.approx(0.4)
    assert (figures["fanout_ms"].met, figures["ink_p99_ms"].met) == (True, True)
    slow = [ROWS[0], {**ROWS[1], "signalling_ms": 1.6}, {**ROWS[2], "p99_ms": 151.0}, ROWS[3]]
    figures = figures_of(slow, 30, "")
    assert (figures["fanout_ms"].met, figures["ink_p99_ms"].met) == (False, False)


@pytest.mark.parametrize(
    ("at", "changed", "key", "word"),
    [
        (1, {"generator_cpu": 0.81}, "fanout_ms", "core"),
        (2, {"generator_cpu": 0.81}, "ink_p99_ms", "core"),
        (2, {"arrived": 0.98}, "ink_p99_ms", "never came"),
    ],
)
def test_a_run_that_proves_nothing_gives_no_figure(
    at: int, changed: dict[str, float], key: str, word: str
) -> None:
    rows = [{**row, **changed} if place == at else row for place, row in enumerate(ROWS)]
    figure = figures_of(rows, 30, "")[key]
    assert figure.value is None
    assert word in figure.note
    assert all(
        each.value is None and each.note == "no server" for each in figures_of([], 30, "no server").values()
    )


@pytest.mark.load
@pytest.mark.timeout(120)
def test_a_small_lesson_is_taught_and_its_ink_arrives() -> None:
    report = run(people=4, strokes=4, seconds=2, minutes=2)
    assert len(report.rows) == 4, report.to_json()
    few, everybody, ink, log = report.rows
    assert (few["people"], everybody["people"]) == (7, 11)
    assert ink["arrived"] > 0.9
    assert log["events"] > 2 * 20
