"""What every test has: uvloop, a hypothesis profile, and honest words about tests that cannot run here."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import hypothesis
import pytest
import uvloop

from config.setup.browser import find_chromium

hypothesis.settings.register_profile("zvonok", deadline=None, database=None, print_blob=True)
hypothesis.settings.load_profile("zvonok")


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
    made = subprocess.run([ip, "netns", "add", name], capture_output=True, text=True)
    if made.returncode:
        return f"ip netns add: {made.stderr.strip()}"
    subprocess.run([ip, "netns", "delete", name], check=True)
    return ""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what this machine cannot run; the summary names each with its reason."""
    for item in items:
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
