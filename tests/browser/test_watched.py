"""What nobody looks at is not sent: neither a camera, nor a layer of it, nor of a screen."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio
from playwright.async_api import Playwright

from tests.browser import classroom
from tests.browser.classroom import SCREEN, STAGE, by
from tests.browser.conftest import Studio
from tests.browser.person import MAY_PLAY, SHARE_A_TAB, Person, eventually, person
from tests.serving import serving

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]

CAMERA_SECTION, SCREEN_SECTION = 1, 2
HIDE: Final = """(hidden) => {
    Object.defineProperty(document, "visibilityState", {
        configurable: true,
        get: () => (hidden ? "hidden" : "visible"),
    });
    document.dispatchEvent(new Event("visibilitychange"));
}"""
"""As when another tab is in front: a page that is not seen draws nothing."""


@dataclass
class Meeting:
    teacher: Person
    student: Person


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def meeting(
    playwright: Playwright, chromium: Path, studio: Studio, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Meeting]:
    """A teacher with a large camera, and a student who looks at it."""
    media = studio.media(1, width=1280, height=720)
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(serving(tmp_path_factory.mktemp("watched") / "var"))
        teacher = await stack.enter_async_context(
            person(
                playwright,
                chromium,
                "teacher",
                film=media.film,
                sound=media.sound,
                flags=(MAY_PLAY, SHARE_A_TAB),
            )
        )
        student = await stack.enter_async_context(person(playwright, chromium, "student"))
        links = await classroom.teacher_starts(teacher, server.teacher_link, "Watched")
        await classroom.student_joins(student, links.student, "Boris")
        yield Meeting(teacher, student)


async def test_a_camera_nobody_looks_at_stands_still_and_is_back_within_a_second(meeting: Meeting) -> None:
    teacher, student = meeting.teacher, meeting.student
    await student.watch("stage", by(f"slot-{STAGE}"))
    await student.see("stage", who=1)
    await sends_only(teacher, CAMERA_SECTION, {"f"})

    await student.do(HIDE, True)
    await sends_only(teacher, CAMERA_SECTION, set())
    before = await packets(teacher, CAMERA_SECTION)
    await stands_still(teacher, CAMERA_SECTION)
    assert await packets(teacher, CAMERA_SECTION) == before, "something was sent though nobody looks"

    decoded = int((await student.inbound(STAGE))["framesDecoded"])
    back_ms: float = await student.do(
        f"""async (index, decoded) => {{
            ({HIDE})(false);
            const began = performance.now();
            for (;;) {{
                for (const each of (await zvonokReader.slot(index).getStats()).values())
                    if (each.type === "inbound-rtp" && each.framesDecoded > decoded)
                        return performance.now() - began;
                await new Promise((done) => setTimeout(done, 10));
            }}
        }}""",
        STAGE,
        decoded,
    )
    assert back_ms < 1000, f"the picture was back after {back_ms:.0f} ms"


async def test_only_the_layer_that_is_drawn_is_sent(meeting: Meeting) -> None:
    teacher, student = meeting.teacher, meeting.student
    await student.page.set_viewport_size({"width": 500, "height": 400})
    sent = await eventually(
        lambda: layers_sent(teacher, CAMERA_SECTION),
        lambda sent: len(sent) == 1 and sent != {"f"},
        "one lower layer alone",
    )
    assert sent <= {"q", "h"}
    await student.page.set_viewport_size({"width": 1366, "height": 768})
    await eventually(
        lambda: layers_sent(teacher, CAMERA_SECTION), lambda sent: "f" in sent, "the full size again"
    )


async def test_a_screen_is_sent_in_its_full_size_alone(meeting: Meeting) -> None:
    teacher, student = meeting.teacher, meeting.student
    await classroom.turn(teacher, "screen", on=True)
    await student.page.wait_for_selector(by(f"slot-{SCREEN}"), state="attached")
    await sends_only(teacher, SCREEN_SECTION, {"s"})
    full = await outbound(teacher, SCREEN_SECTION)
    await eventually(
        lambda: student.inbound(SCREEN),
        lambda stats: stats.get("frameWidth") == full["s"]["frameWidth"],
        "the screen in its full size",
    )


async def outbound(who: Person, section: int) -> dict[str, dict[str, Any]]:
    """Statistics of what is sent in a section, by rid."""
    found: list[dict[str, Any]] = await who.do(
        """async (index) => [...(await zvonokReader.sent(index).getStats()).values()]
            .filter((each) => each.type === "outbound-rtp")""",
        section,
    )
    return {each.get("rid", ""): each for each in found}


async def packets(who: Person, section: int) -> dict[str, int]:
    """How many packets of each layer were sent so far."""
    return {rid: each["packetsSent"] for rid, each in (await outbound(who, section)).items()}


async def layers_sent(who: Person, section: int) -> set[str]:
    """Layers of which packets leave within half a second."""
    before = await packets(who, section)
    await who.do("() => new Promise((done) => setTimeout(done, 500))")
    after = await packets(who, section)
    return {rid for rid in after if after[rid] > before.get(rid, 0)}


async def stands_still(who: Person, section: int) -> None:
    """Ten frames of the camera pass."""
    assert await layers_sent(who, section) == set()


async def sends_only(who: Person, section: int, wanted: set[str]) -> None:
    """Wait until packets of these layers leave, and of no other."""
    await eventually(
        lambda: layers_sent(who, section), lambda sent: sent == wanted, f"{who.name} sends only {wanted}"
    )
