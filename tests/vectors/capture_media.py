"""Capture what a real browser sends: ``python -m tests.vectors.capture_media chromium|firefox [program]``.

Serves a page in which a teacher with microphone and simulcast camera and a student join a lesson of a real
worker's, in this process; its plane, the reference, notes every command and every datagram that it could
read. The student's picture goes to the lowest layer and back, the microphone falls silent and comes back.
Writes chromium.capture or firefox.capture beside itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from config.setup.browser import find_chromium, find_firefox, sandbox_arguments
from sfu.addresses import interface_addresses
from sfu.dtls import Certificate
from sfu.lessons import Lessons
from sfu.plane.api import Command, SendDtls, SrtpProfile
from sfu.plane.core import Core
from sfu.plane.core.crypto import Session
from sfu.plane.core.ice import SocketAddress, plain_address
from sfu.plane.reference import ReferencePlane
from sfu.plane.srtp import LibsrtpCrypto
from sfu.rpc.messages import (
    Answered,
    Connected,
    Draw,
    Failed,
    Offer,
    OpenLesson,
    Person,
    Push,
    Reply,
    Request,
    SetPerson,
)
from tests.vectors.browser_capture import (
    FOLDER,
    Capture,
    Received,
    Told,
    trimmed,
    without_keys,
    write_capture,
)

LESSON: Final = "captured"
SEND: Final = ("0", "1", "2", "3")
SLOTS: Final = tuple(str(mid) for mid in range(4, 14))
LARGE: Final = (720, 1, 0, 1, 1, 1, 1, 1, 0, 0)
SMALL: Final = (150, 1, 0, 1, 1, 1, 1, 1, 0, 0)
PLACE: Final = "192.0.2.1"
"""Everybody is kept as having been here."""
CONNECTED_WITHIN_S: Final = 30.0
CHROMIUM_FLAGS: Final = (
    "--headless",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--allow-loopback-in-peer-connection",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
)
FIREFOX_PREFERENCES: Final = {
    "app.update.enabled": "false",
    "browser.shell.checkDefaultBrowser": "false",
    "datareporting.policy.dataSubmissionEnabled": "false",
    "media.autoplay.default": "0",
    "media.navigator.permission.disabled": "true",
    "media.navigator.streams.fake": "true",
    "media.peerconnection.ice.loopback": "true",
    "media.peerconnection.ice.obfuscate_host_addresses": "false",
    "network.captive-portal-service.enabled": "false",
    "network.connectivity-service.enabled": "false",
    "toolkit.telemetry.enabled": "false",
}


class NotedCrypto(LibsrtpCrypto):
    """libsrtp; ``plain`` is the last packet that was unprotected."""

    def __init__(self) -> None:
        self.plain: bytes | None = None

    def session(self, profile: SrtpProfile, receive_key: bytes, send_key: bytes) -> Session:
        session = super().session(profile, receive_key, send_key)

        def unprotect(packet: bytes) -> bytes:
            self.plain = session.unprotect(packet)
            return self.plain

        def unprotect_rtcp(packet: bytes) -> bytes:
            self.plain = session.unprotect_rtcp(packet)
            return self.plain

        return Session(unprotect, unprotect_rtcp, session.protect, session.protect_rtcp)


class NotedCore(Core):
    """The reference; ``entries`` is what it was given. DTLS, in both directions, is left out."""

    def __init__(self, crypto: NotedCrypto, wall_offset_us: int) -> None:
        super().__init__(crypto, wall_offset_us=wall_offset_us)
        self.entries: list[Received | Told] = []
        self._crypto = crypto
        self._started_us: int | None = None

    def receive(self, data: bytes, address: SocketAddress, now_us: int) -> None:
        self._crypto.plain = None
        super().receive(data, address, now_us)
        known = data if data[:1] <= b"\x03" else self._crypto.plain
        if known is not None:
            place = (PLACE, plain_address(address)[1])
            self.entries.append(Received(self._since(now_us), place, trimmed(known)))

    def apply(self, commands: Sequence[Command], now_us: int) -> None:
        super().apply(commands, now_us)
        at_us = self._since(now_us)
        self.entries += [
            Told(at_us, without_keys(command)) for command in commands if not isinstance(command, SendDtls)
        ]

    def _since(self, now_us: int) -> int:
        if self._started_us is None:
            self._started_us = now_us
        return now_us - self._started_us


class Classroom:
    """A worker's lessons over a noted plane, and the page's questions."""

    def __init__(self) -> None:
        self.lessons = Lessons("w", self._push, 10)
        self.connected: set[str] = set()
        self.steps: asyncio.Queue[str] = asyncio.Queue()
        self.failed = asyncio.Event()
        self._numbers = 0
        self._all_connected = asyncio.Event()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[NotedCore]:
        """An open lesson with a teacher and a student in it."""
        # Firefox has no candidate on loopback where there is another interface.
        interfaces = [each for each in interface_addresses() if "." in each and not each.startswith("127.")]
        host = [*interfaces, "127.0.0.1"][0]
        plane = await ReferencePlane.create(host, 0, self.lessons.on_events)
        core = NotedCore(NotedCrypto(), (time.time_ns() - time.monotonic_ns()) // 1000)
        plane._core = core
        try:
            self.lessons.start(plane, Certificate.generate(), [(host, plane.port)])
            self.ask(OpenLesson(LESSON, 1))
            self.seat("teacher", "teacher", "camera microphone")
            self.seat("student", "student", "")
            self.ask(Draw(LESSON, 1, "student", LARGE))
            yield core
        finally:
            await self.lessons.close()
            await plane.close()

    def _push(self, push: Push) -> None:
        if isinstance(push, Connected):
            self.connected.add(push.participant)
            if len(self.connected) == 2:
                self._all_connected.set()

    def ask(self, request: Request) -> Reply:
        reply = self.lessons.handle(request)
        if isinstance(reply, Failed):
            raise SystemExit(f"the worker refused: {reply}")
        return reply

    def seat(self, name: str, role: str, on: str) -> None:
        self._numbers += 1
        allowed = frozenset(("camera", "microphone"))
        person = Person(name, role, self._numbers, allowed, frozenset(on.split()))
        self.ask(SetPerson(LESSON, 1, self._numbers, person))

    async def play(self) -> None:
        """What happens in the lesson, from both being connected on."""
        async with asyncio.timeout(CONNECTED_WITHIN_S):
            await self._all_connected.wait()
        await asyncio.sleep(4)
        self.ask(Draw(LESSON, 1, "student", SMALL))
        await asyncio.sleep(1.5)
        self.ask(Draw(LESSON, 1, "student", LARGE))
        await asyncio.sleep(1.5)
        self.seat("teacher", "teacher", "camera")
        self.steps.put_nowait("mute")
        await asyncio.sleep(1)
        self.seat("teacher", "teacher", "camera microphone")
        self.steps.put_nowait("unmute")
        await asyncio.sleep(1.5)
        self.steps.put_nowait("end")

    # --- the page -----------------------------------------------------------------------------

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/", self._page)
        app.router.add_post("/offer/{name}", self._offer)
        app.router.add_post("/step", self._step)
        app.router.add_post("/size", self._said)
        app.router.add_post("/failed", self._said)
        return app

    async def _page(self, _request: web.Request) -> web.Response:
        page = Path(__file__).with_suffix(".html").read_text(encoding="utf-8")
        return web.Response(text=page, content_type="text/html")

    async def _offer(self, request: web.Request) -> web.Response:
        sdp = gzip.compress(await request.read())
        name = request.match_info["name"]
        reply = self.ask(Offer(LESSON, 1, name, 1, sdp, SEND, SLOTS))
        if not isinstance(reply, Answered):
            raise web.HTTPBadRequest(text=repr(reply))
        return web.Response(text=gzip.decompress(reply.sdp).decode())

    async def _step(self, _request: web.Request) -> web.Response:
        return web.Response(text=await self.steps.get())

    async def _said(self, request: web.Request) -> web.Response:
        print(request.path, await request.text(), flush=True)
        if request.path == "/failed":
            self.failed.set()
        return web.Response()


@asynccontextmanager
async def browsing(kind: str, program: Path, address: str) -> AsyncIterator[None]:
    """The browser with the page open, in a profile of its own."""
    profile = Path(tempfile.mkdtemp(prefix="zvonok-capture-"))
    if kind == "firefox":
        lines = [f'user_pref("{name}", {value});' for name, value in FIREFOX_PREFERENCES.items()]
        (profile / "user.js").write_text("\n".join(lines), encoding="utf-8")
        arguments = ["--headless", "--no-remote", "--profile", str(profile)]
    else:
        arguments = [*sandbox_arguments(), *CHROMIUM_FLAGS, f"--user-data-dir={profile}"]
    process = await asyncio.create_subprocess_exec(
        str(program), *arguments, address,
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        env=os.environ | {"HOME": str(profile), "MOZ_CRASHREPORTER_DISABLE": "1"},
        start_new_session=True,
    )  # fmt: skip
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, 9)
        await process.wait()
        shutil.rmtree(profile, ignore_errors=True)


async def capture(kind: str, program: Path) -> Capture:
    """Let the browser join, and play the lesson."""
    classroom = Classroom()
    async with classroom.open() as core:
        runner = web.AppRunner(classroom.app(), access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        address = f"http://127.0.0.1:{runner.addresses[0][1]}/"
        async with browsing(kind, program, address):
            await classroom.play()
            entries = tuple(core.entries)
        await runner.cleanup()
    said = await asyncio.create_subprocess_exec(str(program), "--version", stdout=subprocess.PIPE)
    version, _ = await said.communicate()
    made = f"python -m tests.vectors.capture_media {kind}"
    return Capture(version.decode().strip(), made, entries)


def main(arguments: Sequence[str]) -> Any:
    """Capture the browser that the arguments name."""
    match arguments:
        case [("chromium" | "firefox") as kind, *named] if len(named) < 2:
            program = (
                Path(named[0]) if named else {"chromium": find_chromium, "firefox": find_firefox}[kind]()
            )
        case _:
            return __doc__
    if program is None:
        return f"no {kind} that starts"
    found = asyncio.run(capture(kind, program))
    path = FOLDER / f"{kind}.capture"
    write_capture(path, found)
    print(found.browser, len(found.entries), "entries", path.stat().st_size, "bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
