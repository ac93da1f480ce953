"""A lesson that goes on is watched from its beginning in real browsers, while its file grows under them.

The recorder's part is played by its own writer, so that nobody waits for the half minute it is behind.
"""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from aiohttp import web
from playwright.async_api import Playwright, Request

from loadtest.media.films import FRAMES_A_SECOND
from recorder.webm import Video
from signaling import stored_http, wire
from signaling.catalog.recordings import Published
from signaling.catalog.store import Catalog
from signaling.drafts import Drafts
from signaling.files.growing import DRAFT_NAME
from tests.browser import classroom
from tests.browser.classroom import by, click
from tests.browser.conftest import Studio
from tests.browser.firefox import play_in_firefox
from tests.browser.person import Person, eventually, person
from tests.recorder.made import beeps, film
from tests.serving import Server, serving

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]

WHO = 5
LOOP = 4 * FRAMES_A_SECOND
LONG_S = 600
"""Browsers do not load so much ahead: they ask for ranges."""
PADDING = bytes(4_000)
"""Behind what a decoder reads of a frame, so that there is as much as of a real lesson."""
FRAME_MS = 1000 // FRAMES_A_SECOND


class Growing:
    """What a recorder has made of a lesson so far: frame n is shown at n frames' time."""

    def __init__(self, library: Path) -> None:
        self.draft = library / "rec1" / DRAFT_NAME
        self.draft.parent.mkdir(parents=True)
        self._video = Video(self.draft, "A lesson that goes on")
        self._until_ms = 0

    def grow(self, seconds: int) -> None:
        frames, sounds = film(WHO), beeps()
        until_ms = self._until_ms + seconds * 1000
        for at_ms in range(self._until_ms, until_ms, 20):
            if at_ms % FRAME_MS == 0:
                data, key = frames[at_ms // FRAME_MS % LOOP]
                self._video.picture(at_ms, [data, PADDING], key=key)
            self._video.sound(at_ms, sounds[at_ms // 20 % len(sounds)])
        self._until_ms = until_ms
        self._video.step(320, 180)

    def end(self) -> Published:
        size = self._video.end(self._until_ms, 320, 180)
        self._video.close()
        timeline = wire.Timeline(self._until_ms, ())
        self.draft.with_name("timeline.json").write_bytes(msgspec.json.encode(timeline))
        self.draft.replace(self.draft.with_name("video.webm"))
        return Published(self._until_ms, size, 320, 180)


@dataclass
class Running:
    server: Server
    viewer: Person
    catalog: Catalog
    growing: Growing
    code: str


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(
    playwright: Playwright, chromium: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Running]:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(serving(tmp_path_factory.mktemp("rewinding") / "var"))
        viewer = await stack.enter_async_context(person(playwright, chromium, "viewer"))
        links = await classroom.teacher_starts(viewer, server.teacher_link, "A lesson that goes on")
        with closing(sqlite3.connect(server.var / "zvonok.db")) as database:
            ((lesson,),) = database.execute("SELECT id FROM lessons").fetchall()
        catalog = await Catalog.open(f"sqlite+aiosqlite:///{server.var}/zvonok.db", migrate=False)
        stack.push_async_callback(catalog.close)
        await catalog.recordings.begin("rec1", lesson, 1, 1_790_000_000_000)
        growing = Growing(server.var / "library")
        yield Running(server, viewer, catalog, growing, links.student.rpartition("/")[2])


async def shown(who: Person) -> dict[str, Any]:
    """What the player shows: seconds, frame, whether it plays, its address."""
    found: dict[str, Any] = await who.do(
        """(css) => {
            const video = document.querySelector(css);
            const mark = zvonokReader.readMark(video);
            const { currentTime, duration, seeking, paused, src } = video;
            return { at_s: currentTime, whole_s: duration, seeking, paused, src,
                     who: mark?.who ?? -1, counter: mark?.counter ?? -1 };
        }""",
        by("player-video"),
    )
    return found


def right(seen: dict[str, Any]) -> bool:
    """The picture is the one of this second."""
    apart = (seen["counter"] - round(seen["at_s"] * FRAMES_A_SECOND)) % LOOP
    return bool(seen["who"] == WHO and not seen["seeking"] and min(apart, LOOP - apart) <= 5)


def right_at(at_s: float, seen: dict[str, Any]) -> bool:
    """The picture is the one of about this second."""
    return right(seen) and at_s <= seen["at_s"] < at_s + 3


async def test_a_lesson_that_goes_on_plays_from_its_beginning(running: Running) -> None:
    viewer, growing = running.viewer, running.growing
    growing.grow(LONG_S)
    await viewer.page.goto(f"{running.server.origin}/watch/{running.code}")
    await viewer.page.wait_for_selector(by("running-video"), timeout=10_000)
    await viewer.page.set_viewport_size({"width": 390, "height": 844})
    await viewer.page.keyboard.press("Space")
    first = await eventually(
        lambda: shown(viewer), lambda seen: right(seen) and seen["at_s"] > 0.3, "its beginning"
    )
    assert first["at_s"] < 10
    assert LONG_S - 2 <= first["whole_s"] <= LONG_S
    await viewer.photograph("rewinding")
    wide = await viewer.do("() => document.documentElement.scrollWidth")
    assert wide <= 390, "the page is wider than a phone"


async def test_it_seeks_in_a_file_that_has_grown(running: Running) -> None:
    viewer, growing = running.viewer, running.growing
    before = await shown(viewer)
    ranges: list[str] = []

    def note(request: Request) -> None:
        if "/media/" in request.url:
            ranges.append(request.headers.get("range", ""))

    viewer.page.on("request", note)
    growing.grow(20)
    for at_s in (LONG_S * 0.8, 3.4, LONG_S * 0.5):
        await viewer.do(
            "(css, at) => { document.querySelector(css).currentTime = at; }", by("player-video"), at_s
        )
        seen = await eventually(lambda: shown(viewer), partial(right_at, at_s), f"second {at_s}")
        assert seen["src"] == before["src"]
    viewer.page.remove_listener("request", note)
    assert [each for each in ranges if each not in ("", "bytes=0-")], (
        "nothing was asked of the file that grew"
    )


async def test_near_the_end_more_of_it_comes_by_itself(running: Running) -> None:
    viewer = running.viewer
    before = await shown(viewer)
    await viewer.do(
        "(css, at) => { document.querySelector(css).currentTime = at; }", by("player-video"), LONG_S - 4
    )
    after = await eventually(
        lambda: shown(viewer), lambda seen: seen["src"] != before["src"] and right(seen), "more of it"
    )
    assert after["whole_s"] > LONG_S + 15
    assert LONG_S - 5 <= after["at_s"] < LONG_S + 2
    assert not after["paused"]


async def test_the_newest_is_one_key_away(running: Running) -> None:
    running.growing.grow(30)
    await running.viewer.page.locator(by("to-newest")).focus()
    await running.viewer.page.keyboard.press("Enter")
    seen = await eventually(
        lambda: shown(running.viewer),
        lambda seen: right(seen) and seen["at_s"] > LONG_S + 20,
        "the newest minute",
    )
    assert seen["whole_s"] > LONG_S + 45
    assert not seen["paused"]


async def test_an_address_that_is_over_is_exchanged_at_the_same_second(running: Running) -> None:
    viewer = running.viewer
    before = await shown(viewer)
    viewer.forgive("410")
    running.growing.grow(200)  # there is no room for so many cues: the head is another one
    await viewer.do(
        "(css, at) => { document.querySelector(css).currentTime = at; }", by("player-video"), LONG_S * 0.3
    )
    # Chromium lets nobody read pixels of a video whose last answer was a refusal.
    await viewer.until(
        """(css, src) => {
            const video = document.querySelector(css);
            return video.src !== src && video.readyState > 2;
        }""",
        by("player-video"),
        before["src"],
        what="a new address",
    )
    after = await eventually(lambda: shown(viewer), right, "the same second")
    assert LONG_S * 0.3 <= after["at_s"] < LONG_S * 0.3 + 5
    assert not after["paused"]


async def test_after_the_lesson_it_goes_on_in_the_finished_video(running: Running) -> None:
    viewer, recordings = running.viewer, running.catalog.recordings
    assert await recordings.finishing("rec1")
    assert await recordings.published("rec1", running.growing.end(), 1_790_000_100_000)
    before = await shown(viewer)
    await click(viewer, "to-newest")
    await viewer.page.wait_for_selector(by("download-video"), timeout=10_000)
    after = await eventually(lambda: shown(viewer), right, "the same second of the whole video")
    assert "video.webm" in after["src"]
    assert before["at_s"] - 1 <= after["at_s"] < before["at_s"] + 8
    assert not after["paused"]


@pytest.mark.long
async def test_firefox_plays_and_seeks_while_it_grows(firefox: Path, tmp_path: Path) -> None:
    growing = Growing(tmp_path)
    growing.grow(LONG_S)
    drafts = Drafts(tmp_path)
    snapshot = await drafts.newest("rec1")
    assert snapshot is not None

    ranges: list[str] = []

    async def send(request: web.Request) -> web.StreamResponse:
        ranges.append(request.headers.get("Range", ""))
        growing.grow(5)
        draft = await drafts.find("rec1", snapshot)
        assert draft is not None
        return await stored_http.send(request, draft, draft.stored, {"Content-Type": "video/webm"})

    said = await play_in_firefox(growing.draft, [LONG_S * 0.9, 4.2, LONG_S * 0.5], send)
    assert "error" not in said, said
    assert LONG_S - 2 <= said["duration_s"] <= LONG_S
    assert [each for each in ranges if each not in ("", "bytes=0-")], (
        "nothing was asked of the file that grew"
    )
    for reading in said["readings"]:
        assert right({"at_s": reading["shown_s"], "seeking": False, **reading}), reading


@pytest.mark.long
@pytest.mark.timeout(300)
async def test_who_comes_late_watches_what_a_recorder_makes(
    playwright: Playwright, chromium: Path, studio: Studio, tmp_path: Path
) -> None:
    media = studio.media(WHO)
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(serving(tmp_path / "var"))
        teacher = await stack.enter_async_context(
            person(playwright, chromium, "teacher", film=media.film, sound=media.sound)
        )
        links = await classroom.teacher_starts(teacher, server.teacher_link, "Optics")
        await click(teacher, "record")
        await click(teacher, "record-start")
        on = f"{by('banner-recording')}[data-state=on]"
        await teacher.page.wait_for_selector(on, timeout=10_000)
        await teacher.page.wait_for_function(
            "(css) => document.querySelector(css)?.textContent >= '0:35'",
            arg=by("recording-time"),
            timeout=60_000,
        )
        late = await stack.enter_async_context(
            person(playwright, chromium, "late", locale="ru-RU", viewport={"width": 390, "height": 844})
        )
        late.forgive("410")
        await classroom.student_joins(late, links.student, "Gleb")
        way = late.page.locator(by("from-beginning"))
        await way.wait_for(timeout=60_000)
        await late.photograph("rewinding-latecomer")
        assert await teacher.page.locator(by("from-beginning")).count() == 1
        async with late.context.expect_page() as coming:
            await way.click()
        lesson_page, late.page = late.page, await coming.value
        await late.page.wait_for_selector(by("running-video"), timeout=10_000)
        await late.page.keyboard.press("Space")
        first = await eventually(lambda: shown(late), lambda seen: seen["who"] == WHO, "the teacher's camera")
        assert first["at_s"] < 15
        assert first["whole_s"] >= 30
        await click(late, "to-newest")
        newest = await eventually(
            lambda: shown(late),
            lambda seen: seen["at_s"] > seen["whole_s"] - 25 and seen["who"] == WHO,
            "its newest seconds",
        )
        await eventually(
            lambda: shown(late), lambda seen: seen["src"] != newest["src"], "still more by itself", limit_s=40
        )
        await click(teacher, "leave-or-end")
        await click(teacher, "end-lesson")
        await late.page.wait_for_selector(by("download-video"), timeout=60_000)
        whole = await eventually(lambda: shown(late), lambda seen: seen["who"] == WHO, "the finished video")
        assert whole["at_s"] >= newest["at_s"]
        await late.photograph("rewinding-finished")
        late.page = lesson_page
