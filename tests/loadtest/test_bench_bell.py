"""The bell's bench: what its figures say, and a small bell at a real server."""

from __future__ import annotations

from typing import Any

import pytest

from loadtest.bench.bell import figures_of, run

BELL: dict[str, Any] = {
    "what": "bell", "people": 500, "in": 500, "all_in_s": 3.2, "roster_p99_s": 0.1, "heard": 50,
    "sound_p99_s": 0.4, "picture_p99_s": 0.5, "flowing_p99_ms": 4.0, "late_s": 0.1, "generator_cpu": 0.5,
}  # fmt: skip


def test_figures_say_what_was_met() -> None:
    assert all(figure.met for figure in figures_of(BELL, "").values())
    slow = {**BELL, "all_in_s": 13.0, "roster_p99_s": 0.2, "sound_p99_s": 1.1, "picture_p99_s": 2.1}
    met = {name: figure.met for name, figure in figures_of({**slow, "flowing_p99_ms": 21.0}, "").items()}
    assert met == dict.fromkeys(met, False)
    assert len(met) == 5


@pytest.mark.parametrize(
    ("changed", "word"),
    [({"generator_cpu": 0.81}, "core"), ({"late_s": 0.6}, "late"), ({}, "no plane")],
)
def test_a_run_that_proves_nothing_gives_no_figure(changed: dict[str, float], word: str) -> None:
    figures = figures_of({**BELL, **changed} if changed else None, "" if changed else "no plane")
    assert all(figure.value is None and word in figure.note for figure in figures.values())


@pytest.mark.load
@pytest.mark.timeout(120)
def test_a_small_bell_brings_everybody_in_with_sound_and_picture() -> None:
    report = run(lessons=2, joins=12, with_media=6)
    assert report.rows, report.to_json()
    bell = report.rows[-1]
    assert (bell["in"], bell["heard"]) == (12, 2)
    assert bell["sound_p99_s"] > 0
    assert bell["picture_p99_s"] > 0
