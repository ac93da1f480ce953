"""From another machine: a student's Chromium in its own network namespace joins by the printed https link."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import Playwright

from tests.browser import classroom
from tests.browser.classroom import STAGE, STAGE_SOUND, by
from tests.browser.conftest import Studio
from tests.browser.person import eventually, person, played
from tests.browser.two_hosts import SERVER_ADDRESS, two_hosts
from tests.serving import serving

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.netns, pytest.mark.timeout(120)]


async def test_student_on_another_host_joins_by_the_printed_link(
    playwright: Playwright, chromium: Path, studio: Studio, tmp_path: Path
) -> None:
    mine, other = studio.media(1), studio.media(2)
    with two_hosts() as hosts:
        async with serving(
            tmp_path / "var", inside=hosts.server, server__public=SERVER_ADDRESS, media__announce=["auto"]
        ) as server:
            assert server.origin.startswith(f"https://{SERVER_ADDRESS}:")
            authority = hosts.fetch(f"{server.origin}/trust/ca.crt")
            browsers = {
                name: hosts.browser(chromium, tmp_path / name, authority, command)
                for name, command in (("teacher", hosts.server), ("student", hosts.student))
            }
            async with (
                person(
                    playwright,
                    browsers["teacher"],
                    "teacher",
                    film=mine.film,
                    sound=mine.sound,
                    host=SERVER_ADDRESS,
                ) as teacher,
                person(
                    playwright,
                    browsers["student"],
                    "student",
                    film=other.film,
                    sound=other.sound,
                    host=SERVER_ADDRESS,
                ) as student,
            ):
                links = await classroom.teacher_starts(teacher, server.teacher_link, "From afar")
                assert links.student.startswith(f"{server.origin}/l/")
                await classroom.student_joins(student, links.student, "Boris")
                assert await student.do("() => window.isSecureContext")

                await student.watch("stage", by(f"slot-{STAGE}"))
                seen = played(await student.see("stage", who=1, frames=50), who=1, loop=mine.loop)
                assert seen.went_back == 0
                await student.listen("stage", STAGE_SOUND)
                await student.hear("stage", mine.tone_hz)

                await classroom.turn(student, "camera", on=True)
                identity = await classroom.own_id(student)
                slot = await eventually(
                    lambda: classroom.slot_of(teacher, identity),
                    lambda slot: slot is not None,
                    "a slot with the student",
                )
                await teacher.watch("student", by(f"slot-{slot}"))
                await teacher.see("student", who=2, frames=50)
                await student.photograph("other-host")
