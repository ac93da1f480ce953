"""Files, a film in step and an app, by the real pages: a teacher, a student, one on a phone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from playwright.async_api import Playwright

from signaling.headers import security
from tests.browser import classroom
from tests.browser.conftest import Studio
from tests.browser.firefox import running
from tests.browser.person import FAKE_DEVICES, MAY_PLAY, Person, person
from tests.browser.teaching import files
from tests.serving import serving

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(240), pytest.mark.long,
]  # fmt: skip


@dataclass
class Story:
    teacher: Person
    students: list[Person]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def story(
    playwright: Playwright, chromium: Path, studio: Studio, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Story]:
    async with AsyncExitStack() as stack:
        app = await stack.enter_async_context(files.app_server())
        server = await stack.enter_async_context(
            serving(
                tmp_path_factory.mktemp("files") / "var",
                materials__apps=[{"name": files.APP, "url": app.url}],
            )
        )

        async def sit_down(name: str, who: int, **options: Any) -> Person:
            media = studio.media(who, width=320, height=180)
            somebody = person(
                playwright, chromium, name, film=media.film, sound=media.sound,
                flags=(MAY_PLAY, FAKE_DEVICES), **options,
            )  # fmt: skip
            return await stack.enter_async_context(somebody)

        teacher = await sit_down("teacher", 1, locale="ru-RU")
        desk = await sit_down("desk", 2)
        phone = await sit_down("phone", 3, locale="ru-RU", viewport={"width": 390, "height": 844})
        links = await classroom.teacher_starts(teacher, server.teacher_link, "Колебания")
        await classroom.student_joins(desk, links.student, "Boris")
        await classroom.student_joins(phone, links.student, "Вера")
        yield Story(teacher, [desk, phone])


async def photograph(story: Story, what: str) -> None:
    for each in (story.teacher, *story.students):
        await each.photograph(f"files-{what}-{each.name}")


async def test_materials_are_brought_and_taken(story: Story, tmp_path: Path) -> None:
    await files.materials_are_brought(story.teacher, story.students, tmp_path)
    await photograph(story, "materials")


async def test_a_film_is_played_in_step(story: Story) -> None:
    await files.film_is_played(story.teacher, story.students)
    await photograph(story, "film")


async def test_an_app_tells_results(story: Story) -> None:
    await files.app_tells_results(story.teacher, story.students)


async def test_it_is_to_be_read_in_both_languages(story: Story) -> None:
    for each in (story.teacher, *story.students):
        await files.open_panel(each)
    await photograph(story, "after")


FRAMES = """
const heard = { with: [], without: [] };
const tell = () => fetch("/said", { method: "POST", body: JSON.stringify(heard) });
addEventListener("message", (event) => {
  for (const name of Object.keys(heard))
    if (event.source === document.getElementById(name).contentWindow)
      heard[name].push([event.origin, event.data]);
  if (heard.with.length === 3) setTimeout(tell, 2000);
});
for (const name of Object.keys(heard)) {
  const frame = document.createElement("iframe");
  frame.id = name;
  frame.setAttribute("sandbox", "allow-scripts");
  frame.setAttribute("credentialless", "");
  frame.src = new URLSearchParams(location.search).get(name) + "#hurry";
  document.body.append(frame);
}
"""


async def test_firefox_runs_an_app_that_has_the_headers_and_no_other(firefox: Path) -> None:
    """In a page with our own headers: what docs/apps.md says of other browsers than Chromium."""
    said: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
    async with AsyncExitStack() as stack:
        good = await stack.enter_async_context(files.app_server())
        silent = await stack.enter_async_context(files.app_server(silent=True))

        async def page(request: web.Request) -> web.Response:
            origin = f"http://{request.host}"
            frames = tuple(app.url.rstrip("/") for app in (good, silent))
            body = '<!doctype html><body><script src="/frames.js"></script>'
            return web.Response(text=body, content_type="text/html", headers=security(origin, frames))

        async def script(_: web.Request) -> web.Response:
            return web.Response(text=FRAMES, content_type="text/javascript")

        async def hear(request: web.Request) -> web.Response:
            if not said.done():
                said.set_result(json.loads(await request.text()))
            return web.Response()

        application = web.Application()
        application.router.add_get("/", page)
        application.router.add_get("/frames.js", script)
        application.router.add_post("/said", hear)
        runner = web.AppRunner(application)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        address = f"http://127.0.0.1:{runner.addresses[0][1]}/?with={good.url}&without={silent.url}"
        await stack.enter_async_context(running(firefox, address))
        async with asyncio.timeout(60):
            heard = await said
    assert [origin for origin, _ in heard["with"]] == ["null"] * 3
    assert heard["with"][2][1] == {"type": "zvonok.score", "points": 2, "of": 3}
    assert heard["without"] == []
