"""A whole worker process, aiortc clients that publish, and a recorder: whose packets reach it, and when."""

from __future__ import annotations

import asyncio
import contextlib
import struct
import time
from collections.abc import AsyncIterator, Callable
from itertools import pairwise
from pathlib import Path
from typing import Self

import pytest
import pytest_asyncio
from aiortc import MediaStreamTrack

from sfu import rtcp, rtp
from sfu.codecs import vp8
from sfu.model import Source
from sfu.rpc.client import WorkerClient
from sfu.rpc.messages import (
    Capture,
    Done,
    EndCapture,
    Push,
    Quality,
    TapClosed,
    TapData,
    TapOpened,
)
from tests.media.tracks import Film, Sound
from tests.sfu.media_peer import EPOCH, LESSON, LIMIT_S, Desk, MediaPeer, WorkerProcess

BOTH = "camera microphone"


@pytest_asyncio.fixture
async def worker(tmp_path: Path) -> AsyncIterator[WorkerProcess]:
    async with WorkerProcess.start(tmp_path) as process:
        yield process


@pytest_asyncio.fixture
async def desk(worker: WorkerProcess) -> AsyncIterator[Desk]:
    async with Desk.open(worker) as desk:
        yield desk


class Heard:
    """One tap: what was told of it, and its packets as (us since 1970, packet)."""

    def __init__(self, opened: TapOpened) -> None:
        self.opened = opened
        self.packets: list[tuple[int, bytes]] = []
        self.closed = False

    def media(self) -> list[tuple[int, bytes]]:
        return [(at_us, packet) for at_us, packet in self.packets if not rtp.is_rtcp(packet)]

    def keyframes_us(self) -> list[int]:
        return [at_us for at_us, packet in self.media() if is_keyframe(packet)]


class Recorder:
    """A recorder's connection that captures the lesson and keeps what it hears."""

    def __init__(self, worker: WorkerProcess) -> None:
        self.taps: dict[int, Heard] = {}
        self.client = WorkerClient(worker.rpc, worker.key, self._hear, kind="recorder")
        self._heard = asyncio.Event()

    def _hear(self, push: Push) -> None:
        assert isinstance(push, TapOpened | TapData | TapClosed), push
        if isinstance(push, TapOpened):
            self.taps[push.tap] = Heard(push)
        elif isinstance(push, TapClosed):
            self.taps[push.tap].closed = True
        else:
            assert not self.taps[push.tap].closed
            assert not push.dropped
            self.taps[push.tap].packets += entries(push.packets)
        self._heard.set()

    @classmethod
    @contextlib.asynccontextmanager
    async def capture(cls, worker: WorkerProcess) -> AsyncIterator[Self]:
        recorder = cls(worker)
        async with recorder.client:
            assert await recorder.client.request(Capture(LESSON, EPOCH)) == Done()
            yield recorder

    def open(self, source: str) -> Heard | None:
        """The tap of the teacher's source that is open."""
        found = [tap for tap in self.taps.values() if tap.opened.source == source and not tap.closed]
        return found[-1] if found else None

    def heard(self, source: str) -> int:
        tap = self.open(source)
        return 0 if tap is None else len(tap.media())

    async def until(self, condition: Callable[[], object], what: str) -> None:
        try:
            async with asyncio.timeout(LIMIT_S):
                while not condition():
                    self._heard.clear()
                    await self._heard.wait()
        except TimeoutError:
            raise AssertionError(f"missing within {LIMIT_S} s: {what}") from None


def entries(packets: bytes) -> list[tuple[int, bytes]]:
    found, position = [], 0
    while position < len(packets):
        at_us, length = struct.unpack_from("!QH", packets, position)
        found.append((at_us, packets[position + 10 : position + 10 + length]))
        position += 10 + length
    return found


def is_keyframe(packet: bytes) -> bool:
    return vp8.parse_descriptor(packet[rtp.payload_offset(packet) :]).keyframe


def film_and_sound(number: int) -> dict[Source, MediaStreamTrack]:
    start = time.monotonic()
    return {Source.MICROPHONE: Sound(start, tone_hz=440, beeps=False), Source.CAMERA: Film(number, start)}


async def ticks(desk: Desk) -> None:
    """Wait on the worker's own 2 s reports: time passes there, not here."""
    seen = len(desk.told(Quality)) + 1
    await desk.until(lambda: len(desk.told(Quality)) >= seen, "lines")


@pytest.mark.asyncio
async def test_packets_arrive_only_while_they_may_be_recorded_and_never_a_students(
    worker: WorkerProcess, desk: Desk
) -> None:
    await desk.seat("teacher", "teacher", 0, on=BOTH)
    await desk.seat("student", "student", 1, on=BOTH)
    async with (
        MediaPeer.join(desk, "teacher", film_and_sound(1)),
        MediaPeer.join(desk, "student", film_and_sound(2)) as student,
        Recorder.capture(worker) as recorder,
    ):
        await desk.draw("student", {0: 360})
        await student.until(lambda: student.frames.get(0, 0) > 10, "the teacher's picture")
        assert not recorder.taps, "nothing is recorded yet"

        await desk.seat("teacher", "teacher", 0, on=BOTH, recorded=BOTH)
        await recorder.until(
            lambda: recorder.heard("camera") > 50 and recorder.heard("microphone") > 50, "media"
        )
        camera, microphone = recorder.open("camera"), recorder.open("microphone")
        assert camera is not None
        assert microphone is not None

        await desk.seat("teacher", "teacher", 0, on=BOTH, recorded="microphone")
        await recorder.until(lambda: camera.closed, "the end of the camera's tap")
        count = len(microphone.packets)
        await recorder.until(lambda: len(microphone.packets) > count + 20, "more sound")
        await desk.seat("teacher", "teacher", 0, on=BOTH)
        await recorder.until(lambda: microphone.closed, "the end of the microphone's tap")

        before = (len(recorder.taps), student.frames[0])
        await ticks(desk)
        assert len(recorder.taps) == before[0]
        assert student.frames[0] > before[1], "the lesson goes on"

        await desk.seat("teacher", "teacher", 0, on="camera", recorded=BOTH)
        await recorder.until(lambda: recorder.heard("camera") > 10, "the camera again")
        assert await recorder.client.request(EndCapture(LESSON, EPOCH)) == Done()
        assert all(tap.closed for tap in recorder.taps.values())
        assert {tap.opened.participant for tap in recorder.taps.values()} == {"teacher"}
        assert [tap.opened.source for tap in recorder.taps.values()].count("microphone") == 1
        for tap in recorder.taps.values():
            if tap.opened.source == "camera":
                assert is_keyframe(tap.media()[0][1])


@pytest.mark.asyncio
async def test_packets_come_untouched_in_time_with_reports_and_a_keyframe_every_five_seconds(
    worker: WorkerProcess, desk: Desk
) -> None:
    await desk.seat("teacher", "teacher", 0, on=BOTH, recorded=BOTH)
    began_us = time.time_ns() // 1000
    async with (
        MediaPeer.join(desk, "teacher", film_and_sound(1)),
        Recorder.capture(worker) as recorder,
    ):
        await recorder.until(lambda: recorder.open("camera") and recorder.open("microphone"), "taps")
        camera, microphone = recorder.open("camera"), recorder.open("microphone")
        assert camera is not None
        assert microphone is not None
        await recorder.until(lambda: len(camera.keyframes_us()) > 2, "three keyframes")
        gaps_us = [later - former for former, later in pairwise(camera.keyframes_us())]
        assert max(gaps_us) < 5_500_000
        for tap in (camera, microphone):
            times = [at_us for at_us, _ in tap.packets]
            assert times == sorted(times)
            assert began_us < times[0]
            assert times[-1] < time.time_ns() // 1000
            headers = [rtp.parse_header(packet) for _, packet in tap.media()]
            assert {header.payload_type for header in headers} == {tap.opened.payload_type}
            (ssrc,) = {header.ssrc for header in headers}
            numbers = sorted({header.sequence_number for header in headers})
            assert len(numbers) == len(headers)
            reports = [rtcp.parse(packet) for _, packet in tap.packets if rtp.is_rtcp(packet)]
            assert reports
            for (report,) in reports:
                assert isinstance(report, rtcp.SenderReport)
                assert report.ssrc == ssrc
        assert camera.opened.clock_rate == 90_000
        assert microphone.opened.clock_rate == 48_000
