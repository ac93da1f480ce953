"""A step's process as seen from outside: started, listened to, stopped for a while, ended."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from signaling.wire import JobStep

COMMAND: Final = (sys.executable, "-m", "recorder.jobs.step")
_LINE_BYTES: Final = 4096


@dataclass(frozen=True, slots=True)
class Ended:
    """How it ended. ``error`` None: it is done. ``again``: another try may help."""

    error: str | None
    again: bool = False


class StepProcess:
    """Make it with ``start``; ``kill`` at the latest in the end."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self.progress = 0
        """Percent."""
        self.stopped = False
        """Whether it stands still, by ``pause``."""

    @classmethod
    async def start(
        cls, step: JobStep, video: Path, drafts: Path, command: Sequence[str] = COMMAND
    ) -> StepProcess:
        """Begin; raises OSError. Of our settings it is told nothing: it decodes what people sent."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("ZVONOK_")}
        return cls(
            await asyncio.create_subprocess_exec(
                *command,
                step,
                str(video),
                str(drafts),
                str(os.getpid()),
                stdout=PIPE,
                limit=_LINE_BYTES,
                env=environment,
            )
        )

    async def ended(self) -> Ended:
        """Wait for its last word, following ``progress`` meanwhile."""
        last: dict[str, Any] = {}
        assert self._process.stdout is not None  # noqa: S101 - asked for above
        with contextlib.suppress(ValueError):  # a line of no end is not ours
            while line := await self._process.stdout.readline():
                said = json.loads(line)
                self.progress = max(self.progress, int(said.get("progress", 0)))
                last = said
        await self.end()
        if last.get("done"):
            return Ended(None)
        if "failed" in last:
            return Ended(str(last["failed"]), bool(last.get("again")))
        return Ended("died", again=True)

    def pause(self, wanted: bool) -> None:
        """Stand still, or go on."""
        if wanted != self.stopped and self._process.returncode is None:
            self._process.send_signal(signal.SIGSTOP if wanted else signal.SIGCONT)
            self.stopped = wanted

    async def end(self) -> None:
        """End it at once and wait until it is gone, with its pipe. Idempotent."""
        self.kill()
        await self._process.wait()

    def kill(self) -> None:
        """End it at once. Idempotent."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
