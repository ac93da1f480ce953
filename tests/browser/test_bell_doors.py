"""What people see at the door when a lesson is announced for later, and when a whole school comes at once."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from playwright.async_api import Playwright

from loadtest.door import Door, code_of
from tests.browser import classroom
from tests.browser.classroom import CLICK_MS, by, click
from tests.browser.person import person
from tests.serving import serving

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]

BEFORE = 4
REFUSED = "Failed to load resource"
PHONE = {"width": 390, "height": 844}


async def test_an_announced_lesson_is_told_at_the_door_and_a_crowd_comes_in_by_turns(
    tmp_path: Path, playwright: Playwright, chromium: Path
) -> None:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(serving(tmp_path / "var", lesson__joins_s=1))
        teacher = await stack.enter_async_context(person(playwright, chromium, "teacher"))
        await classroom.sign_in(teacher, server.teacher_link)
        await teacher.page.fill(by("new-lesson-title"), "Optics")
        await teacher.page.fill(by("teacher-name"), "Anna Orlova")
        bell = datetime.now().astimezone() + timedelta(days=1, minutes=30)
        await teacher.page.fill(by("new-lesson-opens"), bell.strftime("%Y-%m-%dT%H:%M"))
        await click(teacher, "create-lesson")
        line = await teacher.page.wait_for_selector("li[data-testid^=lesson-]", timeout=CLICK_MS)
        assert line is not None
        assert bell.strftime("%H:%M") in await line.inner_text()
        await teacher.page.click("[data-testid^=backup-] summary")
        assert await teacher.page.is_visible("[data-testid^=copy-backup-student-link-]")
        await teacher.photograph("announced")

        office = await stack.enter_async_context(Door(server.origin))
        await office.sign_in((await server.new_teacher_link()).partition("#")[2])
        lesson = (await office.teacher()).lessons[0]

        student = await stack.enter_async_context(
            person(playwright, chromium, "student", locale="ru-RU", viewport=PHONE)
        )
        student.forgive(REFUSED)
        await student.page.goto(lesson.student_link)
        await student.page.wait_for_selector(by("opens-at"), timeout=CLICK_MS)
        assert bell.strftime("%H:%M") in await student.page.inner_text(by("opens-at"))
        await student.photograph("announced-student-ru")

        others = [await stack.enter_async_context(Door(server.origin)) for _ in range(BEFORE)]
        code = code_of(lesson.student_link)
        coming = [asyncio.create_task(door.join(code, f"Ученик {n}")) for n, door in enumerate(others)]
        await asyncio.wait(coming, return_when=asyncio.FIRST_COMPLETED)
        await student.page.fill(by("name-input"), "Боря Синицын")
        await click(student, "join")
        await student.page.wait_for_selector(by("door-queue"), timeout=CLICK_MS)
        place = int(await student.page.get_attribute(by("door-queue"), "data-place") or "0")
        assert 1 <= place <= BEFORE
        await student.photograph("queue-ru")
        await student.page.wait_for_selector(by("lobby"), timeout=60_000)
        await student.photograph("queue-over-ru")
        await asyncio.gather(*coming)
        refused = await server.metrics()
        assert refused['zvonok_refused_total{code="door_queue"}'] >= BEFORE
