"""``zvonok loadtest bell`` and the like: which server, whose keys, perhaps a server for this run alone."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from config.process import die_with
from config.settings import Settings

if TYPE_CHECKING:
    from loadtest.scenario import Scenario
    from loadtest.seats import Options

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
Run = Callable[[argparse.Namespace], int]


class CannotRing(Exception):
    """There is nothing to test; the message is one line for a person."""


def add_load_tests(commands: Any, common: argparse.ArgumentParser, run: Run) -> None:
    """A command for each scenario."""
    from loadtest.scenario import SCENARIOS

    for name, scenario in SCENARIOS.items():
        parser = commands.add_parser(
            name, parents=[common], help=f"{scenario.about}; 0 met, 1 missed, 2 void"
        )
        _add_arguments(parser, scenario)
        parser.set_defaults(run=run, scenario=name)


def _add_arguments(parser: argparse.ArgumentParser, scenario: Scenario) -> None:
    """Size, shape, target and reports of a run."""
    from loadtest.scenario import WORDS

    target = parser.add_mutually_exclusive_group()
    if not scenario.own_server:
        target.add_argument("--origin", metavar="URL", help="the server, when it is not the one running here")
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
    target.add_argument(
        "--start", action="store_true", help="start a server for this run, with its own folder"
    )
    for name, what in WORDS.items():
        value = getattr(scenario.defaults, name)
        if name == "kill_s" and not scenario.own_server:
            parser.set_defaults(kill_s=value)
            continue
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            type=float if name == "scale" or name.endswith("_s") else int,
            default=value,
            metavar="S" if name.endswith("_s") else "N",
            help=f"{what} (%(default)s)",
        )
    parser.add_argument(
        "--minutes", type=float, metavar="N", help="how long a student stays, instead of --stay-s"
    )
    parser.add_argument("--json", default="", metavar="FILE", help='one JSON object; "-": as the last line')
    parser.add_argument("--html", default="", metavar="FILE", help="the same as a page")


def ring(chosen: argparse.Namespace, load: Load, running: Running) -> int:
    """The exit code of ``loadtest.bell.ring``; raises CannotRing. ``load`` takes settings on top."""
    from loadtest import bell
    from loadtest.scenario import SCENARIOS

    scenario, options = SCENARIOS[chosen.scenario], _options(chosen)
    if fault := options.fault():
        raise CannotRing(fault)
    if scenario.own_server and not chosen.start:
        raise CannotRing(f"{chosen.scenario} breaks a server: with --start it breaks one of its own")
    with contextlib.ExitStack() as stack:
        stack.enter_context(_terminated_in_order())
        origin, ca = (None, "") if scenario.own_server else (chosen.origin, chosen.ca)
        keys = [] if scenario.own_server else [key.rpartition("#")[2] for key in chosen.key]
        server = 0
        if origin is None or not keys:
            settings = load(())
            if chosen.start:
                settings = stack.enter_context(_server(chosen, scenario.settings, load, running))
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
            keys = keys or _keys(settings, min(options.all_lessons, TEACHERS))
            server = int(found["pid"]) if scenario.own_server else 0
        print(
            f"{chosen.scenario.capitalize()} at {origin}: {options.all_lessons} lessons, "
            f"{options.all_students} students ({options.media} a lesson with media, {options.listeners} "
            f"count packets), seed {options.seed}",
            flush=True,
        )
        return bell.ring(
            origin, keys, options, ca=str(ca), json_to=chosen.json, html_to=chosen.html, server=server
        )


def _options(chosen: argparse.Namespace) -> Options:
    from loadtest.seats import Options

    options = Options(**{name: getattr(chosen, name) for name in Options.__struct_fields__})
    return options if chosen.minutes is None else replace(options, stay_s=chosen.minutes * 60)


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
def _server(
    chosen: argparse.Namespace, more: Sequence[str], load: Load, running: Running
) -> Iterator[Settings]:
    """A server of the settings here and ``more``, but on free ports, with data of its own that is thrown
    away."""
    with tempfile.TemporaryDirectory(prefix="zvonok-trial-") as folder:
        overrides = [*_TRIAL, *more, f"paths.var={folder}/var"]
        settings = load(overrides)
        command = [sys.executable, "-m", "config.cli", "serve"]
        command += ["--config", str(chosen.config)] if chosen.config else []
        command += [f"--set={each}" for each in (*chosen.set, *overrides)]
        said = Path(folder) / "said"
        before_exec = partial(die_with, os.getpid(), signal.SIGTERM)
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
