"""The latency bench: it runs, small, and says when it proves nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from loadtest.bench import latency
from loadtest.bench._report import Figure
from loadtest.bench._stamps import STAMP, latency_ms, percentiles
from sfu import rtp

ROW = {"sampled": 1000, "most_ms": 9.0, "p99_ms": 4.0, "out_s": 1, "server_cpu": 0.6, "generator_cpu": 0.3}


@pytest.mark.long
@pytest.mark.timeout(90)
def test_a_small_run_has_every_row_and_figure() -> None:
    setting = replace(latency.LOAD, lessons=2, receivers=3, packets_s=400)
    report = latency.run(setting=setting, cores=0.02, seconds=1.0, lessons=1, listeners=5, joins=3, rounds=1)
    rows = {row["what"]: row for row in report.rows}
    assert list(rows) == ["echo", "quiet", "load", "speech", "bell"], report.to_json()
    assert all(0 < row["p50_ms"] <= row["p99_ms"] <= row["most_ms"] for row in rows.values())
    assert rows["quiet"]["out_s"] == pytest.approx(120 * 3, rel=0.1)
    assert rows["load"]["sampled"] >= 100
    assert rows["bell"]["all_in_s"] >= 1
    assert set(report.figures) == {"load_p99_ms", "bell_p99_ms"}


def figure(name: str, **changes: Any) -> Figure:
    rows = {what: {**ROW, "all_in_s": 1.2} for what in ("quiet", "load", "speech", "bell")}
    rows["load" if name == "load_p99_ms" else "bell"].update(changes)
    return latency.figures_of(rows, "", 0.6)[name]


@pytest.mark.parametrize("name", ["load_p99_ms", "bell_p99_ms"])
def test_a_figure_is_met_missed_or_void(name: str) -> None:
    assert figure(name).met
    assert figure(name, p99_ms=21.0).met is False
    busy = figure(name, generator_cpu=0.81)
    assert busy.value is None
    assert "generator" in busy.note


def test_a_load_that_is_no_load_is_void() -> None:
    assert figure("load_p99_ms", server_cpu=0.4).value is None
    assert figure("load_p99_ms", server_cpu=0.56).value == 4.0


def test_without_rows_the_reason_is_told() -> None:
    figures = latency.figures_of({}, "not built", 0.6)
    assert {each.note for each in figures.values()} == {"not built"}
    assert not any(each.value for each in figures.values())


def test_the_stamp_is_read_before_the_padding() -> None:
    packet = rtp.build(payload_type=96, sequence_number=1, timestamp=2, ssrc=3, payload=STAMP.pack(1_000_000))
    assert latency_ms(packet, 3_500_000) == 2.5
    padded = bytes((packet[0] | 0x20,)) + packet[1:] + bytes((0, 2))
    assert latency_ms(padded, 3_500_000) == 2.5


def test_too_few_samples_are_no_percentile() -> None:
    with pytest.raises(ValueError, match="99"):
        percentiles([1.0] * 99)
    assert percentiles([float(each) for each in range(101)])["p99_ms"] == 99
