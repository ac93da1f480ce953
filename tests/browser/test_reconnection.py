"""Lines go and come back: the same person in the same places, heard again within two seconds."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio
from playwright.async_api import Playwright

from tests.browser import classroom
from tests.browser.classroom import by
from tests.browser.conftest import Studio
from tests.browser.line import Line, line
from tests.browser.person import FAKE_DEVICES, MAY_PLAY, Person, eventually, person
from tests.serving import serving

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(150), pytest.mark.alone]

BACK_S: Final = 2.0
STUDENT: Final = "Boris"
_AWAY = f"{by('banner-reconnecting')}, {by('banner-media-restoring')}, {by('banner-media-failed')}"

# What the page itself sees: whoever polls from outside may be too slow on a busy machine. Flow is by the
# receivers of the newest connection, each packet counted when the page's own clock says so.
_WITNESS: Final = r"""(() => {
  const seen = { heard: [], drawn: [], banners: 0, names: [], spoken: [] };
  window.witness = seen;
  const last = new Map();
  let said = "";
  setInterval(() => {
    const now = performance.timeOrigin + performance.now();
    for (const [what, index] of [["heard", 1], ["drawn", 0]]) {
      const receiver = window.zvonokReader?.slot(index);
      const at = receiver?.getSynchronizationSources()[0]?.timestamp;
      if (at !== undefined && at !== last.get(what)) { last.set(what, at); seen[what].push(now); }
    }
    const away = ["reconnecting", "media-restoring", "media-failed"];
    if (document.querySelector(away.map((each) => `[data-testid=banner-${each}]`).join())) seen.banners += 1;
    const people = [...document.querySelectorAll("[data-testid^=person-][data-name]")];
    const names = people.map((each) => each.dataset.name);
    const list = names.sort().join();
    const spoken = document.querySelector("[data-testid=spoken]")?.textContent ?? "";
    if (spoken && spoken !== said) seen.spoken.push(spoken);
    said = spoken;
    const open = document.querySelector("[data-testid=people-panel]");
    if (open && seen.names.at(-1) !== list) seen.names.push(list);
  }, 50);
})();"""


@dataclass
class Class:
    """A teacher and a student who both send, each on a line of their own; the teacher's list is open."""

    teacher: Person
    student: Person
    lines: dict[str, Line]
    student_pid: int


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lesson(
    playwright: Playwright, chromium: Path, studio: Studio, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Class]:
    async with AsyncExitStack() as stack:
        lines = {name: await stack.enter_async_context(line()) for name in ("teacher", "student")}
        server = await stack.enter_async_context(
            serving(
                tmp_path_factory.mktemp("reconnection") / "var",
                server__allowed_origins=[each.origin for each in lines.values()],
            )
        )
        people = {}
        for who, name in enumerate(lines, start=1):
            media = studio.media(who)
            mark = f"--user-agent-mark={name}-{os.getpid()}"
            somebody = await stack.enter_async_context(
                person(
                    playwright,
                    chromium,
                    name,
                    film=media.film,
                    sound=media.sound,
                    flags=(MAY_PLAY, FAKE_DEVICES, mark),
                )
            )
            await lines[name].take(somebody)
            await somebody.context.add_init_script(_WITNESS)
            somebody.forgive("WebSocket|net::ERR_|Failed to load resource")
            people[name] = somebody
        teacher, student = people["teacher"], people["student"]
        links = await classroom.teacher_starts(
            teacher, lines["teacher"].link(server.teacher_link), "Reconnection"
        )
        await classroom.student_joins(student, lines["student"].link(links.student), STUDENT)
        await classroom.turn(student, "microphone", on=True)
        await classroom.turn(student, "camera", on=True)
        await classroom.people_here(teacher)
        # Both speak all the time: who comes on the stage is not left to who seems louder just now.
        await classroom.menu(teacher, await classroom.own_id(student), "stage")
        await flowing(student, "heard")
        await flowing(student, "drawn")
        yield Class(teacher, student, lines, _browser(f"student-{os.getpid()}"))


async def flowing(somebody: Person, what: str) -> None:
    """Wait until packets come in."""
    await somebody.until(
        """(what) => {
            const at = witness[what].at(-1);
            return at !== undefined && performance.timeOrigin + performance.now() - at < 300;
        }""",
        what,
        what=f"{what} flows",
    )


async def first_after(somebody: Person, what: str, since_ms: float, limit_s: float = 15) -> float:
    """Seconds from ``since_ms`` (wall clock) until packets flowed, ten looks in a row."""
    at_ms: float = await somebody.until(
        """(what, since) => {
            const later = witness[what].filter((at) => at > since);
            return later.find((at, index) => index + 9 < later.length && later[index + 9] - at < 1500);
        }""",
        what,
        since_ms,
        what=f"{what} again",
        limit_s=limit_s,
    )
    return (at_ms - since_ms) / 1000


async def _settled_slot(who: Person, participant: str) -> int | None:
    """The slot in which this person draws somebody, None while it changes: who speaks comes on the stage."""
    before = await classroom.slot_of(who, participant)
    await who.do("() => new Promise((done) => setTimeout(done, 2000))")
    return before if await classroom.slot_of(who, participant) == before else None


@asynccontextmanager
async def nobody_notices(lesson: Class) -> AsyncIterator[None]:
    """The teacher's list has the same people all along, and everything is as it was afterwards."""
    teacher, student = lesson.teacher, lesson.student
    for each in (teacher, student):
        await each.do("() => { witness.names.length = witness.spoken.length = witness.banners = 0; }")
    identity = await classroom.own_id(student)
    tile = await eventually(
        lambda: _settled_slot(teacher, identity), lambda slot: slot is not None, "the student's slot"
    )
    yield
    await student.page.wait_for_selector(_AWAY, state="detached", timeout=10_000)
    await teacher.page.wait_for_selector(_AWAY, state="detached", timeout=10_000)
    assert await classroom.own_id(student) == identity
    names = await teacher.do("() => witness.names")
    assert names == [f"Anna Orlova,{STUDENT}"], f"the teacher's list changed: {names}"
    for source in ("microphone", "camera"):
        for each in (teacher, student):
            button = each.page.locator(by(f"toggle-{source}")).first
            assert await button.get_attribute("data-state") == "on", f"{each.name}: {source}"
    await eventually(
        lambda: classroom.slot_of(teacher, identity),
        lambda slot: slot == tile,
        f"the student's slot as it was ({tile})",
    )
    spoken = await teacher.do("() => witness.spoken")
    assert not [text for text in spoken if STUDENT in text], spoken


async def told(somebody: Person) -> None:
    """In words, while it was away."""
    assert await somebody.do("() => witness.banners") > 0, f"{somebody.name} was told nothing"


@pytest.mark.parametrize("who", ["student", pytest.param("teacher", marks=pytest.mark.long)])
async def test_changed_network_is_followed(lesson: Class, who: str) -> None:
    async with nobody_notices(lesson):
        began_ms = time.time() * 1000
        lesson.lines[who].roam()
        assert await first_after(lesson.student, "heard", began_ms + 50) < BACK_S


@pytest.mark.long
@pytest.mark.parametrize("who", ["student", "teacher"])
async def test_lost_media_is_back_with_the_line(lesson: Class, who: str) -> None:
    somebody = lesson.student if who == "student" else lesson.teacher
    async with nobody_notices(lesson):
        lesson.lines[who].cut(socket=False)
        await asyncio.sleep(5)
        back_ms = time.time() * 1000
        lesson.lines[who].restore()
        assert await first_after(lesson.student, "heard", back_ms) < BACK_S
        await told(somebody)


@pytest.mark.parametrize(
    "silent", [False, pytest.param(True, marks=pytest.mark.long)], ids=["broken", "silent"]
)
async def test_lost_socket_never_stops_media(lesson: Class, silent: bool) -> None:
    async with nobody_notices(lesson):
        began_ms = time.time() * 1000
        before = await lesson.student.counts()
        lesson.lines["student"].cut(media=False, silent=silent)
        await asyncio.sleep(5)
        lesson.lines["student"].restore()
        await lesson.student.until(
            "() => document.documentElement.dataset.socket === 'up'", what="socket up", limit_s=BACK_S
        )
        longest_ms = await lesson.student.do(
            """(since) => {
                const later = witness.heard.filter((at) => at > since);
                return Math.max(...later.slice(1).map((at, index) => at - later[index]));
            }""",
            began_ms,
        )
        assert longest_ms < 1000
        assert await lesson.student.counts() == before
        if not silent:
            await told(lesson.student)


@pytest.mark.long
@pytest.mark.parametrize("first", ["media", "socket", "both"])
@pytest.mark.parametrize("silent", [False, True])
async def test_lost_media_and_socket_come_back_in_any_order(lesson: Class, first: str, silent: bool) -> None:
    own = lesson.lines["student"]
    async with nobody_notices(lesson):
        own.cut(silent=silent)
        await asyncio.sleep(7)
        if first != "both":
            own.restore(media=first == "media", socket=first == "socket")
            await asyncio.sleep(1)
        back_ms = time.time() * 1000
        own.restore()
        assert await first_after(lesson.student, "heard", back_ms - 1000 * (first == "media")) < BACK_S + (
            first == "media"
        )
        await lesson.student.until(
            "() => document.documentElement.dataset.socket === 'up'", what="socket up", limit_s=BACK_S
        )
        await told(lesson.student)


@pytest.mark.long
async def test_refused_restart_of_ice_is_replaced_by_a_new_connection(lesson: Class) -> None:
    async with nobody_notices(lesson):
        before = len(await lesson.student.counts())
        await lesson.student.do(
            """() => {
                const live = zvonokReader.connections.at(-1);
                const restart = live.createOffer.bind(live);
                live.createOffer = (options) =>
                    options?.iceRestart ? Promise.reject(new Error("refused")) : restart(options);
            }"""
        )
        lesson.lines["student"].cut(socket=False)
        await asyncio.sleep(5)
        back_ms = time.time() * 1000
        lesson.lines["student"].restore()
        assert await first_after(lesson.student, "heard", back_ms) < BACK_S
        assert len(await lesson.student.counts()) > before


@pytest.mark.long
async def test_media_lost_for_longer_than_consent_is_back_with_the_line(lesson: Class) -> None:
    async with nobody_notices(lesson):
        lesson.lines["student"].cut(socket=False)
        await asyncio.sleep(35)
        back_ms = time.time() * 1000
        lesson.lines["student"].restore()
        assert await first_after(lesson.student, "heard", back_ms) < BACK_S
        await told(lesson.student)


@pytest.mark.long
@pytest.mark.parametrize("seconds", [15, 40])
async def test_laptop_that_slept_goes_on(lesson: Class, seconds: int) -> None:
    async with nobody_notices(lesson):
        with stopped(lesson.student_pid):
            await asyncio.sleep(seconds)
            back_ms = time.time() * 1000
        assert await first_after(lesson.student, "heard", back_ms) < BACK_S


@pytest.mark.long
async def test_picture_is_back_with_the_line(lesson: Class) -> None:
    lesson.lines["student"].cut(socket=False)
    await asyncio.sleep(3)
    back_ms = time.time() * 1000
    lesson.lines["student"].restore()
    assert await first_after(lesson.student, "drawn", back_ms) < BACK_S


def _browser(mark: str) -> int:
    """Process id of the browser that was started with this mark."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_text().split("\0")
            except OSError:
                continue
            if any(mark in word for word in words) and not any(word.startswith("--type=") for word in words):
                return int(entry.name)
    raise AssertionError(f"no browser with {mark}")


def _tree(pid: int) -> list[int]:
    children = [
        int(child)
        for task in Path(f"/proc/{pid}/task").iterdir()
        for child in (task / "children").read_text().split()
    ]
    return [pid, *(each for child in children for each in _tree(child))]


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """A process and all its children stand still."""
    tree = _tree(pid)
    for each in tree:
        os.kill(each, signal.SIGSTOP)
    try:
        yield
    finally:
        for each in reversed(tree):
            os.kill(each, signal.SIGCONT)
