"""``zvonok loadtest bell``: which server, whose keys, and perhaps a server for this run alone."""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from config.child import PR_SET_PDEATHSIG
from config.settings import Settings

VOID: Final = 2
"""Exit code of a run that proves nothing."""
TEACHERS: Final = 8
"""How many teachers sign in at most (the door takes ten at once); further lessons are dealt out to them."""
START_LIMIT_S: Final = 60.0
STOP_LIMIT_S: Final = 30.0
_TRIAL: Final = (
    "server.public=", "server.host=127.0.0.1", "server.tls=off", "server.port=0", "admin.port=0",
    "media.port=0", 'media.announce=["127.0.0.1"]', "redis.url=", "redis.password_file=", "sql.url=",
)  # fmt: skip

Load = Callable[[Sequence[str]], Settings]
Running = Callable[[Settings], dict[str, Any] | None]


class CannotRing(Exception):
    """There is nothing to test; the message is one line for a person."""


def add_bell_arguments(parser: argparse.ArgumentParser) -> None:
    """Size, shape, target and reports of a bell."""
    from loadtest.seats import Options

    shape = Options()
    target = parser.add_mutually_exclusive_group()
    target.add_argument("--origin", metavar="URL", help="the server, when it is not the one running here")
    target.add_argument(
        "--start", action="store_true", help="start a server for this run, with its own folder"
    )
    parser.add_argument(
        "--key",
        action="append",
        default=[],
        metavar="LINK",
        help="what `zvonok teacher link` printed there; may be given several times, one teacher each",
    )
    parser.add_argument(
        "--ca", default="", metavar="FILE", help="authority to trust (a server with tls local)"
    )
    for name, what, kind in (
        ("lessons", "lessons that begin", int),
        ("students", "students of each lesson", int),
        ("media", "students of each lesson who hear and see; above 0 the teachers send", int),
        ("lead_s", "seconds before the bell in which teachers come", float),
        ("spread_s", "seconds after the bell by which 93 of 100 students have come", float),
        ("stay_s", "seconds that a student stays", float),
        ("seed", "of the arrivals", int),
    ):
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            type=kind,
            default=getattr(shape, name),
            metavar="S" if kind is float else "N",
            help=f"{what} (%(default)s)",
        )
    parser.add_argument("--json", default="", metavar="FILE", help='one JSON object; "-": as the last line')
    parser.add_argument("--html", default="", metavar="FILE", help="the same as a page")


def ring(chosen: argparse.Namespace, load: Load, running: Running) -> int:
    """The exit code of ``loadtest.bell.ring``; raises CannotRing. ``load`` takes settings on top."""
    from loadtest import bell
    from loadtest.seats import Options

    options = Options(**{name: getattr(chosen, name) for name in Options.__struct_fields__})
    if fault := options.fault():
        raise CannotRing(fault)
    with contextlib.ExitStack() as stack:
        stack.enter_context(_terminated_in_order())
        origin, ca = chosen.origin, chosen.ca
        keys = [key.rpartition("#")[2] for key in chosen.key]
        if origin is None or not keys:
            settings = load(())
            if chosen.start:
                settings = stack.enter_context(_server(chosen, load, running))
            elif origin is None:
                ca = ca or (settings.paths.ca_certificate if settings.server.tls == "local" else "")
            found = running(settings)
            if found is None:
                raise CannotRing(
                    "a server elsewhere needs --key LINK (zvonok teacher link prints it there)"
                    if origin
                    else f"no server runs in {settings.paths.var}: --start starts one, --origin names another"
                )
            origin = origin or str(found["origin"])
            keys = keys or _keys(settings, min(options.lessons, TEACHERS))
        print(
            f"Bell at {origin}: {options.lessons} lessons x {options.students} students "
            f"({options.media} with media), seed {options.seed}",
            flush=True,
        )
        return bell.ring(origin, keys, options, ca=str(ca), json_to=chosen.json, html_to=chosen.html)


@contextlib.contextmanager
def _terminated_in_order() -> Iterator[None]:
    """SIGTERM unwinds as Ctrl-C does, so that what was started is stopped."""

    def unwind(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, unwind)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _keys(settings: Settings, count: int) -> list[str]:
    from signaling.tickets import KeyRing, issue_one_time_key

    try:
        ring = KeyRing.read(settings.paths.keys / "cookie.key")
    except OSError as error:
        raise CannotRing(
            f"{settings.paths.keys} cannot be read ({error.strerror}): run as the server's user"
        ) from None
    return [issue_one_time_key(ring, f"bell-test-{number + 1}", int(time.time())) for number in range(count)]


@contextlib.contextmanager
def _server(chosen: argparse.Namespace, load: Load, running: Running) -> Iterator[Settings]:
    """A server of the settings here, but on free ports, with data of its own that is thrown away."""
    with tempfile.TemporaryDirectory(prefix="zvonok-trial-") as folder:
        overrides = [*_TRIAL, f"paths.var={folder}/var"]
        settings = load(overrides)
        command = [sys.executable, "-m", "config.cli", "serve"]
        command += ["--config", str(chosen.config)] if chosen.config else []
        command += [f"--set={each}" for each in (*chosen.set, *overrides)]
        said = Path(folder) / "said"
        parent, libc = os.getpid(), ctypes.CDLL(None)

        def before_exec() -> None:
            libc.prctl(PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
            if os.getppid() != parent:
                os._exit(1)

        with said.open("wb") as out:
            # A session of its own: Ctrl-C is for the run, which still has lessons to end.
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=before_exec,  # noqa: PLW1509 - there are no threads here
            )
        try:
            deadline_s = time.monotonic() + START_LIMIT_S
            while running(settings) is None:
                if process.poll() is not None or time.monotonic() > deadline_s:
                    last = said.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
                    raise CannotRing(f"the server did not start: {' '.join(last)}")
                time.sleep(0.1)
            yield settings
        finally:
            process.terminate()
            try:
                process.wait(STOP_LIMIT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
