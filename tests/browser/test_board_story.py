"""A board by real pages: a teacher, a student at a desk, a student with a phone, in both languages."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Playwright

from tests.browser import classroom
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
        await board.board_story(teacher, [desk, phone], photographs=True)
