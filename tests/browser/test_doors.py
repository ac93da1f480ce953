"""Ways into a lesson, and what people are told when a way is shut."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Playwright

from loadtest.door import Door, code_of
from signaling.wire import LessonInfo
from tests.browser import classroom
from tests.browser.classroom import CLICK_MS, STAGE, STAGE_SOUND, by, click
from tests.browser.conftest import Studio
from tests.browser.person import FAKE_DEVICES, MAY_PLAY, Person, eventually, person
from tests.serving import Server, serving

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(90)]

ASKS_FOR_A_CLICK = "--autoplay-policy=document-user-activation-required"
IN_APP = (
    "Mozilla/5.0 (Linux; Android 14; Pixel 8 Build/AP2A; wv) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Version/4.0 Chrome/126.0.0.0 Mobile Safari/537.36"
)
REFUSED = "Failed to load resource"

SitDown = Callable[..., Awaitable[Person]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    async with serving(tmp_path_factory.mktemp("doors") / "var") as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def office(server: Server) -> AsyncIterator[Door]:
    """The teacher's cookie, for lessons that no page has to make."""
    async with Door(server.origin) as door:
        await door.sign_in(server.teacher_link.partition("#")[2])
        yield door


@pytest_asyncio.fixture(loop_scope="module")
async def lesson(office: Door) -> LessonInfo:
    return await office.new_lesson("Doors", teacher_name="Anna Orlova")


@pytest_asyncio.fixture(loop_scope="module")
async def sit_down(playwright: Playwright, chromium: Path) -> AsyncIterator[SitDown]:
    async with AsyncExitStack() as stack:

        async def sit(name: str, **options: Any) -> Person:
            return await stack.enter_async_context(person(playwright, chromium, name, **options))

        yield sit


async def teacher_at(server: Server, sit_down: SitDown, lesson: LessonInfo, **options: Any) -> Person:
    """The teacher, signed in, at the device check of this lesson."""
    teacher = await sit_down("teacher", **options)
    await classroom.sign_in(teacher, await server.new_teacher_link())
    await teacher.page.goto(lesson.teacher_link)
    await teacher.page.wait_for_selector(by("device-check"), timeout=CLICK_MS)
    return teacher


async def test_unknown_link_is_said_in_both_languages(server: Server, sit_down: SitDown) -> None:
    student = await sit_down("student")
    student.forgive(REFUSED)
    await student.page.goto(f"{server.origin}/l/0123456789ABC")
    await student.page.wait_for_selector(f"{by('problem')}[data-code=link_unknown]", timeout=CLICK_MS)
    english = await student.page.inner_text(by("problem"))
    await click(student, "language-ru")
    russian = await eventually(
        lambda: student.page.inner_text(by("problem")), lambda text: text != english, "another language"
    )
    assert "ссылк" in russian.lower()
    await student.photograph("unknown-link")


async def test_lobby_until_the_teacher_is_in_then_admitted_by_itself(
    server: Server, sit_down: SitDown, lesson: LessonInfo, studio: Studio
) -> None:
    media = studio.media(1)
    student = await sit_down("student", viewport={"width": 390, "height": 844})
    await classroom.knock(student, lesson.student_link, "Boris")
    await student.page.wait_for_selector(by("lobby"), timeout=CLICK_MS)
    await student.photograph("lobby-phone")
    teacher = await teacher_at(server, sit_down, lesson, film=media.film, sound=media.sound)
    await teacher.photograph("device-check")
    await classroom.go_live(teacher)
    await classroom.in_lesson(student)
    await student.watch("stage", by(f"slot-{STAGE}"))
    await student.see("stage", who=1)
    await student.photograph("lesson-phone")


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("   ", "name_empty"),
        ("Bo\u202eris", "name_bad_characters"),
        ("B" * 61, "name_too_long"),
        ("anna  ORLOVA", "name_taken_teacher"),
    ],
)
async def test_names_that_are_refused_are_said_beside_the_field(
    sit_down: SitDown, lesson: LessonInfo, name: str, code: str
) -> None:
    student = await sit_down("student")
    student.forgive(REFUSED)
    await classroom.knock(student, lesson.student_link, name)
    field = student.page.locator(by("name-input"))
    await eventually(lambda: field.get_attribute("aria-invalid"), lambda invalid: invalid == "true", code)
    assert await student.page.locator(by("lesson")).count() == 0


async def test_locked_lesson_says_so(
    server: Server, sit_down: SitDown, lesson: LessonInfo, studio: Studio
) -> None:
    media = studio.media(1)
    teacher = await teacher_at(server, sit_down, lesson, film=media.film, sound=media.sound)
    await classroom.go_live(teacher)
    await click(teacher, "people")
    await teacher.page.locator(f"{by('rules')} summary").click()
    await click(teacher, "lock")
    student = await sit_down("student")
    student.forgive(REFUSED)

    async def refused() -> str | None:
        await classroom.knock(student, lesson.student_link, "Boris")
        return await student.page.locator(by("problem")).get_attribute("data-code", timeout=CLICK_MS)

    assert await refused() == "lesson_locked"
    await student.photograph("locked")


async def test_camera_denied_is_said_and_does_not_block(
    server: Server, sit_down: SitDown, lesson: LessonInfo
) -> None:
    teacher = await teacher_at(
        server, sit_down, lesson, flags=(MAY_PLAY, FAKE_DEVICES, "--deny-permission-prompts"), asks=True
    )
    await teacher.page.wait_for_selector(by("check-failure-refused"), timeout=CLICK_MS)
    await teacher.photograph("camera-denied")
    await click(teacher, "go-live")
    await classroom.in_lesson(teacher)


async def test_no_camera_and_microphone_is_said_and_does_not_block(
    server: Server, sit_down: SitDown, lesson: LessonInfo
) -> None:
    teacher = await teacher_at(server, sit_down, lesson, flags=(MAY_PLAY,))
    await teacher.page.wait_for_selector(by("check-failure-missing"), timeout=CLICK_MS)
    await teacher.photograph("no-camera")
    await click(teacher, "go-live")
    await classroom.in_lesson(teacher)


async def test_in_app_browser_is_told_to_open_the_real_one(sit_down: SitDown, lesson: LessonInfo) -> None:
    student = await sit_down("student", user_agent=IN_APP, viewport={"width": 390, "height": 844})
    await student.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await student.context.add_init_script(
        "Object.defineProperty(Navigator.prototype, 'mediaDevices', { get: () => undefined })"
    )
    await student.page.goto(lesson.student_link)
    await student.page.wait_for_selector(by("in-app-browser"), timeout=CLICK_MS)
    await student.photograph("in-app-browser")
    await click(student, "copy-own-link")
    assert await student.do("() => navigator.clipboard.readText()") == lesson.student_link


async def test_refused_autoplay_shows_the_button_and_it_brings_the_sound(
    server: Server, sit_down: SitDown, lesson: LessonInfo, studio: Studio
) -> None:
    media = studio.media(1)
    teacher = await teacher_at(server, sit_down, lesson, film=media.film, sound=media.sound)
    await classroom.go_live(teacher)
    student = await sit_down("student", flags=(ASKS_FOR_A_CLICK, FAKE_DEVICES))
    # Whoever comes by a click may hear at once. A tab that the browser restored was not clicked. Nor may the
    # test touch it before: what Playwright evaluates in a page counts as a click, so the page itself reports.
    stay = {"code": code_of(lesson.student_link), "name": "Boris"}
    await student.context.add_init_script(
        f"""sessionStorage.setItem("zvonok.in", JSON.stringify({json.dumps(stay)}));
        const timer = setInterval(() => {{
            if (!document.querySelector('{by("turn-sound-on")}')) return;
            clearInterval(timer);
            console.info("the button is there");
        }}, 100);"""
    )
    async with student.page.expect_console_message(
        lambda message: message.text == "the button is there", timeout=15_000
    ):
        await student.page.goto(lesson.student_link)
    await student.photograph("sound-refused")
    playing = """(css) => {
        const video = document.querySelector(css);
        return !video.paused && !video.muted && video.volume > 0;
    }"""
    assert not await student.do(playing, by(f"slot-{STAGE}"))
    await click(student, "turn-sound-on")
    await student.until(playing, by(f"slot-{STAGE}"), what="the stage sounds")
    await student.listen("stage", STAGE_SOUND)
    await student.hear("stage", media.tone_hz)
    await student.page.wait_for_selector(by("turn-sound-on"), state="detached", timeout=CLICK_MS)
