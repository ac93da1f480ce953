"""Two hosts on one cable: network namespaces of the server and of a student, joined by a veth pair."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

SERVER_ADDRESS: Final = "192.0.2.1"
STUDENT_ADDRESS: Final = "192.0.2.2"


@dataclass(frozen=True)
class TwoHosts:
    """Names of the namespaces; ``server`` and ``student`` are commands that run another one there."""

    server_name: str
    student_name: str

    @property
    def server(self) -> tuple[str, ...]:
        return ("ip", "netns", "exec", self.server_name)

    @property
    def student(self) -> tuple[str, ...]:
        return ("ip", "netns", "exec", self.student_name)

    def fetch(self, url: str) -> bytes:
        """GET from the student's host, before that host trusts anybody."""
        script = (
            "import ssl, sys, urllib.request as r; c = ssl._create_unverified_context(); "
            "sys.stdout.buffer.write(r.urlopen(sys.argv[1], context=c, timeout=10).read())"
        )
        done = subprocess.run(
            [*self.student, sys.executable, "-c", script, url], check=False, capture_output=True
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    def browser(self, chromium: Path, home: Path, authority: bytes, host: Sequence[str]) -> Path:
        """A command that starts Chromium on a host, in a home that trusts this authority."""
        database = home / ".pki" / "nssdb"
        database.mkdir(parents=True)
        certificate = home / "ca.crt"
        certificate.write_bytes(authority)
        for arguments in (
            ["-N", "--empty-password"],
            ["-A", "-t", "C,,", "-n", "school", "-i", str(certificate)],
        ):
            subprocess.run(["certutil", "-d", f"sql:{database}", *arguments], check=True, capture_output=True)
        command = home / "chromium"
        words = [*host, "env", f"HOME={home}", str(chromium)]
        command.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
        command.chmod(0o755)
        return command


@contextmanager
def two_hosts() -> Iterator[TwoHosts]:
    """Make the hosts and take them away. Root only."""
    if shutil.which("certutil") is None:
        pytest.skip("NOT RUN: install libnss3-tools, so that a browser can be told whom to trust")
    hosts = TwoHosts(f"zvonok-server-{os.getpid()}", f"zvonok-student-{os.getpid()}")
    cable = (f"zs{os.getpid()}"[:15], f"zp{os.getpid()}"[:15])

    def ip(*words: str, check: bool = True) -> None:
        subprocess.run(["ip", *words], check=check, capture_output=True)

    try:
        ip("netns", "add", hosts.server_name)
        ip("netns", "add", hosts.student_name)
        ip("-n", hosts.server_name, "link", "add", cable[0], "type", "veth", "peer", "name", cable[1])
        ip("-n", hosts.server_name, "link", "set", cable[1], "netns", hosts.student_name)
        ends = (
            (hosts.server_name, cable[0], SERVER_ADDRESS),
            (hosts.student_name, cable[1], STUDENT_ADDRESS),
        )
        for name, link, address in ends:
            ip("-n", name, "addr", "add", f"{address}/24", "dev", link)
            ip("-n", name, "link", "set", link, "up")
            ip("-n", name, "link", "set", "lo", "up")
        yield hosts
    finally:
        ip("netns", "delete", hosts.server_name, check=False)
        ip("netns", "delete", hosts.student_name, check=False)
