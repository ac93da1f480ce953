"""Waiting for what must come, by looking: there is no other clock in tests."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable


async def until(condition: Callable[[], object], what: str, limit_s: float = 15) -> None:
    """Wait until the condition holds; says what was missing when it never does."""
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {limit_s:g} s"
        await asyncio.sleep(0.02)
