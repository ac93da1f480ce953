"""What every test has: uvloop, a hypothesis profile, and honest words about tests that cannot run here."""

from __future__ import annotations

import asyncio
import functools
import inspect
import os
import shutil
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import uvloop

from config.setup.browser import find_chromium

hypothesis.settings.register_profile("zvonok", deadline=None, database=None, print_blob=True)
hypothesis.settings.load_profile("zvonok")


def pytest_configure(config: pytest.Config) -> None:
    """Before CPython 3.11.5 a traceback made while another is parsed ends the interpreter's parser with
    SystemError, and one failing test the whole run: there pytest gets along without parsing."""
    if sys.version_info < (3, 11, 5):
        config.option.tbstyle = "native"


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], uvloop.Loop]]:
    """Asynchronous tests run on the loop that production runs on."""
    return {"uvloop": uvloop.new_event_loop}


@cache
def _namespaces_missing() -> str:
    """Why network namespaces cannot be made here; empty when they can."""
    if os.geteuid() != 0:
        return "root is needed"
    ip = shutil.which("ip", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if ip is None:
        return "install iproute2"
    name = f"zvonok-{os.getpid()}"
    made = subprocess.run([ip, "netns", "add", name], check=False, capture_output=True, text=True)
    if made.returncode:
        return f"ip netns add: {made.stderr.strip()}"
    subprocess.run([ip, "netns", "delete", name], check=True)
    return ""


def _limited(test: Callable[..., Awaitable[None]], limit_s: float) -> Callable[..., Awaitable[None]]:
    @functools.wraps(test)
    async def run(*args: Any, **kwargs: Any) -> None:
        async with asyncio.timeout(limit_s):
            await test(*args, **kwargs)

    return run


def _limit_asynchronous(item: pytest.Function) -> None:
    """Let the loop itself end a test that waits for ever.

    uvloop swallows what the alarm of pytest-timeout raises, so that alarm becomes the last resort: it
    ends the whole run, with every stack printed, when the loop is stuck.
    """
    marker = item.get_closest_marker("timeout")
    limit_s = float(marker.args[0] if marker else item.config.getini("timeout"))
    item.add_marker(pytest.mark.timeout(limit_s + 15, method="thread"), append=False)
    item.obj = _limited(item.obj, limit_s)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what this machine cannot run; the summary names each with its reason."""
    for item in items:
        if isinstance(item, pytest.Function) and inspect.iscoroutinefunction(item.function):
            _limit_asynchronous(item)
        if item.get_closest_marker("browser") and find_chromium() is None:
            item.add_marker(pytest.mark.skip(reason="no Chromium that starts (see CONTRIBUTING.md)"))
        if item.get_closest_marker("netns") and (reason := _namespaces_missing()):
            item.add_marker(pytest.mark.skip(reason=f"network namespaces NOT RUN: {reason}"))


@pytest.fixture(scope="session")
def chromium() -> Path:
    """The browser to drive, one that was seen to start."""
    found = find_chromium()
    if found is None:
        pytest.fail("a test uses the chromium fixture without the browser marker")
    return found
