"""A real lesson with everything that moves sound against picture: over a bad line, through disturbances.

What is real: signalling, worker, recorder, finishing. The teacher is ``_sync_publisher``.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final

import msgspec

from loadtest.bench._peer import Identity
from loadtest.bench._sync_publisher import OwnClock, SyncPublisher
from loadtest.bench.record import Server
from loadtest.client import LessonClient
from loadtest.door import Door, origin_of
from loadtest.network import Impairment
from loadtest.proxy import Proxy
from sfu.model import Refused, Source
from signaling import wire

UP: Final = Impairment(loss=0.05, delay_ms=20, jitter_ms=200)
DOWN: Final = Impairment(loss=0.05, delay_ms=20, jitter_ms=20)
DRIFT_PPM: Final = 100.0
WRONG_US: Final = 7_000_000
READY_LIMIT_S: Final = 120.0
_AGAIN_LIMIT_S: Final = 20.0
_AGAIN_S: Final = 0.3


@dataclass(frozen=True, slots=True)
class Disturbance:
    """What happened, from when to when (server us); ``picture``: it may pause; ``restarts``: it has to begin
    anew at the end."""

    what: str
    begin_us: int
    end_us: int
    picture: bool
    restarts: bool


@dataclass(slots=True)
class Recorded:
    """A finished recording and what is true of it. ``off_ms`` less ``on_ms`` is its length by the log."""

    video: Path
    timeline: wire.Timeline
    clock: OwnClock
    on_ms: int
    off_ms: int
    lost: int
    """Datagrams of the publisher that the line lost."""
    sent: int
    held_up_ms: float
    """How late the publisher was at most, by this machine's fault: over some hundred it proves little."""
    disturbances: list[Disturbance] = field(default_factory=list)


class Lesson:
    """The teacher's side while it runs; every disturbance is a method that returns when it is over."""

    def __init__(
        self,
        server: Server,
        door: Door,
        link: str,
        clock: OwnClock,
        up: Impairment,
        say: Callable[[str], None],
    ) -> None:
        self.client: LessonClient
        self.media: SyncPublisher
        self.disturbances: list[Disturbance] = []
        self.held_up_s = 0.0
        self._server = server
        self._door = door
        self._link = link
        self._clock = clock
        self._up = up
        self._say = say
        self._chance = Random(8)
        self._stack = contextlib.AsyncExitStack()
        self.proxies: list[Proxy] = []

    async def begin(self) -> None:
        """Join, and send camera and voice."""
        self.client = await self._stack.enter_async_context(LessonClient.join(self._door, self._link))
        await self._connect()
        for source in (Source.CAMERA, Source.MICROPHONE):
            await self.client.publish(source)

    async def close(self) -> None:
        """Hang up."""
        await self._hang_up()
        await self._stack.aclose()
        for proxy in self.proxies:
            await proxy.close()

    async def hold(self, seconds: float) -> None:
        """Nothing happens."""
        await asyncio.sleep(seconds)

    async def muted(self, seconds: float) -> None:
        """The microphone is off."""
        async with self._noted("microphone off and on"):
            await self._switch(Source.MICROPHONE, on=False)
            await asyncio.sleep(seconds)
            await self._switch(Source.MICROPHONE, on=True)

    async def camera_off(self, seconds: float) -> None:
        """The camera is off."""
        async with self._noted("camera off and on", restarts=True):
            await self._switch(Source.CAMERA, on=False)
            await asyncio.sleep(seconds)
            await self._switch(Source.CAMERA, on=True)

    async def silent(self, seconds: float) -> None:
        """Silence is not sent."""
        async with self._noted("silence not sent (DTX)"):
            self.media.silence_sent = False
            await asyncio.sleep(seconds)
            self.media.silence_sent = True

    async def thin(self, seconds: float) -> None:
        """The top layer is not sent: another SSRC and size."""
        async with self._noted("another layer", picture=True):
            self.media.top_layer = False
            await asyncio.sleep(seconds)
        async with self._noted("the top layer again", picture=True):
            self.media.top_layer = True
            await asyncio.sleep(seconds)

    async def rejoin(self, _seconds: float) -> None:
        """The page is loaded anew: another connection, other SSRCs."""
        async with self._noted("the page loaded anew", restarts=True):
            await self._hang_up()
            await self.client.cut()
            self.client = await self._stack.enter_async_context(LessonClient.join(self._door, self._link))
            await self._connect()

    async def worker_killed(self, _seconds: float) -> None:
        """SIGKILL; the lesson is on another one a moment later."""
        async with self._noted("the worker killed", restarts=True):
            (worker,) = (pid for pid, words in self._server.processes().items() if "sfu.worker" in words)
            lease = self.media.lease
            os.kill(worker, signal.SIGKILL)
            await self.client.until(
                lambda: any(
                    isinstance(each, wire.Moved) and each.lease > lease for each in self.client.messages
                ),
                "a move",
            )
            await self._hang_up()
            await self._connect()

    @contextlib.asynccontextmanager
    async def _noted(
        self, what: str, *, picture: bool = False, restarts: bool = False
    ) -> AsyncIterator[None]:
        self._say(what)
        begin_us = time.time_ns() // 1000
        yield
        self.disturbances.append(
            Disturbance(what, begin_us, time.time_ns() // 1000, picture or restarts, restarts)
        )

    async def _hang_up(self) -> None:
        self.held_up_s = max(self.held_up_s, self.media.held_up_s)
        await self.media.close()

    async def _switch(self, source: Source, *, on: bool) -> None:
        if on:
            await self.client.publish(source)
        if source is Source.CAMERA:
            self.media.camera = on
        else:
            self.media.microphone = on
        if not on:
            await self.client.publish(source, on=False)

    async def _connect(self) -> None:
        """Tried again, as the page does."""
        deadline_s = time.monotonic() + _AGAIN_LIMIT_S
        while True:
            # A page that was loaded anew has another certificate.
            media = SyncPublisher(Identity(), self._clock, self._chance)
            try:
                await media.connect(self.client, self._way)
                break
            except (Refused, OSError, TimeoutError):
                await media.close()
                if time.monotonic() > deadline_s:
                    raise
                await asyncio.sleep(_AGAIN_S)
        media.camera = media.microphone = True
        media.play()
        self.media = media

    async def _way(self, worker: tuple[str, int]) -> tuple[str, int]:
        proxy = await Proxy.open(worker, lambda _: self._up, lambda _: DOWN, len(self.proxies) + 1)
        self.proxies.append(proxy)
        return proxy.address


Act = Callable[[Lesson, float], Awaitable[None]]
Step = tuple[Act, float]
"""What happens, and for how many seconds."""


async def record(
    root: Path, steps: Sequence[Step], say: Callable[[str], None], up: Impairment = UP
) -> Recorded:
    """Hold and record a lesson; its data stays in ``root``. Raises OSError, RuntimeError, TimeoutError."""
    server = Server(root)
    clock = OwnClock.started(DRIFT_PPM, WRONG_US)
    try:
        await server.start()
        async with Door(origin_of(server.teacher_link)) as door:
            await door.sign_in(server.teacher_link.partition("#")[2])
            info = await door.new_lesson("Sync", teacher_name="Teacher")
            lesson = Lesson(server, door, info.teacher_link, clock, up, say)
            try:
                await lesson.begin()
                await lesson.client.request(lambda number: wire.Record(id=number, on=True))
                on = await _becomes(lesson, "on")
                for act, seconds in steps:
                    await act(lesson, seconds)
                await lesson.client.request(lambda number: wire.Record(id=number, on=False))
                off = await _becomes(lesson, "off")
                await lesson.client.end()
                await _ready(lesson)
            finally:
                await lesson.close()
        lines = [line.up.fates for proxy in lesson.proxies for line in proxy.lines.values()]
        folder = root / "library" / on.id
        return Recorded(
            folder / "video.webm",
            msgspec.json.decode((folder / "timeline.json").read_bytes(), type=wire.Timeline),
            clock,
            on.since_ms,
            off.since_ms,
            sum(fates.lost for fates in lines),
            sum(fates.sent for fates in lines),
            lesson.held_up_s * 1000,
            lesson.disturbances,
        )
    finally:
        await server.stop()


async def _becomes(lesson: Lesson, state: str) -> wire.RecordingField:
    def field_of() -> wire.RecordingField | None:
        value = lesson.client.fields.get("recording")
        return None if value is None else msgspec.convert(value, wire.RecordingField)

    await lesson.client.until(
        lambda: (now := field_of()) and now.state in (state, "off"), f"recording {state}"
    )
    found = field_of()
    if found is None or found.state != state:
        raise RuntimeError("the recording did not last")
    return found


async def _ready(lesson: Lesson) -> None:
    async with asyncio.timeout(READY_LIMIT_S):
        while (state := (await lesson.client.door.link(lesson.client.code)).video_state) != "ready":
            if state == "failed":
                raise RuntimeError("the video could not be made")
            await asyncio.sleep(0.05)
