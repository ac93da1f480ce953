"""The chat in real pages: a teacher, a student at a desk, a student on a phone, in both languages."""

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
from tests.browser.classroom import by, click
from tests.browser.person import Person, person
from tests.browser.teaching import chat
from tests.serving import serving

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180), pytest.mark.long]

PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


@dataclass
class Class:
    """A running lesson and who is in it."""

    teacher: Person
    boris: Person
    vera: Person


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lesson(
    playwright: Playwright, chromium: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Class]:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(serving(tmp_path_factory.mktemp("chat") / "var"))

        async def sit_down(name: str, **options: Any) -> Person:
            return await stack.enter_async_context(person(playwright, chromium, name, **options))

        teacher = await sit_down("teacher")
        boris = await sit_down("boris", locale="ru-RU")
        vera = await sit_down("vera", **PHONE)
        links = await classroom.teacher_starts(teacher, server.teacher_link, "Quadratic equations")
        await classroom.student_joins(boris, links.student, "Boris")
        await classroom.student_joins(vera, links.student, "Vera")
        yield Class(teacher, boris, vera)


async def test_what_is_said_to_all_has_quotes_formulas_and_links(lesson: Class) -> None:
    await chat.to_all(lesson.teacher, lesson.boris, lesson.vera)
    for somebody in (lesson.teacher, lesson.boris, lesson.vera):
        await somebody.photograph(f"chat-all-{somebody.name}")


async def test_a_student_and_the_teacher_alone(lesson: Class) -> None:
    await chat.to_the_teacher(lesson.teacher, lesson.boris, lesson.vera)
    await chat.open_chat(lesson.boris, "notes")
    await lesson.boris.photograph("chat-notes-boris")
    await chat.open_chat(lesson.teacher, "notes")
    await lesson.teacher.photograph("chat-threads-teacher")
    await chat.open_chat(lesson.teacher, "all")


async def test_what_waits_for_the_teacher(lesson: Class) -> None:
    await chat.open_chat(lesson.vera, "all")
    await chat.write(lesson.vera, "https://game.example come and play with me all day long")
    await chat.reads(lesson.vera, "game.example", state="waits")
    await lesson.teacher.page.wait_for_selector(by("chat-held"))
    await lesson.teacher.photograph("chat-waiting-teacher")
    await lesson.vera.photograph("chat-waiting-vera")
    await click(lesson.teacher, "chat-decline")
    await chat.waits(lesson.teacher, lesson.boris, lesson.vera)


async def test_the_teacher_keeps_order(lesson: Class) -> None:
    await chat.is_kept_in_order(lesson.teacher, lesson.boris, lesson.vera)


async def test_rules_and_menus_in_both_languages(lesson: Class) -> None:
    teacher = lesson.teacher
    await chat.open_chat(teacher, "all")
    await teacher.page.locator(f"{by('chat-rules')} summary").click()
    await teacher.photograph("chat-rules-teacher")
    await click(teacher, "devices")
    await click(teacher, "language-ru")
    await teacher.page.keyboard.press("Escape")
    await teacher.photograph("chat-rules-teacher-ru")
    await teacher.page.set_viewport_size({"width": 390, "height": 844})
    await teacher.photograph("chat-rules-teacher-ru-phone")
    await teacher.page.locator(f"{by('chat-rules')} summary").click()
    await chat.of_message(teacher, "The roots:", "chat-reply")
    await teacher.page.fill(by("chat-input"), "x" * 1100)
    await teacher.photograph("chat-too-long-teacher-ru-phone")
    await teacher.page.fill(by("chat-input"), "")
    await lesson.boris.photograph("chat-removed-boris")
