"""The door's bench: it runs, small, and says when it proves nothing."""

from __future__ import annotations

from typing import Any

import pytest

from loadtest.bench import door
from loadtest.bench._report import Figure

JOINS = {
    "people": 5000,
    "welcomed": 5000,
    "joins_s": 501.0,
    "welcome_p99_ms": 40.0,
    "cpu_ms": 0.9,
    "generator_cpu": 0.3,
}
STAY = {"people": 10_000, "open": 10_000, "signalling_mb": 250.0, "valkey_mb": 20.0}


@pytest.mark.timeout(60)
def test_people_come_at_a_pace_and_stay() -> None:
    report = door.run(people=400, lessons=10, timed=150, pace_s=100)
    joins, stay = report.rows
    assert joins["welcomed"] == 150, report.to_json()
    assert 50 < joins["joins_s"] < 101
    assert 0 < joins["cpu_ms"] < 50
    assert (stay["people"], stay["open"]) == (400, 400)
    assert report.figures["sockets_10k_mb"].value == stay["signalling_mb"] > 30


def figures(stay: dict[str, Any] | None = None, **joins: Any) -> dict[str, Figure]:
    return door.figures_of({**JOINS, **joins}, stay or STAY, "")


def test_figures_are_met_missed_or_void() -> None:
    assert {name: figure.met for name, figure in figures().items()} == {
        "joins_s": True,
        "sockets_10k_mb": True,
        "join_cpu_ms": True,
    }
    assert figures(joins_s=499.0)["joins_s"].met is False
    assert figures(cpu_ms=1.1)["join_cpu_ms"].met is False
    assert "generator" in figures(generator_cpu=0.9)["joins_s"].note
    assert figures(welcomed=4999)["joins_s"].value is None
    assert figures({**STAY, "open": 9999})["sockets_10k_mb"].value is None
    assert door.figures_of(None, None, "no server")["join_cpu_ms"].note == "no server"
