"""A lesson whose teacher went away: locked at once, over after a while, and as it was when they are back."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import Playwright

from tests.browser import classroom
from tests.browser.classroom import CLICK_MS, by, click
from tests.browser.conftest import Studio
from tests.browser.person import person
from tests.serving import serving

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]

ENDS_AFTER_S = 12


async def test_lesson_waits_for_its_teacher_and_then_ends(
    playwright: Playwright, chromium: Path, studio: Studio, tmp_path: Path
) -> None:
    media = studio.media(1)
    async with (
        serving(
            tmp_path / "var", lesson__without_teacher_ends_s=ENDS_AFTER_S, lesson__drop_grace_s=1
        ) as server,
        person(playwright, chromium, "teacher", film=media.film, sound=media.sound) as teacher,
        person(playwright, chromium, "boris") as boris,
        person(playwright, chromium, "vera") as vera,
    ):
        links = await classroom.teacher_starts(teacher, server.teacher_link, "Away")
        await classroom.student_joins(boris, links.student, "Boris")

        await teacher.page.close()
        await boris.page.wait_for_selector(by("banner-teacher-away"), timeout=CLICK_MS)
        await boris.photograph("teacher-away")
        await classroom.knock(vera, links.student, "Vera")
        await vera.page.wait_for_selector(by("lobby"), timeout=CLICK_MS)

        teacher.page = await teacher.new_page()
        await teacher.page.goto(f"{server.origin}/teacher")
        await teacher.page.locator("[data-testid^=open-lesson-]").first.click(timeout=CLICK_MS)
        await classroom.go_live(teacher)
        await boris.page.wait_for_selector(by("banner-teacher-away"), state="detached", timeout=CLICK_MS)
        await classroom.in_lesson(vera)
        assert await classroom.people_here(teacher) == {"Anna Orlova", "Boris", "Vera"}

        await click(teacher, "leave-or-end")
        await click(teacher, "leave")
        await boris.page.wait_for_selector(by("ended"), timeout=(ENDS_AFTER_S + 10) * 1000)
        await vera.page.wait_for_selector(by("ended"), timeout=CLICK_MS)
