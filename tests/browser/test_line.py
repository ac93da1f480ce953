"""The line that other tests make bad really carries what it says, and nothing goes around it."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import Playwright

from loadtest.network import Impairment
from tests.browser import classroom
from tests.browser.classroom import STAGE, STAGE_SOUND, by
from tests.browser.conftest import Studio
from tests.browser.line import line
from tests.browser.person import eventually, person, played
from tests.serving import serving

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]


@pytest.mark.long
async def test_clean_line_passes_everything_and_a_cut_one_nothing(
    playwright: Playwright, chromium: Path, studio: Studio, tmp_path: Path
) -> None:
    mine = studio.media(1)
    async with (
        line() as own,
        serving(tmp_path / "var", server__allowed_origins=[own.origin]) as server,
        person(playwright, chromium, "teacher", film=mine.film, sound=mine.sound) as teacher,
        person(playwright, chromium, "student") as student,
    ):
        await own.take(student)
        links = await classroom.teacher_starts(teacher, server.teacher_link, "Lines")
        await classroom.student_joins(student, own.link(links.student), "Boris")
        await student.watch("stage", by(f"slot-{STAGE}"))
        seen = played(await student.see("stage", who=1, frames=50), who=1, loop=mine.loop)
        assert seen.longest_gap_ms < 500
        assert (await student.inbound(STAGE))["packetsLost"] == 0

        own.cut(socket=False)
        at_cut = (await student.inbound(STAGE))["packetsReceived"]
        await teacher.watch("self", by("own-video"))
        await teacher.see("self", who=1, frames=50)  # time passes
        assert (await student.inbound(STAGE))["packetsReceived"] - at_cut < 10
        assert await student.do("() => document.documentElement.dataset.socket") == "up"

        own.restore()
        heard = (await student.inbound(STAGE_SOUND))["packetsReceived"]
        await eventually(
            lambda: student.inbound(STAGE_SOUND),
            lambda stats: stats.get("packetsReceived", 0) > heard + 50,
            "sound over the restored line",
        )

        own.impair(down=Impairment(loss=0.3))
        await eventually(
            lambda: student.inbound(STAGE_SOUND),
            lambda stats: stats.get("packetsLost", 0) > 10,
            "losses on a line that loses",
        )
