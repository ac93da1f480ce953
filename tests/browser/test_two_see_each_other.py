"""The first thing that must work: by the real pages two people see and hear each other through the worker."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import Playwright

from tests.browser import classroom
from tests.browser.classroom import STAGE, STAGE_SOUND, by
from tests.browser.conftest import Studio
from tests.browser.person import eventually, person, played
from tests.serving import serving

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]


@pytest.mark.long
async def test_teacher_and_student_see_each_other(
    playwright: Playwright, chromium: Path, studio: Studio, tmp_path: Path
) -> None:
    mine, other = studio.media(1), studio.media(2)
    async with (
        serving(tmp_path / "var") as server,
        person(playwright, chromium, "teacher", film=mine.film, sound=mine.sound) as teacher,
        person(playwright, chromium, "student", film=other.film, sound=other.sound) as student,
    ):
        links = await classroom.teacher_starts(teacher, server.teacher_link, "Light and shadow")
        await classroom.student_joins(student, links.student, "Boris")

        await student.watch("stage", by(f"slot-{STAGE}"))
        seen = played(await student.see("stage", who=1, frames=50), who=1, loop=mine.loop)
        assert seen.went_back == 0
        assert seen.longest_gap_ms < 500
        await student.do("(slot) => zvonokReader.listen('stage', zvonokReader.slot(slot).track)", STAGE_SOUND)
        await eventually(
            lambda: student.do("() => zvonokReader.tone('stage').hz"),
            lambda hz: abs(hz - mine.tone_hz) < 10,
            f"the teacher's tone of {mine.tone_hz} Hz at the student",
        )

        # By this it knows when to ask for a lost packet again, though it sends nothing yet.
        await eventually(
            lambda: student.inbound(STAGE, "remote-outbound-rtp"),
            lambda told: told.get("roundTripTimeMeasurements", 0) > 0,
            "the round trip at a student who only receives",
        )

        await classroom.turn(student, "camera", on=True)
        identity = await classroom.own_id(student)
        slot = await eventually(
            lambda: classroom.slot_of(teacher, identity),
            lambda slot: slot is not None,
            "a tile of the student",
        )
        await teacher.watch("tile", by(f"slot-{slot}"))
        seen = played(await teacher.see("tile", who=2, frames=50), who=2, loop=other.loop)
        assert seen.went_back == 0
        assert seen.longest_gap_ms < 500

        for somebody in (teacher, student):
            await somebody.photograph(f"two-{somebody.name}")
            assert await somebody.counts() == [{"setLocalDescription": 1, "setRemoteDescription": 1}]
