"""Groups as people meet them: by the real pages, on a desk and on a phone, in both languages."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Playwright

from tests.browser import classroom
from tests.browser.classroom import by, click
from tests.browser.conftest import Studio
from tests.browser.person import Person, person
from tests.browser.teaching import groups
from tests.serving import serving

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(240), pytest.mark.long]

PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "locale": "ru-RU"}


async def test_a_class_works_in_groups(
    playwright: Playwright, chromium: Path, studio: Studio, tmp_path: Path
) -> None:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(serving(tmp_path / "var"))

        async def sit_down(name: str, who: int, **options: Any) -> Person:
            media = studio.media(who)
            somebody = person(playwright, chromium, name, film=media.film, sound=media.sound, **options)
            return await stack.enter_async_context(somebody)

        teacher = await sit_down("teacher", 1)
        masha = await sit_down("masha", 2, color_scheme="dark")
        petya = await sit_down("petya", 3, **PHONE)
        links = await classroom.teacher_starts(teacher, server.teacher_link, "Light and shadow")
        await classroom.student_joins(masha, links.student, "Masha")
        await classroom.student_joins(petya, links.student, "Петя Иванов")
        await classroom.turn(masha, "camera", on=True)

        await groups.open_tool(teacher)
        await teacher.photograph("groups-make")
        await groups.groups(teacher, [masha, petya])
        for somebody in (teacher, masha, petya):
            await somebody.photograph(f"groups-open-{somebody.name}")
        await petya.page.tap(by("groups-chat"))
        await petya.photograph("groups-chat-petya")
        await petya.page.tap(by("groups-chat"))
        await click(teacher, "groups-more-5")
        await click(teacher, "groups-back")
        await petya.page.tap(by("groups-ask"))
        await teacher.page.wait_for_selector("[data-testid^=groups-asked-]")
        await teacher.photograph("groups-asked-teacher")
        await as_a_phone_in_russian(teacher)
        await groups.open_tool(teacher)
        await teacher.photograph("groups-open-teacher-phone")
        await click(teacher, "close-panel")
        await teacher.photograph("groups-strip-teacher-phone")
        await groups.end_groups(teacher, [masha, petya])
        await groups.open_tool(teacher)
        await teacher.photograph("groups-prepared-teacher-phone")


async def as_a_phone_in_russian(somebody: Person) -> None:
    """The same page on a small screen, in the other language."""
    await click(somebody, "devices")
    await click(somebody, "language-ru")
    await somebody.page.keyboard.press("Escape")
    await somebody.page.set_viewport_size({"width": 390, "height": 844})
