"""Recorders of two nodes and one object store: a real S3 server, Valkey and SQL, a process that is killed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from config.settings import Settings, variables
from recorder.app import Recorder
from recorder.maker import Finish
from recorder.repair import repair
from tests.recorder.conftest import Class
from tests.recorder.parts import TapWorker, makes, taps
from tests.s3 import S3Server, give_keys
from tests.signaling.conftest import Start
from tests.signaling.library_parts import ask, delete, page_of
from tests.signaling.parts import Forwarder, School, settings, until, until_answer

pytestmark = pytest.mark.asyncio


@dataclass
class Nodes:
    """Signalling, its worker, a lesson; recorders are started by the test, each with a disk of its own."""

    root: Path
    lesson: Class
    school: School
    overrides: dict[str, Any]
    line: Forwarder
    valkey: str

    def of(self, name: str) -> Settings:
        """Settings of a node."""
        var = self.root / name
        if not var.exists():
            shutil.copytree(self.root / "keys", var / "keys")
        return settings(var, self.valkey, **self.overrides)

    def journals(self, name: str) -> list[str]:
        return sorted(path.name for path in (self.root / name / "recordings").glob("*/*.zj"))

    def packets(self, name: str) -> list[bytes]:
        return [packet for journal in taps(self.root / name / "recordings") for packet in journal.packets]

    async def state(self, recording: str) -> str:
        row = await self.school.signalling.catalog.recordings.recording(recording)
        return row.state if row is not None else "none"


@pytest_asyncio.fixture
async def nodes(
    start: Start, redis: Redis, s3: S3Server, valkey: str, tmp_path: Path
) -> AsyncIterator[Nodes]:
    line = Forwarder()
    reached = s3.at(await line.open((s3.host, s3.port)))
    overrides = reached.settings(tmp_path.name) | {"sql__url": f"sqlite+aiosqlite:///{tmp_path}/z.db"}
    give_keys(tmp_path)
    worker = await TapWorker(redis, settings(tmp_path, valkey).paths.secret("rpc.key")).start()
    school = School(await start(**overrides))
    teacher = await school.teacher()
    info = await school.lesson(teacher)
    await teacher.enter(info.teacher_link)
    lesson = Class(school, info, teacher, worker, tmp_path / "none", tmp_path / "none")
    yield Nodes(tmp_path, lesson, school, overrides, line, valkey)
    await school.close()
    await worker.stop()
    await line.close()


@contextmanager
def process(own: Settings, overrides: dict[str, Any]) -> Iterator[subprocess.Popen[bytes]]:
    """A recorder in a process of its own."""
    said = {
        "redis.url": own.redis.url, "sql.url": own.sql.url, "paths.var": own.paths.var,
        **{key.replace("__", "."): value for key, value in overrides.items()},
    }  # fmt: skip
    environment = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    child = subprocess.Popen(
        [sys.executable, "-m", "recorder.app"], env=environment | variables(said), stdout=subprocess.DEVNULL
    )
    try:
        yield child
    finally:
        child.kill()
        child.wait()


async def test_a_recorder_is_killed_and_another_node_makes_the_video_of_both(
    nodes: Nodes, s3: S3Server
) -> None:
    lesson, worker = nodes.lesson, nodes.lesson.worker
    with process(nodes.of("a"), nodes.overrides) as child:
        await until_answer(lambda: lives(nodes), "the recorder", 30)
        recording = (await lesson.record()).id
        worker.open_tap(lesson.id, 1)
        for number in range(20):
            worker.send(lesson.id, 1, b"a %d" % number)
        await until(lambda: len(nodes.packets("a")) == 20, "the packets on a's disk")
        await until_answer(lambda: brought(nodes, s3, recording, b"a 19"), "the last packet in the store")
        child.send_signal(signal.SIGKILL)
        child.wait()
    killed_s = time.monotonic()
    shutil.rmtree(nodes.root / "a")
    other = Recorder(nodes.of("b"), cast("Finish", contents))
    await other.start()
    try:
        await until(lambda: other.lessons and lesson.id in worker.captured, "the other to go on", 15)
        print(f"gone on after {time.monotonic() - killed_s:.1f} s")
        worker.open_tap(lesson.id, 2)
        worker.send(lesson.id, 2, b"b 0")
        await until(lambda: nodes.packets("b") == [b"b 0"], "the packet on b's disk")
        worker.close_tap(lesson.id, 2)
        await lesson.end()
        await until_answer(lambda: is_state(nodes, recording, "ready"), "the video", 20)
        page = await page_of(lesson.teacher, recording)
        assert page.video_url is not None
        video = await ask(nodes.school, page.video_url, Range="bytes=0-1000000")
        assert (video.status, video.headers["Content-Type"]) == (206, "video/webm")
        packets = video.body.decode().split("\n")
        assert [text for text in packets if text.startswith("a")] == [f"a {number}" for number in range(20)]
        assert [text for text in packets if text.startswith("b")] == ["b 0"]
        await until(lambda: not nodes.journals("b"), "the journals to go")
        # Its teacher deletes it: nothing is left of it anywhere.
        assert await delete(lesson.teacher, recording) == (204, "")
        assert (await ask(nodes.school, page.video_url)).status == 404
        files = other.publisher._files
        assert [each.name for each in await files.below("")] == [f".deleted/{recording}"]
    finally:
        await other.close()


async def test_while_the_store_is_away_everything_waits_on_the_disk(
    nodes: Nodes, caplog: pytest.LogCaptureFixture
) -> None:
    lesson, worker = nodes.lesson, nodes.lesson.worker
    recorder = Recorder(nodes.of("a"), cast("Finish", contents))
    await recorder.start()
    try:
        recording = (await lesson.record()).id
        worker.open_tap(lesson.id, 1)
        await nodes.line.close()
        worker.send(lesson.id, 1, b"while it was away")
        shipper = recorder.shipper
        assert shipper is not None
        await until(lambda: shipper.away, "the store to be missed")
        worker.close_tap(lesson.id, 1)
        await lesson.end()
        await until_answer(lambda: no_capture(recorder), "the capture's end")
        await until(lambda: recorder.publisher._waiting, "the publication to wait")
        assert nodes.packets("a") == [b"while it was away"]
        assert await nodes.state(recording) in ("running", "finishing")
        assert await nodes.school.signalling.catalog.recordings.awaited(lesson.id)
        await nodes.line.open_again()
        await until_answer(lambda: is_state(nodes, recording, "ready"), "the video", 20)
        await until(lambda: not nodes.journals("a"), "the journals to go")
    finally:
        await recorder.close()
    assert [each.getMessage() for each in caplog.records if each.levelname == "ERROR"] == []


async def test_a_recording_whose_node_is_gone_is_finished_by_another(nodes: Nodes, redis: Redis) -> None:
    """Its lesson had ended: nobody has a folder of it any more."""
    lesson, worker = nodes.lesson, nodes.lesson.worker
    one = Recorder(nodes.of("a"), makes)
    await one.start()
    recording = (await lesson.record()).id
    worker.open_tap(lesson.id, 1)
    worker.send(lesson.id, 1, b"one")
    await until(lambda: nodes.packets("a") == [b"one"], "the packet")
    await one.close()
    shutil.rmtree(nodes.root / "a")
    await lesson.end()
    other = Recorder(nodes.of("b"), cast("Finish", contents))
    await other.start()
    try:
        await until_answer(lambda: is_state(nodes, recording, "ready"), "the video", 20)
        stored = await other.publisher._files.find(f"{recording}/video.webm")
        assert stored is not None
        assert stored.size == len(b"one")
    finally:
        await other.close()


@pytest.mark.long
async def test_repair_takes_its_turn_too(nodes: Nodes, redis: Redis) -> None:
    lesson, worker = nodes.lesson, nodes.lesson.worker
    one = Recorder(nodes.of("a"), makes)
    await one.start()
    recording = (await lesson.record()).id
    worker.open_tap(lesson.id, 1)
    worker.send(lesson.id, 1, b"one")
    await until(lambda: nodes.packets("a") == [b"one"], "the packet")
    await one.close()
    await lesson.end()
    await until_answer(lambda: knows_the_end(nodes, recording), "SQL to know that the lesson ended")
    said: list[str] = []
    await redis.set(f"zvonok:finishing:{recording}", "another")
    assert await repair(nodes.of("a"), said.append, cast("Finish", contents))
    await redis.delete(f"zvonok:finishing:{recording}")
    assert said.pop() == f"{recording}  busy     is being recorded or finished by the server"
    assert await repair(nodes.of("a"), said.append, cast("Finish", contents))
    assert said == [f"{recording}  ready    0:02, 0.0 MB, in the library"]
    assert nodes.journals("a") == []


def contents(folder: Path, library: Path) -> Any:
    """In place of the steps: a video of its journals' packets."""
    from recorder.finish import Finished
    from recorder.folder import journals
    from recorder.journal import LOG_NAME
    from tests.recorder.parts import journal

    packets = [
        packet for path in journals(folder) if path.name != LOG_NAME for packet in journal(path).packets
    ]
    (library / folder.name).mkdir(parents=True, exist_ok=True)
    video = b"\n".join(packets)
    (library / folder.name / "video.webm").write_bytes(video)
    return Finished("ready", 2000, len(video), 640, 360)


async def brought(nodes: Nodes, s3: S3Server, recording: str, packet: bytes) -> bool:
    files = s3.files(f"{nodes.root.name}/journals")
    for piece in await files.below(f"{recording}/"):
        if packet in b"".join([part async for part in files.read(piece, 0, piece.size)]):
            return True
    return False


async def is_state(nodes: Nodes, recording: str, wanted: str) -> bool:
    return await nodes.state(recording) == wanted


async def knows_the_end(nodes: Nodes, recording: str) -> bool:
    row = await nodes.school.signalling.catalog.recordings.recording(recording)
    return row is not None and row.lesson_ended


async def no_capture(recorder: Recorder) -> bool:
    return recorder.lessons == 0


async def lives(nodes: Nodes) -> bool:
    client = Redis.from_url(nodes.valkey)
    try:
        return bool(await client.keys("zvonok:recorder:*.*"))
    finally:
        await client.aclose()
