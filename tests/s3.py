"""An S3 server for tests: moto's, a process of its own on loopback, with one bucket."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Final

from signaling.files.bucket import Bucket, BucketFiles
from tests.valkey import free_port

BUCKET: Final = "lessons"
START_LIMIT_S: Final = 30.0
KEY_ID: Final = "AKIDEXAMPLE"
SECRET: Final = "not-a-real-secret"


@dataclass(frozen=True)
class S3Server:
    """Where it listens."""

    host: str
    port: int

    @property
    def endpoint(self) -> str:
        return f"http://{self.host}:{self.port}"

    def at(self, address: tuple[str, int]) -> S3Server:
        """The same one by way of another port."""
        return S3Server(*address)

    def files(self, prefix: str) -> BucketFiles:
        return BucketFiles(Bucket(BUCKET, self.endpoint, "us-east-1", KEY_ID, SECRET), prefix)

    def settings(self, prefix: str) -> dict[str, Any]:
        """Overrides for ``tests.signaling.parts.settings``."""
        return {"store__url": f"s3://{BUCKET}/{prefix}", "store__endpoint": self.endpoint}


def give_keys(var: Path) -> None:
    """Put the store's keys where the settings look for them."""
    (var / "keys").mkdir(mode=0o700, parents=True, exist_ok=True)
    (var / "keys" / "store.id").write_text(KEY_ID)
    (var / "keys" / "store.secret").write_text(SECRET)


@contextmanager
def s3_server() -> Iterator[S3Server]:
    """A running one, with its bucket."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={name: os.environ[name] for name in ("PATH", "LANG", "HOME") if name in os.environ},
    )
    server = S3Server("127.0.0.1", port)
    deadline = time.monotonic() + START_LIMIT_S
    try:
        while not _made(server):
            assert process.poll() is None, "the S3 server ended"
            assert time.monotonic() < deadline, "the S3 server does not answer"
            time.sleep(0.05)
        yield server
    finally:
        process.terminate()
        process.wait()


def _made(server: S3Server) -> bool:
    connection = HTTPConnection(server.host, server.port, timeout=5)
    try:
        connection.request("PUT", f"/{BUCKET}", headers={"Content-Length": "0"})
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()
