"""CPU of one forwarded packet, on loopback: our planes, the limit, aiortc's own sending path, Janus.

A server process forwards, a line process sends and really reads; settings take turns, so that noise of the
machine meets all of them. CPU is user and system time of the server process (all its threads) for each
packet that arrived.
"""

from __future__ import annotations

import contextlib
import json
import resource
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, Final, Self

from loadtest.bench import _plane_janus as janus
from loadtest.bench._plane_setting import Setting
from loadtest.bench._report import Figure, Report

ROUNDS: Final = 5
SECONDS: Final = 3.0
MUST_ARRIVE_PERCENT: Final = 99.9
_WARM_UP_S: Final = 0.5
_FILES: Final = 16_384

BURST: Final = Setting("native", lessons=1, receivers=30, packets_s=400, burst=4)
SINGLE: Final = replace(BURST, burst=1)
SPEECH: Final = replace(SINGLE, lessons=8, sound=True, bytes=80)
"""50 packets a second and lesson."""
MANY: Final = replace(SINGLE, lessons=100)
PAIRS: Final = replace(BURST, lessons=100, receivers=1, packets_s=4000)
_SHAPES: Final[Mapping[str, Setting]] = {
    "bursts of 4": BURST,
    "single": SINGLE,
    "speech": SPEECH,
    "100 lessons": MANY,
    "lessons of two": PAIRS,
}
_PATHS: Final[Mapping[str, Sequence[str]]] = {
    "native": tuple(_SHAPES),
    "limit": ("bursts of 4", "single", "speech", "lessons of two"),
    "reference": ("bursts of 4", "single", "100 lessons"),
    "aiortc": ("bursts of 4", "single"),
    "janus": ("bursts of 4",),
}
SETTINGS: Final[Mapping[str, Setting]] = {
    f"{path}, {shape}": replace(setting, path=path)
    for shape, setting in _SHAPES.items()
    for path, shapes in _PATHS.items()
    if shape in shapes
}


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


def missing(path: str) -> str:
    """Why a path cannot be measured here; empty when it can."""
    if path == "janus":
        return janus.missing()
    if path in ("native", "limit"):
        try:
            import sfu.plane._native  # noqa: F401
        except ImportError as error:
            return f"the native plane is not built here ({error})"
    return ""


def measure(setting: Setting, seconds: float) -> dict[str, Any]:
    """One run: us a forwarded packet, what arrived, the line process's CPU in cores."""
    with contextlib.ExitStack() as stack:
        line = stack.enter_context(Child("loadtest.bench._plane_line", setting))
        mark = (_start_janus if setting.path == "janus" else _start_server)(setting, line, stack)
        line.ask(f"run {max(_WARM_UP_S, 1.2 * setting.burst * setting.lessons / setting.packets_s)}")
        before = mark()
        arrived = line.ask(f"run {seconds}")
        cpu_s = mark() - before
    return {
        "us": cpu_s * 1e6 / max(1, arrived["packets_out"]),
        "forwarded": arrived["packets_out"],
        "arrived_percent": 100 * arrived["packets_out"] / (arrived["packets_in"] * setting.receivers),
        "disorder": arrived["disorder"],
        "decrypted": arrived["decrypted"],
        "undecryptable": arrived["undecryptable"],
        "generator_cpu": arrived["cpu"],
    }


def _start_server(setting: Setting, line: Child, stack: contextlib.ExitStack) -> Callable[[], float]:
    """What tells the CPU seconds of the server so far."""
    server = stack.enter_context(Child("loadtest.bench._plane_server", setting))
    port = server.hear()["port"]
    ports = line.hear()["ports"]
    line.say(f"connect {port}")
    server.ask(f"start {json.dumps(ports)}")
    line.hear()
    return lambda: float(server.ask("mark")["cpu_s"])


def _start_janus(_: Setting, line: Child, stack: contextlib.ExitStack) -> Callable[[], float]:
    process = stack.enter_context(janus.JanusProcess())
    line.hear()
    line.ask(f"janus {process.path}")
    return process.cpu_s


def run(
    rounds: int = ROUNDS, seconds: float = SECONDS, say: Callable[[str], None] = lambda _: None
) -> Report:
    """All settings in turn, ``rounds`` times; figures are medians. A path that is missing has no row."""
    allow_files()
    why = {path: missing(path) for path in _PATHS}
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in SETTINGS}
    for number in range(rounds):
        for name, setting in SETTINGS.items():
            if why[setting.path]:
                continue
            say(f"round {number + 1} of {rounds}: {name}")
            try:
                runs[name].append(measure(setting, seconds))
            except (OSError, RuntimeError) as error:
                if setting.path != "janus":
                    raise
                why["janus"] = f"Janus: {error}"
    rows = [
        _row(name, SETTINGS[name], results)
        for name, results in runs.items()
        if results and not why[SETTINGS[name].path]
    ]
    return Report(
        "plane",
        figures_of({row["path"]: row for row in rows}, why),
        rows,
        generator_cpu=round(max(row["generator_cpu"] for row in rows), 3),
        packages=("aiortc", "aioice", "pylibsrtp", "uvloop"),
    )


def figures_of(rows: Mapping[str, Mapping[str, Any]], why: Mapping[str, str]) -> dict[str, Figure]:
    """The bench's figures from its rows by name. ``why``: reason by path for what has no row."""

    def us(name: str) -> float | None:
        row = rows.get(name)
        return None if row is None or row["void"] else float(row["us"])

    def reason(*names: str) -> str:
        """Why one of these rows gives no number."""
        for name in names:
            path = name.partition(",")[0]
            if name not in rows:
                return why.get(path) or f"not measured: {name}"
            if rows[name]["void"]:
                return f"void, {name}: {rows[name]['void']}"
        return ""

    def alone(name: str, limit: float) -> Figure:
        value = us(name)
        return Figure(value, limit, "us", _spread(rows[name]) if value is not None else reason(name))

    def ratio(top: str, bottom: str, limit: float, more: str = "", *, at_most: bool = True) -> Figure:
        above, below = us(top), us(bottom)
        if above is None or below is None:
            return Figure(None, limit, "x", reason(top, bottom), at_most)
        note = f"{top}: {above:.2f} us; {bottom}: {below:.2f} us, in the same run"
        return Figure(round(above / below, 3), limit, "x", f"{note}{more}", at_most)

    def also(words: str, top: str, bottom: str) -> str:
        above, below = us(top), us(bottom)
        return "" if above is None or below is None else f"; {words} {above / below:.2f}"

    return {
        "burst_us": alone("native, bursts of 4", 3),
        "single_us": alone("native, single", 9),
        "limit_ratio": ratio(
            "native, bursts of 4",
            "limit, bursts of 4",
            1.4,
            also("single", "native, single", "limit, single")
            + also("speech", "native, speech", "limit, speech")
            + also("lessons of two", "native, lessons of two", "limit, lessons of two"),
        ),
        "janus_ratio": ratio(
            "janus, bursts of 4",
            "native, bursts of 4",
            4,
            "" if why.get("janus") else f"; {janus.described()}",
            at_most=False,
        ),
        "reference_aiortc_ratio": ratio(
            "reference, bursts of 4",
            "aiortc, bursts of 4",
            1.2,
            also("single", "reference, single", "aiortc, single"),
        ),
        "linear_ratio": ratio(
            "native, 100 lessons",
            "native, single",
            1.5,
            also("reference", "reference, 100 lessons", "reference, single"),
        ),
    }


def _spread(row: Mapping[str, Any]) -> str:
    return f"median of {row['runs']}, {row['us_least']:g} to {row['us_most']:g}"


def _row(name: str, setting: Setting, results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    def median(field: str) -> float:
        return float(statistics.median(result[field] for result in results))

    row = {
        "path": name,
        "us": round(median("us"), 2),
        "us_least": round(min(result["us"] for result in results), 2),
        "us_most": round(max(result["us"] for result in results), 2),
        "runs": len(results),
        "out_s": setting.packets_s * setting.receivers,
        "arrived_percent": round(min(result["arrived_percent"] for result in results), 3),
        "disorder": sum(result["disorder"] for result in results),
        "decrypted": sum(result["decrypted"] for result in results),
        "undecryptable": sum(result["undecryptable"] for result in results),
        "generator_cpu": round(median("generator_cpu"), 3),
    }
    return {**row, "void": void(row)}


def void(row: Mapping[str, Any]) -> str:
    """Why a row proves nothing; empty when it does."""
    if row["arrived_percent"] < MUST_ARRIVE_PERCENT:
        return f"only {row['arrived_percent']:g} % arrived"
    if row["undecryptable"] or not row["decrypted"]:
        return f"{row['undecryptable']} packets could not be decrypted, {row['decrypted']} could"
    if row["disorder"] and row["arrived_percent"] >= 100:
        return f"{row['disorder']} packets out of order"
    return ""


def allow_files() -> None:
    """Each peer is a socket."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
