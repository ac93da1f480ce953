"""Child processes: readiness, what is shown, restarts, and that none is left behind."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from config.child import LINE_LIMIT_BYTES, Child, ChildFailed, Program, ready_json, worth_showing

READY = "import json, signal, sys, time; print(json.dumps({'ready': True, 'port': 7}), flush=True); "
DEADLINE_S = 10.0


async def until(condition: Callable[[], object], what: str) -> None:
    """Wait for a condition; fails with what was missing."""
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, f"missing after {DEADLINE_S} s: {what}"
        await asyncio.sleep(0.01)


class Shop:
    """Makes children with one log folder, remembers what they said and stops them all."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.said: list[str] = []
        self.children: list[Child] = []

    def child(self, code: str, **options: Any) -> Child:
        program = Program("part", [sys.executable, "-c", code], os.environ, **options)
        child = Child(program, self.folder / "part.log", self.said.append)
        self.children.append(child)
        return child


@pytest_asyncio.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    shop = Shop(tmp_path)
    yield shop
    for child in shop.children:
        child.kill()
        await child.stop()


@pytest.mark.asyncio
async def test_start_returns_what_the_child_said(shop: Shop) -> None:
    child = shop.child(READY + "time.sleep(60)")
    assert (await child.start())["port"] == 7
    assert child.pid is not None
    await child.stop()
    assert child.pid is None


@pytest.mark.asyncio
async def test_child_that_ends_before_ready_tells_its_last_words(shop: Shop) -> None:
    child = shop.child("import sys; print('the port is taken', file=sys.stderr); sys.exit(3)")
    with pytest.raises(ChildFailed) as caught:
        await child.start()
    assert caught.value.reason == "ended with code 3"
    assert caught.value.last_words == ("the port is taken",)


@pytest.mark.asyncio
async def test_child_that_never_gets_ready_is_ended(shop: Shop) -> None:
    child = shop.child("import time; time.sleep(60)", ready_limit_s=0.3)
    with pytest.raises(ChildFailed, match="not ready"):
        await child.start()
    assert child.pid is None


@pytest.mark.asyncio
async def test_ended_child_is_started_again_and_it_is_said(shop: Shop) -> None:
    child = shop.child(READY + "time.sleep(60)")
    await child.start()
    watching = asyncio.create_task(child.watch())
    former = child.pid
    assert former is not None
    os.kill(former, signal.SIGKILL)
    await until(lambda: "part is back" in shop.said, "the restart")
    assert child.pid not in (None, former)
    assert shop.said[0] == "part was ended by SIGKILL; starting it again at once"
    await child.stop()
    await watching


@pytest.mark.asyncio
async def test_restarts_back_off_while_it_keeps_failing(shop: Shop) -> None:
    flag = shop.folder / "broken"
    child = shop.child(
        f"import os, sys; os.path.exists({str(flag)!r}) and sys.exit(1); " + READY + "time.sleep(60)"
    )
    await child.start()
    flag.touch()
    watching = asyncio.create_task(child.watch())
    assert child.pid is not None
    os.kill(child.pid, signal.SIGTERM)
    await until(lambda: len(shop.said) >= 3, "three attempts")
    assert [line.rpartition("again ")[2] for line in shop.said[:3]] == ["at once", "in 1 s", "in 2 s"]
    watching.cancel()


@pytest.mark.asyncio
async def test_deaf_child_is_killed_in_time(shop: Shop) -> None:
    child = shop.child(
        "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + READY + "time.sleep(60)"
    )
    object.__setattr__(child.program, "stop_limit_s", 0.3)
    await child.start()
    await child.stop()
    assert child.pid is None
    assert shop.said == ["part does not stop within 0.3 s; killing it"]


@pytest.mark.asyncio
async def test_warnings_reach_the_terminal_and_everything_the_log(shop: Shop) -> None:
    entries = [
        {"level": "info", "message": "a lesson began"},
        {"level": "warning", "message": "redis is slow", "ms": 80},
    ]
    lines = [*map(json.dumps, entries), "Traceback (most recent call last):"]
    child = shop.child(
        READY + f"[print(line, file=sys.stderr, flush=True) for line in {lines!r}]; time.sleep(60)"
    )
    await child.start()
    await until(lambda: len(shop.said) == 2, "two lines at the terminal")
    assert shop.said == ["part: warning: redis is slow ms=80", "part: Traceback (most recent call last):"]
    assert (shop.folder / "part.log").read_text().splitlines()[-3:] == lines


@pytest.mark.asyncio
async def test_endless_line_neither_stops_nor_fills_us(shop: Shop) -> None:
    size = 5 * LINE_LIMIT_BYTES
    child = shop.child(
        READY + f"sys.stderr.write('x' * {size}); print('', file=sys.stderr);"
        "print('after', file=sys.stderr, flush=True); time.sleep(60)"
    )
    await child.start()
    await until(lambda: "part: after" in shop.said, "the line after the long one")


@pytest.mark.asyncio
async def test_input_is_given_on_stdin(shop: Shop) -> None:
    child = shop.child(
        "import sys; print(sys.stdin.read(), flush=True); sys.stdin.read()", input=b'{"ready": true}'
    )
    assert await child.start() == {"ready": True}


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_no_child_outlives_a_killed_parent(tmp_path: Path, how: signal.Signals) -> None:
    code = f"""
import asyncio, os, sys
from pathlib import Path
from config.child import Child, Program
async def main():
    program = Program("part", [sys.executable, "-c", {READY + "time.sleep(60)"!r}], os.environ)
    child = Child(program, Path({str(tmp_path)!r}) / "part.log", print)
    await child.start()
    print(child.pid, flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.send_signal(how)
        parent.wait()
    deadline = time.monotonic() + DEADLINE_S
    while _lives(pid):
        assert time.monotonic() < deadline, "the child lives on without its parent"
        time.sleep(0.01)


def _lives(pid: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"ready": true, "port": 1}', {"ready": True, "port": 1}),
        ('READY {"ready": true}', {"ready": True}),
        ("READY", {}),
        ('{"ready": false}', None),
        ("[1]", None),
        ("starting", None),
        ("", None),
    ],
)
def test_line_of_readiness(line: str, said: Mapping[str, Any] | None) -> None:
    assert ready_json(line) == said


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ('{"level": "info", "message": "x"}', None),
        ('{"level": "ERROR", "message": "x", "lesson": "abc", "time": "now"}', "error: x lesson=abc"),
        (
            '{"level": "error", "message": "x", "exception": "Traceback\\n  a\\nValueError: y"}',
            "error: x (ValueError: y)",
        ),
        ("ValueError: x", "ValueError: x"),
        ("[1]", "[1]"),
    ],
)
def test_what_a_log_line_shows(line: str, shown: str | None) -> None:
    assert worth_showing(line) == shown
