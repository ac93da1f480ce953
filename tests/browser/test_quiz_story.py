"""A class answers a quiz and a poll in real pages, and the teacher finds the results afterwards."""

from __future__ import annotations

import csv
import io
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from playwright.async_api import Playwright

from tests.browser import classroom
from tests.browser.classroom import by, click
from tests.browser.person import person
from tests.browser.teaching import quiz
from tests.serving import serving

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(240), pytest.mark.long,
]  # fmt: skip
PHONE = {"width": 390, "height": 844}


@pytest.mark.parametrize("language", ["en-GB", "ru-RU"])
async def test_a_class_is_asked(
    playwright: Playwright, chromium: Path, tmp_path: Path, language: str
) -> None:
    short = language[:2]
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(serving(tmp_path / "var"))
        enter = stack.enter_async_context
        teacher = await enter(person(playwright, chromium, "teacher", locale=language))
        boris = await enter(person(playwright, chromium, "boris", locale=language, color_scheme="dark"))
        vera = await enter(person(playwright, chromium, "vera", locale=language, viewport=PHONE))
        links = await classroom.teacher_starts(teacher, server.teacher_link, "Light and shadow")
        await classroom.student_joins(boris, links.student, "Boris")
        await classroom.student_joins(vera, links.student, "Vera")

        await quiz.open_panel(teacher)
        await teacher.photograph(f"quiz-panel-{short}")
        await quiz.paste_and_start(teacher)
        for student in (boris, vera):
            await student.page.wait_for_selector(by("quiz-card"))
            await student.photograph(f"quiz-asked-{student.name}-{short}")
        await click(teacher, "quiz-close")
        await quiz.ask_a_quiz(teacher, boris, vera, ("Boris", "Vera"))
        await teacher.photograph(f"quiz-map-{short}")
        await click(teacher, "quiz-larger")
        await teacher.photograph(f"quiz-larger-{short}")
        await teacher.page.keyboard.press("Escape")
        for student in (boris, vera):
            await student.photograph(f"quiz-revealed-{student.name}-{short}")
            await click(student, "quiz-dismiss")
        await quiz.open_panel(teacher)
        await click(teacher, "quiz-own")
        await teacher.photograph(f"quiz-editor-{short}")
        await quiz.ask_without_names(teacher, boris, vera)
        await teacher.photograph(f"quiz-anonymous-{short}")

        await click(teacher, "leave-or-end")
        await click(teacher, "end-lesson")
        await click(teacher, "to-results")
        await teacher.page.wait_for_selector(by("results-quiz"))
        await teacher.photograph(f"quiz-results-{short}")
        address = await teacher.page.get_attribute(by("results-csv"), "href")
        answer = await teacher.context.request.get(f"{server.origin}{address}")
        rows = list(csv.reader(io.StringIO((await answer.body()).decode("utf-8-sig"))))
        assert ["Light", "3", "Speed of light, in 1000 km/s?", "number", "Boris", "299.8", "1", ""] in rows
        assert [row[4] for row in rows[1:] if row[0] != "Light"] == [""]
