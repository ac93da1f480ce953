"""The process tree as people run it: real parts, closed in order, nothing left behind."""

from __future__ import annotations

import asyncio
import os
import random
import re
import signal
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from redis import Redis
from redis.exceptions import AuthenticationError

from config.cli import main
from config.settings import load_settings
from tests.serving import PLANE, Server, serving

pytestmark = pytest.mark.timeout(120)
DEADLINE_S = 15.0


def family(pid: int) -> dict[int, str]:
    """Every living descendant of a process: pid -> command line."""
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(") ")[2].split()
        except OSError:
            continue
        if fields[0] != "Z":
            parents[int(stat.parent.name)] = int(fields[1])
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return {each: command_line(each) for each in found - {pid}}


def command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def member(server: Server, words: str) -> int:
    """The one child whose command line holds these words."""
    assert server.process is not None
    (pid,) = [pid for pid, line in family(server.process.pid).items() if words in line]
    return pid


async def until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, f"missing after {DEADLINE_S} s: {what}"
        await asyncio.sleep(0.05)


def lives(pid: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


def valkey_of(server: Server) -> Redis:
    """The embedded Valkey, as a child is told to reach it."""
    environment = Path(f"/proc/{member(server, 'signaling.app')}/environ").read_bytes().decode().split("\0")
    variables = dict(entry.split("=", 1) for entry in environment if entry.startswith("ZVONOK_REDIS"))
    return Redis.from_url(load_settings(variables).redis.url)


@pytest_asyncio.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    """A server in a folder of its own, not yet started; whatever the test leaves running is stopped."""
    server = Server(tmp_path / "var", {"media.workers": 2, "jobs.workers": 1})
    yield server
    await server.stop(check=False)


async def refused(server: Server) -> str:
    """The one line of a server that does not start."""
    with pytest.raises(AssertionError, match="did not become ready"):
        await server.start()
    (line,) = server.said
    return line


@pytest.mark.asyncio
async def test_start_crash_stop_and_start_again(server: Server, tmp_path: Path) -> None:
    await server.start()
    assert server.process is not None
    processes = family(server.process.pid)
    names = sorted(
        re.findall(
            r"sfu\.worker --index \d|recorder\.app|recorder\.jobs\.app|signaling\.app|valkey-server",
            " ".join(processes.values()),
        )
    )
    assert names == [
        "recorder.app",
        "recorder.jobs.app",
        "sfu.worker --index 0",
        "sfu.worker --index 1",
        "signaling.app",
        "valkey-server",
    ]

    # No secret where other users of the machine can read it.
    password = (tmp_path / "var/keys/redis.password").read_text()
    for pid, line in processes.items():
        assert password not in line
        assert password not in Path(f"/proc/{pid}/environ").read_bytes().decode()

    with valkey_of(server) as valkey:
        valkey.set("kept", "yes")

    # Every worker runs the plane that was asked for, and status says so.
    planes: dict[str, str] = {}
    async with asyncio.timeout(DEADLINE_S):
        while len(planes) < 2:
            planes = (await server.status())["planes"]
            await asyncio.sleep(0.05)
    assert set(planes.values()) == {PLANE}

    # Commands find the embedded Valkey by the server's note, and its password by its keys.
    assert password not in (tmp_path / "var/running.json").read_text()
    assert await asyncio.to_thread(main, ["lessons", "--set", f"paths.var={tmp_path / 'var'}"]) == 0

    # A worker that crashes is started again, and it is said.
    server.forgiven += ["worker"]
    former = member(server, "--index 1")
    os.kill(former, signal.SIGKILL)
    await until(lambda: "worker-1 is back" in server.said, "the worker's return")
    assert any(line.startswith("worker-1 was ended by SIGKILL; starting it again") for line in server.said)
    assert member(server, "--index 1") != former

    # Another server in the same folder, or on the same port, says so in one line.
    second = await refused(Server(tmp_path / "var", {}))
    assert f"a server runs in {tmp_path / 'var'} already (process {server.process.pid})" in second
    port = int(server.origin.rpartition(":")[2])
    third = await refused(Server(tmp_path / "other", {"server.port": port}))
    assert (
        f"TCP port {port} is taken: stop its user, or set another server.port (ZVONOK_SERVER__PORT)" in third
    )

    processes = family(server.process.pid)
    await server.stop(number=signal.SIGINT)
    assert not [line for pid, line in processes.items() if lives(pid)]
    assert not (tmp_path / "var/running.json").exists()
    last = {
        name: (tmp_path / f"var/log/{name}.log").stat().st_mtime_ns
        for name in ("signalling", "jobs-0", "recorder-0", "worker-0", "valkey")
    }
    assert max(last["signalling"], last["jobs-0"]) < last["recorder-0"] < last["worker-0"] < last["valkey"]

    await server.start()
    with valkey_of(server) as valkey:
        assert valkey.get("kept") == b"yes"
    await server.stop()


@pytest.mark.asyncio
async def test_killed_tree_leaves_no_process_and_starts_again_at_once(server: Server) -> None:
    await server.start()
    assert server.process is not None
    processes = family(server.process.pid)
    assert len(processes) == 6
    os.kill(server.process.pid, signal.SIGKILL)
    await server.process.wait()
    await server.start()  # waits for the former children to be gone
    assert not [line for pid, line in processes.items() if lives(pid)]
    await server.stop()


@pytest.mark.asyncio
async def test_stopped_while_starting_leaves_no_process(server: Server) -> None:
    starting = asyncio.create_task(server.start())
    await until(
        lambda: server.process and "sfu.worker" in " ".join(family(server.process.pid).values()), "a worker"
    )
    assert server.process is not None
    processes = family(server.process.pid)
    server.process.send_signal(signal.SIGINT)
    with pytest.raises(AssertionError, match="did not become ready"):
        await starting
    assert server.said[-1] == "Closing"
    assert not [line for pid, line in processes.items() if lives(pid)]


@pytest.mark.asyncio
async def test_https_with_the_local_authority_on_both_families(tmp_path: Path) -> None:
    async with serving(tmp_path / "var", server__public="127.0.0.1") as server:
        assert server.origin.startswith("https://127.0.0.1:")
        assert any("trust this server once" in line for line in server.said)
        context = ssl.create_default_context(cafile=str(tmp_path / "var/keys/ca.pem"))
        port = int(server.origin.rpartition(":")[2])
        for host in ("127.0.0.1", *(["::1"] if socket.has_dualstack_ipv6() else [])):
            reader, writer = await asyncio.open_connection(host, port, ssl=context, server_hostname=host)
            writer.write(f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            assert (await reader.readline()).startswith(b"HTTP/1.1 ")
            writer.close()
            await writer.wait_closed()
        assert isinstance(await server.status(), dict)


@pytest.mark.asyncio
async def test_unreachable_redis_is_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    said = await refused(Server(tmp_path / "var", {"redis.url": f"redis://127.0.0.1:{port}"}))
    assert said.startswith("zvonok: Redis at 127.0.0.1 cannot be reached")


@pytest.mark.asyncio
async def test_child_that_cannot_start_stops_everything_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    server = Server(tmp_path / "var", {"sql.url": f"sqlite+aiosqlite:///{tmp_path}/file/all.db"})
    with pytest.raises(AssertionError, match="did not become ready"):
        await server.start()
    assert server.said[-1].startswith("zvonok: signalling ended with code 1: ")
    assert "signalling.log" in server.said[-1]


def quiet_port() -> int:
    """One that nobody listens at, on any address, and that no outgoing connection is given."""
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    for port in random.sample(range(first - 10_000, first), 100):
        try:
            socket.create_server(("", port)).close()
        except OSError:
            continue
        return port
    raise AssertionError("every port is taken")


@pytest.mark.asyncio
async def test_the_embedded_valkey_is_there_for_other_nodes_by_its_password_only(tmp_path: Path) -> None:
    port = quiet_port()
    async with serving(tmp_path / "var", redis__listen=f"127.0.0.2:{port}", recorder__workers=0):
        password = (tmp_path / "var/keys/redis.password").read_text()
        for host in ("127.0.0.1", "127.0.0.2"):
            with Redis(host=host, port=port) as stranger, pytest.raises(AuthenticationError):
                stranger.ping()
            with Redis(host=host, port=port, password=password) as node:
                assert node.ping()
                assert node.zcard("zvonok:workers") == 1
