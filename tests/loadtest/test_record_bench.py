"""The recorder's bench: a short run of everything gives every figure."""

from __future__ import annotations

import pytest

from loadtest.bench import record

KEYS = {"playable_p50_s", "playable_p99_s", "finish_x", "cpu_percent", "start_p99_ms", "stored_ratio"}


@pytest.mark.long
@pytest.mark.timeout(120)
def test_every_figure_is_taken() -> None:
    report = record.run(minutes=0.5, rounds=1, lessons=2, seconds=2.0, starts=1, at_once=2)
    assert set(report.figures) == KEYS
    for name, figure in report.figures.items():
        assert figure.value is not None, (name, figure.note)
    assert report.figures["stored_ratio"].met
    assert report.figures["finish_x"].value > 50  # type: ignore[operator]
    picture = next(row for row in report.rows if row.get("lesson", "").startswith("one speaker"))
    mp4 = next(row for row in report.rows if "composite" in row)
    assert mp4["x"] > 0.5
    assert mp4["plain_x"] > 0.5
    assert picture["minutes"] == 0.5
    assert picture["received_mb"] > 1
    assert picture["ffmpeg_copy_x"] > 50
    shares = [
        row["cpu_percent"] for row in report.rows if row.get("lesson", "").startswith("made while it runs")
    ]
    assert 0 < shares[0] < shares[1]


def test_lessons_that_fail_leave_their_figures_out(monkeypatch: pytest.MonkeyPatch) -> None:
    async def no_server(*_: object) -> record.Live:
        raise RuntimeError("the server did not start")

    finished = {"x": 1500, "x_clock": 1400, "minutes": 1.0, "received_mb": 7.5, "stored_ratio": 0.9}
    monkeypatch.setattr(record, "measure_live", no_server)

    async def bell(minutes: float, lessons: int) -> list[float]:
        return [0.1] * lessons

    monkeypatch.setattr(record, "measure_finish", lambda minutes, rounds, **_: finished)
    monkeypatch.setattr(record, "measure_making", lambda minutes, **_: 0.1)
    monkeypatch.setattr(record, "measure_bell", bell)
    monkeypatch.setattr(record, "measure_composite", lambda *_: {"composite": "x"})
    report = record.run()
    missing = {name for name, figure in report.figures.items() if figure.value is None}
    assert missing == {"cpu_percent", "start_p99_ms"}
    assert all("did not start" in report.figures[name].note for name in missing)
