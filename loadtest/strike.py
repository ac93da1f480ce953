"""Which process of a server is killed, by /proc: the busiest of a kind, since that one has lessons."""

from __future__ import annotations

import os
import signal
from pathlib import Path


def children(parent: int, module: str) -> list[int]:
    """Process ids of its children that run this module."""
    found = []
    for pid in map(int, Path(f"/proc/{parent}/task/{parent}/children").read_text().split()):
        try:
            command = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
        except OSError:
            continue  # it has just ended
        if module in command:
            found.append(pid)
    return found


def busiest(parent: int, module: str) -> int:
    """The child that used the most CPU; raises ProcessLookupError when there is none, OSError."""
    found = {pid: _cpu(pid) for pid in children(parent, module)}
    if not found:
        raise ProcessLookupError(f"no child of {parent} runs {module}")
    return max(found, key=lambda pid: found[pid])


def kill_busiest(parent: int, module: str) -> str:
    """End it without a word; which one it was. Raises OSError."""
    pid = busiest(parent, module)
    os.kill(pid, signal.SIGKILL)
    return f"{module}, process {pid}"


def _cpu(pid: int) -> int:
    """User and system time in ticks (proc(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])
