"""A lesson over a plane that only remembers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from tests.sfu.recording_plane import Bench, InstantDtls


@pytest.fixture(scope="module")
def instant_handshakes() -> Iterator[None]:
    """Handshakes succeed when told to."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sfu.transport.DtlsServer", InstantDtls)
        yield


@pytest_asyncio.fixture
async def bench(instant_handshakes: None) -> AsyncIterator[Bench]:
    """An open lesson without people."""
    async with Bench() as bench:
        yield bench


@pytest_asyncio.fixture
async def lesson(bench: Bench) -> Bench:
    """A teacher with camera and microphone, and a student who draws everything; both connected."""
    bench.seat("teacher", "teacher", 0, on="camera microphone")
    bench.seat("student")
    bench.draw("student")
    bench.draw("teacher")
    await bench.connect("teacher")
    await bench.connect("student")
    return bench
