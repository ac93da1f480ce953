"""The network's bench: it runs, small, on both planes, and says when it proves nothing."""

from __future__ import annotations

from typing import Any

import pytest

from loadtest.bench import network
from loadtest.bench._report import Figure
from loadtest.network import CLEAN

ROW = {"numbers": 2000, "soon_percent": 99.95, "ever_percent": 100.0, "p99_ms": 190.0, "generator_cpu": 0.1}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("plane", ["native", "reference"])
def test_a_bad_line_is_repaired_and_the_others_are_left_alone(plane: str) -> None:
    profiles = (network.Profile("clean", CLEAN), network.Profile("10 %, 50 ms", network.bad(0.1)))
    report = network.run(profiles=profiles, publishers=network.PUBLISHERS[:1], plane=plane, seconds=6.0)
    clean, lossy = report.rows
    assert (clean["soon_percent"], clean["asked"], clean["repairs"]) == (100, 0, 0), report.to_json()
    assert lossy["asked"] > 20
    assert lossy["repairs"] > 20
    assert lossy["soon_percent"] > 97
    assert lossy["p50_ms"] > 25 > clean["p99_ms"]
    assert report.figures["repaired_percent"].value == lossy["soon_percent"]
    assert report.figures["repaired_both_percent"].value is None


def figure(**changes: Any) -> Figure:
    rows = [{**ROW, "publisher": "clean", "receiver": "10 %, 50 ms", **changes}]
    return network.figures_of(rows, "")["repaired_percent"]


def test_a_figure_is_met_missed_or_void() -> None:
    assert figure().met
    assert figure(soon_percent=99.8).met is False
    assert figure(generator_cpu=0.9).value is None


def test_without_rows_the_reason_is_told() -> None:
    assert network.figures_of([], "not built")["repaired_percent"].note == "not built"
