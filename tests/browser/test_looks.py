"""Every page without and around a lesson: in both languages, on a desk and a phone, and what axe says."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from playwright.async_api import Playwright

from tests.browser import classroom
from tests.browser.classroom import by, click
from tests.browser.looks import Looks, findings
from tests.browser.person import person
from tests.serving import serving

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(240), pytest.mark.long]


async def test_no_page_has_a_serious_finding_or_is_wider_than_its_screen(
    playwright: Playwright, chromium: Path, tmp_path: Path
) -> None:
    looks = Looks("pages")
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(serving(tmp_path / "var"))
        teacher = await stack.enter_async_context(person(playwright, chromium, "teacher"))
        vera = await stack.enter_async_context(person(playwright, chromium, "vera"))
        vera.forgive("Failed to load resource")
        await teacher.page.goto(server.origin)
        await teacher.page.wait_for_selector("h1")
        await looks.take("home", teacher)
        await classroom.sign_in(teacher, server.teacher_link)
        await looks.take("teacher", teacher)
        await classroom.new_lesson(teacher, "Light and shadow", "Anna Orlova")
        await looks.take("check", teacher)
        await vera.page.goto(f"{server.origin}/l/nothing")
        await vera.page.wait_for_selector(by("problem"))
        await looks.take("unknown-link", vera)
        await classroom.go_live(teacher)
        link = await classroom.student_link(teacher)
        await click(teacher, "invite")
        await looks.take("invite", teacher)
        await teacher.page.keyboard.press("Escape")
        await vera.page.goto(link)
        await vera.page.wait_for_selector(by("name-input"))
        await looks.take("join", vera)
        await classroom.student_joins(vera, link, "Vera")
        await classroom.say(vera, "Why is the sky blue?")
        await classroom.say(teacher, "Wait and see.")
        await looks.take("chat", vera)
        await click(vera, "raise-hand")
        await click(teacher, "people")
        await teacher.page.wait_for_selector(by("hands"))
        await looks.take("people", teacher)
        await click(teacher, "close-panel")
        await looks.take("lesson-teacher", teacher)
        await click(vera, "close-panel")
        await looks.take("lesson-student", vera)
        await click(teacher, "record")
        await looks.take("record", teacher)
        await teacher.page.keyboard.press("Escape")
        await click(teacher, "leave-or-end")
        await looks.take("end", teacher)
        await click(teacher, "end-lesson")
        await teacher.page.wait_for_selector(by("attendance-table"))
        await vera.page.wait_for_selector(by("ended"))
        await looks.take("ended-teacher", teacher)
        await looks.take("ended-student", vera)
        await teacher.page.goto(f"{server.origin}/library")
        await teacher.page.wait_for_selector("h1")
        await looks.take("library", teacher)
        await teacher.do("() => { document.body.append(document.createElement('img')); }")
        assert [each for each in await findings(teacher) if each.startswith("image-alt")], "axe is blind"
    looks.sheet()
    assert not looks.findings, "\n".join(looks.findings)
