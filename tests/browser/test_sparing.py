"""What is taken away first where a line or a computer is too weak, and that the others do not notice."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio
from playwright.async_api import Playwright

from loadtest.bench._join_visitors import Visitor
from loadtest.bench._page_media import write_film, write_sound
from loadtest.bench._peer import Identity
from loadtest.client import LessonClient, use_loopback_candidates
from loadtest.door import Door
from loadtest.network import Impairment
from loadtest.tracks import Picture
from sfu.model import Source
from tests.browser import classroom
from tests.browser.classroom import STAGE, STAGE_SOUND, by
from tests.browser.flow import flow, tiles_of
from tests.browser.line import Line, line
from tests.browser.person import Person, eventually, person
from tests.serving import serving

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(150), pytest.mark.alone]

TILES: Final = 6
WATCHERS: Final = 3
KEEP_S: Final = 2.5
BEFORE_S: Final = 8
AFTER_S: Final = 16
"""A layer that is taken up again costs the others a keyframe, and what Chromium sends until its rates are
right again: about a second's worth in all."""
UNHARMED: Final = 0.05
STUMBLED: Final = 0.15
"""Of the seconds until a slow computer is spared: one short gap at most."""
WHOLE_AFTER_S: Final = 10
CONTINUOUS: Final = 0.02
"""Share of made up sound that nobody hears."""


class Watcher:
    """Looks at the stage on a clean line and counts what comes."""

    def __init__(self, visitor: Visitor) -> None:
        self._visitor = visitor
        self.octets = 0
        visitor.media = self._take

    def _take(self, data: bytes, _: int) -> None:
        self.octets += len(data)

    async def look(self) -> None:
        """Media first, then what is drawn."""
        await self._visitor.offer(tiles=0)
        await self._visitor.client.draw({STAGE: 360, STAGE_SOUND: 1})

    async def keep(self) -> None:
        """Stay, until cancelled."""
        while True:
            self._visitor.keep()
            await asyncio.sleep(KEEP_S)

    async def leave(self) -> None:
        """Go."""
        await self._visitor.leave()


@dataclass
class Class:
    """Watchers of a teacher who is seen and heard, and a student with a line of his own and tiles to draw."""

    student: Person
    line: Line
    watchers: list[Watcher]

    async def rates_bps(self, seconds: float) -> list[float]:
        """What each watcher got."""
        before, began_s = [each.octets for each in self.watchers], time.monotonic()
        await asyncio.sleep(seconds)
        elapsed_s = time.monotonic() - began_s
        return [
            8 * (each.octets - octets) / elapsed_s for each, octets in zip(self.watchers, before, strict=True)
        ]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lesson(
    playwright: Playwright, chromium: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Class]:
    use_loopback_candidates()
    folder = tmp_path_factory.mktemp("sparing")
    write_film(film := folder / "film.y4m")
    write_sound(sound := folder / "sound.wav")
    async with AsyncExitStack() as stack:
        own = await stack.enter_async_context(line())
        server = await stack.enter_async_context(
            serving(folder / "var", server__allowed_origins=[own.origin])
        )
        teacher = await stack.enter_async_context(
            person(playwright, chromium, "teacher", film=film, sound=sound)
        )
        student = await stack.enter_async_context(person(playwright, chromium, "student"))
        student.forgive("WebSocket|net::ERR_|Failed to load resource")
        links = await classroom.teacher_starts(teacher, server.teacher_link, "Sparing")
        for number in range(TILES):
            door = await stack.enter_async_context(Door(server.origin))
            camera = await stack.enter_async_context(
                LessonClient.join(door, links.student, f"Camera {number}")
            )
            await camera.connect_media({Source.CAMERA: Picture()}, tiles=0)
            await camera.publish(Source.CAMERA)
        watchers = []
        for number in range(WATCHERS):
            door = await stack.enter_async_context(Door(server.origin))
            visitor = await Visitor.come(door, links.student, f"Watcher {number}", Identity())
            watchers.append(watcher := Watcher(visitor))
            stack.push_async_callback(watcher.leave)
            await watcher.look()
            await stack.enter_async_context(going(watcher.keep()))
        await own.take(student)
        await classroom.student_joins(student, own.link(links.student), "Boris")
        yield Class(student, own, watchers)


@asynccontextmanager
async def going(what: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """A task meanwhile."""
    task = asyncio.create_task(what)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest_asyncio.fixture(loop_scope="module")
async def student(lesson: Class) -> Person:
    """Boris, who has just opened the page: nothing is spared, all tiles and the stage flow."""
    lesson.line.impair()
    await lesson.student.page.reload()
    await classroom.in_lesson(lesson.student)
    await eventually(
        lambda: tiles_of(lesson.student), lambda tiles: len(tiles) >= TILES, "all tiles flow", every_s=0.5
    )
    return lesson.student


@pytest.mark.long
async def test_slow_computer_keeps_the_sound_and_draws_fewer_tiles_within_5_s(student: Person) -> None:
    control = await student.context.new_cdp_session(student.page)
    await student.until("() => performance.now() > 5000", what="the page has seen its computer at its best")
    before = await flow(student)
    began_s = time.monotonic()
    await control.send("Emulation.setCPUThrottlingRate", {"rate": 6})
    try:
        reduced_s = await first_tile_stopped(student) - began_s
        await student.page.wait_for_selector(by("banner-load"), timeout=classroom.CLICK_MS)
        spared = await flow(student)
        await student.do("() => new Promise((done) => setTimeout(done, 4000))")
        after = await flow(student)
    finally:
        await control.send("Emulation.setCPUThrottlingRate", {"rate": 1})
    until, then = spared.concealed(before, STAGE_SOUND), after.concealed(spared, STAGE_SOUND)
    print(
        f"fewer tiles after {reduced_s:.1f} s; made up of the sound until then {until:.2%}, then {then:.2%}"
    )
    assert reduced_s < 5
    assert until < STUMBLED
    assert then < CONTINUOUS


async def first_tile_stopped(student: Person) -> float:
    """When (monotonic s) the last packet came of the first tile from which none comes for a second."""
    grew_s = dict.fromkeys(await tiles_of(student), time.monotonic())
    last = await flow(student)

    async def oldest() -> float:
        nonlocal last
        now = await flow(student)
        grew_s.update(dict.fromkeys(now.tiles(last), time.monotonic()))
        last = now
        return min(grew_s.values())

    return await eventually(
        oldest, lambda at_s: time.monotonic() - at_s > 1, "a tile from which nothing comes any more"
    )


@pytest.mark.long
async def test_one_bad_line_leaves_the_other_receivers_within_5_percent(
    lesson: Class, student: Person
) -> None:
    before = await lesson.rates_bps(BEFORE_S)
    bad = Impairment(loss=0.1, delay_ms=25, rate_kbit_s=600)
    lesson.line.impair(up=bad, down=bad)
    lost = await flow(student)
    after = await lesson.rates_bps(AFTER_S)
    assert (await flow(student)).since(lost, STAGE_SOUND, "packetsLost") > 10, "the bad line was good"
    changes = [now / was - 1 for was, now in zip(before, after, strict=True)]
    print("watchers' rates changed by " + ", ".join(f"{change:+.1%}" for change in changes))
    assert min(before) > 100_000, "too little to tell"
    assert max(map(abs, changes)) <= UNHARMED


async def test_tiles_and_pictures_go_before_the_teachers_sound(lesson: Class, student: Person) -> None:
    """A wide line turns narrow: what was under way is lost with the rest, then the sound is whole."""
    lesson.line.impair(down=Impairment(delay_ms=25, rate_kbit_s=250))
    began_s = time.monotonic()

    async def second() -> tuple[float, int]:
        """Share of the sound that is made up in the next second, and how many tiles come."""
        former = await flow(student)
        await student.do("() => new Promise((done) => setTimeout(done, 1000))")
        now = await flow(student)
        return now.concealed(former, STAGE_SOUND), len(now.tiles(former))

    await eventually(second, lambda seen: seen[0] > CONTINUOUS, "a full line", every_s=0)
    await eventually(
        second,
        lambda seen: seen[0] < CONTINUOUS and not seen[1],
        "sound without tiles",
        every_s=0,
        limit_s=20,
    )
    whole_s = time.monotonic() - began_s
    await student.page.wait_for_selector(by("banner-spared"), timeout=classroom.CLICK_MS)
    await student.photograph("spared-student")
    start = await flow(student)
    await student.do("() => new Promise((done) => setTimeout(done, 4000))")
    after = await flow(student)
    made_up = after.concealed(start, STAGE_SOUND)
    print(f"sound whole after {whole_s:.1f} s on 250 kbit/s, then {made_up:.2%} of it made up")
    assert whole_s < WHOLE_AFTER_S
    assert not after.tiles(start)
    assert after.since(start, STAGE_SOUND, "packetsReceived") > 150
    assert made_up < CONTINUOUS
