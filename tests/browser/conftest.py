"""What the browser tests share: Playwright, and films and sounds made once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import pytest_asyncio
from playwright.async_api import Playwright, async_playwright

from config.setup.browser import find_firefox
from loadtest.media.films import write_film, write_sound


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder needs a browser."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@dataclass(frozen=True)
class Media:
    """A person's film and sound; frame counters begin anew after ``loop`` frames."""

    who: int
    film: Path
    sound: Path
    tone_hz: int
    loop: int


class Studio:
    """Makes a person's media once a test run."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made: dict[tuple[int, int, int], Media] = {}

    def media(self, who: int, *, width: int = 640, height: int = 360) -> Media:
        """Media of publisher ``who`` (0..15): the tone tells who it is too, beeps come once a second."""
        key = (who, width, height)
        if key not in self._made:
            film = self._folder / f"film-{who}-{width}x{height}.y4m"
            sound = self._folder / f"sound-{who}.wav"
            tone_hz = 400 + 100 * who
            loop = write_film(film, who=who, width=width, height=height)
            write_sound(sound, tone_hz=tone_hz, beeps=True)
            self._made[key] = Media(who, film, sound, tone_hz, loop)
        return self._made[key]


@pytest.fixture(scope="session")
def studio() -> Iterator[Studio]:
    """Where films and sounds are made; they are large, so they are not kept."""
    with TemporaryDirectory(prefix="zvonok-media-") as folder:
        yield Studio(Path(folder))


@pytest.fixture(scope="session")
def firefox() -> Path:
    """A Firefox to play files in."""
    found = find_firefox()
    if found is None:
        pytest.skip("Firefox NOT RUN: no firefox-esr or firefox that starts (see CONTRIBUTING.md)")
    return found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def playwright() -> AsyncIterator[Playwright]:
    """Playwright's driver."""
    async with async_playwright() as driver:
        yield driver
