"""What stands in the way of a start is one sentence with what to do; real ports and a real Valkey."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from config import checks
from config.checks import CannotStart
from config.sections import Paths
from config.settings import load_settings
from config.valkey import server_binary


def words(caught: pytest.ExceptionInfo[CannotStart]) -> str:
    text = str(caught.value)
    assert "\n" not in text
    return text


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
@pytest.mark.parametrize("host", ["127.0.0.1", "::"])
def test_taken_port_is_named_with_its_setting(kind: socket.SocketKind, host: str) -> None:
    check = checks.tcp_port if kind == socket.SOCK_STREAM else checks.udp_port
    with socket.socket(socket.AF_INET, kind) as other:
        other.bind(("127.0.0.1", 0))
        if kind == socket.SOCK_STREAM:
            other.listen()
        port = other.getsockname()[1]
        with pytest.raises(CannotStart) as caught:
            check(host, port, "media.port")
    assert f"port {port} is taken" in words(caught)
    assert "ZVONOK_MEDIA__PORT" in words(caught)


def test_port_zero_becomes_a_free_one() -> None:
    port = checks.tcp_port("127.0.0.1", 0, "server.port")
    with socket.create_server(("127.0.0.1", port)):
        pass


def test_foreign_address_is_told() -> None:
    with pytest.raises(CannotStart) as caught:
        checks.tcp_port("192.0.2.1", 8080, "server.port")
    assert "192.0.2.1 is no address of this machine: set server.host" in words(caught)


def test_file_in_place_of_a_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "var").touch()
    with pytest.raises(CannotStart) as caught:
        checks.writable_folders(Paths(var=str(tmp_path / "var"), web=""))
    assert f"{tmp_path / 'var'}" in words(caught)
    assert "ZVONOK_PATHS__VAR" in words(caught)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_folder_without_rights_is_told(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(CannotStart) as caught:
        checks.writable_folders(Paths(var=str(tmp_path / "var"), web=""))
    assert "cannot be written (Permission denied)" in words(caught)


def test_second_server_in_one_folder_is_told_who_is_first(tmp_path: Path) -> None:
    descriptor = checks.lock_folder(tmp_path, 0)
    try:
        with pytest.raises(CannotStart) as caught:
            checks.lock_folder(tmp_path, 0)
        assert f"process {os.getpid()}" in words(caught)
    finally:
        os.close(descriptor)
    os.close(checks.lock_folder(tmp_path, 0))


def test_certificate_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "c.pem").write_text("nothing")
    environ = {
        "ZVONOK_SERVER__CERTIFICATE": str(tmp_path / "c.pem"),
        "ZVONOK_SERVER__CERTIFICATE_KEY": str(tmp_path / "k.pem"),
    }
    with pytest.raises(CannotStart) as caught:
        checks.certificate_files(load_settings(environ))
    assert "server.certificate_key" in words(caught)


@pytest.fixture(scope="module")
def redis_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A real Valkey with the password ``p w``."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = int(probe.getsockname()[1])
    folder = tmp_path_factory.mktemp("valkey")
    arguments = ["--port", str(port), "--bind", "127.0.0.1", "--requirepass", "p w", "--save", ""]
    with subprocess.Popen(
        [server_binary(), *arguments], cwd=folder, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        for line in server.stdout:
            if "Ready to accept" in line:
                break
        yield port
        server.terminate()


def test_redis_that_answers_is_fine(redis_port: int) -> None:
    checks.redis_answers(f"redis://:p%20w@127.0.0.1:{redis_port}/0")
    checks.redis_answers(f"redis://default:p%20w@127.0.0.1:{redis_port}/0")


@pytest.mark.parametrize("password", ["", ":wrong@"])
def test_redis_that_refuses_us_is_told(redis_port: int, password: str) -> None:
    with pytest.raises(CannotStart) as caught:
        checks.redis_answers(f"redis://{password}127.0.0.1:{redis_port}/0")
    assert "Redis at 127.0.0.1 refuses us" in words(caught)
    assert "redis.url" in words(caught)


def test_redis_that_is_not_there_is_told(tmp_path: Path) -> None:
    port = checks.tcp_port("127.0.0.1", 0, "x.y")
    for url in (f"redis://127.0.0.1:{port}", f"unix://{tmp_path}/none.sock"):
        with pytest.raises(CannotStart) as caught:
            checks.redis_answers(url)
        assert "cannot be reached" in words(caught)
        assert "ZVONOK_REDIS__URL" in words(caught)


@pytest.mark.parametrize(
    ("url", "rpc_host", "hides"),
    [
        ("", "127.0.0.1", False),
        ("redis://127.0.0.1:6379", "127.0.0.1", False),
        ("redis://localhost", "127.0.0.1", False),
        ("unix:///run/redis.sock", "127.0.0.1", False),
        ("redis://10.0.0.3:6379", "127.0.0.1", True),
        ("rediss://data.example", "::1", True),
        ("redis://10.0.0.3:6379", "10.0.0.1", False),
    ],
)
def test_a_node_whose_workers_the_others_cannot_find_is_told(url: str, rpc_host: str, hides: bool) -> None:
    settings = load_settings({"ZVONOK_REDIS__URL": url, "ZVONOK_MEDIA__RPC_HOST": rpc_host})
    assert checks.hides_from_other_nodes(settings) is hides


def test_a_store_without_its_key_is_one_sentence(tmp_path: Path) -> None:
    overrides = {"paths.var": str(tmp_path), "store.url": "s3://lessons", "store.region": "eu-west-1"}
    with pytest.raises(
        CannotStart, match=r"store\.id cannot be read .*: the store .s3://lessons. needs its key"
    ):
        checks.store_keys(load_settings({}, overrides=overrides))
