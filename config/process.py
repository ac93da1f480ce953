"""What a process of the server does around its own work: say that it is ready, hear that it is to stop, die
with who started it."""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import signal
from collections.abc import Callable
from typing import Any, Final

_PR_SET_PDEATHSIG: Final = 1
_libc = ctypes.CDLL(None, use_errno=True)


def on_stop(call: Callable[[], object]) -> None:
    """From now on SIGTERM and SIGINT call this on the running loop, instead of ending the process."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, call)


def say_ready(**facts: Any) -> None:
    """Print the line on stdout that who started us waits for: one JSON object with ``"ready": true``."""
    print(json.dumps({"ready": True, **facts}), flush=True)


def die_with(parent: int, death_signal: int = signal.SIGKILL) -> None:
    """The kernel sends us this signal when ``parent``, who started us, dies; at once when that is over."""
    _libc.prctl(_PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
    if os.getppid() != parent:  # it died before we asked
        os._exit(1)
