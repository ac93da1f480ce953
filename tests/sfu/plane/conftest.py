"""One suite over both planes: a test that takes ``plane`` is run over each core."""

from __future__ import annotations

import pytest

from tests.sfu.plane.cores import PLANES


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Parametrised here and not by a fixture, so that Hypothesis takes it too."""
    if "plane" in metafunc.fixturenames:
        metafunc.parametrize("plane", PLANES)
