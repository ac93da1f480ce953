"""A recorded lesson by the real pages, and its video lesson, which is decoded and read.

The tests run in order and share the lesson: teacher and student, the second of whom may not be recorded;
a screen is shown in the middle; the recording is stopped and started again.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import msgspec
import numpy as np
import pytest
import pytest_asyncio
from numpy.typing import NDArray
from playwright.async_api import Playwright

from loadtest.media.films import FRAMES_A_SECOND, SAMPLE_RATE
from loadtest.media.video_lesson import VideoLesson, read_video_lesson
from signaling import wire
from signaling.replica import Record
from tests.browser import classroom
from tests.browser.classroom import Links, by, click
from tests.browser.conftest import Media, Studio
from tests.browser.firefox import play_in_firefox
from tests.browser.person import ARTIFACTS, FAKE_DEVICES, MAY_PLAY, SHARE_A_TAB, Person, eventually, person
from tests.serving import Server, serving

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180), pytest.mark.alone]

CHAT = "Why is the sky <b>blue</b>?"
TEACHER, STUDENT = 1, 3


@dataclass
class Story:
    """The lesson, who is in it, and what the tests found out so far."""

    server: Server
    links: Links
    teacher: Person
    vera: Person
    mine: Media
    hers: Media
    code: str = ""
    lesson: VideoLesson | None = None
    timeline: wire.Timeline | None = None
    screen_ms: tuple[float, float] = (0.0, 0.0)
    skews: list[tuple[float, float]] = field(default_factory=list)
    """Beeps against flashes at the teacher's own camera and microphone: (wall clock ms, ms later)."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def story(
    playwright: Playwright, chromium: Path, studio: Studio, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Story]:
    mine, hers = studio.media(TEACHER), studio.media(STUDENT)
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(serving(tmp_path_factory.mktemp("recording") / "var"))

        async def sit_down(name: str, media: Media, flag: str, **options: Any) -> Person:
            somebody = person(
                playwright,
                chromium,
                name,
                film=media.film,
                sound=media.sound,
                flags=(MAY_PLAY, flag),
                **options,
            )
            return await stack.enter_async_context(somebody)

        teacher = await sit_down("teacher", mine, SHARE_A_TAB)
        vera = await sit_down("vera", hers, FAKE_DEVICES, locale="ru-RU")
        links = await classroom.teacher_starts(teacher, server.teacher_link, "Light <i>and</i> shadow")
        await classroom.student_joins(vera, links.student, "Vera")
        for source in ("microphone", "camera"):
            await classroom.turn(vera, source, on=True)
        yield Story(server, links, teacher, vera, mine, hers, code=links.student.rsplit("/", 1)[-1])


async def recording_is(somebody: Person, state: str) -> None:
    """Wait until this person's page says so."""
    selector = f"{by('banner-recording')}[data-state={state}]"
    await somebody.page.wait_for_selector(selector, timeout=5000)


async def test_nothing_is_written_before_record_is_pressed(story: Story) -> None:
    assert await story.vera.page.locator(by("banner-recording")).count() == 0
    assert list((story.server.var / "recordings").glob("*")) == []


async def test_everybody_is_told_that_the_lesson_is_recorded_and_what_of_them(story: Story) -> None:
    await story.teacher.watch("own", by("own-video"))
    await story.teacher.do("() => zvonokReader.listen('own', zvonokReader.sent(0).track)")
    await click(story.teacher, "record")
    await click(story.teacher, "record-start")
    for somebody in (story.teacher, story.vera):
        await recording_is(somebody, "on")
    await story.vera.photograph("recording-student")
    await story.teacher.photograph("recording-teacher")


async def test_latecomers_see_it_at_once(story: Story) -> None:
    context = await story.vera.browser.new_context(locale="ru-RU", viewport={"width": 390, "height": 844})
    page = await context.new_page()
    await page.goto(story.links.student)
    await page.fill(by("name-input"), "Gleb")
    await page.locator(by("join")).click()
    await page.wait_for_selector(f"{by('banner-recording')}[data-state=on]", timeout=10_000)
    await page.screenshot(path=ARTIFACTS / "recording-latecomer.png")
    await context.close()


async def test_chat_hand_and_screen_happen_while_it_runs(story: Story) -> None:
    await asyncio.sleep(3)  # a stretch of camera alone
    await classroom.say(story.vera, CHAT)
    await click(story.vera, "raise-hand")
    await classroom.turn(story.teacher, "screen", on=True)
    shown_ms = await story.teacher.now_ms()
    await asyncio.sleep(5)
    hidden_ms = await story.teacher.now_ms()
    await classroom.turn(story.teacher, "screen", on=False)
    story.screen_ms = (shown_ms, hidden_ms)
    await asyncio.sleep(4)


async def test_stop_and_start_make_two_parts(story: Story) -> None:
    await click(story.teacher, "record")
    for somebody in (story.teacher, story.vera):
        await somebody.page.wait_for_selector(by("banner-recording"), state="detached", timeout=5000)
    await asyncio.sleep(3)  # what is not to be in the video
    await classroom.say(story.vera, "not recorded")
    await click(story.teacher, "record")
    await recording_is(story.teacher, "on")
    await asyncio.sleep(6)
    story.skews = await story.teacher.skews("own", "own")
    await click(story.teacher, "leave-or-end")
    await click(story.teacher, "end-lesson")
    await story.teacher.page.wait_for_selector(by("ended"), timeout=10_000)


def log_of(story: Story) -> list[Record]:
    """Events of the lesson as SQL has them."""
    with closing(sqlite3.connect(story.server.var / "zvonok.db")) as database:
        rows = database.execute("SELECT number, body FROM lesson_events ORDER BY number").fetchall()
    return [Record.parse(number, body) for number, body in rows]


async def video_page(story: Story) -> dict[str, Any]:
    """What the student's link says of the lesson's video."""
    found: dict[str, Any] = await story.vera.do(
        "async (code) => await (await fetch(`/api/links/${code}/video`)).json()", story.code
    )
    return found


async def test_the_one_who_was_ill_watches_it_by_the_same_link(story: Story) -> None:
    await story.vera.page.goto(story.links.student)
    await story.vera.page.locator(by("watch-video")).click(timeout=20_000)
    await story.vera.page.wait_for_selector(by("player-video"), timeout=10_000)
    await story.vera.do("async (css) => { await document.querySelector(css).play(); }", by("player-video"))
    await story.vera.watch("video", by("player-video"))
    await story.vera.see("video", TEACHER, frames=20)
    await story.vera.photograph("player")


async def test_download_plays(story: Story, tmp_path: Path) -> None:
    async with story.vera.page.expect_download(timeout=10_000) as coming:
        await click(story.vera, "download-video")
    download = await coming.value
    assert download.suggested_filename.endswith(".webm")
    assert "<" not in download.suggested_filename
    file = tmp_path / "lesson.webm"
    await download.save_as(file)
    story.lesson = await asyncio.to_thread(read_video_lesson, file)
    assert story.lesson.frames
    page = await video_page(story)
    body = await story.vera.do("async (url) => await (await fetch(url)).text()", page["timeline_url"])
    story.timeline = msgspec.json.decode(body, type=wire.Timeline)
    kept = story.server.var / "downloaded.webm"
    kept.write_bytes(file.read_bytes())


async def test_it_is_as_long_as_what_was_recorded(story: Story) -> None:
    lesson, timeline = read_so_far(story)
    starts, ends = [], []
    for event in log_of(story):
        recording = event.set.get("recording")
        if recording and event.kind == "recording_on":
            starts.append(recording["since_ms"])
        elif recording and recording["state"] == "off":
            ends.append(recording["since_ms"])
    assert len(starts) == len(ends) == len(timeline.parts) == 2
    recorded_s = sum(end - start for start, end in zip(starts, ends, strict=True)) / 1000
    assert abs(lesson.duration_s - recorded_s) < 0.5, (lesson.duration_s, recorded_s)
    assert abs(timeline.duration_ms / 1000 - recorded_s) < 0.5


async def test_pictures_begin_at_once_and_go_on_to_the_end(story: Story) -> None:
    lesson, timeline = read_so_far(story)
    marks = lesson.of(TEACHER)
    assert marks[0][0] <= 1.0
    assert lesson.duration_s - marks[-1][0] <= 1.0
    assert lesson.longest_gap_s() <= 0.5
    for part in timeline.parts:
        since_s, until_s = part.at_ms / 1000, (part.at_ms + part.duration_ms) / 1000
        own = [(at_s, counter) for at_s, counter in marks if since_s + 0.5 < at_s < until_s]
        for (before_s, before), (after_s, after) in pairwise(own):
            frames = round((after_s - before_s) * FRAMES_A_SECOND)
            step = (after - before - frames + story.mine.loop // 2) % story.mine.loop - story.mine.loop // 2
            assert abs(step) <= 5, (before_s, before, after_s, after)


async def test_the_screen_is_shown_while_it_was_shared(story: Story) -> None:
    lesson, timeline = read_so_far(story)
    part = timeline.parts[0]
    since_s, until_s = ((at_ms - part.started_at_ms) / 1000 for at_ms in story.screen_ms)
    middle = [frame for frame in lesson.frames if since_s + 1.5 < frame.at_s < until_s]
    assert len(middle) > 10
    assert {(frame.width, frame.mark) for frame in middle} == {(1366, None)}
    after = [frame for frame in lesson.frames if until_s + 1.5 < frame.at_s < part.duration_ms / 1000]
    assert all(frame.mark is not None and frame.mark.who == TEACHER for frame in after)


async def test_flash_and_beep_stay_together(story: Story) -> None:
    """Fake cameras and microphones drift apart: each beep is held against the one at the source."""
    lesson, timeline = read_so_far(story)
    moved = []
    for at_s, skew in lesson.skews(TEACHER):
        part = max((p for p in timeline.parts if p.at_ms <= at_s * 1000), key=lambda p: p.at_ms)
        wall_ms = part.started_at_ms + at_s * 1000 - part.at_ms
        nearest = min(story.skews, key=lambda known: abs(known[0] - wall_ms))
        if abs(nearest[0] - wall_ms) < 1500:
            moved.append((skew - nearest[1] + 500) % 1000 - 500)
    assert moved, (lesson.beeps(), lesson.skews(TEACHER), story.skews)
    print(f"beep against flash: {len(moved)} beeps, median {median(moved):.1f} ms, all {np.round(moved)}")
    assert len(moved) >= 8
    assert abs(median(moved)) < 40


async def test_the_student_is_not_heard(story: Story) -> None:
    lesson, _ = read_so_far(story)
    """Not by her microphone, and not by the sound of the teacher's shared tab, which plays her voice."""
    assert np.median(amplitudes(lesson, story.mine.tone_hz)) > 0.02
    assert amplitudes(lesson, story.hers.tone_hz).max() < 0.005, amplitudes(lesson, story.hers.tone_hz)
    assert lesson.of(STUDENT) == []


async def test_chat_and_hand_appear_at_their_second(story: Story) -> None:
    _, timeline = read_so_far(story)
    said = next(event for event in log_of(story) if event.kind == "chat")
    (chat,) = timeline.chat
    assert (chat.name, chat.text) == ("Vera", CHAT)
    assert abs(chat.at_ms - (said.at_ms - timeline.parts[0].started_at_ms)) <= 50
    assert timeline.hands[0].name == "Vera"
    assert timeline.hands[0].up
    page = story.vera.page
    for offset_ms, seen in ((-700, 0), (700, 1)):
        await story.vera.do(
            "(css, at) => { const v = document.querySelector(css); v.pause(); v.currentTime = at; }",
            by("player-video"),
            (chat.at_ms + offset_ms) / 1000,
        )
        await eventually(
            page.locator(by("replay-chat")).count,
            partial(int.__eq__, seen),
            f"{seen} messages {offset_ms} ms from when it was said",
        )


async def test_it_plays_and_seeks_in_firefox(story: Story, firefox: Path) -> None:
    lesson, _ = read_so_far(story)
    part_s = [at_s for at_s, _ in lesson.of(TEACHER)]
    wanted = [part_s[len(part_s) // 5], part_s[-30], part_s[40]]
    said = await play_in_firefox(story.server.var / "downloaded.webm", [round(at_s, 3) for at_s in wanted])
    print(json.dumps(said))
    assert "error" not in said
    assert abs(said["duration_s"] - lesson.duration_s) < 0.5
    for reading in said["readings"]:
        near = {counter for at_s, counter in lesson.of(TEACHER) if abs(at_s - reading["at_s"]) < 0.25}
        assert reading["who"] == TEACHER
        assert reading["counter"] in near, (reading, near)


def read_so_far(story: Story) -> tuple[VideoLesson, wire.Timeline]:
    assert story.lesson is not None, "the download did not play"
    assert story.timeline is not None
    return story.lesson, story.timeline


def amplitudes(lesson: VideoLesson, hz: float) -> NDArray[np.float64]:
    """Of one frequency, in each second."""
    turn = np.exp(-2j * np.pi * hz * np.arange(SAMPLE_RATE) / SAMPLE_RATE)
    seconds = len(lesson.samples) // SAMPLE_RATE
    whole = lesson.samples[: seconds * SAMPLE_RATE].reshape(seconds, SAMPLE_RATE)
    return np.asarray(2 * np.abs(whole @ turn) / SAMPLE_RATE, dtype=np.float64)
