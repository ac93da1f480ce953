"""The plane's bench: its own decryption, its report, and one short run of each path."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pylibsrtp
import pytest

from loadtest.bench import plane
from loadtest.bench._plane_setting import Setting, key
from loadtest.bench._report import Figure, Report
from loadtest.bench._srtp import GcmReceiver
from sfu import rtp

KEYS = {"burst_us", "single_us", "limit_ratio", "janus_ratio", "reference_aiortc_ratio", "linear_ratio"}


def test_packets_of_libsrtp_are_decrypted_by_the_second_library() -> None:
    master = key(3, "down")
    sender = pylibsrtp.Session(
        pylibsrtp.Policy(
            key=master,
            ssrc_type=pylibsrtp.Policy.SSRC_ANY_OUTBOUND,
            srtp_profile=pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_128_GCM,
        )
    )
    receiver = GcmReceiver(master)
    plain = rtp.build(
        payload_type=96, sequence_number=7, timestamp=8, ssrc=9, payload=b"payload", extensions={3: b"abc"}
    )
    protected = sender.protect(plain)
    assert receiver.unprotect(protected) == plain
    assert receiver.unprotect(protected[:-1] + bytes((protected[-1] ^ 1,))) is None
    assert receiver.unprotect(b"\x80") is None


@pytest.mark.parametrize(
    ("figure", "met"),
    [
        (Figure(2.0, 3, "us"), True),
        (Figure(4.0, 3, "us"), False),
        (Figure(4.0, 3, "x", at_most=False), True),
        (Figure(None, 3, "us", "no"), None),
        (Figure(4.0, None, "us"), None),
    ],
)
def test_whether_a_figure_is_met(figure: Figure, met: bool | None) -> None:
    assert figure.met is met


def test_a_report_is_one_line_of_json_and_a_table() -> None:
    report = Report(
        "plane", {"a": Figure(None, 1, "us", "why not")}, [{"path": "p", "us": 1.5}], 0.25, ("uvloop",)
    )
    line = report.to_json()
    assert "\n" not in line
    told = json.loads(line)
    assert set(told) == {"bench", "figures", "rows", "generator_cpu", "machine", "versions", "commit"}
    assert told["figures"]["a"] == {"value": None, "limit": 1, "unit": "us", "met": None, "note": "why not"}
    assert "why not" in report.to_table()


@pytest.mark.parametrize("path", ["reference", "native", "limit", "aiortc"])
def test_everything_arrives_in_order_and_decrypts(path: str) -> None:
    if why := plane.missing(path):
        pytest.skip(why)
    setting = replace(plane.BURST, path=path, receivers=5, packets_s=200)
    result = plane.measure(setting, 0.5)
    assert result["arrived_percent"] == 100
    assert result["forwarded"] == 500
    assert result["disorder"] == 0
    assert result["undecryptable"] == 0
    assert result["decrypted"] >= 4
    assert result["us"] > 0


def test_speech_arrives_with_what_was_said() -> None:
    result = plane.measure(
        replace(plane.SPEECH, path="reference", lessons=2, receivers=3, packets_s=100), 0.5
    )
    assert result["forwarded"] == 150
    assert result["undecryptable"] == 0
    assert result["decrypted"] >= 1


def test_the_setting_of_every_row_is_the_goals() -> None:
    out = {name: setting.packets_s * setting.receivers for name, setting in plane.SETTINGS.items()}
    assert {rate for name, rate in out.items() if "two" not in name} == {12_000}
    assert plane.BURST.burst == 4
    assert plane.SINGLE.burst == 1


def measured(us: float, **changes: Any) -> dict[str, Any]:
    return {
        "us": us,
        "forwarded": 1,
        "arrived_percent": 100.0,
        "disorder": 0,
        "decrypted": 1,
        "undecryptable": 0,
        "generator_cpu": 0.1,
    } | changes


def test_figures_are_medians_and_ratios_of_one_run(monkeypatch: pytest.MonkeyPatch) -> None:
    us = {"native": iter([2.0, 9.0, 3.0] * 5), "janus": iter([12.0] * 3), "limit": iter([2.0] * 12)}
    turns: list[str] = []

    def measure(setting: Setting, seconds: float) -> dict[str, Any]:
        turns.append(setting.path)
        return measured(next(us[setting.path]) if setting.path in us else 10.0)

    monkeypatch.setattr(plane, "measure", measure)
    monkeypatch.setattr(plane, "missing", lambda path: "")
    monkeypatch.setattr(plane, "SETTINGS", {k: v for k, v in plane.SETTINGS.items() if "bursts" in k})
    report = plane.run(rounds=3)
    assert turns[: len(turns) // 3] == turns[len(turns) // 3 : 2 * len(turns) // 3]
    assert set(report.figures) == KEYS
    values = {name: figure.value for name, figure in report.figures.items()}
    assert values == {
        "burst_us": 3.0,
        "single_us": None,
        "limit_ratio": 1.5,
        "janus_ratio": 4.0,
        "reference_aiortc_ratio": 1.0,
        "linear_ratio": None,
    }
    assert report.figures["burst_us"].note == "median of 3, 2 to 9"
    assert report.figures["janus_ratio"].met
    assert "single" in report.figures["single_us"].note


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"arrived_percent": 99.8}, "99.8 %"),
        ({"undecryptable": 1}, "decrypted"),
        ({"decrypted": 0}, "decrypted"),
        ({"disorder": 2}, "order"),
    ],
)
def test_a_row_that_proves_nothing_gives_no_figure(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], words: str
) -> None:
    def measure(setting: Setting, seconds: float) -> dict[str, Any]:
        return measured(10.0, **changes if setting == plane.BURST else {})

    monkeypatch.setattr(plane, "measure", measure)
    monkeypatch.setattr(plane, "missing", lambda path: "")
    report = plane.run(rounds=1)
    for name in ("burst_us", "limit_ratio", "janus_ratio"):
        assert report.figures[name].value is None
        assert words in report.figures[name].note
    assert report.figures["single_us"].value == 10


def test_what_is_missing_is_told_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plane, "measure", lambda setting, seconds: measured(10.0))
    monkeypatch.setattr(
        plane, "missing", lambda path: "" if path in ("reference", "aiortc") else f"no {path}"
    )
    report = plane.run(rounds=1)
    assert set(report.figures) == KEYS
    notes = {name: figure.note for name, figure in report.figures.items() if figure.value is None}
    assert notes == {
        "burst_us": "no native",
        "single_us": "no native",
        "limit_ratio": "no native",
        "janus_ratio": "no janus",
        "linear_ratio": "no native",
    }


def test_janus_that_fails_takes_nothing_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def measure(setting: Setting, seconds: float) -> dict[str, Any]:
        if setting.path == "janus":
            raise RuntimeError("it fell over")
        return measured(10.0)

    monkeypatch.setattr(plane, "measure", measure)
    monkeypatch.setattr(plane, "missing", lambda path: "")
    report = plane.run(rounds=2)
    assert "it fell over" in report.figures["janus_ratio"].note
    assert report.figures["burst_us"].value == 10
