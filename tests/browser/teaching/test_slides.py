"""Slides before a class: a teacher, a student at a laptop who reads Russian, one on a phone."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from playwright.async_api import Playwright

from tests.browser import classroom
from tests.browser.classroom import by, click
from tests.browser.person import person
from tests.browser.teaching import slides
from tests.serving import serving

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300), pytest.mark.long]


async def test_slides_before_the_class(playwright: Playwright, chromium: Path, tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(serving(tmp_path / "var", slides__office=""))
        teacher = await stack.enter_async_context(person(playwright, chromium, "teacher", locale="ru-RU"))
        boris = await stack.enter_async_context(person(playwright, chromium, "boris", color_scheme="dark"))
        vera = await stack.enter_async_context(
            person(
                playwright, chromium, "vera", locale="ru-RU", viewport={"width": 390, "height": 844},
                device_scale_factor=3, is_mobile=True, has_touch=True,
            )
        )  # fmt: skip
        links = await classroom.teacher_starts(teacher, server.teacher_link, "Оптика")
        await classroom.student_joins(boris, links.student, "Boris")
        await classroom.student_joins(vera, links.student, "Вера")
        students = (boris, vera)
        deck = slides.write_deck(tmp_path)

        broken = tmp_path / "лекция.pdf"
        broken.write_bytes(b"%PDF-1.7\nnothing more")
        await click(teacher, "tools")
        await teacher.photograph("slides-tools-ru")
        await click(teacher, "tool-slides")
        await teacher.page.wait_for_selector(by("slides-add"))
        await teacher.photograph("slides-empty-ru")
        await teacher.page.set_input_files(by("slides-file"), broken)
        await teacher.page.wait_for_selector("[data-reason=broken]", timeout=slides.LIMIT_MS)

        shown = await slides.slides_are_shown(teacher, students, deck)
        await teacher.photograph("slides-teacher-ru")
        await boris.photograph("slides-student-dark-en")
        await vera.photograph("slides-phone-ru")
        await slides.the_teacher_points(teacher, students)
        await slides.a_student_looks_ahead(teacher, boris, shown)
        await teacher.photograph("slides-panel-ru")
        await click(boris, "slides-next")
        await boris.photograph("slides-ahead-en")
        await slides.pages_are_chosen_by_their_pictures(teacher, (vera,))
        await teacher.photograph("slides-strip-ru")
        await vera.photograph("slides-upright-phone-ru")
        await vera.page.reload()
        await classroom.in_lesson(vera)
        await slides.sees_page(vera, 5)
        # Links of the teacher on a small screen.
        await teacher.page.set_viewport_size({"width": 390, "height": 844})
        await teacher.photograph("slides-teacher-phone-ru")
        await teacher.page.set_viewport_size({"width": 1366, "height": 768})
        await slides.slides_are_taken_away(teacher, students, shown)
