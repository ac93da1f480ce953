"""Three machines: two nodes and one with the data, in a network of theirs, and people in another network.

Namespaces joined by bridges. A cable is pulled at the switch, so that a machine keeps its address, as real
ones do.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import pytest

Host = Literal["a", "b", "data"]
Net = Literal["people", "nodes"]
HOSTS: Final[Sequence[Host]] = ("a", "b", "data")
NETS: Final[Sequence[Net]] = ("people", "nodes")
CLONE_NEWNET: Final = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Hosts:
    """The machines of one test. The test itself is with the people."""

    name: str

    def inside(self, host: Host) -> tuple[str, ...]:
        """A command that runs another one there."""
        return ("ip", "netns", "exec", f"{self.name}-{host}")

    def address(self, host: Host, net: Net) -> str:
        """Its address in a network."""
        return f"{_PREFIX[net]}.{HOSTS.index(host) + 1}"

    def plug(self, host: Host, net: Net, *, up: bool) -> None:
        """Pull a machine's cable out of a network's switch, or put it in."""
        _ip("-n", f"{self.name}-switch", "link", "set", _port(host, net), "up" if up else "down")


_PREFIX: Final[dict[Net, str]] = {"people": "192.0.2", "nodes": "198.51.100"}


def _port(host: Host, net: Net) -> str:
    return f"{net}-{host}"


def _ip(*words: str, check: bool = True) -> None:
    subprocess.run(["ip", *words], check=check, capture_output=True)


@contextmanager
def three_hosts() -> Iterator[Hosts]:
    """Make the machines, go to the people, and take all away at the end. Root only."""
    if os.geteuid() != 0:
        pytest.skip("NOT RUN: network namespaces need root")
    hosts = Hosts(f"zvonok-{os.getpid()}")
    switch = f"{hosts.name}-switch"
    try:
        _ip("netns", "add", switch)
        _ip("-n", switch, "link", "set", "lo", "up")
        for net in NETS:
            _ip("-n", switch, "link", "add", net, "type", "bridge")
            _ip("-n", switch, "link", "set", net, "up")
        _ip("-n", switch, "addr", "add", f"{_PREFIX['people']}.254/24", "dev", "people")
        for host in HOSTS:
            namespace = f"{hosts.name}-{host}"
            _ip("netns", "add", namespace)
            _ip("-n", namespace, "link", "set", "lo", "up")
            for net in NETS:
                port = _port(host, net)
                _ip(
                    "-n", switch, "link", "add", port, "type", "veth", "peer", "name", net, "netns", namespace
                )
                _ip("-n", switch, "link", "set", port, "master", net, "up")
                _ip("-n", namespace, "addr", "add", f"{hosts.address(host, net)}/24", "dev", net)
                _ip("-n", namespace, "link", "set", net, "up")
        with _within(switch):
            yield hosts
    finally:
        for each in (*HOSTS, "switch"):
            _ip("netns", "delete", f"{hosts.name}-{each}", check=False)


@contextmanager
def _within(namespace: str) -> Iterator[None]:
    """This thread makes its sockets, and starts its processes, in that namespace."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    there = os.open(Path("/run/netns") / namespace, os.O_RDONLY)
    try:
        _enter(there)
        yield
    finally:
        _enter(home)
        os.close(home)
        os.close(there)


def _enter(descriptor: int) -> None:
    if _libc.setns(descriptor, CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
