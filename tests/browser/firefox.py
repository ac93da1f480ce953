"""Plays a file in a real Firefox: a page of ours plays, seeks, reads the marks and tells what it saw."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from config.setup.browser import find_firefox

READER: Final = Path(__file__).parents[1] / "media" / "reader.js"
LIMIT_S: Final = 40.0
PREFERENCES: Final = {
    "app.update.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "media.autoplay.default": 0,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "toolkit.telemetry.enabled": False,
}
PAGE: Final = """<!doctype html><meta charset="utf-8"><title>plays</title>
<video id="video" src="/video.webm" muted playsinline></video>
<script src="/reader.js"></script>
<script>
const video = document.getElementById("video"), said = { readings: [] };
const tell = () => fetch("/said", { method: "POST", body: JSON.stringify(said) });
const fail = (why) => { said.error = String(why); tell(); };
const once = (name) => new Promise((done) => video.addEventListener(name, done, { once: true }));
const times = JSON.parse(decodeURIComponent(location.hash.slice(1)));
video.addEventListener("error", () => fail(video.error?.message || "does not play"));
(async () => {
  if (video.readyState < 1) await once("loadedmetadata");
  said.duration_s = video.duration;
  video.muted = true;
  const from = performance.now();
  await video.play();
  while (video.currentTime < 1) await new Promise((done) => setTimeout(done, 20));
  said.second_took_ms = performance.now() - from;
  video.pause();
  for (const at of times) {
    const seeked = once("seeked");
    const asked = performance.now();
    video.currentTime = at;
    await seeked;
    const mark = zvonokReader.readMark(video);
    said.readings.push({ at_s: at, shown_s: video.currentTime, took_ms: performance.now() - asked,
      who: mark?.who ?? -1, counter: mark?.counter ?? -1, width: video.videoWidth });
  }
  await tell();
})().catch(fail);
</script>"""


Send = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def play_in_firefox(file: Path, seek_to_s: Sequence[float], send: Send | None = None) -> dict[str, Any]:
    """What Firefox makes of a video: ``duration_s``, ``second_took_ms`` (playing the first second), and for
    each seek ``readings``; with ``error`` when it does not play. AssertionError when it says nothing.
    ``send`` answers each request for the video, else it is ``file`` as it is."""
    firefox = find_firefox()
    assert firefox is not None, "a test plays in Firefox without its fixture"
    heard: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()

    async def said(request: web.Request) -> web.Response:
        if not heard.done():
            heard.set_result(await request.json())
        return web.Response()

    async def page(_request: web.Request) -> web.Response:
        return web.Response(text=PAGE, content_type="text/html")

    async def reader(_request: web.Request) -> web.FileResponse:
        return web.FileResponse(READER)

    async def video(request: web.Request) -> web.StreamResponse:
        if send is not None:
            return await send(request)
        return web.FileResponse(file, headers={"Content-Type": "video/webm"})

    app = web.Application()
    app.router.add_get("/", page)
    app.router.add_get("/reader.js", reader)
    app.router.add_get("/video.webm", video)
    app.router.add_post("/said", said)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    address = f"http://127.0.0.1:{port}/#[{','.join(map(str, seek_to_s))}]"
    try:
        async with running(firefox, address), asyncio.timeout(LIMIT_S):
            return await heard
    except TimeoutError:
        raise AssertionError(f"Firefox said nothing about {file.name} within {LIMIT_S:g} s") from None
    finally:
        await runner.cleanup()


@asynccontextmanager
async def running(firefox: Path, address: str) -> AsyncIterator[None]:
    """A Firefox without a window, of a profile of its own, at this address."""
    profile = Path(tempfile.mkdtemp(prefix="zvonok-firefox-"))
    lines = [f'user_pref("{name}", {str(value).lower()});' for name, value in PREFERENCES.items()]
    (profile / "user.js").write_text("\n".join(lines), encoding="utf-8")
    process = await asyncio.create_subprocess_exec(
        str(firefox), "--headless", "--no-remote", "--profile", str(profile), address,
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        env=os.environ | {"HOME": str(profile), "MOZ_CRASHREPORTER_DISABLE": "1"},
        start_new_session=True,
    )  # fmt: skip
    try:
        yield
    finally:
        if process.returncode is None:
            os.killpg(process.pid, 9)  # its own group: content processes too
        await process.wait()
        shutil.rmtree(profile, ignore_errors=True)
