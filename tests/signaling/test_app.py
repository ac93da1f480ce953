"""The signalling process from outside: ready line, closing, and what it says when it cannot start."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path

import aiohttp
import pytest

from tests.signaling.parts import LIMIT_S

pytestmark = pytest.mark.asyncio
ROOT = Path(__file__).resolve().parents[2]


async def launch(var: Path, redis_url: str, **environment: str) -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "signaling.app",
        cwd=ROOT,
        stdout=PIPE,
        stderr=PIPE,
        env={
            "PATH": os.environ["PATH"],
            "ZVONOK_PATHS__VAR": str(var),
            "ZVONOK_REDIS__URL": redis_url,
            "ZVONOK_SERVER__PORT": "0",
            "ZVONOK_ADMIN__PORT": "0",
            **environment,
        },
    )


async def test_it_says_when_it_is_ready_and_closes_at_sigterm(tmp_path: Path, valkey: str) -> None:
    process = await launch(tmp_path, valkey)
    assert process.stdout is not None
    async with asyncio.timeout(LIMIT_S):
        ready = json.loads(await process.stdout.readline())
    assert ready["ready"] is True
    async with aiohttp.ClientSession() as http:
        async with http.get(f"http://127.0.0.1:{ready['port']}/api/teacher") as answer:
            assert answer.status == 401
        async with http.get(f"http://127.0.0.1:{ready['admin_port']}/healthz") as answer:
            assert answer.status == 200
    process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(LIMIT_S):
        _, logged = await process.communicate()
    assert process.returncode == 0
    entries = [json.loads(line) for line in logged.decode().splitlines()]
    assert {entry["level"] for entry in entries} <= {"info"}, entries


async def test_a_taken_port_is_said_in_one_line(tmp_path: Path, valkey: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        process = await launch(tmp_path, valkey, ZVONOK_SERVER__PORT=str(taken.getsockname()[1]))
        async with asyncio.timeout(LIMIT_S):
            _, said = await process.communicate()
    assert process.returncode == 1
    last = said.decode().strip().splitlines()[-1]
    assert last.startswith("signalling: ")
    assert "in use" in last


async def test_redis_that_is_not_there_is_said_in_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    process = await launch(tmp_path, f"redis://127.0.0.1:{port}")
    async with asyncio.timeout(LIMIT_S):
        _, said = await process.communicate()
    assert process.returncode == 1
    assert said.decode().strip().splitlines()[-1].startswith("signalling: redis is not reached")
