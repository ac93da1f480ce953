"""Calling to the board, reactions, timer, picker and calm, by the real pages.

A teacher and a student sit at desktops, one has a phone.

The tests run in order and share the lesson.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Playwright

from tests.browser import classroom
from tests.browser.conftest import Studio
from tests.browser.person import Person, person
from tests.browser.teaching import leading
from tests.serving import serving

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120), pytest.mark.long]


@dataclass
class Class:
    """Who is in the lesson."""

    teacher: Person
    boris: Person
    vera: Person


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["en-GB", "ru-RU"])
async def klass(
    request: pytest.FixtureRequest,
    playwright: Playwright,
    chromium: Path,
    studio: Studio,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Class]:
    phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(serving(tmp_path_factory.mktemp("leading") / "var"))

        async def sit_down(name: str, who: int, **options: Any) -> Person:
            media = studio.media(who)
            somebody = person(
                playwright,
                chromium,
                f"{name}-{request.param[:2]}",
                film=media.film,
                sound=media.sound,
                locale=request.param,
                **options,
            )
            return await stack.enter_async_context(somebody)

        teacher, boris, vera = (
            await sit_down("teacher", 1),
            await sit_down("boris", 2),
            await sit_down("vera", 3, **phone),
        )
        links = await classroom.teacher_starts(teacher, server.teacher_link, "Light and shadow")
        await classroom.student_joins(boris, links.student, "Boris")
        await classroom.student_joins(vera, links.student, "Vera")
        yield Class(teacher, boris, vera)


async def test_to_the_board_and_back(klass: Class) -> None:
    await leading.to_the_board(klass.teacher, klass.vera, klass.boris)


async def test_reactions(klass: Class) -> None:
    await leading.reactions(klass.teacher, klass.boris, klass.vera)


async def test_the_timer(klass: Class) -> None:
    await leading.timer(klass.teacher, klass.boris, klass.vera)


async def test_the_picker(klass: Class) -> None:
    await leading.picker(klass.teacher, klass.boris, klass.vera)


async def test_calm(klass: Class) -> None:
    await leading.calm(klass.teacher, klass.vera, klass.boris)
