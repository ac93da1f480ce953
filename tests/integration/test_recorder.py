"""Recorder, worker and signalling as they run: what is recorded, what is not, and what a kill costs."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio

from loadtest.client import LessonClient, use_loopback_candidates
from loadtest.door import Door
from recorder.journal import Kind
from sfu.model import Refused, Source
from signaling import wire
from signaling.wire import LessonInfo
from tests.media.tracks import Film, Sound
from tests.recorder.parts import Journal, journal
from tests.serving import Server, serving
from tests.waiting import until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(90)]

BACK_LIMIT_S = 5.0
SYNC_S = 2.0


@dataclass
class Recorded:
    """A lesson with its teacher on the air, and the folder of the server's data."""

    teacher: LessonClient
    lesson: LessonInfo
    var: Path

    @property
    def field(self) -> wire.RecordingField | None:
        value = self.teacher.fields.get("recording")
        return None if value is None else msgspec.convert(value, wire.RecordingField)

    async def record(self, *students: wire.SourceName) -> wire.RecordingField:
        await self.teacher.request(lambda number: wire.Record(id=number, on=True, students=students))
        return await self.becomes("on")

    async def stop(self) -> wire.RecordingField:
        await self.teacher.request(lambda number: wire.Record(id=number, on=False))
        return await self.becomes("off")

    async def becomes(self, state: str) -> wire.RecordingField:
        await self.teacher.until(lambda: self.field and self.field.state == state, f"recording {state}")
        assert self.field is not None
        return self.field

    @property
    def folder(self) -> Path:
        assert self.field is not None
        return self.var / "recordings" / self.field.id

    def taps(self) -> list[Journal]:
        return [journal(path) for path in sorted(self.folder.glob("[0-9]*.zj"))]

    def packets(self, source: str) -> list[int]:
        """Receive times of the source's packets in all its journals, oldest first."""
        return sorted(
            time_us
            for tap in self.taps()
            if tap.tap.source == source
            for kind, time_us, _ in tap.records
            if kind == Kind.PACKET
        )


@asynccontextmanager
async def on_air(door: Door, lesson: LessonInfo, var: Path) -> AsyncIterator[Recorded]:
    async with LessonClient.join(door, lesson.teacher_link) as teacher:
        start_s = time.monotonic()
        tracks = {Source.MICROPHONE: Sound(start_s), Source.CAMERA: Film(1, start_s)}
        await teacher.connect_media(tracks, tiles=0)
        await teacher.publish(Source.MICROPHONE)
        await teacher.publish(Source.CAMERA)
        yield Recorded(teacher, lesson, var)


@pytest_asyncio.fixture(loop_scope="module")
async def recorded(teacher_door: Door, lesson: LessonInfo, server: Server) -> AsyncIterator[Recorded]:
    server.forgiven += ["recorder", "worker", "rpc"]
    async with on_air(teacher_door, lesson, server.var) as made:
        yield made


async def test_from_record_to_stop_and_nothing_before_or_between(recorded: Recorded) -> None:
    recordings = recorded.var / "recordings"
    before = set(recordings.iterdir()) if recordings.exists() else set()
    pressed_s = time.monotonic()
    field = await recorded.record()
    assert time.monotonic() - pressed_s < 2.0
    assert set(recordings.iterdir()) - before == {recorded.folder}
    for source in ("microphone", "camera"):
        await until(lambda source=source: len(recorded.packets(source)) > 20, f"packets of the {source}")  # type: ignore[misc]
    off = await recorded.stop()
    await until(lambda: all(tap.ended for tap in recorded.taps()), "the journals' ends")
    for source in ("microphone", "camera"):
        times_us = recorded.packets(source)
        assert min(times_us) > (field.since_ms - 1000) * 1000
        assert max(times_us) < (off.since_ms + 500) * 1000
        gaps_us = [after - before for before, after in pairwise(times_us)]
        assert max(gaps_us) < 500_000, f"a gap in the {source}"
    again = await recorded.record()
    assert (again.id, again.part) == (field.id, 2)
    await until(lambda: {tap.tap.part for tap in recorded.taps()} == {1, 2}, "the second part's journals")
    between = [
        time_us
        for time_us in recorded.packets("microphone")
        if (off.since_ms + 500) * 1000 < time_us < (again.since_ms - 1000) * 1000
    ]
    assert not between


async def test_students_are_recorded_only_when_the_lesson_says_so(
    recorded: Recorded, teacher_door: Door, server: Server
) -> None:
    async with (
        Door(server.origin) as door,
        LessonClient.join(door, recorded.lesson.student_link, "Boris") as student,
    ):
        start_s = time.monotonic()
        await student.connect_media(
            {Source.MICROPHONE: Sound(start_s), Source.CAMERA: Film(2, start_s)}, tiles=0
        )
        await student.publish(Source.MICROPHONE)
        await student.publish(Source.CAMERA)
        await recorded.record()
        await until(lambda: len(recorded.packets("microphone")) > 100, "the teacher's sound")
        assert {tap.tap.role for tap in recorded.taps()} == {"teacher"}
        await recorded.stop()
        await recorded.record("microphone")
        mine = student.participant
        await until(
            lambda: any(tap.tap.participant == mine and len(tap.packets) > 50 for tap in recorded.taps()),
            "the student's sound",
        )
        whose = {(tap.tap.participant, tap.tap.source) for tap in recorded.taps()}
        assert (mine, "camera") not in whose
        assert next(tap.tap.name for tap in recorded.taps() if tap.tap.participant == mine) == "Boris"


async def test_a_killed_recorder_goes_on_in_the_same_part_within_seconds(
    recorded: Recorded, server: Server
) -> None:
    first = await recorded.record()
    await until(lambda: len(recorded.packets("microphone")) > 150, "some seconds of sound")
    former = server.child("recorder.app")
    killed_us = time.time_ns() // 1000
    os.kill(former, signal.SIGKILL)
    kept_us = max(recorded.packets("microphone"))
    assert killed_us - kept_us < SYNC_S * 1e6
    await until(lambda: max(recorded.packets("microphone")) > killed_us, "sound after the kill", BACK_LIMIT_S)
    assert recorded.field == first
    assert {tap.tap.part for tap in recorded.taps()} == {1}
    log = journal(recorded.folder / "log.zj")
    assert log.kinds.count("restated") >= 4, "the new one says what is so"
    assert server.child("recorder.app") != former


async def on_the_air_again(teacher: LessonClient) -> None:
    """Offer, as browsers do, until there is a worker to answer."""
    start_s = time.monotonic()
    while True:
        try:
            await teacher.connect_media({Source.MICROPHONE: Sound(start_s)}, tiles=0)
            return
        except Refused:
            assert time.monotonic() < start_s + 20, "no worker"
            await asyncio.sleep(0.3)


async def test_a_killed_worker_costs_the_part_nothing_but_its_time(
    recorded: Recorded, server: Server
) -> None:
    await recorded.record()
    await until(lambda: len(recorded.packets("microphone")) > 100, "some sound")
    teacher = recorded.teacher
    assert teacher.call is not None
    lease = teacher.call.lease
    killed_us = time.time_ns() // 1000
    os.kill(server.child("sfu.worker"), signal.SIGKILL)
    await teacher.until(
        lambda: any(isinstance(each, wire.Moved) and each.lease > lease for each in teacher.messages),
        "word of another worker",
        limit_s=20,
    )
    await on_the_air_again(teacher)
    await until(lambda: max(recorded.packets("microphone")) > killed_us + 1_000_000, "sound after it")
    assert {tap.tap.part for tap in recorded.taps()} == {1}
    assert len({tap.tap.epoch for tap in recorded.taps()}) == 2
    assert recorded.field is not None
    assert recorded.field.state == "on"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A data folder whose recordings are on a disk of 1 MiB."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("small disk NOT RUN: root is needed to mount one")
    folder = tmp_path / "var" / "recordings"
    folder.mkdir(parents=True, mode=0o700)
    command = ["mount", "-t", "tmpfs", "-o", "size=1m,mode=700", "tmpfs", str(folder)]
    mounted = subprocess.run(command, check=False, capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"small disk NOT RUN: mount: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest_asyncio.fixture(loop_scope="module")
async def cramped(small_disk: Path) -> AsyncIterator[Recorded]:
    """A server that records down to the last byte of a small disk."""
    use_loopback_candidates()
    async with serving(small_disk.parent, recorder__reserve_mb=0) as server, Door(server.origin) as door:
        server.forgiven += ["journal failed", "journal not closed", "event not recorded"]
        await door.sign_in(server.teacher_link.partition("#")[2])
        lesson = await door.new_lesson("Small", teacher_name="Anna Orlova")
        async with on_air(door, lesson, server.var) as made:
            yield made


async def test_a_full_disk_stops_the_recording_and_everybody_is_told(
    cramped: Recorded, small_disk: Path
) -> None:
    recorded, filler = cramped, small_disk / "filler"
    await recorded.record()
    await until(lambda: len(recorded.packets("microphone")) > 20, "some sound")
    with filler.open("wb", buffering=0) as file:
        while file.write(b"x" * 512):
            if shutil.disk_usage(small_disk).free == 0:
                break
    off = await recorded.becomes("off")
    assert off.reason == "disk_full"
    await until(lambda: recorded.packets("microphone"), "what was written")
    before = recorded.packets("microphone")
    assert len(before) > 20
    filler.unlink()
    again = await recorded.record()
    assert (again.id, again.part) == (off.id, 2)
    await until(lambda: len(recorded.packets("microphone")) > len(before) + 20, "sound of the second part")
