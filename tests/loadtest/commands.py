"""Load tests as commands: started, read, and what their exit code has to be."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

ZVONOK = str(Path(sys.executable).with_name("zvonok"))
LOCUST = [sys.executable, "-m", "locust", "-f", "loadtest/locustfile.py", "--headless", "--skip-log-setup"]
CHECKOUT = Path(__file__).resolve().parents[2]


@asynccontextmanager
async def started(command: Sequence[str], **environment: str) -> AsyncIterator[Process]:
    """A process whose stdout is read; not there any more at the end."""
    process = await asyncio.create_subprocess_exec(
        *command, stdin=DEVNULL, stdout=PIPE, cwd=CHECKOUT, env={**os.environ, **environment}
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def run(command: Sequence[str]) -> tuple[int, list[str], dict[str, Any]]:
    """Exit code, lines, and the JSON object of the last line."""
    async with started([*command, "--json=-"]) as process:
        out, _ = await process.communicate()
    lines = out.decode().splitlines()
    assert process.returncode is not None
    return process.returncode, lines, json.loads(lines[-1])


def right_code(found: dict[str, Any]) -> int:
    """What the exit code has to be, from what the report says."""
    if found["void"]:
        return 2
    return 1 if any(objective["met"] is False for objective in found["objectives"].values()) else 0
