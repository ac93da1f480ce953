"""A real PostgreSQL of Debian's, with a folder of its own that is gone at the end."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from config.addresses import free_port

PASSWORD: Final = "known-to-the-test"
START_LIMIT_S: Final = 20.0
_AS_SERVER: Final = ("setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups")
"""It refuses to run as root."""


def _binaries() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        pytest.skip("NOT RUN: install postgresql, so that there is a database to share between nodes")
    return found[-1].parent


@contextmanager
def postgres(
    address: str = "127.0.0.1",
    port: int = 0,
    *,
    inside: Sequence[str] = (),
    from_network: str = "127.0.0.0/8",
) -> Iterator[str]:
    """SQLAlchemy's URL of a server at this address, whose people come from this network with a password.

    ``inside`` is a command that runs another, such as ``ip netns exec NAME``.
    """
    binaries = _binaries()
    port = port or free_port(address)
    demote = _AS_SERVER if os.geteuid() == 0 else ()
    folder = Path(tempfile.mkdtemp(prefix="zvonok-postgres-"))
    server: subprocess.Popen[bytes] | None = None
    try:
        secret = folder / "password"
        secret.write_text(PASSWORD)
        if demote:
            for each in (folder, secret):
                shutil.chown(each, "postgres", "postgres")
        data = folder / "data"
        initdb = [binaries / "initdb", "-D", data, "-U", "zvonok", f"--pwfile={secret}", "--no-sync"]
        subprocess.run([*demote, *map(str, initdb), "--encoding=UTF8"], check=True, capture_output=True)
        (data / "pg_hba.conf").write_text(f"host all all {from_network} scram-sha-256\n")
        said = (folder / "log").open("wb")
        settings = {
            "listen_addresses": address,
            "port": str(port),
            "unix_socket_directories": "",
            "fsync": "off",
        }
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        server = subprocess.Popen(
            [*inside, *demote, str(binaries / "postgres"), "-D", str(data), *options],
            stdout=said,
            stderr=said,
            cwd=folder,
        )
        said.close()
        _wait_for(folder / "log", server)
        yield f"postgresql+asyncpg://zvonok:{PASSWORD}@{address}:{port}/postgres"
    finally:
        if server is not None:
            server.terminate()  # SIGTERM would wait for its clients; who is left is cut off by the second
            try:
                server.wait(1)
            except subprocess.TimeoutExpired:
                server.send_signal(2)
                server.wait(10)
        shutil.rmtree(folder)


def _wait_for(log: Path, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_LIMIT_S
    while b"ready to accept connections" not in log.read_bytes():
        assert server.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.02)
