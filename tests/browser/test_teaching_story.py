"""A whole lesson without another program: slides, ink by two, a quiz, the board, groups, calm; then its
results, and its recording with slides, ink and chat at their seconds. A teacher and three students, one on a
phone.

In test-long each main state is looked at in both languages and two sizes: the contact sheet is in the
artifacts.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Playwright

from signaling.catalog.takes import opened
from tests.browser import classroom
from tests.browser.classroom import by, click
from tests.browser.conftest import Studio
from tests.browser.looks import Looks
from tests.browser.person import Person, eventually, person
from tests.browser.teaching import board, groups, leading, quiz, slides
from tests.serving import Server, serving

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(600)]

PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "locale": "ru-RU"}


@pytest.mark.parametrize("looked_at", [False, pytest.param(True, marks=pytest.mark.long)])
async def test_a_lesson_is_taught_and_seen_again(
    playwright: Playwright, chromium: Path, studio: Studio, tmp_path: Path, looked_at: bool
) -> None:
    looks = Looks("teaching", off=not looked_at)
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(serving(tmp_path / "var"))

        async def sit_down(name: str, who: int, **options: Any) -> Person:
            media = studio.media(who)
            somebody = person(playwright, chromium, name, film=media.film, sound=media.sound, **options)
            return await stack.enter_async_context(somebody)

        teacher = await sit_down("teacher", 1)
        masha = await sit_down("masha", 2)
        vera = await sit_down("vera", 3, color_scheme="dark")
        petya = await sit_down("petya", 4, **PHONE)
        students = (masha, vera, petya)
        links = await classroom.teacher_starts(teacher, server.teacher_link, "Light and shadow")
        for student, name in zip(students, ("Masha", "Vera", "Петя"), strict=True):
            await classroom.student_joins(student, links.student, name)
        await classroom.turn(teacher, "camera", on=False)
        await click(teacher, "record")
        await click(teacher, "record-start")
        await petya.page.wait_for_selector(f"{by('banner-recording')}[data-state=on]", timeout=10_000)

        deck = slides.write_deck(tmp_path)
        shown = await slides.slides_are_shown(teacher, students, deck)
        await slides.the_teacher_points(teacher, students)
        await alone(teacher)
        await looks.take("slides-teacher", teacher)
        await looks.take("slides-student", masha)
        await slides.slides_are_taken_away(teacher, students, shown)

        await board.new_board(teacher)
        await board.teacher_draws(teacher, students)
        await board.student_draws(teacher, masha, (vera, petya), 3)
        await looks.take("board-teacher", teacher)
        await looks.take("board-student", vera)
        await board.put_away(teacher, students)

        await classroom.say(masha, "Why is the shadow blue?")
        await classroom.say(teacher, "Look at the sky.")
        await looks.take("chat-teacher", teacher)
        await looks.take("chat-student", masha)
        for somebody in (teacher, masha):
            await alone(somebody)

        await quiz.ask_a_quiz(teacher, masha, vera, ("Masha", "Vera"))
        await looks.take("quiz-teacher", teacher)
        await looks.take("quiz-student", masha)
        for student in students:
            if await student.page.locator(by("quiz-dismiss")).count():
                await click(student, "quiz-dismiss")
        await alone(teacher)

        await leading.to_the_board(teacher, masha, vera)
        await leading.timer(teacher, masha, vera)

        await groups.groups(teacher, students)
        await looks.take("groups-teacher", teacher)
        await looks.take("groups-student", vera)
        await groups.end_groups(teacher, students)
        await alone(teacher)
        await groups.draw_in_groups(teacher, masha)

        await leading.calm(teacher, masha, vera)
        await click(teacher, "calm")
        await leading.sees(vera, "calm-card")
        await looks.take("calm-teacher", teacher)
        await looks.take("calm-student", vera)
        await click(teacher, "calm-release")
        await the_end(server, teacher, looks)
        await seen_again(masha, links.student, looks)
    if looked_at:
        looks.sheet()
    assert not looks.findings, "\n".join(looks.findings)


async def alone(somebody: Person) -> None:
    """Nothing is open beside the pictures."""
    if await somebody.page.locator(f"{by('close-panel')}:visible").count():
        await click(somebody, "close-panel")


async def the_end(server: Server, teacher: Person, looks: Looks) -> None:
    """The lesson ends, and its results are there."""
    await click(teacher, "leave-or-end")
    await click(teacher, "end-lesson")
    await teacher.page.wait_for_selector(by("ended"), timeout=classroom.CLICK_MS)
    await click(teacher, "to-results")
    await teacher.page.wait_for_selector(by("results-quiz"), timeout=classroom.CLICK_MS)
    assert "Masha" in await teacher.page.inner_text(by("results-quiz"))
    await looks.take("results", teacher)


async def seen_again(student: Person, link: str, looks: Looks) -> None:
    """Slides, ink and chat stand beside the video at their seconds, and not before."""
    await student.page.goto(link)
    await student.page.locator(by("watch-video")).click(timeout=60_000)
    await student.page.wait_for_selector(f"{by('player-video')}", timeout=60_000)
    timeline = await student.do(
        """async () => {
            const page = await fetch(location.pathname.replace("/watch/", "/api/links/") + "/video");
            return await (await fetch((await page.json()).timeline_url)).json();
        }"""
    )
    shown = [each for each in timeline["changes"] if "shown" in each["set"]]
    slides_ms, board_ms = (each["at_ms"] for each in shown[:2])
    drawn = f"board/{opened(shown[1]['set']['shown'])['thing']}/e/"
    strokes = [
        each["at_ms"] for each in timeline["changes"] if any(path.startswith(drawn) for path in each["set"])
    ]
    hidden_ms = next(
        each["at_ms"]
        for each in timeline["changes"]
        if "shown" in each["delete"] and each["at_ms"] > board_ms
    )
    assert slides_ms < board_ms < min(strokes) <= max(strokes) < hidden_ms

    async def at(ms: int) -> None:
        await student.do("(s) => { document.querySelector('video').currentTime = s; }", ms / 1000)
        await student.until(
            "(css, ms) => Math.abs(Number(document.querySelector(css).dataset.timeMs) - ms) < 400",
            by("player"),
            ms,
            what=f"the player at {ms} ms",
        )

    await at(max(0, slides_ms - 1000))
    await student.page.wait_for_selector(by("player-shown"), state="detached")
    await at(slides_ms + 1000)
    await student.page.wait_for_selector(f"{by('player-shown')}[data-kind=slides]")
    picture = student.page.locator(f"{by('player-shown')} img").first
    await eventually(
        lambda: picture.evaluate("(image) => image.naturalWidth"),
        lambda width: width > 300,
        "the page of slides",
    )
    await looks.take("replay-slides", student)
    await at(min(strokes) - 300)
    look = student.page.locator(f"{by('player-shown')} {by('board-look')}")
    assert await look.get_attribute("data-elements") == "0"
    await at((max(strokes) + hidden_ms) // 2)
    await eventually(
        lambda: look.get_attribute("data-elements"), lambda seen: seen == "4", "ink beside the video"
    )
    await looks.take("replay-board", student)
    said = next(each["at_ms"] for each in timeline["chat"] if "shadow" in each["text"])
    question = student.page.get_by_text("Why is the shadow blue?")
    await at(said - 700)
    assert await question.count() == 0
    await at(said + 200)
    await question.first.wait_for(timeout=classroom.CLICK_MS)
    await at(timeline["duration_ms"] - 1500)
    await student.page.wait_for_selector(by("player-quiz"))
    await looks.take("replay-quiz", student)
