"""A load test as a command: Locust in a process of its own, since it replaces how Python waits."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from loadtest import report
from loadtest.seats import Options
from loadtest.verdict import VOID

KEYS: Final = "ZVONOK_BELL_KEYS"
COMMAND: Final = "ZVONOK_BELL_COMMAND"
STOP_LIMIT_S: Final = 30.0


def ring(
    origin: str,
    keys: Sequence[str],
    options: Options,
    *,
    ca: str = "",
    json_to: str = "",
    html_to: str = "",
    server: int = 0,
) -> int:
    """Run it; its exit code: 0 all objectives met, 1 one missed, 2 the run proves nothing.

    ``keys`` are teachers' one-time keys, ``json_to`` a file or "-" for the last line of stdout, ``server``
    the process whose worker is killed where the options ask for that.
    """
    with tempfile.TemporaryDirectory(prefix="zvonok-bell-") as folder:
        result = Path(folder) / "verdict.json"
        _run(origin, keys, options, ca, result, server)
        try:
            found: dict[str, Any] = json.loads(result.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            print("zvonok: the bell ended without a verdict", file=sys.stderr)
            return VOID
    if html_to:
        Path(html_to).write_text(report.page(found), encoding="utf-8")
    if json_to == "-":
        print(json.dumps(found), flush=True)
    elif json_to:
        Path(json_to).write_text(json.dumps(found) + "\n", encoding="utf-8")
    return int(found["exit_code"])


def spoken(arguments: Sequence[str]) -> str:
    """A command line to show: without keys."""
    shown, before = [], ""
    for argument in arguments:
        name, separator, _ = argument.partition("=")
        hidden = f"{name}=..." if name == "--key" and separator else argument
        shown.append("..." if before == "--key" else hidden)
        before = argument
    return shlex.join([Path(shown[0]).name, *shown[1:]])


def _run(origin: str, keys: Sequence[str], options: Options, ca: str, result: Path, server: int) -> None:
    sizes = [f"--{name.replace('_', '-')}={getattr(options, name)}" for name in Options.__struct_fields__]
    locustfile = Path(__file__).with_name("locustfile.py")
    command = [sys.executable, "-m", "locust", "-f", str(locustfile), "--headless", "--host", origin]
    # Without its own log set-up Locust says only what is wrong.
    command += ["--skip-log-setup", f"--ca={ca}", f"--bell-json={result}", f"--bell-server={server}", *sizes]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LOCUST_")}
    # A session of its own: Ctrl-C comes to us, and to Locust as one SIGTERM, at which it ends what it began.
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        env={**environment, KEYS: " ".join(keys), COMMAND: spoken(sys.argv)},
        cwd=result.parent,
        start_new_session=True,
    )
    try:
        process.wait()
    except KeyboardInterrupt:
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_LIMIT_S)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
