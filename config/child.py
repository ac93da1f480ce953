"""One child process: started, watched, started again, stopped; its words sorted into log and terminal.

A child says that it is ready by one line on stdout and logs to stderr, one JSON object a line. It never
outlives us: the kernel ends it when we die (PR_SET_PDEATHSIG), and until then it holds our lock on the data
folder.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, Any, Final

from config.process import die_with

RESTART_DELAYS_S: Final = (0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
STEADY_AFTER_S: Final = 60.0
LOG_LIMIT_BYTES: Final = 16 * 1024 * 1024
LINE_LIMIT_BYTES: Final = 64 * 1024
LAST_WORDS: Final = 12

Say = Callable[[str], None]


def ready_json(line: str) -> Mapping[str, Any] | None:
    """Our own children's line of readiness: a JSON object with ``"ready": true``, perhaps after READY."""
    text = line.removeprefix("READY").strip()
    try:
        said = json.loads(text)
    except ValueError:
        return {} if line.strip() == "READY" else None
    return said if isinstance(said, dict) and said.get("ready") is True else None


def worth_showing(line: str) -> str | None:
    """What a log line of ours tells the person at the terminal: warnings, errors and what is no log line."""
    try:
        entry = json.loads(line)
    except ValueError:
        return line
    if not isinstance(entry, dict):
        return line
    level = str(entry.get("level", "info")).lower()
    if level not in ("warning", "error", "critical"):
        return None
    text = str(entry.get("message") or entry.get("event") or line)
    exception = str(entry.pop("exception", "")).strip().splitlines()
    if exception:
        text += f" ({exception[-1]})"  # the whole of it is in the log
    rest = {k: v for k, v in entry.items() if k not in ("level", "message", "event", "time", "at", "logger")}
    details = " ".join(f"{key}={value}" for key, value in rest.items())
    return f"{level}: {text}{' ' + details if details else ''}"


@dataclass(frozen=True)
class Program:
    """What to run and how to read it. ``input`` is written to stdin, so that no secret is an argument."""

    name: str
    argv: Sequence[str]
    environment: Mapping[str, str]
    input: bytes = b""
    ready: Callable[[str], Mapping[str, Any] | None] = ready_json
    show: Callable[[str], str | None] = worth_showing
    ready_limit_s: float = 20.0
    stop_limit_s: float = 8.0
    death_signal: signal.Signals = signal.SIGKILL
    """What the kernel sends it when we are gone: SIGTERM only for who has to save something."""


class ChildFailed(Exception):
    """A child did not come up; ``last_words`` are its last lines."""

    def __init__(self, name: str, reason: str, last_words: Sequence[str]) -> None:
        super().__init__(f"{name} {reason}")
        self.name = name
        self.reason = reason
        self.last_words = tuple(last_words)


@dataclass
class Child:
    """A program kept running. Call ``start`` once, then ``watch`` as a task, in the end ``stop``."""

    program: Program
    log_file: Path
    say: Say
    inherited: Sequence[int] = ()
    on_ready: Callable[[Mapping[str, Any]], None] = field(default=lambda _: None)
    restarts: int = 0
    _process: asyncio.subprocess.Process | None = None
    _readers: list[asyncio.Task[None]] = field(default_factory=list)
    _last_words: deque[str] = field(default_factory=lambda: deque(maxlen=LAST_WORDS))
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _log: IO[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        process = self._process
        return process.pid if process and process.returncode is None else None

    async def start(self) -> Mapping[str, Any]:
        """Run it and wait until it is ready; what it said then. Raises ChildFailed."""
        program = self.program
        self._last_words.clear()
        self._open_log()
        before_exec = partial(die_with, os.getpid(), program.death_signal)
        # A session of its own: Ctrl-C in the terminal reaches us only, and we close in order.
        self._process = process = await asyncio.create_subprocess_exec(
            *program.argv,
            env=dict(program.environment),
            stdin=asyncio.subprocess.PIPE if program.input else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
            pass_fds=tuple(self.inherited),
            preexec_fn=before_exec,
            limit=LINE_LIMIT_BYTES,
        )
        ready: asyncio.Future[Mapping[str, Any]] = asyncio.get_running_loop().create_future()
        assert process.stdout is not None  # noqa: S101 - asked for above
        assert process.stderr is not None  # noqa: S101
        self._readers = [
            asyncio.create_task(self._read(process.stdout, ready, show=False)),
            asyncio.create_task(self._read(process.stderr, ready, show=True)),
        ]
        if process.stdin is not None:
            with contextlib.suppress(ConnectionError):
                process.stdin.write(program.input)
                await process.stdin.drain()
            process.stdin.close()
        ended = asyncio.create_task(process.wait())
        try:
            await asyncio.wait(
                (ready, ended), timeout=program.ready_limit_s, return_when=asyncio.FIRST_COMPLETED
            )
            if ready.done():
                self.on_ready(ready.result())
                return ready.result()
            if ended.done():
                await asyncio.wait(self._readers, timeout=1)
                raise ChildFailed(program.name, _how_it_ended(ended.result()), self._last_words)
            await self._end(process, 0)
            reason = f"was not ready within {program.ready_limit_s:.0f} s"
            raise ChildFailed(program.name, reason, self._last_words)
        finally:
            ready.cancel()
            ended.cancel()

    async def watch(self) -> None:
        """Start it again, later each time, whenever it ends; until ``stop``."""
        loop = asyncio.get_running_loop()
        started, failures = loop.time(), 0
        while self._process is not None and not self._stopping.is_set():
            code = await self._process.wait()
            if self._stopping.is_set():
                return
            failures = 0 if loop.time() - started > STEADY_AFTER_S else failures
            reason = _how_it_ended(code)
            while not self._stopping.is_set():
                delay_s = RESTART_DELAYS_S[min(failures, len(RESTART_DELAYS_S) - 1)]
                when = f"in {delay_s:g} s" if delay_s else "at once"
                self.say(f"{self.program.name} {reason}; starting it again {when}")
                await asyncio.sleep(delay_s)
                failures, started = failures + 1, loop.time()
                self.restarts += 1
                try:
                    await self.start()
                except ChildFailed as failed:
                    reason = failed.reason
                    continue
                self.say(f"{self.program.name} is back")
                break

    async def stop(self) -> None:
        """SIGTERM, and SIGKILL when that does not help in time; returns when it is gone."""
        self._stopping.set()
        process = self._process
        if process is not None:
            await self._end(process, self.program.stop_limit_s)
        if self._log is not None:
            self._log.close()
            self._log = None

    def terminate(self) -> None:
        """Ask it to end; ``watch`` starts it again."""
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()

    def kill(self) -> None:
        """End it at once."""
        self._stopping.set()
        if self._process is not None and self._process.returncode is None:
            self._process.kill()

    async def _end(self, process: asyncio.subprocess.Process, limit_s: float) -> None:
        if process.returncode is None and limit_s:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            try:
                await asyncio.wait_for(process.wait(), limit_s)
            except TimeoutError:
                self.say(f"{self.program.name} does not stop within {limit_s:g} s; killing it")
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        if self._readers:
            await asyncio.wait(self._readers, timeout=1)
            for reader in self._readers:
                reader.cancel()

    async def _read(
        self, stream: asyncio.StreamReader, ready: asyncio.Future[Mapping[str, Any]], *, show: bool
    ) -> None:
        while line := await _line(stream):
            text = line.decode(errors="replace").rstrip("\n")
            if not ready.done() and (said := self.program.ready(text)) is not None:
                ready.set_result(said)
            self._write(line)
            self._last_words.append(text)
            if show and (shown := self.program.show(text)):
                self.say(f"{self.program.name}: {shown}")

    def _open_log(self) -> None:
        if self._log is None:
            self._log = self.log_file.open("ab", buffering=0)

    def _write(self, line: bytes) -> None:
        if self._log is None:
            return
        try:
            if self._log.tell() > LOG_LIMIT_BYTES:
                self._log.close()
                self.log_file.replace(self.log_file.with_suffix(".log.1"))
                self._log = self.log_file.open("ab", buffering=0)
            self._log.write(line)
        except OSError as error:
            self._log = None
            self.say(f"{self.log_file} cannot be written ({error.strerror}); logging goes on without it")


async def _line(stream: asyncio.StreamReader) -> bytes:
    """The next line; of one that is longer than the limit, the piece that is there."""
    try:
        return await stream.readuntil(b"\n")
    except asyncio.IncompleteReadError as end:
        return end.partial
    except asyncio.LimitOverrunError as overrun:
        return await stream.read(overrun.consumed)


def _how_it_ended(code: int) -> str:
    if code < 0:
        return f"was ended by {signal.Signals(-code).name}"
    return f"ended with code {code}"


def python(*arguments: str) -> list[str]:
    """Command line of our own interpreter."""
    return [sys.executable, *arguments]
