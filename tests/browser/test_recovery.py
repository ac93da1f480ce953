"""Parts of the server die and come back; people in a lesson need do nothing."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Playwright

from tests.browser import classroom
from tests.browser.classroom import STAGE, by
from tests.browser.conftest import Media, Studio
from tests.browser.person import Person, eventually, person, played
from tests.serving import Server, serving

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]


@dataclass
class Meeting:
    """A teacher who sends and a student who looks on."""

    server: Server
    teacher: Person
    student: Person
    film: Media


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def meeting(
    playwright: Playwright, chromium: Path, studio: Studio, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Meeting]:
    media = studio.media(1)
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(serving(tmp_path_factory.mktemp("recovery") / "var"))
        teacher, student = [
            await stack.enter_async_context(
                person(playwright, chromium, name, film=media.film, sound=media.sound)
            )
            for name in ("teacher", "student")
        ]
        for somebody in (teacher, student):
            somebody.forgive("WebSocket|net::ERR_|Failed to load resource")
        links = await classroom.teacher_starts(teacher, server.teacher_link, "Recovery")
        await classroom.student_joins(student, links.student, "Boris")
        await student.watch("stage", by(f"slot-{STAGE}"))
        await student.see("stage", who=1)
        yield Meeting(server, teacher, student, media)


async def test_killed_signalling_comes_back_and_media_never_stops(meeting: Meeting) -> None:
    teacher, student = meeting.teacher, meeting.student
    await student.watch("stage", by(f"slot-{STAGE}"))
    await student.see("stage", who=1)
    meeting.server.forgiven.append("signalling")
    os.kill(meeting.server.child("signaling.app"), signal.SIGKILL)
    await student.page.wait_for_selector(by("banner-reconnecting"), timeout=classroom.CLICK_MS)
    await in_touch(meeting)
    await student.see("stage", who=1, frames=150)
    seen = played(await student.frames("stage"), who=1, loop=meeting.film.loop)
    assert seen.longest_gap_ms < 500
    assert [len(await each.counts()) for each in (teacher, student)] == [1, 1], "media was connected anew"


async def test_killed_worker_comes_back_with_the_lesson(meeting: Meeting) -> None:
    meeting.server.forgiven.append("worker")
    os.kill(meeting.server.child("sfu.worker"), signal.SIGKILL)
    before = len(await meeting.student.counts())
    await eventually(
        meeting.student.counts, lambda counts: len(counts) > before, "a new media connection", limit_s=20
    )
    await meeting.student.watch("stage", by(f"slot-{STAGE}"))
    await meeting.student.see("stage", who=1, limit_s=20)
    await in_touch(meeting)
    for somebody in (meeting.teacher, meeting.student):
        for counts in await somebody.counts():
            assert counts["setRemoteDescription"] <= 1  # offers to a dead worker have no answer


async def test_restarted_server_has_the_lesson_and_its_people(meeting: Meeting) -> None:
    identity = await classroom.own_id(meeting.student)
    await meeting.server.stop()
    await meeting.student.page.wait_for_selector(by("banner-reconnecting"), timeout=classroom.CLICK_MS)
    await meeting.server.start()
    await meeting.student.page.wait_for_selector(by("banner-reconnecting"), state="detached", timeout=30_000)
    await classroom.in_lesson(meeting.student)
    assert await classroom.own_id(meeting.student) == identity
    await meeting.student.watch("stage", by(f"slot-{STAGE}"))
    await meeting.student.see("stage", who=1, limit_s=30)
    await in_touch(meeting)


async def in_touch(meeting: Meeting) -> None:
    """What the teacher writes reaches the student, and both are there once."""
    await meeting.teacher.page.wait_for_selector(by("banner-reconnecting"), state="detached", timeout=30_000)
    await meeting.student.page.wait_for_selector(by("banner-reconnecting"), state="detached", timeout=30_000)
    text = f"message {os.urandom(4).hex()}"
    await classroom.say(meeting.teacher, text)
    if not await meeting.student.page.locator(by("chat-panel")).is_visible():
        await classroom.click(meeting.student, "chat")
    messages = meeting.student.page.locator(by("chat-message"))
    await eventually(
        messages.all_inner_texts, lambda texts: sum(text in each for each in texts) == 1, f"{text}, once"
    )
    assert await classroom.people_here(meeting.teacher) == {"Anna Orlova", "Boris"}
