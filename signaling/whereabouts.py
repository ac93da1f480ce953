"""Where a process runs, said so that another one on the same machine can tell that it is gone."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

_PROC = Path("/proc")


def here() -> str:
    """This boot of this machine, the space its process ids are of, this process and when it started."""
    pid = os.getpid()
    return " ".join((_machine(), str(pid), _started(pid)))


def is_gone(where: str) -> bool:
    """Whether the process that said ``where`` is provably gone; False where that can't be told from here."""
    machine, _, rest = where.rpartition(" ")[0].rpartition(" ")
    started = where.rpartition(" ")[2]
    if not rest.isdigit() or not machine or machine != _machine():
        return False
    return _started(int(rest)) != started


@cache
def _machine() -> str:
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {(_PROC / 'self/ns/pid').readlink()}"
    except OSError:
        return ""


def _started(pid: int) -> str:
    """Clock ticks from boot to the start of the process; "-" when there is none."""
    try:
        stat = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "-"
    # The name, in parentheses, may hold blanks; a zombie sends nothing any more.
    words = stat.rpartition(")")[2].split()
    return "-" if words[0] == "Z" else words[19]
