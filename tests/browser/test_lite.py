"""Who saves megabytes gets the teacher's sound and a picture a second, in 64 kbit/s."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

import pytest
from playwright.async_api import Playwright

from tests.browser import classroom
from tests.browser.classroom import STAGE, STAGE_SOUND, by, click
from tests.browser.conftest import Studio
from tests.browser.line import line
from tests.browser.person import Person, eventually, person
from tests.serving import serving

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120), pytest.mark.alone, pytest.mark.long,
]  # fmt: skip

SECONDS: Final = 10
LIMIT_BPS: Final = 64_000


async def test_lite_takes_64_kbit_a_second_with_sound_and_stills(
    playwright: Playwright, chromium: Path, studio: Studio, tmp_path: Path
) -> None:
    film = studio.media(1)
    async with (
        line() as own,
        serving(tmp_path / "var", server__allowed_origins=[own.origin]) as server,
        person(playwright, chromium, "teacher", film=film.film, sound=film.sound) as teacher,
        person(playwright, chromium, "student") as student,
    ):
        links = await classroom.teacher_starts(teacher, server.teacher_link, "Lite")
        await own.take(student)
        await classroom.student_joins(student, own.link(links.student), "Boris")
        await student.watch("stage", by(f"slot-{STAGE}"))
        await student.see("stage", who=1)

        await click(student, "saving")
        await click(student, "mode-lite")
        still = student.page.locator(by("still-camera"))
        await still.wait_for(timeout=classroom.CLICK_MS)
        await eventually(
            lambda: down_bytes(student, STAGE), lambda found: found == 0, "no more video", every_s=1
        )
        began_s, media, stills = time.monotonic(), own.down_octets, await stills_octets(student)
        seen = {await still.get_attribute("src")}
        while time.monotonic() - began_s < SECONDS:
            await student.do("() => new Promise((done) => setTimeout(done, 200))")
            seen.add(await still.get_attribute("src"))
        elapsed_s = time.monotonic() - began_s
        media_bps = 8 * (own.down_octets - media) / elapsed_s
        stills_bps = 8 * (await stills_octets(student) - stills) / elapsed_s
        bps = media_bps + stills_bps
        await student.listen("sound", STAGE_SOUND)
        await student.hear("sound", film.tone_hz)
        await student.photograph("lite-student")
        print(
            f"lite: {media_bps / 1000:.1f} kbit/s from the worker and {stills_bps / 1000:.1f} of stills, "
            f"{len(seen)} pictures in {elapsed_s:.1f} s"
        )
        assert bps <= LIMIT_BPS, f"{bps:.0f} bit/s"
        assert len(seen) >= 0.8 * SECONDS, "a picture a second"

        await click(student, "saving")
        await click(student, "mode-full")
        await student.watch("stage", by(f"slot-{STAGE}"))
        await student.see("stage", who=1)


async def down_bytes(who: Person, slot: int) -> int:
    """What comes in a slot within half a second."""
    before = (await who.inbound(slot)).get("bytesReceived", 0)
    await who.do("() => new Promise((done) => setTimeout(done, 500))")
    return int((await who.inbound(slot)).get("bytesReceived", 0) - before)


async def stills_octets(who: Person) -> int:
    """What came through the page's WebSocket so far."""
    found: int = await who.do("() => zvonokReader.socketBytes()")
    return found
