"""One person at one computer: a Chromium of their own, with known things before its camera and microphone."""

from __future__ import annotations

import asyncio
import base64
import io
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar
from urllib.parse import urlsplit

from PIL import Image
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, Playwright, Request

from config.setup.browser import sandbox_arguments

READER: Final = Path(__file__).parents[1] / "media" / "reader.js"
ARTIFACTS: Final = Path(__file__).parent / "artifacts"
FLAGS: Final = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--allow-loopback-in-peer-connection",
)
ALLOWS_DEVICES: Final = "--use-fake-ui-for-media-stream"
MAY_PLAY: Final = "--autoplay-policy=no-user-gesture-required"
FAKE_DEVICES: Final = "--use-fake-device-for-media-stream"
SHARE_A_TAB: Final = f"{FAKE_DEVICES}=display-media-type=browser,fps=30"

T = TypeVar("T")


async def eventually(
    look: Callable[[], Awaitable[T]],
    fits: Callable[[T], bool],
    what: str,
    *,
    limit_s: float = 15,
    every_s: float = 0.1,
) -> T:
    """Look again and again until what is seen fits; says what was seen last when it never does."""
    deadline = time.monotonic() + limit_s
    while True:
        seen = await look()
        if fits(seen):
            return seen
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {limit_s:g} s; last seen: {seen!r}")
        await asyncio.sleep(every_s)


class Seen(NamedTuple):
    """A frame that a page presented: when (ms), whose (-1: unreadable), which, and the how manieth it was."""

    at_ms: float
    who: int
    counter: int
    presented: int


class Played(NamedTuple):
    """What is known of a stretch of frames of one publisher."""

    frames: int
    first: int
    last: int
    longest_gap_ms: float
    went_back: int


def played(frames: Sequence[Seen], who: int, loop: int) -> Played:
    """Frames of one publisher whose counter begins anew after ``loop`` frames, counted through."""
    own = [each for each in frames if each.who == who]
    if not own:
        return Played(0, 0, 0, float("inf"), 0)
    counter, went_back, longest = own[0].counter, 0, 0.0
    for before, after in pairwise(own):
        step = (after.counter - before.counter + loop // 2) % loop - loop // 2
        went_back += step < 0
        counter += step
        longest = max(longest, after.at_ms - before.at_ms)
    return Played(len(own), own[0].counter, counter, longest, went_back)


def freezes(frames: Sequence[Seen], *, frame_ms: float = 40) -> list[float]:
    """How long (ms) each picture stood longer than its frame, longest first; missed callbacks count too."""
    stood = [
        (after.at_ms - before.at_ms) / (after.presented - before.presented)
        for before, after in pairwise(frames)
    ]
    return sorted((each - frame_ms for each in stood), reverse=True)


@dataclass(slots=True)
class Person:
    """A browser with one open page. ``problems``: console errors, exceptions, and requests to any host but
    ``hosts``; none is allowed at the end."""

    name: str
    browser: Browser
    context: BrowserContext
    page: Page
    problems: list[str] = field(default_factory=list)
    forgiven: list[re.Pattern[str]] = field(default_factory=list)
    hosts: frozenset[str] = frozenset({"localhost"})

    def heed(self, page: Page) -> None:
        """Collect what goes wrong in a page."""

        def console(message: ConsoleMessage) -> None:
            if message.type == "error":
                self.problems.append(f"{self.name}: {message.text} ({message.location.get('url', '')})")

        def asked(request: Request) -> None:
            parts = urlsplit(request.url)
            if parts.scheme in ("http", "https", "ws", "wss") and parts.hostname not in self.hosts:
                self.problems.append(f"{self.name}: another host was asked: {request.url}")

        page.on("console", console)
        page.on("request", asked)
        page.on(
            "pageerror", lambda error: self.problems.append(f"{self.name}: {error.stack or error.message}")
        )

    def forgive(self, pattern: str) -> None:
        """Console errors that a test provokes on purpose."""
        self.forgiven.append(re.compile(pattern))

    async def new_page(self) -> Page:
        """Another tab of the same browser."""
        page = await self.context.new_page()
        self.heed(page)
        return page

    async def do(self, script: str, *arguments: Any) -> Any:
        """Call a JavaScript function of the page with these arguments (as one array, spread)."""
        return await self.page.evaluate(f"(given) => ({script})(...given)", list(arguments))

    async def until(self, script: str, *arguments: Any, what: str, limit_s: float = 15) -> Any:
        """Wait until a JavaScript function of the page returns something true; returns it."""
        return await eventually(
            lambda: self.do(script, *arguments), bool, f"{self.name}: {what}", limit_s=limit_s
        )

    async def watch(self, name: str, selector: str) -> None:
        """Begin to read the frames of a <video>."""
        await self.page.wait_for_selector(selector, state="attached")
        await self.do("(name, css) => zvonokReader.watch(name, document.querySelector(css))", name, selector)

    async def frames(self, name: str) -> list[Seen]:
        """All frames read so far from what is watched under this name."""
        return [Seen(*each) for each in await self.do("(name) => zvonokReader.frames(name)", name)]

    async def see(self, name: str, who: int, *, frames: int = 25, limit_s: float = 15) -> list[Seen]:
        """Wait until this many frames of that publisher were seen; returns all frames."""
        return await eventually(
            lambda: self.frames(name),
            lambda seen: sum(each.who == who for each in seen) >= frames,
            f"{self.name}: {frames} frames of {who} in {name}",
            limit_s=limit_s,
        )

    async def listen(self, name: str, slot: int) -> None:
        """Begin to listen to the sound of a slot."""
        await self.do("(name, slot) => zvonokReader.listen(name, zvonokReader.slot(slot).track)", name, slot)

    async def hear(self, name: str, tone_hz: float, *, limit_s: float = 15) -> None:
        """Wait until this tone is the strongest in what is listened to under this name."""
        await eventually(
            lambda: self.do("(name) => zvonokReader.tone(name).hz", name),
            lambda hz: abs(hz - tone_hz) < 10,
            f"{self.name}: a tone of {tone_hz} Hz in {name}",
            limit_s=limit_s,
        )

    async def video_frame(self, selector: str) -> Image.Image:
        """What a <video> shows, in the size in which it came."""
        data = await self.do(
            """(css) => {
                const video = document.querySelector(css);
                const canvas = document.createElement("canvas");
                [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
                canvas.getContext("2d").drawImage(video, 0, 0);
                return canvas.toDataURL("image/png");
            }""",
            selector,
        )
        return Image.open(io.BytesIO(base64.b64decode(data.split(",", 1)[1])))

    async def counts(self) -> list[dict[str, int]]:
        """For each connection that the page made: how often it described itself and its peer."""
        counts: list[dict[str, int]] = await self.do(
            "() => zvonokReader.connections.map((each) => each.counts)"
        )
        return counts

    async def inbound(self, slot: int, kind: str = "inbound-rtp") -> dict[str, Any]:
        """The statistics of a slot of this type; empty before its first packet."""
        stats: dict[str, Any] = await self.do(
            """async (index, type) => {
                const receiver = zvonokReader.slot(index);
                if (!receiver) return {};
                const all = [...(await receiver.getStats()).values()];
                return all.find((each) => each.type === type) ?? {};
            }""",
            slot,
            kind,
        )
        return stats

    async def now_ms(self) -> float:
        """The page's wall clock, as in ``skews``."""
        now: float = await self.do("() => performance.timeOrigin + performance.now()")
        return now

    async def skews(self, eye: str, ear: str) -> list[tuple[float, float]]:
        """Beeps heard so far: (wall clock ms, how much later than its flash it came, -500..500 ms)."""
        pairs: list[tuple[float, float]] = await self.do(
            """(eye, ear) =>
                zvonokReader.skew(eye, ear).map(([at, late]) => [performance.timeOrigin + at, late])""",
            eye,
            ear,
        )
        return pairs

    async def photograph(self, title: str) -> Path:
        """Keep a screenshot under artifacts."""
        ARTIFACTS.mkdir(exist_ok=True)
        path = ARTIFACTS / f"{title}.png"
        await self.page.screenshot(path=path)
        return path

    async def wrongs(self) -> list[str]:
        """Everything that must not have happened in the pages of this person."""
        found = list(self.problems)
        for page in self.context.pages:
            if not page.is_closed():
                found += await page.evaluate("() => window.zvonokReader?.violations ?? []")
        return [each for each in found if not any(pattern.search(each) for pattern in self.forgiven)]


async def transit_ms(source: Person, source_name: str, sink: Person, sink_name: str) -> list[float]:
    """By how much the way from source to sink moved sound against picture, for each beep so far.

    Fake cameras and microphones drift against each other, so each beep at the sink is held against the one
    heard at the source at most 1 s before.
    """
    sent = await source.skews(source_name, source_name)
    moved = []
    for at_ms, skew in await sink.skews(sink_name, sink_name):
        before = [other for sent_ms, other in sent if -1000 < sent_ms - at_ms < 100]
        if before:
            moved.append((skew - before[-1] + 1500) % 1000 - 500)
    return moved


@asynccontextmanager
async def person(
    playwright: Playwright,
    chromium: Path,
    name: str,
    *,
    film: Path | None = None,
    sound: Path | None = None,
    flags: Sequence[str] = (MAY_PLAY, FAKE_DEVICES),
    asks: bool = False,
    host: str = "localhost",
    **context_options: Any,
) -> AsyncIterator[Person]:
    """Somebody who sits down, and goes at the end; console errors and CSP violations fail the test then.

    ``asks``: the browser asks before a page gets a camera, instead of allowing it. ``host``: the only one
    that pages may ask for anything.
    """
    arguments = [*sandbox_arguments(), *FLAGS, *flags, *(() if asks else (ALLOWS_DEVICES,))]
    if film is not None:
        arguments.append(f"--use-file-for-fake-video-capture={film}")
    if sound is not None:
        arguments.append(f"--use-file-for-fake-audio-capture={sound}")
    browser = await playwright.chromium.launch(
        executable_path=chromium, args=arguments, chromium_sandbox="--no-sandbox" not in arguments
    )
    try:
        options = {"locale": "en-GB", "viewport": {"width": 1366, "height": 768}, **context_options}
        context = await browser.new_context(**options)
        await context.add_init_script(path=READER)
        somebody = Person(name, browser, context, await context.new_page(), hosts=frozenset({host}))
        somebody.heed(somebody.page)
        yield somebody
        wrongs = await somebody.wrongs()
    finally:
        await browser.close()
    assert not wrongs, "\n".join(wrongs)
