"""A whole running server for a test: ``zvonok serve`` as people start it, on free ports."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import sys
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp

START_LIMIT_S: Final = 30.0
STOP_LIMIT_S: Final = 20.0
QUIET: Final = ("SSL_CERT_FILE", "PATH", "LANG", "TZ")
PLANE: Final = os.environ.get("ZVONOK_PLANE") or "native"
"""The plane that every worker of a test's server must run: the server refuses to start without it."""
DEFAULTS: Final[Mapping[str, object]] = {
    "server.port": 0,
    "admin.port": 0,
    "media.port": 0,
    "media.workers": 1,
    "media.plane": PLANE,
    "media.announce": ["127.0.0.1"],
    "jobs.workers": 0,
    "log.level": "debug",
}
_ERROR = re.compile(r"\b(error|critical)\b|Traceback", re.IGNORECASE)


@dataclass(slots=True)
class Server:
    """``zvonok serve``. ``said`` is what it printed, ``forgiven`` what it may complain of."""

    var: Path
    settings: Mapping[str, object]
    process: asyncio.subprocess.Process | None = None
    origin: str = ""
    admin: str = ""
    teacher_link: str = ""
    said: deque[str] = field(default_factory=lambda: deque(maxlen=1000))
    forgiven: list[str] = field(default_factory=list)
    _reading: asyncio.Task[None] | None = None
    _ready: asyncio.Event = field(default_factory=asyncio.Event)

    def _arguments(self) -> list[str]:
        port = (
            {"server.port": int(self.origin.rsplit(":", 1)[1])} if self.origin else {}
        )  # the same at a restart
        everything = {**DEFAULTS, "paths.var": str(self.var), **self.settings, **port}
        return [f"--set={key}={_text(value)}" for key, value in everything.items()]

    async def start(self, *, inside: Sequence[str] = ()) -> None:
        """Start and wait for the links; ``inside`` runs another command, as ``ip netns exec`` does."""
        zvonok = str(Path(sys.executable).with_name("zvonok"))
        environment = {name: os.environ[name] for name in QUIET if name in os.environ}
        self._ready.clear()
        self.process = await asyncio.create_subprocess_exec(
            *inside,
            zvonok,
            "serve",
            *self._arguments(),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=environment,
        )
        self._reading = asyncio.create_task(self._read(self.process))
        ready = asyncio.create_task(self._ready.wait())
        await asyncio.wait((ready, self._reading), timeout=START_LIMIT_S, return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        if not self._ready.is_set():
            await self.stop(check=False)
            raise AssertionError("zvonok serve did not become ready:\n" + "\n".join(self.said))

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        if process.stdout is None:
            return
        while raw := await process.stdout.readline():
            self._hear(raw.decode(errors="replace").rstrip())

    def _hear(self, line: str) -> None:
        self.said.append(line)
        if found := re.search(r"Start a lesson\s+(\S+)", line):
            self.teacher_link = found[1]
            self.origin = found[1].split("/t#")[0]
        if found := re.search(r"Status\s+(\S+)/status", line):
            self.admin = found[1]
        if "Ctrl-C stops it" in line:
            self._ready.set()

    async def stop(self, *, check: bool = True, number: int = signal.SIGTERM) -> None:
        """Stop as an operator does; with ``check`` it must end well and must not have complained."""
        if self.process is None:
            return
        if self.process.returncode is None:
            self.process.send_signal(number)
            try:
                async with asyncio.timeout(STOP_LIMIT_S):
                    await self.process.wait()
            except TimeoutError:
                self.process.kill()
                await self.process.wait()
                raise AssertionError("zvonok serve did not stop:\n" + "\n".join(self.said)) from None
        if self._reading is not None:
            await self._reading
        code, self.process = self.process.returncode, None
        if check:
            assert code == 0, f"zvonok serve ended with {code}:\n" + "\n".join(self.said)
            assert not self.complaints(), "\n".join(self.complaints())

    def complaints(self) -> list[str]:
        """Errors that the server said, except those that the test provoked."""
        return [
            line
            for line in self.said
            if _ERROR.search(line) and not any(re.search(each, line) for each in self.forgiven)
        ]

    def child(self, module: str) -> int:
        """Process id of the child that runs this module (the first one)."""
        found = self.children(module)
        assert found, f"no child runs {module}"
        return found[0]

    def children(self, module: str) -> list[int]:
        """Process ids of all children that run this module."""
        assert self.process is not None
        found: list[int] = []
        for pid in children_of(self.process.pid):
            with contextlib.suppress(OSError):  # it may end meanwhile
                if module in Path(f"/proc/{pid}/cmdline").read_text().split("\0"):
                    found.append(pid)
        return found

    async def new_teacher_link(self, teacher: str = "teacher") -> str:
        """What ``zvonok teacher link`` prints."""
        zvonok = str(Path(sys.executable).with_name("zvonok"))
        process = await asyncio.create_subprocess_exec(
            zvonok,
            "teacher",
            "link",
            *self._arguments(),
            teacher,
            stdout=asyncio.subprocess.PIPE,
            env={name: os.environ[name] for name in QUIET if name in os.environ},
        )
        out, _ = await process.communicate()
        return out.decode().split()[0]

    async def status(self) -> dict[str, Any]:
        """What /status says."""
        async with aiohttp.ClientSession() as http, http.get(f"{self.admin}/status") as answer:
            status: dict[str, Any] = json.loads(await answer.text())
            return status

    async def metrics(self) -> dict[str, float]:
        """What /metrics says: sample name with labels -> value."""
        async with aiohttp.ClientSession() as http, http.get(f"{self.admin}/metrics") as answer:
            text = await answer.text()
        samples = (line.rsplit(" ", 1) for line in text.splitlines() if line and not line.startswith("#"))
        return {name: float(value) for name, value in samples}

    async def metric(self, name: str) -> float:
        """One metric, summed over its labels."""
        return sum(value for sample, value in (await self.metrics()).items() if sample.split("{")[0] == name)


def children_of(pid: int) -> list[int]:
    """Process ids of what a process started; none of one that is gone."""
    with contextlib.suppress(OSError):
        return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


@asynccontextmanager
async def serving(var: Path, *, inside: Sequence[str] = (), **settings: object) -> AsyncIterator[Server]:
    """A running server; settings are given as ``lesson__drop_grace_s=1``. At the end it must stop cleanly.

    ``inside`` is a command that runs another, such as ``ip netns exec NAME``.
    """
    server = Server(var, {key.replace("__", "."): value for key, value in settings.items()})
    await server.start(inside=inside)
    try:
        yield server
    except BaseException:
        await server.stop(check=False)
        raise
    await server.stop()
