"""Files, a film in step and an app: this part of a lesson, as people do it.

A server for it allows the app of ``app_server``: ``materials__apps=[{"name": APP, "url": app.url}]``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
import numpy as np
from aiohttp import web
from PIL import Image

from tests.browser import classroom
from tests.browser.classroom import by, click
from tests.browser.person import Person, eventually

APP: Final = "Счёт в уме"
IN_STEP_MS: Final = 300
_APP_PAGE: Final = """<!doctype html><meta charset="utf-8"><title>App</title>
<p id="said">6 × 7 = ?</p><button id="right">42</button><script src="app.js"></script>"""
_APP_SCRIPT: Final = """
let mayReach = true;
try { parent.document.title; } catch { mayReach = false; }
let cookies = true;
try { document.cookie; } catch { cookies = false; }
document.getElementById("said").dataset.alone = String(!mayReach && !cookies);
addEventListener("message", (event) => {
  if (event.data?.type === "zvonok.start") document.documentElement.lang = event.data.language;
});
if (location.hash === "#hurry") {
  setTimeout(() => document.getElementById("right").click());
}
document.getElementById("right").onclick = () => {
  parent.postMessage({ type: "zvonok.score", points: 9, of: 3 }, "*");
  parent.postMessage({ type: "zvonok.score", points: "3", of: 3 }, "*");
  parent.postMessage({ type: "zvonok.score", points: 2, of: 3 }, "*");
};
"""


@dataclass(frozen=True)
class AppServer:
    """An app of another origin."""

    url: str


@asynccontextmanager
async def app_server(*, silent: bool = False) -> AsyncIterator[AppServer]:
    """Serve the app on a port of its own, with the headers of docs/apps.md, or ``silent`` without."""
    headers = (
        {}
        if silent
        else {
            "Cross-Origin-Embedder-Policy": "require-corp",
            "Cross-Origin-Resource-Policy": "cross-origin",
        }
    )

    async def page(_: web.Request) -> web.Response:
        return web.Response(text=_APP_PAGE, content_type="text/html", headers=headers)

    async def script(_: web.Request) -> web.Response:
        return web.Response(text=_APP_SCRIPT, content_type="text/javascript", headers=headers)

    application = web.Application()
    application.router.add_get("/", page)
    application.router.add_get("/app.js", script)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        yield AppServer(f"http://localhost:{port}/")
    finally:
        await runner.cleanup()


def write_movie(path: Path, seconds: int = 40) -> Path:
    """A small film with a bar that wanders, and a tone: WebM, which every browser plays."""
    with av.open(str(path), "w") as made:
        picture = made.add_stream("libvpx", rate=10)
        picture.width, picture.height, picture.pix_fmt = 320, 180, "yuv420p"
        sound = made.add_stream("libopus", rate=48_000)
        for number in range(seconds * 10):
            shown = np.full((180, 320, 3), 40, np.uint8)
            at = number * 300 // (seconds * 10)
            shown[:, at : at + 20] = (250, 200, 40)
            frame = av.VideoFrame.from_ndarray(shown, "rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 10)
            made.mux(picture.encode(frame))
            for part in range(5):
                times = (np.arange(960) + (number * 5 + part) * 960) / 48_000
                tone = (np.sin(times * 2 * np.pi * 440) * 3000).astype(np.int16)
                chunk = av.AudioFrame.from_ndarray(tone.reshape(1, -1), "s16", "mono")
                chunk.sample_rate, chunk.pts = 48_000, (number * 5 + part) * 960
                chunk.time_base = Fraction(1, 48_000)
                made.mux(sound.encode(chunk))
        made.mux(picture.encode(None))
        made.mux(sound.encode(None))
    return path


async def open_panel(person: Person) -> None:
    """The materials, on a wide page and on a phone."""
    if await person.page.locator(by("materials-panel")).is_visible():
        return
    tools = person.page.locator(f"{by('tools')}:visible, {by('more')}:visible").first
    await tools.click()
    await click(person, "tool-materials")
    await person.page.wait_for_selector(by("materials-panel"))


async def id_of(person: Person, name: str) -> str:
    """Id of the material of this name, once it is in the list."""
    mark = await person.page.locator(f'.material[data-name="{name}"]').get_attribute(
        "data-testid", timeout=classroom.CLICK_MS
    )
    return (mark or "").removeprefix("material-")


async def materials_are_brought(teacher: Person, students: Sequence[Person], folder: Path) -> None:
    """The teacher adds a film, a picture, a bad file and a link; students find what is good and take it."""
    movie = write_movie(folder / "Опыт с маятником.webm")
    picture = folder / "Схема.png"
    Image.new("RGB", (800, 450), (30, 90, 160)).save(picture)
    lie = folder / "Контрольная.pdf"
    lie.write_bytes(b"<html><script>alert(1)</script></html>")
    teacher.forgive(r"status of 415 .*for=materials")
    await open_panel(teacher)
    await teacher.page.set_input_files(by("materials-files"), [movie, picture, lie])
    await teacher.page.wait_for_selector(f"{by('material-upload')}[data-state=failed]")
    await id_of(teacher, picture.name)
    await id_of(teacher, movie.name)
    failed = await teacher.page.locator(by("material-upload")).inner_text()
    assert lie.name in failed
    await click(teacher, "material-cancel")
    await click(teacher, "materials-add-link")
    await teacher.page.fill(by("link-url"), "https://ru.wikipedia.org/wiki/Маятник")
    await teacher.page.fill(by("link-name"), "Маятник")
    await click(teacher, "link-add")
    for student in students:
        await open_panel(student)
        await id_of(student, "Маятник")
        assert await student.page.locator(by("materials-add")).count() == 0
        material = await id_of(student, picture.name)
        async with student.page.expect_download() as coming:
            await click(student, f"download-{material}")
        taken = await coming.value
        assert taken.suggested_filename == picture.name
        with Image.open(await taken.path()) as seen:
            assert seen.size == (800, 450)


async def clocks(people: Sequence[Person]) -> list[float]:
    """Where each one's player is, minus the wall clock that all share, in ms."""
    return [
        await each.do(
            "(css) => document.querySelector(css).currentTime * 1000"
            " - performance.timeOrigin - performance.now()",
            by("film-video"),
        )
        for each in people
    ]


async def in_step(people: Sequence[Person], what: str) -> None:
    """Wait until all players that play are at the same second."""
    for each in people:
        await each.until(
            "(css) => { const v = document.querySelector(css); return v && !v.paused && v.readyState > 2; }",
            by("film-video"),
            what=f"{what}: playing",
        )
    await eventually(
        lambda: clocks(people),
        lambda seen: max(seen) - min(seen) < IN_STEP_MS,
        f"{what}: all within {IN_STEP_MS} ms",
    )


async def film_is_played(teacher: Person, students: Sequence[Person]) -> None:
    """Shown, played, sought, paused by the teacher; one who loads the page again is where the others are."""
    await open_panel(teacher)
    film = await id_of(teacher, "Опыт с маятником.webm")
    await click(teacher, f"show-{film}")
    everybody = [teacher, *students]
    for each in everybody:
        await each.page.wait_for_selector(f"{by('shown')}[data-kind=film]", state="attached")
        await each.page.wait_for_selector(by("film-video"), state="attached")
        look = each.page.locator(by(f"look-{film}"))
        if await look.count():
            await look.click()
    await click(teacher, "film-play")
    await in_step(everybody, "played")
    await teacher.page.locator(by("film-position")).focus()
    await teacher.page.keyboard.press("PageUp")
    for each in everybody:
        await each.until(
            "(css) => document.querySelector(css).currentTime > 3",
            by("film-video"),
            what="the place that was sought",
        )
    await in_step(everybody, "sought")
    late = students[0]
    await late.page.reload()
    await late.page.wait_for_selector(by("film-video"), state="attached")
    await in_step(everybody, "loaded again")
    await click(teacher, "film-play")
    for each in everybody:
        await each.until("(css) => document.querySelector(css).paused", by("film-video"), what="paused")
    await eventually(
        lambda: seconds(everybody), lambda seen: max(seen) - min(seen) < 0.1, "all paused at one picture"
    )


async def seconds(people: Sequence[Person]) -> list[float]:
    return [
        await each.do("(css) => document.querySelector(css).currentTime", by("film-video")) for each in people
    ]


async def app_tells_results(teacher: Person, students: Sequence[Person]) -> None:
    """An app runs alone in its frame; a student's result is told to the teacher and to no other student."""
    await open_panel(teacher)
    await click(teacher, "materials-add-app")
    app = await id_of(teacher, APP)
    await click(teacher, f"show-{app}")
    for each in students:
        if await each.page.locator(by("materials-panel")).is_visible():
            await click(each, "close-panel")
    for each in (teacher, *students):
        frame = each.page.frame_locator(by("app-frame"))
        said = frame.locator("#said[data-alone]")
        await eventually(said.count, lambda count: count == 1, f"{each.name}: the app runs")
        assert await said.get_attribute("data-alone") == "true"
    who = students[0]
    await who.page.frame_locator(by("app-frame")).locator("#right").click()
    await who.page.wait_for_selector(by("app-own"))
    assert "2" in await who.page.locator(by("app-own")).inner_text()
    await teacher.page.locator(f"{by('app-results')} summary").click()
    await teacher.page.wait_for_selector(f"{by('app-results')} li")
    for other in students[1:]:
        assert await other.page.locator(by("app-own")).count() == 0
    for each in (teacher, *students):
        await each.photograph(f"files-app-{each.name}")
    await click(teacher, "app-stop")
    for each in (teacher, *students):
        await each.page.wait_for_selector(by("shown"), state="detached")
