"""A student says in the lesson that they are not recorded, and takes themselves out of its video."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec
import pytest
from playwright.async_api import Playwright

from loadtest.media.video_lesson import read_video_lesson
from recorder.erasure import spans
from signaling.catalog.takes import Takes
from tests.browser import classroom
from tests.browser.classroom import by, click
from tests.browser.conftest import Studio
from tests.browser.person import FAKE_DEVICES, MAY_PLAY, person
from tests.recorder.made import shown
from tests.serving import serving

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]
VERA = 3


async def test_a_student_is_not_recorded_any_more_and_not_in_the_video(
    playwright: Playwright, chromium: Path, studio: Studio, tmp_path: Path
) -> None:
    media = studio.media(VERA)
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(serving(tmp_path / "var"))
        teacher = await stack.enter_async_context(person(playwright, chromium, "teacher"))
        vera = await stack.enter_async_context(
            person(
                playwright, chromium, "vera", film=media.film, sound=media.sound,
                flags=(MAY_PLAY, FAKE_DEVICES), locale="ru-RU", viewport={"width": 390, "height": 844},
            )
        )  # fmt: skip
        links = await classroom.teacher_starts(teacher, server.teacher_link, "Light")
        await classroom.student_joins(vera, links.student, "Вера")
        for source in ("microphone", "camera"):
            await classroom.turn(teacher, source, on=False)
            await classroom.turn(vera, source, on=True)
        who = await classroom.own_id(vera)

        await click(teacher, "record")
        await click(teacher, "record-voices")
        await click(teacher, "record-cameras")
        await click(teacher, "record-start")
        await vera.page.wait_for_selector(f"{by('banner-recording')}[data-state=on]", timeout=10_000)
        on_ms = await vera.now_ms()
        await asyncio.sleep(2)
        await vera.photograph("consent-student-asks")
        await vera.page.locator(by("record-me")).focus()
        await vera.page.keyboard.press("Enter")
        said_ms = await vera.now_ms()
        await vera.page.wait_for_selector("text=Вас не записывают", timeout=5000)
        await vera.photograph("consent-student")
        await click(vera, "more")
        await vera.page.locator(by("not-me")).scroll_into_view_if_needed()
        assert await vera.page.locator(by("not-me")).is_checked()
        await vera.photograph("consent-more")
        await vera.page.keyboard.press("Escape")
        await click(teacher, "people")
        await teacher.page.wait_for_selector(by(f"unrecorded-{who}"), timeout=5000)
        await teacher.page.locator(by(f"unrecorded-{who}")).scroll_into_view_if_needed()
        await teacher.photograph("consent-teacher")
        await teacher.page.locator(by("rules")).locator("summary").click()
        await teacher.photograph("consent-rules")
        await teacher.page.locator(by("rules")).locator("summary").click()
        await click(teacher, f"person-menu-{who}")
        await teacher.photograph("consent-menu")
        await teacher.page.keyboard.press("Escape")
        await asyncio.sleep(3)
        await click(teacher, "leave-or-end")
        await click(teacher, "end-lesson")
        await teacher.page.wait_for_selector(by("ended"), timeout=10_000)

        await vera.page.goto(links.student)
        await vera.page.locator(by("watch-video")).click(timeout=20_000)
        await vera.page.wait_for_selector(by("take-me-out"), timeout=10_000)
        (folder,) = (path for path in (server.var / "library").iterdir() if not path.name.startswith("."))
        takes = msgspec.json.decode((folder / "takes.json").read_bytes(), type=Takes)
        for seen in (True, False):
            found = spans(takes.takes, {who}, seen=seen)
            assert found
            assert found[-1][1] <= said_ms - on_ms + 1000 + 500, "was recorded for longer than a second"
        before = await asyncio.to_thread(read_video_lesson, folder / "video.webm")
        assert VERA in shown(before, 0, 99)

        await click(vera, "take-me-out")
        await vera.photograph("consent-take-me-out")
        await click(vera, "take-out-confirm")
        await vera.page.wait_for_selector(by("video-processing"), timeout=5000)
        await vera.page.wait_for_selector(by("player-video"), timeout=30_000)
        assert not await vera.page.locator(by("take-me-out")).count()
        after = await asyncio.to_thread(read_video_lesson, folder / "video.webm")
        assert shown(after, 0, 99) == {None}
        assert after.level(0, 99) < 1e-4 < before.level(0, 99)
        assert after.duration_s == pytest.approx(before.duration_s, abs=0.05)

        await teacher.page.goto(f"{server.origin}/library/{folder.name}")
        await click(teacher, "video-people")
        await teacher.page.wait_for_selector(f"{by('people-dialog')} li", timeout=5000)
        await teacher.photograph("consent-people")
