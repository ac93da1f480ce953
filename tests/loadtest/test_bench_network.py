"""The network's bench: it runs, small, on both planes, and says when it proves nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from loadtest.bench import network
from loadtest.bench._network_sound import Ear
from loadtest.bench._plane_setting import OPUS_PT, RED_PT
from loadtest.bench._report import Figure, Report
from loadtest.network import CLEAN
from sfu import rtp
from sfu.codecs import red

ROW = {
    "numbers": 2000,
    "soon_percent": 99.95,
    "ever_percent": 100.0,
    "p99_ms": 190.0,
    "redundancy": 2,
    "red_packets": 3000,
    "speech": 3000,
    "speech_lost_percent": 20.2,
    "residual_percent": 0.8,
    "generator_cpu": 0.1,
}


def measured(profiles: Sequence[network.Profile], plane: str, seconds: float) -> Report:
    return network.run(
        profiles=profiles,
        publishers=network.PUBLISHERS[:1],
        lines=(),
        rates=(),
        plane=plane,
        seconds=seconds,
    )


@pytest.mark.timeout(60)
@pytest.mark.parametrize("plane", ["native", pytest.param("reference", marks=pytest.mark.long)])
def test_a_bad_line_is_repaired_and_the_others_are_left_alone(plane: str) -> None:
    profiles = (network.Profile("clean", CLEAN), network.Profile("10 %, 50 ms", network.bad(0.1)))
    report = measured(profiles, plane, 6.0)
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
    return network.figures_of(rows, [], "")["repaired_percent"]


def test_a_figure_is_met_missed_or_void() -> None:
    assert figure().met
    assert figure(soon_percent=99.8).met is False
    assert figure(generator_cpu=0.9).value is None


def test_without_rows_the_reason_is_told() -> None:
    assert network.figures_of([], [], "not built")["repaired_percent"].note == "not built"


@pytest.mark.timeout(60)
@pytest.mark.parametrize("plane", ["native", pytest.param("reference", marks=pytest.mark.long)])
def test_redundancy_brings_back_most_of_the_speech_that_a_bad_line_loses(plane: str) -> None:
    profiles = (
        network.Profile("clean", CLEAN, redundancy=0),
        network.Profile("30 %, 50 ms", network.bad(0.3)),
        network.Profile("30 %, 50 ms", network.bad(0.3), redundancy=0),
    )
    report = measured(profiles, plane, 8.0)
    clean, redundant, alone = report.rows
    assert clean["speech"] == pytest.approx(400, abs=40)
    assert (clean["residual_percent"], clean["red_packets"]) == (0, 0), report.to_json()
    assert 20 < alone["residual_percent"] == alone["speech_lost_percent"] < 40
    assert 20 < redundant["speech_lost_percent"] < 40
    assert redundant["residual_percent"] < 8, report.to_json()
    assert report.figures["residual30_percent"].value == redundant["residual_percent"]


def residual(**changes: Any) -> Figure:
    rows = [
        {**ROW, "publisher": "clean", "receiver": "20 %, 50 ms", "redundancy": 0, "residual_percent": 20.1},
        {**ROW, "publisher": "clean", "receiver": "20 %, 50 ms", **changes},
    ]
    return network.figures_of(rows, [], "")["residual20_percent"]


def test_what_is_left_of_lost_speech_is_counted_where_redundancy_was_sent() -> None:
    assert (residual().value, residual().met) == (0.8, True)
    assert residual(residual_percent=1.3).met is False
    assert residual(red_packets=0).value is None
    assert residual(generator_cpu=0.9).value is None


def test_what_is_left_is_the_mean_of_all_receivers_on_such_a_line() -> None:
    row = {**ROW, "publisher": "clean", "receiver": "20 %, 50 ms"}
    rows = [{**row, "residual_percent": left} for left in (0.4, 1.4)]
    figure = network.figures_of(rows, [], "")["residual20_percent"]
    assert (figure.value, figure.met) == (0.9, True)
    assert "of 6000 to 2 receivers, 0.4 to 1.4 each" in figure.note
    rows[1]["generator_cpu"] = 0.9
    assert network.figures_of(rows, [], "")["residual20_percent"].value is None


def speech(number: int, *, at_ns: int) -> bytes:
    return bytes((0x48,)) + number.to_bytes(4, "big") + at_ns.to_bytes(8, "big")


def packet(payload_type: int, payload: bytes) -> bytes:
    return rtp.build(payload_type=payload_type, sequence_number=1, timestamp=0, ssrc=1, payload=payload)


def test_speech_counts_by_itself_or_as_redundancy_but_not_when_late() -> None:
    ear = Ear()
    ear.take(packet(OPUS_PT, speech(0, at_ns=0)), 200_000_000)
    ear.take(packet(OPUS_PT, speech(1, at_ns=0)), 200_000_001)
    blocks = [red.RedundantBlock(OPUS_PT, 960, speech(number, at_ns=0)) for number in (2, 3)]
    ear.take(packet(RED_PT, red.build(blocks, OPUS_PT, speech(4, at_ns=0))), 1)
    ear.take(packet(RED_PT, b"\x80"), 1)
    assert (ear.missing_percent(0, 5), ear.lost_percent(0, 5), ear.red_packets) == (20, 60, 1)


SEEN = {
    "line": "clean",
    "others_kbit_s": 500,
    "drop_s": None,
    "generator_cpu": 0.2,
}


def others(*kbit_s: int, **changes: Any) -> Figure:
    seen = [{**SEEN, "line": f"line {n}", "others_kbit_s": rate} for n, rate in enumerate(kbit_s)]
    return network.figures_of([], [*seen, *([{**SEEN, **changes}] if changes else [])], "")[
        "others_change_percent"
    ]


def test_the_others_change_is_the_largest_in_either_direction() -> None:
    assert (others(500, 510, 480).value, others(500, 510, 480).met) == (4.0, True)
    assert others(500, 530).met is False
    assert "line 1" in others(500, 530).note
    assert others().value is None
    assert "void" in others(500, generator_cpu=0.9).note


def test_a_layer_is_dropped_in_time_late_or_never() -> None:
    def drop(**changes: Any) -> Figure:
        return network.figures_of([], [{**SEEN, "line": network.RATES[1].name, **changes}], "")[
            "layer_drop_s"
        ]

    assert drop(drop_s=1.9).met
    assert drop(drop_s=2.1).met is False
    assert "did not become" in drop().note
