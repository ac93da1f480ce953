"""What is looked at before anything is started, so that a fault is one sentence with what to do about it."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import ssl
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

from config.sections import Paths, Settings, SettingsError
from sfu.rpc.node_tls import stays_here

REDIS_LIMIT_S: Final = 3.0


class CannotStart(Exception):
    """Why the server cannot start and what to do: one line for a person."""


def writable_folders(paths: Paths) -> None:
    """Make paths.var and its folders; raises CannotStart."""
    for folder in (paths.var_path, paths.keys, paths.log):
        try:
            # What is said in lessons is in there: for the server's user only.
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            probe = folder / f".probe.{os.getpid()}"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise CannotStart(
                f"{folder} cannot be written ({error.strerror}): give this user the right to, "
                "or set paths.var (ZVONOK_PATHS__VAR) to another folder"
            ) from None


def lock_folder(var: Path, wait_s: float) -> int:
    """Take the one lock on the data folder; its descriptor, which children inherit.

    The children of a server that was just killed may still be writing: they are waited for. Raises
    CannotStart.
    """
    descriptor = os.open(var / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            owner = os.pread(descriptor, 20, 0).decode(errors="replace").strip()
            if time.monotonic() > deadline or Path(f"/proc/{owner}/fd").exists():
                os.close(descriptor)
                raise CannotStart(
                    f"a server runs in {var} already (process {owner}): stop it first, "
                    "or set paths.var (ZVONOK_PATHS__VAR) to another folder"
                ) from None
            time.sleep(0.1)
    os.ftruncate(descriptor, 0)
    os.write(descriptor, str(os.getpid()).encode())
    return descriptor


def tcp_port(host: str, port: int, setting: str) -> int:
    """Check that a TCP port can be listened on; the port, a free one for 0. Raises CannotStart."""
    return _port(host, port, setting, socket.SOCK_STREAM)


def udp_port(host: str, port: int, setting: str) -> None:
    """Check that a UDP port can be bound; raises CannotStart."""
    _port(host, port, setting, socket.SOCK_DGRAM)


def _port(host: str, port: int, setting: str, kind: socket.SocketKind) -> int:
    protocol = "TCP" if kind == socket.SOCK_STREAM else "UDP"
    variable = f"ZVONOK_{setting.replace('.', '__').upper()}"
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        probe = socket.socket(family, kind)
    except OSError:
        return port  # no IPv6 here: who listens falls back to IPv4
    with probe:
        if family == socket.AF_INET6:
            probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        if kind == socket.SOCK_STREAM:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            if kind == socket.SOCK_STREAM:
                probe.listen(1)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise CannotStart(
                    f"{protocol} port {port} is taken: stop its user, or set another {setting} ({variable})"
                ) from None
            if error.errno == errno.EACCES:
                raise CannotStart(
                    f"{protocol} port {port} needs more rights: set {setting} ({variable}) above 1023"
                ) from None
            if error.errno == errno.EADDRNOTAVAIL and host != "::":
                raise CannotStart(
                    f"{host} is no address of this machine: set {setting.replace('.port', '.host')}"
                ) from None
            if error.errno == errno.EADDRNOTAVAIL:
                return port
            raise CannotStart(f"{protocol} port {port} cannot be used: {error.strerror}") from None
        bound: int = probe.getsockname()[1]
        return bound


def certificate_files(settings: Settings) -> None:
    """Check that the given certificate and key are there and belong together; raises CannotStart."""
    server = settings.server
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(
            server.certificate, server.certificate_key, password=lambda: ""
        )
    except OSError as error:  # ssl.SSLError is one
        raise CannotStart(
            f"the certificate cannot be used ({error.strerror or error}): "
            "check server.certificate and server.certificate_key"
        ) from None


def store_keys(settings: Settings) -> None:
    """Check that the store's keys were given; raises CannotStart."""
    try:
        for name in (settings.store.key_id_file, settings.store.secret_file):
            settings.paths.given(name)
    except SettingsError as error:
        raise CannotStart(f"{error}: the store ({settings.store.url}) needs its key there") from None


def redis_answers(url: str) -> None:
    """Ask a configured Redis for a PONG; raises CannotStart."""
    shown = urlsplit(url).hostname or urlsplit(url).path
    advice = "check redis.url (ZVONOK_REDIS__URL), or leave it empty for the embedded Valkey"
    try:
        answer = _ping(url)
    except OSError as error:
        raise CannotStart(
            f"Redis at {shown} cannot be reached ({error.strerror or error}): {advice}"
        ) from None
    if b"+PONG" not in answer:
        said = answer.decode(errors="replace").split("\r\n", 1)[0].lstrip("-")
        raise CannotStart(f"Redis at {shown} refuses us ({said}): {advice}")


def hides_from_other_nodes(settings: Settings) -> bool:
    """Whether Redis is on another machine, so that there may be other nodes, and workers tell them an address
    at which those find nobody."""
    redis = urlsplit(settings.redis.url)
    shared = redis.scheme != "unix" and redis.hostname not in (None, "localhost")
    return shared and not stays_here(redis.hostname or "") and stays_here(settings.media.rpc_host)


def _ping(url: str) -> bytes:
    parts = urlsplit(url)
    password = unquote(parts.password or "") or parse_qs(parts.query).get("password", [""])[0]
    request = _command("PING")
    if password:
        user = [unquote(parts.username)] if parts.username else []
        request = _command("AUTH", *user, password) + request
    with ExitStack() as stack:
        if parts.scheme == "unix":
            connection = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            connection.settimeout(REDIS_LIMIT_S)
            connection.connect(parts.path)
        else:
            address = (parts.hostname or "localhost", parts.port or 6379)
            connection = stack.enter_context(socket.create_connection(address, REDIS_LIMIT_S))
        if parts.scheme == "rediss":
            context = ssl.create_default_context()
            wrapped = context.wrap_socket(connection, server_hostname=parts.hostname)
            connection = stack.enter_context(wrapped)
        connection.sendall(request)
        answer = b""
        expected = 2 if password else 1
        while answer.count(b"\r\n") < expected and (piece := connection.recv(4096)):
            answer += piece
        return answer


def _command(*words: str) -> bytes:
    encoded = [word.encode() for word in words]
    return b"*%d\r\n" % len(encoded) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in encoded)
