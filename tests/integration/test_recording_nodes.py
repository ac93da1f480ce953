"""Two recorders, each with a disk of its own, and one store: the video of real media has both parts."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
import pytest_asyncio

from config.settings import variables
from loadtest.client import LessonClient, use_loopback_candidates
from loadtest.door import Door
from loadtest.media.video_lesson import read_video_lesson
from sfu.model import Source
from signaling import wire
from tests.integration.test_recording_kills import film
from tests.s3 import BUCKET, S3Server, give_keys, s3_server
from tests.serving import serving
from tests.signaling.parts import Forwarder
from tests.valkey import server as valkey_server
from tests.waiting import until

pytestmark = [pytest.mark.asyncio, pytest.mark.long]

MAY_LOSE_S = 2.0
GOES_ON_S = 5.0
AWAY_S = 600.0


def journals(folder: Path) -> set[Path]:
    """Journals of a camera that hold packets."""
    return {file for file in folder.glob("*camera*.zj") if file.stat().st_size > 4096}


@pytest.fixture
def s3() -> Iterator[S3Server]:
    with s3_server() as server:
        yield server


@pytest_asyncio.fixture
async def line() -> AsyncIterator[Forwarder]:
    """Before the store."""
    made = Forwarder()
    yield made
    await made.close()


@contextmanager
def recorder(var: Path, said: dict[str, Any]) -> Iterator[subprocess.Popen[bytes]]:
    environment = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    with (var.parent / f"{var.name}.log").open("wb") as log:
        child = subprocess.Popen(
            [sys.executable, "-m", "recorder.app"],
            env=environment | variables({**said, "paths.var": str(var)}),
            stdout=log,
            stderr=log,
        )
        try:
            yield child
        finally:
            child.kill()
            child.wait()


def of_store(server: S3Server) -> dict[str, Any]:
    return {"store.url": f"s3://{BUCKET}/school", "store.endpoint": server.endpoint}


async def start(teacher: LessonClient) -> tuple[str, float]:
    """Film and record; the recording's id, and when the film began."""
    began_s = time.monotonic()
    await film(teacher, began_s)
    for source in (Source.MICROPHONE, Source.CAMERA):
        await teacher.publish(source)
    await teacher.request(lambda number: wire.Record(id=number, on=True))
    await teacher.until(lambda: teacher.fields["recording"]["state"] == "on", "recording")
    return str(teacher.fields["recording"]["id"]), began_s


async def fetched(
    door: Door, origin: str, recording: str, folder: Path, limit_s: float
) -> tuple[Path, wire.Timeline]:
    """The video as its viewers get it, once it is ready."""
    deadline = time.monotonic() + limit_s
    while True:
        async with door.http.get(f"{origin}/api/library/{recording}") as answer:
            if answer.status == 200:
                page = msgspec.json.decode(await answer.read(), type=wire.VideoPage)
                if page.video_url is not None and page.timeline_url is not None:
                    break
        assert time.monotonic() < deadline, "the video is not ready"
        await asyncio.sleep(0.2)
    folder.mkdir(exist_ok=True)
    async with aiohttp.ClientSession() as http:
        async with http.get(origin + page.video_url) as answer:
            (folder / "video.webm").write_bytes(await answer.read())
        async with http.get(origin + page.timeline_url) as answer:
            timeline = msgspec.json.decode(await answer.read(), type=wire.Timeline)
    return folder / "video.webm", timeline


@pytest.mark.timeout(180)
async def test_a_node_is_lost_with_its_disk_and_the_video_has_both_parts(
    tmp_path: Path, s3: S3Server
) -> None:
    use_loopback_candidates()
    with valkey_server() as valkey:
        shared: dict[str, Any] = {
            "redis.url": valkey.connection_url,
            "sql.url": f"sqlite+aiosqlite:///{tmp_path}/z.db",
            **of_store(s3),
        }
        give_keys(tmp_path / "server")
        as_arguments: dict[str, Any] = {key.replace(".", "__"): value for key, value in shared.items()}
        async with (
            serving(tmp_path / "server", recorder__workers=0, **as_arguments) as server,
            Door(server.origin) as door,
        ):
            server.forgiven += ["worker", "recorder", "rpc"]
            await door.sign_in(server.teacher_link.partition("#")[2])
            for name in ("a", "b"):
                shutil.copytree(tmp_path / "server" / "keys", tmp_path / name / "keys")
            made = await door.new_lesson("Two nodes", teacher_name="Anna Orlova")
            async with LessonClient.join(door, made.teacher_link) as teacher:
                with recorder(tmp_path / "a", shared) as first:
                    recording, _ = await start(teacher)
                    first_folder = tmp_path / "a" / "recordings" / recording
                    await until(lambda: journals(first_folder), "the camera's journal")
                    await asyncio.sleep(4.3)
                    with recorder(tmp_path / "b", shared):
                        await asyncio.sleep(2.0)  # it is up, and has nothing to do
                        assert not (tmp_path / "b" / "recordings" / recording).exists()
                        first.send_signal(signal.SIGKILL)
                        killed_ms = time.time() * 1000
                        shutil.rmtree(tmp_path / "a")
                        second_folder = tmp_path / "b" / "recordings" / recording
                        await until(lambda: journals(second_folder), "the other to go on", limit_s=15)
                        gone_on_s = time.time() - killed_ms / 1000
                        await asyncio.sleep(3.0)
                        await teacher.end()
                        video, timeline = await fetched(door, server.origin, recording, tmp_path / "out", 40)
            shown = read_video_lesson(video).of(1)
    killed_s = (killed_ms - timeline.parts[0].started_at_ms) / 1000
    lost_s = killed_s - max(at_s for at_s, _ in shown if at_s <= killed_s)
    again_s = min(at_s for at_s, _ in shown if at_s > killed_s + 0.2) - killed_s
    print(f"{lost_s:.2f} s lost with the disk, again {again_s:.1f} s later ({gone_on_s:.1f} s)")
    assert lost_s <= MAY_LOSE_S
    assert again_s <= GOES_ON_S


@pytest.mark.timeout(AWAY_S + 300)
async def test_a_store_that_is_away_for_ten_minutes_loses_nothing(
    tmp_path: Path, s3: S3Server, line: Forwarder
) -> None:
    use_loopback_candidates()
    reached = s3.at(await line.open((s3.host, s3.port)))
    as_arguments: dict[str, Any] = {key.replace(".", "__"): value for key, value in of_store(reached).items()}
    give_keys(tmp_path / "server")
    async with serving(tmp_path / "server", **as_arguments) as server, Door(server.origin) as door:
        await door.sign_in(server.teacher_link.partition("#")[2])
        made = await door.new_lesson("Away", teacher_name="Anna Orlova")
        async with LessonClient.join(door, made.teacher_link) as teacher:
            recording, _ = await start(teacher)
            folder = server.var / "recordings" / recording
            await until(lambda: journals(folder), "the camera's journal")
            line.cut = True  # from here on nothing is answered and nothing refused
            await asyncio.sleep(5.0)
            await teacher.end()
        began_s, cpu_s = time.monotonic(), processor_s(server.child("recorder.app"))
        while time.monotonic() - began_s < AWAY_S:
            async with door.http.get(f"{server.origin}/api/library/{recording}") as answer:
                assert answer.status in (200, 404)
                if answer.status == 200:
                    page = msgspec.json.decode(await answer.read(), type=wire.VideoPage)
                    assert page.video.state == "processing", "it is being prepared, for its teacher"
            assert journals(folder)
            await asyncio.sleep(10.0)
        spent_s = processor_s(server.child("recorder.app")) - cpu_s
        line.cut = False
        video, _ = await fetched(door, server.origin, recording, tmp_path / "out", 120)
        print(f"the recorder spent {spent_s:.1f} s of processor time on waiting")
        assert read_video_lesson(video).duration_s > 4
        assert spent_s < 60
        await until(lambda: not folder.exists(), "the journals to go")


def processor_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
