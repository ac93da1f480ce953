"""The plane's bench: its own decryption, its report, and one short run of each path."""

from __future__ import annotations

import json
from dataclasses import replace

import pylibsrtp
import pytest

from loadtest.bench import plane
from loadtest.bench._plane_setting import key
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


@pytest.mark.parametrize("path", ["reference", "aiortc"])
def test_everything_arrives_in_order_and_decrypts(path: str) -> None:
    setting = replace(plane.BURST, path=path, receivers=5, packets_s=200)
    result = plane.measure(setting, 1.0)
    assert result["arrived_percent"] == 100
    assert result["forwarded"] == 1000
    assert result["disorder"] == 0
    assert result["undecryptable"] == 0
    assert result["decrypted"] >= 5
    assert result["us"] > 0


def test_the_figures_have_their_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    measured = {
        "us": 10.0,
        "forwarded": 1,
        "arrived_percent": 100.0,
        "disorder": 0,
        "decrypted": 1,
        "undecryptable": 0,
        "generator_cpu": 0.1,
    }
    monkeypatch.setattr(plane, "measure", lambda setting, seconds: measured)
    report = plane.run(rounds=2)
    assert set(report.figures) == KEYS
    assert report.figures["reference_aiortc_ratio"].value == 1.0
    assert all(figure.note for figure in report.figures.values() if figure.value is None)
