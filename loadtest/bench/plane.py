"""CPU of one forwarded packet: the reference plane beside aiortc's own sending path, on loopback.

A server process forwards, a line process sends and really reads; settings take turns, so that noise of the
machine meets all of them. CPU is user and system time of the server process for each packet that arrived.
"""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any, Final, Self

from loadtest.bench._plane_setting import Setting
from loadtest.bench._report import Figure, Report

ROUNDS: Final = 3
SECONDS: Final = 3.0
_WARM_UP_S: Final = 0.5
_FILES: Final = 16_384

BURST: Final = Setting("reference", lessons=1, receivers=30, packets_s=400, burst=4)
SINGLE: Final = replace(BURST, burst=1)
MANY: Final = replace(SINGLE, lessons=100)
AIORTC: Final = replace(BURST, path="aiortc")
AIORTC_SINGLE: Final = replace(SINGLE, path="aiortc")
SETTINGS: Final = {
    "reference, bursts of 4": BURST,
    "aiortc _send_rtp, bursts of 4": AIORTC,
    "reference, single": SINGLE,
    "aiortc _send_rtp, single": AIORTC_SINGLE,
    "reference, 100 lessons": MANY,
}

_NO_NATIVE: Final = "of the native plane, which does not exist yet"


class Child:
    """One of the two processes, spoken to by lines."""

    def __init__(self, module: str, setting: Setting) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, json.dumps(asdict(setting))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def say(self, words: str) -> None:
        """Send a line."""
        assert self._process.stdin is not None
        self._process.stdin.write(words + "\n")
        self._process.stdin.flush()

    def hear(self) -> dict[str, Any]:
        """The next line; raises RuntimeError when the process ended."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"a process of the bench ended with code {self._process.wait()}")
        words: dict[str, Any] = json.loads(line)
        return words

    def ask(self, words: str) -> dict[str, Any]:
        """Send a line, wait for the answer."""
        self.say(words)
        return self.hear()


def measure(setting: Setting, seconds: float) -> dict[str, Any]:
    """One run: us a forwarded packet, what arrived, the line process's CPU in cores."""
    with (
        Child("loadtest.bench._plane_server", setting) as server,
        Child("loadtest.bench._plane_line", setting) as line,
    ):
        port = server.hear()["port"]
        ports = line.hear()["ports"]
        line.say(f"connect {port}")
        server.ask(f"start {json.dumps(ports)}")
        line.hear()
        line.ask(f"run {max(_WARM_UP_S, 1.2 * setting.burst * setting.lessons / setting.packets_s)}")
        before = server.ask("mark")
        arrived = line.ask(f"run {seconds}")
        after = server.ask("mark")
    forwarded = after["forwarded"] - before["forwarded"]
    cpu_s = after["cpu_s"] - before["cpu_s"]
    return {
        "us": cpu_s * 1e6 / forwarded,
        "forwarded": forwarded,
        "arrived_percent": 100 * arrived["packets_out"] / (arrived["packets_in"] * setting.receivers),
        "disorder": arrived["disorder"],
        "decrypted": arrived["decrypted"],
        "undecryptable": arrived["undecryptable"],
        "generator_cpu": arrived["cpu"],
    }


def run(rounds: int = ROUNDS, seconds: float = SECONDS, progress: bool = False) -> Report:
    """All settings in turn, ``rounds`` times; figures are medians."""
    _allow_files()
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in SETTINGS}
    for number in range(rounds):
        for name, setting in SETTINGS.items():
            if progress:
                print(f"round {number + 1} of {rounds}: {name}", file=sys.stderr, flush=True)
            runs[name].append(measure(setting, seconds))
    rows = [_row(name, SETTINGS[name], results) for name, results in runs.items()]
    us = {name: row["us"] for name, row in zip(SETTINGS, rows, strict=True)}
    burst, aiortc = us["reference, bursts of 4"], us["aiortc _send_rtp, bursts of 4"]
    single, many = us["reference, single"], us["reference, 100 lessons"]
    figures = {
        "burst_us": Figure(None, 3, "us", _NO_NATIVE),
        "single_us": Figure(None, 9, "us", _NO_NATIVE),
        "limit_ratio": Figure(None, 1.4, "x", _NO_NATIVE),
        "janus_ratio": Figure(None, 4, "x", _NO_NATIVE, at_most=False),
        "reference_aiortc_ratio": Figure(
            round(burst / aiortc, 3), 1.2, "x", f"{burst:.1f} us beside {aiortc:.1f} us in the same run"
        ),
        "linear_ratio": Figure(
            round(many / single, 3), 1.5, "x", f"reference plane: {many:.1f} us beside {single:.1f} us"
        ),
    }
    return Report(
        "plane",
        figures,
        rows,
        generator_cpu=round(max(row["generator_cpu"] for row in rows), 3),
        packages=("aiortc", "aioice", "pylibsrtp", "uvloop"),
    )


def _row(name: str, setting: Setting, results: list[dict[str, Any]]) -> dict[str, Any]:
    def median(field: str) -> float:
        return float(statistics.median(result[field] for result in results))

    return {
        "path": name,
        "us": round(median("us"), 2),
        "us_least": round(min(result["us"] for result in results), 2),
        "us_most": round(max(result["us"] for result in results), 2),
        "out_s": setting.packets_s * setting.receivers,
        "arrived_percent": round(min(result["arrived_percent"] for result in results), 3),
        "disorder": sum(result["disorder"] for result in results),
        "decrypted": sum(result["decrypted"] for result in results),
        "undecryptable": sum(result["undecryptable"] for result in results),
        "generator_cpu": round(median("generator_cpu"), 3),
    }


def _allow_files() -> None:
    """Each peer is a socket."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def main(argv: Sequence[str]) -> int:
    """Print the report; with ``--json`` as one line."""
    as_json = "--json" in argv
    report = run(progress=not as_json)
    print(report.to_json() if as_json else report.to_table(), flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
