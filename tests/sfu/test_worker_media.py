"""A whole worker process with aiortc clients: what one sends, the others decode."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import NoReturn

import pytest
import pytest_asyncio
from aiortc import MediaStreamTrack

from loadtest.media.block_code import Mark, read
from sfu.model import SlotIndex, Source
from sfu.rpc.messages import Disconnected, GetStatus, Quality, Speakers, Status
from tests.media.tracks import Film, Sound
from tests.sfu.media_peer import Desk, MediaPeer, WorkerProcess

STAGE, STAGE_SOUND, TILE = int(SlotIndex.STAGE_VIDEO), int(SlotIndex.STAGE_SOUND), int(SlotIndex.FIRST_TILE)


@pytest_asyncio.fixture
async def worker(tmp_path: Path) -> AsyncIterator[WorkerProcess]:
    async with WorkerProcess.start(tmp_path) as process:
        yield process


@pytest_asyncio.fixture
async def desk(worker: WorkerProcess) -> AsyncIterator[Desk]:
    async with Desk.open(worker) as desk:
        yield desk


def mark(peer: MediaPeer, slot: int) -> Mark | None:
    """What the last decoded frame of a slot says of itself."""
    frame = peer.last.get(slot)
    return None if frame is None else read(frame.to_ndarray(format="gray"))


def who(peer: MediaPeer, slot: int) -> int | None:
    found = mark(peer, slot)
    return None if found is None else found.who


def film(number: int) -> dict[Source, MediaStreamTrack]:
    return {Source.CAMERA: Film(number, time.monotonic())}


def film_and_sound(number: int) -> dict[Source, MediaStreamTrack]:
    start = time.monotonic()
    return {Source.MICROPHONE: Sound(start, tone_hz=440, beeps=False), Source.CAMERA: Film(number, start)}


async def forwarded(desk: Desk) -> int:
    status = await desk.ask(GetStatus())
    assert isinstance(status, Status)
    return status.packets_forwarded


async def ticks(desk: Desk, count: int = 1) -> None:
    """Wait on the worker's own 2 s reports: time passes there, not here."""
    seen = len(desk.told(Quality)) + count
    await desk.until(lambda: len(desk.told(Quality)) >= seen, "lines")


@pytest.mark.asyncio
async def test_a_students_slots_carry_the_teachers_camera_and_microphone(desk: Desk) -> None:
    await desk.seat("teacher", "teacher", 0, on="camera microphone")
    await desk.seat("student", "student", 1)
    async with (
        MediaPeer.join(desk, "teacher", film_and_sound(1)),
        MediaPeer.join(desk, "student") as student,
    ):
        await desk.draw("student", {STAGE: 360, STAGE_SOUND: 1, SlotIndex.TEACHER_SOUND: 1})
        await student.until(
            lambda: who(student, STAGE) == 1 and student.frames.get(STAGE_SOUND, 0) > 50, "picture and sound"
        )
        await desk.until(lambda: desk.shown("student", STAGE) == ("teacher", "camera", True), "live")
        assert desk.shown("student", STAGE_SOUND) == ("teacher", "microphone", True)
        assert set(student.frames) == {STAGE, STAGE_SOUND}


@pytest.mark.asyncio
async def test_a_pin_switches_the_picture_and_counters_go_on_rising(desk: Desk) -> None:
    for order, name in enumerate(("ann", "ben")):
        await desk.seat(name, "student", order, on="camera")
    await desk.seat("teacher", "teacher", 9)
    async with (
        MediaPeer.join(desk, "ann", film(1)),
        MediaPeer.join(desk, "ben", film(2)),
        MediaPeer.join(desk, "teacher") as teacher,
    ):
        for name, number in (("ann", 1), ("ben", 2), ("ann", 1)):
            await desk.draw("teacher", {STAGE: 360}, pin=name)
            await teacher.until(lambda n=number: who(teacher, STAGE) == n, f"{name}'s picture")  # type: ignore[misc]
            await desk.until(
                lambda n=name: desk.shown("teacher", STAGE) == (n, "camera", True),  # type: ignore[misc]
                "live",
            )
            frames = teacher.frames[STAGE]
            await teacher.until(lambda f=frames: teacher.frames[STAGE] > f + 10, "a moving picture")  # type: ignore[misc]
            assert who(teacher, STAGE) == number


@pytest.mark.asyncio
async def test_tiles_show_one_person_each(desk: Desk) -> None:
    await desk.seat("ann", "student", 1, on="camera")
    await desk.seat("ben", "student", 2, on="camera")
    await desk.seat("dan", "student", 3)
    async with (
        MediaPeer.join(desk, "ann", film(1)),
        MediaPeer.join(desk, "ben", film(2)),
        MediaPeer.join(desk, "dan") as dan,
    ):
        await desk.draw("dan", {TILE: 180, TILE + 1: 180})
        await dan.until(lambda: (who(dan, TILE), who(dan, TILE + 1)) == (1, 2), "both tiles")


@pytest.mark.asyncio
async def test_nothing_is_forwarded_while_nothing_is_drawn(desk: Desk) -> None:
    await desk.seat("teacher", "teacher", 0, on="camera microphone")
    await desk.seat("student", "student", 1)
    async with (
        MediaPeer.join(desk, "teacher", film_and_sound(1)),
        MediaPeer.join(desk, "student") as student,
    ):
        await desk.draw("student", {STAGE: 360, STAGE_SOUND: 1})
        await student.until(lambda: student.frames.get(STAGE, 0) > 5, "picture")
        await desk.draw("student", {})
        await desk.until(lambda: desk.shown("student", STAGE) == ("teacher", "camera", False), "not live")
        before = await forwarded(desk)
        await ticks(desk, 2)
        assert await forwarded(desk) == before


@pytest.mark.asyncio
async def test_a_muted_client_that_goes_on_sending_is_not_heard(desk: Desk) -> None:
    await desk.seat("teacher", "teacher", 0)
    await desk.seat("student", "student", 1, on="camera microphone")
    async with (
        MediaPeer.join(desk, "student", film_and_sound(1)) as student,
        MediaPeer.join(desk, "teacher") as teacher,
    ):
        await desk.draw("teacher", {STAGE: 360, STAGE_SOUND: 1, SlotIndex.LOUD_1: 1, TILE: 180})
        await teacher.until(lambda: teacher.frames.get(STAGE_SOUND, 0) > 10, "sound")
        await desk.seat("student", "student", 1, on="camera microphone", may="camera")
        sound = SlotIndex.STAGE_SOUND
        await desk.until(lambda: desk.shown("teacher", sound) == (None, None, False), "silence")
        sent_before = await packets(student, "outbound-rtp", "audio")
        before = await packets(teacher, "inbound-rtp", "audio")
        await ticks(desk, 2)
        assert await packets(teacher, "inbound-rtp", "audio") == before
        assert await packets(student, "outbound-rtp", "audio") > sent_before + 50
        status = await desk.ask(GetStatus())
        assert isinstance(status, Status)
        assert status.dropped["gated"] > 50


async def packets(peer: MediaPeer, kind: str, media: str) -> int:
    """RTP packets that a peer sent or received."""
    field = "packetsSent" if kind == "outbound-rtp" else "packetsReceived"
    report = await peer.pc.getStats()
    return sum(getattr(each, field) for each in report.values() if each.type == kind and each.kind == media)


@pytest.mark.asyncio
async def test_who_speaks_is_told(desk: Desk) -> None:
    await desk.seat("teacher", "teacher", 0, on="microphone")
    tracks: dict[Source, MediaStreamTrack] = {Source.MICROPHONE: Sound(time.monotonic(), tone_hz=440)}
    async with MediaPeer.join(desk, "teacher", tracks):

        def loud() -> bool:
            """The level comes up by and by."""
            told = desk.told(Speakers)
            return bool(told) and [who for who, level in told[-1].speakers if level < 45] == ["teacher"]

        await desk.until(loud, "the teacher told as loud")


@pytest.mark.asyncio
async def test_lines_tell_a_silent_microphone(desk: Desk) -> None:
    await desk.seat("teacher", "teacher", 0, on="camera microphone")
    await desk.seat("student", "student", 1)

    def line() -> Callable[[], bool]:
        return lambda: any(
            line.participant == "teacher" and line.silent_microphone and line.loss_up == 0.0
            for push in desk.told(Quality)
            for line in push.lines
        )

    tracks = {**film(1), Source.MICROPHONE: Never()}
    async with MediaPeer.join(desk, "teacher", tracks):
        await desk.until(line(), "a line with a silent microphone and a camera without loss")


class Never(MediaStreamTrack):
    """A microphone of which nothing comes."""

    kind = "audio"

    async def recv(self) -> NoReturn:
        await asyncio.get_running_loop().create_future()
        raise AssertionError("never")


@pytest.mark.asyncio
async def test_a_second_connection_of_a_person_replaces_the_first(desk: Desk) -> None:
    await desk.seat("teacher", "teacher", 0, on="camera")
    await desk.seat("student", "student", 1)
    async with MediaPeer.join(desk, "student") as student, MediaPeer.join(desk, "teacher", film(1)) as first:
        await desk.draw("student", {STAGE: 360})
        await student.until(lambda: who(student, STAGE) == 1, "the first picture")
        async with MediaPeer.join(desk, "teacher", film(2), connection=2):
            await student.until(lambda: who(student, STAGE) == 2, "the second picture")
            (gone,) = desk.told(Disconnected)
            assert (gone.participant, gone.connection, gone.reason) == ("teacher", 1, "replaced")
            await first.closed()


@pytest.mark.asyncio
async def test_who_is_removed_is_hung_up_and_gone_for_the_others(desk: Desk) -> None:
    await desk.seat("student", "student", 1, on="camera")
    await desk.seat("teacher", "teacher", 0)
    async with (
        MediaPeer.join(desk, "student", film(1)) as student,
        MediaPeer.join(desk, "teacher") as teacher,
    ):
        await desk.draw("teacher", {TILE: 180})
        await teacher.until(lambda: who(teacher, TILE) == 1, "picture")
        await desk.remove("student")
        await student.closed()
        await desk.until(lambda: desk.shown("teacher", TILE) == (None, None, False), "an empty tile")


@pytest.mark.asyncio
async def test_who_hangs_up_is_told(desk: Desk) -> None:
    await desk.seat("student", "student", 1)
    async with MediaPeer.join(desk, "student"):
        pass
    await desk.until(lambda: desk.told(Disconnected), "the end")
    (gone,) = desk.told(Disconnected)
    assert (gone.participant, gone.reason) == ("student", "dtls_closed")


@pytest.mark.asyncio
async def test_clients_hear_of_the_workers_end(worker: WorkerProcess, desk: Desk) -> None:
    await desk.seat("student", "student", 1)
    async with MediaPeer.join(desk, "student") as student:
        worker.process.terminate()
        await student.closed()
