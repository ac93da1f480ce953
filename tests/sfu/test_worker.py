"""The worker process from outside: how it starts, whom it tells, how it ends."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path

import pytest
from redis.asyncio import Redis

from sfu.rpc.client import WorkerClient, WorkerLost
from sfu.rpc.messages import Failed, GetStatus, OpenLesson, Status
from sfu.rpc.registration import WORKERS_KEY, unpack, worker_key
from tests.sfu.media_peer import Desk, WorkerProcess
from tests.valkey import server as valkey_server

LIMIT_S = 15.0


@pytest.mark.asyncio
async def test_it_says_where_it_is_and_answers_there(tmp_path: Path) -> None:
    async with WorkerProcess.start(tmp_path) as worker:
        assert worker.ready["ready"] is True
        assert worker.ready["addresses"][0] == "127.0.0.1"
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as udp, pytest.raises(OSError):
            udp.bind(("::", worker.ready["udp_port"]))
        async with WorkerClient(worker.rpc, worker.key, print) as client:
            status = await client.request(GetStatus())
            assert isinstance(status, Status)
            assert (status.worker, status.lessons) == (worker.ready["worker"], 0)


@pytest.mark.asyncio
async def test_without_the_key_it_answers_nothing(tmp_path: Path) -> None:
    async with WorkerProcess.start(tmp_path) as worker:
        with pytest.raises(WorkerLost):
            await WorkerClient(worker.rpc, b"0" * 64, print).connect()


@pytest.mark.asyncio
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_in_order(tmp_path: Path, number: signal.Signals) -> None:
    async with WorkerProcess.start(tmp_path) as worker, Desk.open(worker) as desk:
        worker.process.send_signal(number)
        async with asyncio.timeout(LIMIT_S):
            assert await worker.process.wait() == 0
        await desk.until(lambda: desk.lost, "the connection to end")


@pytest.mark.asyncio
async def test_it_registers_and_takes_itself_away(tmp_path: Path) -> None:
    with valkey_server() as valkey:
        async with (
            Redis.from_url(valkey.connection_url) as redis,
            WorkerProcess.start(tmp_path, ZVONOK_REDIS__URL=valkey.connection_url) as worker,
        ):
            name = worker.ready["worker"]
            async with asyncio.timeout(LIMIT_S):
                while (data := await redis.get(worker_key(name))) is None:
                    await redis.wait(0, 10)
            assert isinstance(data, bytes)
            record = unpack(data)
            assert (record.rpc_host, record.rpc_port) == worker.rpc
            assert record.udp_port == worker.ready["udp_port"]
            assert record.pid == worker.process.pid
            worker.process.terminate()
            async with asyncio.timeout(LIMIT_S):
                await worker.process.wait()
            assert await redis.exists(worker_key(name), WORKERS_KEY) == 0


@pytest.mark.asyncio
async def test_it_serves_without_redis(tmp_path: Path) -> None:
    async with (
        WorkerProcess.start(tmp_path, ZVONOK_REDIS__URL="redis://127.0.0.1:1") as worker,
        Desk.open(worker) as desk,
    ):
        assert isinstance(await desk.client.request(GetStatus()), Status)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"ZVONOK_MEDIA__HOST": "nowhere"}, "media.host"),
        ({"ZVONOK_PATHS__VAR": "/proc/nothing"}, "/proc/nothing"),
    ],
)
async def test_what_it_cannot_do_is_one_line_and_exit_code_1(
    tmp_path: Path, settings: dict[str, str], said: str
) -> None:
    code, words = await run(tmp_path, settings)
    assert code == 1
    assert said in words
    assert "Traceback" not in words
    assert len(words.splitlines()) == 1


@pytest.mark.asyncio
async def test_a_taken_port_is_one_line(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        code, words = await run(
            tmp_path, {"ZVONOK_MEDIA__PORT": str(port), "ZVONOK_MEDIA__HOST": "127.0.0.1"}
        )
    assert code == 1
    assert str(port) in words
    assert "Traceback" not in words


async def run(var: Path, settings: dict[str, str]) -> tuple[int | None, str]:
    """Run a worker that cannot start; its exit code and words."""
    environment = {**os.environ, "ZVONOK_PATHS__VAR": str(var), "ZVONOK_MEDIA__PORT": "0", **settings}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "sfu.worker",
        env=environment,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(LIMIT_S):
        _, words = await process.communicate()
    return process.returncode, words.decode()


@pytest.mark.asyncio
async def test_a_second_signalling_process_asks_the_same_worker(tmp_path: Path) -> None:
    async with WorkerProcess.start(tmp_path) as worker, Desk.open(worker) as first, Desk.open(worker):
        assert await first.client.request(OpenLesson("lesson1", 0)) == Failed("stale_epoch")
