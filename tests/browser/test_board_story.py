"""A board by real pages: a teacher, a student at a desk, a student with a phone, in both languages."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Playwright

from tests.browser import classroom
from tests.browser.classroom import by, click
from tests.browser.person import person
from tests.browser.teaching import board
from tests.serving import serving

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(240), pytest.mark.long]
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


async def test_a_class_draws_on_a_board(playwright: Playwright, chromium: Path, tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(serving(tmp_path / "var"))
        enter = stack.enter_async_context
        teacher = await enter(person(playwright, chromium, "teacher", locale="ru-RU"))
        desk = await enter(person(playwright, chromium, "desk"))
        phone = await enter(person(playwright, chromium, "phone", locale="ru-RU", **PHONE))
        links = await classroom.teacher_starts(teacher, server.teacher_link, "Силы")
        await classroom.student_joins(desk, links.student, "Boris")
        await classroom.student_joins(phone, links.student, "Вера")
        await board.new_board(teacher)
        await teacher.photograph("board-empty-teacher-ru")
        await board.teacher_draws(teacher, [desk, phone])
        for somebody in (teacher, desk, phone):
            await somebody.photograph(f"board-drawn-{somebody.name}")
        who = await classroom.own_id(phone)
        await teacher.page.locator(by(f"ink-{who}")).click()
        await board.editor(phone)
        await board.stroke(phone, [(0.4, 0.5), (0.5, 0.7), (0.6, 0.5)])
        for somebody in (teacher, desk, phone):
            await board.elements(somebody, 4)
        await phone.photograph("board-edit-phone-ru")
        await teacher.page.locator(by(f"ink-{who}")).click()
        await click(teacher, "close-panel")
        await teacher.photograph("board-wide-teacher-ru")
        await desk.page.reload()
        await classroom.in_lesson(desk)
        await desk.page.wait_for_selector(by("board-look"))
        await board.elements(desk, 4)
        async with desk.page.expect_download() as download:
            await click(desk, "board-save")
            await desk.photograph("board-save-desk")
            await click(desk, "board-save-png")
        kept = await (await download.value).path()
        assert kept.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
