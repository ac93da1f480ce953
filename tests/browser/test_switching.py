"""Who is on the stage changes: the picture does not freeze and its sound stays with it, clocks or not."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

import pytest
import pytest_asyncio
from playwright.async_api import Playwright

from loadtest.client import LessonClient, use_loopback_candidates
from loadtest.door import Door
from sfu.model import Source
from signaling.wire import SetStage
from tests.browser import classroom
from tests.browser.classroom import STAGE, STAGE_SOUND, by
from tests.browser.person import Person, eventually, freezes, person
from tests.media.tracks import Film, Sound, wrong_clock
from tests.serving import serving

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120), pytest.mark.alone]

CLOCK_ERROR_S = 7.0
STALL_MS = 60
PAGE_STALL = """() => {
  const stall = { ms: 0, last: performance.now() };
  stall.timer = setInterval(() => {
    const now = performance.now();
    stall.ms = Math.max(stall.ms, now - stall.last - 10);
    stall.last = now;
  }, 10);
  window.pageStall = stall;
}"""


@dataclass
class Class:
    """A teacher who steers, two students who send (the second's clock is wrong), one who looks on."""

    teacher: LessonClient
    senders: tuple[LessonClient, LessonClient]
    viewer: Person

    async def stage(self, which: int) -> None:
        """Put a sender on the stage of all."""
        participant = self.senders[which].participant
        await self.teacher.request(lambda number: SetStage(id=number, participant=participant))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lesson(
    playwright: Playwright, chromium: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Class]:
    use_loopback_candidates()
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(serving(tmp_path_factory.mktemp("switching") / "var"))
        doors = [await stack.enter_async_context(Door(server.origin)) for _ in range(3)]
        await doors[0].sign_in(server.teacher_link.partition("#")[2])
        made = await doors[0].new_lesson("Clocks", teacher_name="Anna Orlova")
        teacher = await stack.enter_async_context(LessonClient.join(doors[0], made.teacher_link))
        senders = []
        for who, name, error_s in ((1, "Gleb", 0.0), (2, "Dina", CLOCK_ERROR_S)):
            sender = await stack.enter_async_context(LessonClient.join(doors[who], made.student_link, name))
            with wrong_clock(error_s):
                start_s = time.monotonic()
                tracks = {Source.MICROPHONE: Sound(start_s), Source.CAMERA: Film(who, start_s)}
                await sender.connect_media(tracks, tiles=0)
            await sender.publish(Source.MICROPHONE)
            await sender.publish(Source.CAMERA)
            senders.append(sender)
        viewer = await stack.enter_async_context(person(playwright, chromium, "viewer"))
        everybody = Class(teacher, (senders[0], senders[1]), viewer)
        await everybody.stage(0)
        await classroom.student_joins(viewer, made.student_link, "Vera")
        await viewer.watch("stage", by(f"slot-{STAGE}"))
        await viewer.listen("stage", STAGE_SOUND)
        await viewer.see("stage", who=1)
        yield everybody


@pytest.mark.long
async def test_sound_stays_with_its_picture_after_switches_between_wrong_clocks(lesson: Class) -> None:
    """Four beeps in a row, soon after each switch; a busy machine may make a player wait longer."""
    viewer = lesson.viewer
    for which in (1, 0, 1):
        await lesson.stage(which)
        await on_stage(viewer, which)
        since_ms = await viewer.now_ms() + 1000  # until then a beep would be held against frames of both
        await eventually(
            partial(skews_since, viewer, since_ms),
            lambda late: len(late) >= 4 and abs(median(late[-4:])) <= 60,
            f"four beeps of sender {which} within 60 ms of their flashes",
        )


async def test_no_picture_freezes_in_sixteen_switches(lesson: Class) -> None:
    """A run in which the senders' loop or the viewer's page stood still itself is void and measured again,
    at most twice; a freeze without such a stall fails at once."""
    for attempt in range(3):
        freeze_ms, stall_ms = await longest_freeze(lesson.viewer, lesson, switches=16)
        print(f"run {attempt + 1}: longest freeze {freeze_ms:.0f} ms, longest stall {stall_ms:.0f} ms")
        if freeze_ms <= 150 or stall_ms < STALL_MS:
            break
    assert freeze_ms <= 150, f"longest freeze {freeze_ms:.0f} ms; the machine stood for {stall_ms:.0f} ms"
    assert (await lesson.viewer.inbound(STAGE))["packetsLost"] == 0


async def longest_freeze(viewer: Person, lesson: Class, *, switches: int) -> tuple[float, float]:
    """While two senders take turns on the stage: the longest freeze the viewer saw, and the longest time
    that the senders' loop or the viewer's page were not run at all, both in ms."""
    before = len(await viewer.frames("stage"))
    await viewer.do(PAGE_STALL)
    loop_stall = asyncio.create_task(stall_of_loop())
    for turn in range(switches):
        await lesson.stage(turn % 2)
        await on_stage(viewer, turn % 2)
        await asyncio.sleep(0.4)  # a switch is what is measured, not its speed
    loop_stall.cancel()
    page_ms: float = await viewer.do("() => { clearInterval(pageStall.timer); return pageStall.ms; }")
    return freezes((await viewer.frames("stage"))[before:])[0], max(page_ms, await loop_stall)


async def stall_of_loop() -> float:
    """Until cancelled: by how many ms a timer of 10 ms was late at worst."""
    worst_ms = 0.0
    try:
        while True:
            started_s = time.monotonic()
            await asyncio.sleep(0.01)
            worst_ms = max(worst_ms, (time.monotonic() - started_s) * 1000 - 10)
    except asyncio.CancelledError:
        return worst_ms


async def on_stage(viewer: Person, which: int) -> None:
    """Wait until frames of that sender are presented."""
    await eventually(
        lambda: viewer.do("() => zvonokReader.frames('stage').at(-1)[1]"),
        lambda who: bool(who == which + 1),
        f"sender {which} on the stage",
        every_s=0.05,
    )


async def skews_since(viewer: Person, since_ms: float) -> list[float]:
    """By how many ms each beep after a moment came later than its flash."""
    return [skew for at_ms, skew in await viewer.skews("stage", "stage") if at_ms > since_ms]
