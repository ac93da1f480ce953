"""A camera is sent in layers, the highest in its full size; viewers get the one that fits what they draw."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import Playwright

from tests.browser import classroom
from tests.browser.classroom import STAGE, by
from tests.browser.conftest import Studio
from tests.browser.person import Person, eventually, person
from tests.serving import serving

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]


@pytest.mark.parametrize(
    ("width", "height"),
    [(1280, 720), *(pytest.param(*each, marks=pytest.mark.long) for each in ((640, 360), (720, 1280)))],
)
async def test_large_gets_full_size_and_small_a_lower_layer(
    playwright: Playwright, chromium: Path, studio: Studio, tmp_path: Path, width: int, height: int
) -> None:
    media = studio.media(1, width=width, height=height)
    async with (
        serving(tmp_path / "var") as server,
        person(playwright, chromium, "teacher", film=media.film, sound=media.sound) as teacher,
        person(playwright, chromium, "student") as student,
    ):
        links = await classroom.teacher_starts(teacher, server.teacher_link, "Layers")
        await classroom.student_joins(student, links.student, "Boris")
        await size(student, STAGE, (width, height))
        await student.watch("stage", by(f"slot-{STAGE}"))
        await student.see("stage", who=1)

        await classroom.layout(student, "gallery")
        await student.page.set_viewport_size({"width": 500, "height": 400})
        teacher_id = await classroom.own_id(teacher)
        slot = await eventually(
            lambda: classroom.slot_of(student, teacher_id),
            lambda slot: slot is not None and slot != STAGE,
            "the teacher in a tile",
        )
        assert slot is not None
        seen = await eventually(
            lambda: frame_size(student, slot),
            lambda found: 0 < found[1] < height,
            "a lower layer in a small tile",
        )
        assert seen[0] * height == pytest.approx(seen[1] * width, rel=0.03), "the picture is out of shape"


async def frame_size(who: Person, slot: int) -> tuple[int, int]:
    """Width and height of the frames that come in a slot now."""
    stats = await who.inbound(slot)
    return int(stats.get("frameWidth", 0)), int(stats.get("frameHeight", 0))


async def size(who: Person, slot: int, wanted: tuple[int, int]) -> None:
    """Wait until frames of this size come."""
    await eventually(
        lambda: frame_size(who, slot), lambda found: found == wanted, f"frames of {wanted}", limit_s=20
    )
