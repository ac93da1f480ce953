"""The lesson's pages in a real Chromium, the student's media over a bad line: what a person sees and hears.

One browser holds both: a teacher with camera and microphone on a clean line, a student who looks on. Their
film is a picture that pans under noise, so that every layer costs what it may.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final, Self

from config.setup.browser import find_chromium, sandbox_arguments
from loadtest.bench._page_media import HEIGHT, write_film, write_sound
from loadtest.door import Door, origin_of
from loadtest.network import CLEAN, Impairment
from loadtest.page_line import PageLine
from sfu.model import SEND_SECTIONS

if TYPE_CHECKING:
    from playwright.async_api import BrowserContext, Page

FLAGS: Final = (
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
_WAIT_MS: Final = 20_000
_WATCH: Final = """(() => {
  const Native = window.RTCPeerConnection;
  window.zvonokPeers = [];
  window.RTCPeerConnection = class RTCPeerConnection extends Native {
    constructor(...given) { super(...given); window.zvonokPeers.push(this); }
  };
})();"""
_LOOK: Final = """async (first) => {
  const peer = window.zvonokPeers.findLast((each) => each.connectionState === "connected");
  if (!peer) return null;
  const of = async (section, kind) => {
    const all = [...(await peer.getTransceivers()[first + section].receiver.getStats()).values()];
    return all.find((each) => each.type === kind) ?? {};
  };
  const picture = await of(0, "inbound-rtp"), sound = await of(1, "inbound-rtp");
  const carried = await of(0, "transport");
  return {
    frames: picture.framesDecoded ?? 0, height: picture.frameHeight ?? 0,
    freezes: picture.freezeCount ?? 0, frozen_s: picture.totalFreezesDuration ?? 0,
    concealed: sound.concealedSamples ?? 0, played: sound.totalSamplesReceived ?? 0,
    octets: carried.bytesReceived ?? 0,
  };
}"""


@dataclass(frozen=True, slots=True)
class Look:
    """Totals of the student's connection so far: of the stage's picture, its sound, and of everything."""

    frames: int
    height: int
    """Pixels of the last frame."""
    freezes: int
    frozen_s: float
    concealed: int
    played: int
    octets: int


class Pages:
    """A running lesson. Made by ``lesson``."""

    def __init__(self, student: Page, student_link: str) -> None:
        self.student_link = student_link
        self._student = student
        self._line = PageLine()

    @classmethod
    @asynccontextmanager
    async def lesson(cls, teacher_link: str) -> AsyncIterator[Self]:
        """Both are in and the student sees the teacher. Raises RuntimeError where there is no browser."""
        try:
            from playwright.async_api import Error, async_playwright
        except ImportError:
            raise RuntimeError("no playwright (a package for tests)") from None
        chromium = find_chromium()
        if chromium is None:
            raise RuntimeError("no chromium that starts")
        async with AsyncExitStack() as stack:
            folder = Path(stack.enter_context(TemporaryDirectory(prefix="zvonok-bench-")))
            film, sound = folder / "film.y4m", folder / "sound.wav"
            write_film(film)
            write_sound(sound)
            driver = await stack.enter_async_context(async_playwright())
            arguments = [
                *sandbox_arguments(),
                *FLAGS,
                f"--use-file-for-fake-video-capture={film}",
                f"--use-file-for-fake-audio-capture={sound}",
            ]
            sandbox = "--no-sandbox" not in arguments
            try:
                browser = await driver.chromium.launch(
                    executable_path=chromium, args=arguments, chromium_sandbox=sandbox
                )
                stack.push_async_callback(browser.close)
                teachers, students = [
                    await browser.new_context(viewport={"width": 1366, "height": 768}) for _ in range(2)
                ]
                student_link = await _teach(teachers, teacher_link)
                pages = cls(await students.new_page(), student_link)
                stack.push_async_callback(pages._line.close)
                await pages._join(students)
                yield pages
            except Error as error:
                raise RuntimeError(f"Chromium: {error.message}") from error

    def impair(self, line: Impairment) -> None:
        """What the student's media meets in both directions from now on."""
        self._line.impair(line, line)

    async def look(self) -> Look:
        """As it is now."""
        found = await self._student.evaluate(f"({_LOOK})({len(SEND_SECTIONS)})")
        return Look(**found) if found else Look(0, 0, 0, 0.0, 0, 0, 0)

    async def again(self) -> None:
        """The student opens the page anew on a clean line: nothing is known of it, everything flows."""
        self.impair(CLEAN)
        await self._student.reload()
        await self.sees()

    async def sees(self) -> None:
        """Wait until the student sees the teacher in full size and hears them; raises Playwright's Error."""
        await self._student.wait_for_function(
            f"""async (first) => {{
                const look = await ({_LOOK})(first);
                return look !== null && look.height >= {HEIGHT} && look.played > 0;
            }}""",
            arg=len(SEND_SECTIONS),
            timeout=_WAIT_MS,
        )

    async def _join(self, context: BrowserContext) -> None:
        await self._line.take(context)
        await context.add_init_script(_WATCH)
        await self._student.goto(self.student_link)
        await self._student.fill(_mark("name-input"), "Student")
        await self._student.click(_mark("join"))
        await self.sees()


async def _teach(context: BrowserContext, teacher_link: str) -> str:
    """Make a lesson and go live in it; the students' link."""
    origin = origin_of(teacher_link)
    async with Door(origin) as door:
        await door.sign_in(teacher_link.partition("#")[2])
        made = await door.new_lesson("Bench", teacher_name="Teacher")
        await context.add_cookies(
            [{"name": name, "value": value, "url": origin} for name, value in door.cookies.items()]
        )
    page = await context.new_page()
    await page.goto(made.teacher_link)
    await page.wait_for_function(
        "() => document.querySelector('[data-testid=\"check-preview\"]')?.videoWidth > 0", timeout=_WAIT_MS
    )
    await page.click(_mark("go-live"), timeout=_WAIT_MS)
    await page.wait_for_selector(_mark("lesson"), timeout=_WAIT_MS)
    return made.student_link


def _mark(mark: str) -> str:
    return f'[data-testid="{mark}"]'
