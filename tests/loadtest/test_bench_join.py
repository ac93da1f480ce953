"""The bench of joins: a short run of everything gives every figure."""

from __future__ import annotations

import pytest

from loadtest.bench import join


@pytest.mark.long
@pytest.mark.timeout(120)
def test_every_figure_is_taken() -> None:
    report = join.run(people=2, idle_people=4, seconds=1.0)
    assert set(report.figures) == {"cpu_ms", "memory_kib", "idle_ms_s"}
    for name, figure in report.figures.items():
        assert figure.value is not None, (name, figure.note)
    joins = [row for row in report.rows if row["what"].startswith("join")]
    assert [row["what"] for row in joins] == ["join, 12 tiles", "join, 24 tiles"]
    for row in joins:
        assert row["worker_ms"] > 0
        assert row["signalling_ms"] > 0
