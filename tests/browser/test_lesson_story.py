"""One lesson from the first picture to its end, by the real pages: a teacher and two students.

The tests run in order and share the lesson.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
from PIL import Image
from playwright.async_api import Playwright

from tests.browser import classroom
from tests.browser.classroom import LOUD, SCREEN, SCREEN_SOUND, STAGE, STAGE_SOUND, Links, by, click
from tests.browser.conftest import Media, Studio
from tests.browser.gateway import Gateway, gateway
from tests.browser.person import (
    ARTIFACTS,
    FAKE_DEVICES,
    MAY_PLAY,
    SHARE_A_TAB,
    Person,
    eventually,
    person,
    played,
    transit_ms,
)
from tests.serving import Server, serving

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120), pytest.mark.alone]

TEXT = (
    "Light travels in straight lines until it meets something. An angle of incidence equals the angle of "
    "reflection. Угол падения равен углу отражения. 0123456789 E = mc², n₁ sin α = n₂ sin β."
)
"""What the teacher shows, in letters of 12 points."""


@dataclass
class Story:
    """A running lesson and who is in it."""

    server: Server
    cable: Gateway
    links: Links
    teacher: Person
    boris: Person
    vera: Person
    film: Media


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def story(
    playwright: Playwright, chromium: Path, studio: Studio, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Story]:
    mine = studio.media(1)
    async with AsyncExitStack() as stack:
        cable = await stack.enter_async_context(gateway())
        server = await stack.enter_async_context(
            serving(
                tmp_path_factory.mktemp("story") / "var",
                lesson__drop_grace_s=5,
                server__allowed_origins=[cable.origin],
            )
        )
        cable.target = ("127.0.0.1", int(server.origin.rsplit(":", 1)[1]))

        async def sit_down(name: str, who: int, *flags: str, **options: Any) -> Person:
            media = studio.media(who)
            somebody = person(
                playwright, chromium, name, film=media.film, sound=media.sound, flags=flags, **options
            )
            return await stack.enter_async_context(somebody)

        teacher = await sit_down("teacher", 1, MAY_PLAY, SHARE_A_TAB)
        boris = await sit_down("boris", 2, MAY_PLAY, FAKE_DEVICES, locale="ru-RU")
        vera = await sit_down("vera", 3, MAY_PLAY, FAKE_DEVICES)
        links = await classroom.teacher_starts(teacher, server.teacher_link, "Light and shadow")
        await classroom.student_joins(boris, links.student, "Boris")
        # Vera comes through the cable, so that it can be pulled.
        await classroom.student_joins(vera, links.student.replace(server.origin, cable.origin), "Vera")
        yield Story(server, cable, links, teacher, boris, vera, mine)


async def test_students_read_the_teachers_numbers_and_hear_the_tone(story: Story) -> None:
    for student in (story.boris, story.vera):
        await student.watch("stage", by(f"slot-{STAGE}"))
        await student.listen("stage", STAGE_SOUND)
    for student in (story.boris, story.vera):
        seen = played(await student.see("stage", who=1, frames=75), who=1, loop=story.film.loop)
        assert seen.went_back == 0
        assert seen.longest_gap_ms < 500
        await student.hear("stage", story.film.tone_hz)


async def test_flash_and_beep_arrive_together(story: Story) -> None:
    await story.teacher.watch("own", by("own-video"))
    await story.teacher.do("() => zvonokReader.listen('own', zvonokReader.sent(0).track)")
    await eventually(
        partial(transit_ms, story.teacher, "own", story.boris, "stage"),
        lambda moved: len(moved) >= 4 and abs(median(moved[-4:])) <= 60,
        "four beeps of the teacher within 60 ms of their flashes",
        limit_s=20,
    )


async def test_shared_screen_takes_the_stage_and_its_text_is_legible(story: Story) -> None:
    await story.teacher.do(
        """(text) => {
            const sheet = document.createElement("div");
            sheet.id = "sheet";
            sheet.textContent = text;
            Object.assign(sheet.style, { position: "fixed", left: "100px", top: "60px", width: "480px",
                padding: "24px", background: "#fff", color: "#111", font: "12pt/1.5 sans-serif" });
            sheet.style.zIndex = 99;
            document.body.append(sheet);
        }""",
        TEXT,
    )
    await classroom.turn(story.teacher, "screen", on=True)
    original = Image.open(io.BytesIO(await story.teacher.page.locator("#sheet").screenshot())).convert("L")
    for student in (story.boris, story.vera):
        await student.until(
            "(css) => document.querySelector(css).videoWidth === 1366",
            by(f"slot-{SCREEN}"),
            what="the screen",
        )
        large = await student.do(
            """(screen, stage) => document.querySelector(screen).clientWidth >
                2 * document.querySelector(stage).clientWidth""",
            by("screen"),
            by("stage"),
        )
        assert large, "the screen is not the large picture"

        async def legible(student: Person = student) -> float:
            shown = await student.video_frame(by(f"slot-{SCREEN}"))
            return likeness(
                original, shown.convert("L").crop((100, 60, 100 + original.width, 60 + original.height))
            )

        await eventually(legible, lambda like: like > 0.95, "the sheet as it was written", limit_s=20)
        await student.photograph(f"screen-{student.name}")
        first = (await student.inbound(SCREEN_SOUND)).get("packetsReceived", 0)
        await eventually(
            partial(student.inbound, SCREEN_SOUND),
            partial(more_packets, first + 10),
            "sound of the shared tab",
        )
    await story.teacher.do("() => document.querySelector('#sheet').remove()")
    await classroom.turn(story.teacher, "screen", on=False)
    await story.boris.until(
        "(css) => document.querySelector(css).hidden === true", by("screen"), what="the screen put away"
    )


async def test_what_is_not_drawn_is_not_sent(story: Story) -> None:
    """Boris' camera is the only thing that is on, and nobody's view has him in it."""
    teacher, boris, vera = story.teacher, story.boris, story.vera
    await classroom.turn(boris, "camera", on=True)
    identity = await classroom.own_id(boris)
    slot = await eventually(
        lambda: classroom.slot_of(teacher, identity), lambda slot: slot is not None, "a slot with Boris"
    )
    assert slot is not None
    await eventually(
        lambda: teacher.inbound(slot), lambda stats: stats.get("framesDecoded", 0) > 10, "Boris' picture"
    )
    await classroom.turn(teacher, "microphone", on=False)
    await classroom.turn(teacher, "camera", on=False)
    await teacher.page.hover(by(f"tile-{await classroom.own_id(vera)}"))
    await click(teacher, f"pin-{await classroom.own_id(vera)}")
    for somebody in (teacher, vera):
        await classroom.layout(somebody, "focus")

    before = await standing_still(story.server)
    received = (await teacher.inbound(slot))["packetsReceived"]
    await asyncio.sleep(2)  # what is pinned is that nothing happens in this time
    assert await standing_still(story.server) == before, "the worker sent packets that nobody draws"
    assert (await teacher.inbound(slot))["packetsReceived"] == received

    for somebody in (teacher, vera):
        await classroom.layout(somebody, "speaker")
    await eventually(
        forwarded(story.server), lambda packets: packets > before + 20, "packets for who is drawn"
    )
    await click(teacher, f"pin-{await classroom.own_id(vera)}")
    await classroom.turn(boris, "camera", on=False)
    await classroom.turn(teacher, "microphone", on=True)
    await classroom.turn(teacher, "camera", on=True)


async def test_forced_mute_holds_against_a_client_that_goes_on_sending(story: Story) -> None:
    teacher, boris, vera = story.teacher, story.boris, story.vera
    await classroom.turn(boris, "microphone", on=True)
    identity = await classroom.own_id(boris)
    for somebody in (teacher, vera):
        await eventually(partial(heard, somebody), lambda packets: packets > 50, "Boris is heard")
    await boris.do(
        """() => {
            const refuse = (prototype, name, harmless) => {
                const honest = prototype[name];
                prototype[name] = function (...given) {
                    if (harmless(...given)) return honest.apply(this, given);
                    return Promise.resolve();
                };
            };
            refuse(RTCRtpSender.prototype, "replaceTrack", (track) => track !== null);
            refuse(RTCRtpSender.prototype, "setParameters", () => false);
            refuse(MediaStreamTrack.prototype, "stop", () => false);
            Object.defineProperty(MediaStreamTrack.prototype, "enabled", { get: () => true, set: () => {} });
        }"""
    )
    await classroom.menu(teacher, identity, "mute")
    await boris.page.wait_for_selector(by("unmute"), timeout=classroom.CLICK_MS)
    await boris.photograph("muted-boris")
    await asyncio.sleep(1)  # within a second nothing may come any more
    before = [await heard(teacher), await heard(vera)]
    sent = await spoken(boris)
    await asyncio.sleep(2)
    assert [await heard(teacher), await heard(vera)] == before
    assert await spoken(boris) > sent + 50, "the modified client did not go on sending: nothing was tested"


async def test_space_bar_talks_while_it_is_held(story: Story) -> None:
    """Vera is the only student whose microphone sounds then."""
    teacher, vera = story.teacher, story.vera
    microphone = vera.page.locator(by("toggle-microphone"))
    await vera.page.locator(by("scene")).click(position={"x": 5, "y": 5})
    await vera.page.keyboard.down("Space")
    await eventually(partial(microphone.get_attribute, "data-state"), is_on, "the microphone on")
    said = await heard(teacher)
    await eventually(partial(heard, teacher), lambda packets: packets > said + 20, "Vera at the teacher")
    await vera.page.keyboard.up("Space")
    await eventually(
        partial(microphone.get_attribute, "data-state"), lambda state: state == "off", "the microphone off"
    )


async def test_what_people_write_is_text(story: Story) -> None:
    teacher, boris = story.teacher, story.boris
    text = "<img src=x onerror=\"document.title='broken'\"> & <b>bold</b> =1+1"
    await classroom.say(boris, text)
    await click(teacher, "chat")
    message = teacher.page.locator(by("chat-message")).last
    await eventually(message.inner_text, lambda shown: text in shown, "the message as it was written")
    assert await message.locator("img").count() == 0
    assert "broken" not in await teacher.page.title()
    await teacher.photograph("chat-teacher")


async def test_hands_are_a_queue_that_the_teacher_lowers(story: Story) -> None:
    teacher, boris, vera = story.teacher, story.boris, story.vera
    for somebody in (vera, boris):
        await click(somebody, "raise-hand")
        await eventually(partial(hand, somebody), lambda up: up == "true", "a hand up")
    await click(teacher, "people")
    queue = teacher.page.locator(f"{by('hands')} [data-testid^=hand-]")
    ids = [f"hand-{await classroom.own_id(somebody)}" for somebody in (vera, boris)]
    in_order = "(all) => all.map((each) => each.dataset.testid)"
    await eventually(partial(queue.evaluate_all, in_order), lambda marks: marks == ids, "Vera before Boris")
    await click(teacher, "lower-all-hands")
    for somebody in (vera, boris):
        await eventually(partial(hand, somebody), lambda up: up == "false", "the hand down")


async def test_reload_brings_back_the_same_person_in_the_same_state(story: Story) -> None:
    boris = story.boris
    identity = await classroom.own_id(boris)
    await click(boris, "raise-hand")
    await classroom.turn(boris, "camera", on=True)
    await boris.page.reload()
    await classroom.in_lesson(boris)
    assert await classroom.own_id(boris) == identity
    await eventually(
        lambda: boris.page.locator(by("toggle-camera")).get_attribute("data-state"),
        lambda state: state == "on",
        "the camera on again",
    )
    assert await boris.page.locator(by("raise-hand")).get_attribute("aria-pressed") == "true"
    slot = await eventually(
        lambda: classroom.slot_of(story.teacher, identity), lambda slot: slot is not None, "a slot with Boris"
    )
    await story.teacher.watch("boris", by(f"slot-{slot}"))
    await story.teacher.see("boris", who=2)
    assert await classroom.people_here(story.teacher) == {"Anna Orlova", "Boris", "Vera"}
    await click(boris, "raise-hand")
    await classroom.turn(boris, "camera", on=False)


async def test_cut_socket_resumes_and_media_never_stops(story: Story) -> None:
    vera, teacher = story.vera, story.teacher
    await vera.watch("stage", by(f"slot-{STAGE}"))
    await vera.see("stage", who=1)
    vera.forgive("WebSocket|net::ERR_|Failed to load resource")
    story.cable.pull()
    await vera.page.wait_for_selector(by("banner-reconnecting"), timeout=classroom.CLICK_MS)
    await vera.photograph("reconnecting-vera")
    await classroom.say(teacher, "Said while Vera was away")
    story.cable.plug()
    await vera.page.wait_for_selector(by("banner-reconnecting"), state="detached", timeout=classroom.CLICK_MS)
    await click(vera, "chat")
    messages = vera.page.locator(by("chat-message"))
    await eventually(
        messages.all_inner_texts,
        lambda texts: sum("while Vera was away" in text for text in texts) == 1,
        "the message, once",
    )
    await vera.see("stage", who=1, frames=100)
    seen = played(await vera.frames("stage"), who=1, loop=story.film.loop)
    assert seen.longest_gap_ms < 500
    assert seen.went_back == 0
    assert len(await vera.counts()) == 1, "the media connection was made anew"
    assert await classroom.people_here(teacher) == {"Anna Orlova", "Boris", "Vera"}


async def test_second_tab_takes_over_and_the_first_says_so(story: Story) -> None:
    vera = story.vera
    identity = await classroom.own_id(vera)
    first = vera.page
    second = await vera.new_page()
    vera.page = second
    await classroom.student_joins(
        vera, story.links.student.replace(story.server.origin, story.cable.origin), "Vera"
    )
    assert await classroom.own_id(vera) == identity
    await first.wait_for_selector(by("taken-over"), timeout=classroom.CLICK_MS)
    await first.screenshot(path=ARTIFACTS / "taken-over.png")
    await vera.watch("stage", by(f"slot-{STAGE}"))
    await vera.see("stage", who=1)
    assert await classroom.people_here(story.teacher) == {"Anna Orlova", "Boris", "Vera"}
    await first.close()


async def test_every_connection_was_described_once(story: Story) -> None:
    for somebody in (story.teacher, story.boris, story.vera):
        for counts in await somebody.counts():
            assert counts == {"setLocalDescription": 1, "setRemoteDescription": 1}
        assert len(await somebody.counts()) == 1


async def test_removal_survives_a_new_tab(story: Story) -> None:
    boris, teacher = story.boris, story.teacher
    boris.forgive("Failed to load resource")
    await classroom.menu(teacher, await classroom.own_id(boris), "remove")
    await click(teacher, "remove-confirm")
    await problem(boris, "removed")
    await boris.photograph("removed-boris")
    boris.page = await boris.new_page()
    await classroom.knock(boris, story.links.student, "Another name")
    await problem(boris, "removed")
    assert await classroom.people_here(teacher) == {"Anna Orlova", "Vera"}


async def test_ended_lesson_shows_who_was_there(story: Story) -> None:
    await click(story.teacher, "leave-or-end")
    await click(story.teacher, "end-lesson")
    await story.teacher.page.wait_for_selector(by("ended"), timeout=classroom.CLICK_MS)
    await story.vera.page.wait_for_selector(by("ended"), timeout=classroom.CLICK_MS)
    table = story.teacher.page.locator(by("attendance-table"))
    rows = await table.inner_text(timeout=classroom.CLICK_MS)
    for name in ("Anna Orlova", "Boris", "Vera"):
        assert name in rows
    await story.teacher.photograph("ended-teacher")
    await story.vera.photograph("ended-vera")


async def test_second_lesson_of_the_day(story: Story) -> None:
    teacher, boris = story.teacher, story.boris
    await teacher.page.goto(f"{story.server.origin}/teacher")
    await classroom.new_lesson(teacher, "Colours", "Anna Orlova")
    await classroom.go_live(teacher)
    link = await classroom.student_link(teacher)
    assert link != story.links.student
    await classroom.student_joins(boris, link, "Boris")
    await boris.watch("stage", by(f"slot-{STAGE}"))
    await boris.see("stage", who=1)


def likeness(original: Image.Image, shown: Image.Image) -> float:
    """Correlation of two grey pictures of one size: 1 is the same, 0 nothing in common."""
    return float(np.corrcoef(np.asarray(original, float).ravel(), np.asarray(shown, float).ravel())[0, 1])


def more_packets(than: int, stats: dict[str, Any]) -> bool:
    """Whether a slot's statistics count more packets than that."""
    return bool(stats.get("packetsReceived", 0) > than)


def is_on(state: str | None) -> bool:
    return state == "on"


async def hand(who: Person) -> str | None:
    """Whether this person's own hand is up, as the button says it."""
    return await who.page.locator(by("raise-hand")).get_attribute("aria-pressed")


def forwarded(server: Server) -> Callable[[], Awaitable[float]]:
    return lambda: server.metric("zvonok_worker_packets_forwarded")


async def standing_still(server: Server) -> float:
    """The worker's count of forwarded packets once two of its reports (one a second) say the same."""

    async def twice() -> tuple[float, float]:
        first = await forwarded(server)()
        await asyncio.sleep(1.3)
        return first, await forwarded(server)()

    return (await eventually(twice, lambda pair: pair[0] == pair[1], "the worker's egress at rest"))[0]


async def heard(who: Person) -> int:
    """Packets that came in the slots of the loudest."""
    return sum([(await who.inbound(slot)).get("packetsReceived", 0) for slot in LOUD])


async def spoken(who: Person) -> int:
    """Packets of the microphone that this page sent."""
    packets: int = await who.do(
        """async () => {
            const all = [...(await zvonokReader.sent(0).getStats()).values()];
            return all.find((each) => each.type === "outbound-rtp").packetsSent;
        }"""
    )
    return packets


async def problem(who: Person, code: str) -> None:
    """Wait for the page that says this."""
    await who.page.wait_for_selector(f'{by("problem")}[data-code="{code}"]', timeout=classroom.CLICK_MS)
