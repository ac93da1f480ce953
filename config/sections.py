"""The settings' sections as they are in force: one struct each, and what can be told from it alone.

``config.settings`` reads them.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from msgspec import Meta, Struct

from config.addresses import (
    address_and_port,
    origin_of,
    split_public,
)

Port = Annotated[int, Meta(ge=0, le=65535)]
Positive = Annotated[int, Meta(ge=1)]
NotNegative = Annotated[int, Meta(ge=0)]


class SettingsError(ValueError):
    """A setting that cannot be used; the message is one line naming its source and its key."""


class Server(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The public HTTP(S) and WebSocket listener of ``processes`` processes. ``port`` 0: any free port.

    With ``tls`` local, ``zvonok serve`` makes the certificate and hands its files to signalling in
    ``certificate`` and ``certificate_key``; with certificate they are the administrator's.
    """

    public: str
    host: str
    port: Port
    processes: Annotated[int, Meta(ge=1, le=64)]
    tls: Literal["off", "local", "certificate"]
    certificate: str
    certificate_key: str
    trusted_proxies: tuple[str, ...]
    allowed_origins: tuple[str, ...]

    @property
    def https(self) -> bool:
        """Whether our own listener speaks TLS."""
        return self.tls != "off"

    @property
    def public_name(self) -> str:
        """Host part of ``public`` without brackets, scheme and port; "localhost" when it is empty."""
        return split_public(self.public)[1] or "localhost"

    def origin(self, port: int | None = None) -> str:
        """Origin of every link we print (RFC 6454), e.g. ``https://lessons.example:8443``.

        ``port`` is the listener's real port where ``self.port`` is 0. Behind a proxy (``public`` set, ``tls``
        off) it is https on its usual port unless ``public`` says otherwise.
        """
        own_port = self.port if port is None else port
        scheme, name, public_port = split_public(self.public)
        if not name:
            return origin_of("https" if self.https else "http", "localhost", own_port)
        if scheme:
            return origin_of(scheme, name, public_port)
        return origin_of("https", name, public_port or (own_port if self.https else 443))


class Admin(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Metrics, health and status. Signalling process N takes ``port + N``, or any free one when it is 0."""

    host: str
    port: Port


class IceServer(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One RTCIceServer for browsers; with ``secret`` (TURN's shared one) short-lived credentials are made."""

    urls: tuple[str, ...]
    username: str = ""
    credential: str = ""
    secret: str = ""


class Media(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The SFU workers. Worker N takes UDP port ``port + N``, or any free one when ``port`` is 0.

    ``rpc_host``: where workers listen to signalling and recorders, on any free TCP port; mutual TLS wherever
    it is not loopback.
    """

    workers: Annotated[int, Meta(ge=0, le=256)]
    host: str
    port: Port
    announce: tuple[str, ...]
    rpc_host: str
    plane: Literal["auto", "reference", "native"]
    max_transports: Positive
    pacing_mbps: Annotated[int, Meta(ge=0, le=10_000)]
    ice_servers: tuple[IceServer, ...]

    @property
    def worker_count(self) -> int:
        """Worker processes to run: ``workers``, or the number of cores this process may use."""
        return self.workers or len(os.sched_getaffinity(0))


class Redis(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The Redis to use; ``url`` holds the password when one is set, and is empty for the embedded Valkey.

    ``listen``: where the embedded one listens to other nodes, besides this machine.
    """

    url: str
    password_file: str
    listen: str

    @property
    def listens_at(self) -> tuple[str, int] | None:
        """Address and port of ``listen``."""
        return address_and_port(self.listen)


class Sql(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """SQLAlchemy URL of the database; never empty."""

    url: str


class Lesson(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits and times of a lesson."""

    max_people: Positive
    without_teacher_ends_s: NotNegative
    drop_grace_s: NotNegative
    tiles_student: Annotated[int, Meta(ge=0, le=24)]
    tiles_teacher: Annotated[int, Meta(ge=0, le=24)]
    tiles_phone: Annotated[int, Meta(ge=0, le=24)]
    joins_s: Positive
    keep_state_h: Positive
    keep_ended_s: Annotated[int, Meta(ge=60)]
    chat_words: Annotated[tuple[Annotated[str, Meta(min_length=1, max_length=40)], ...], Meta(max_length=300)]


class Recorder(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Recorder processes of this machine; none: lessons can't be recorded.

    A recording stops when less than ``reserve_mb`` MiB are free where it is written.
    """

    workers: Annotated[int, Meta(ge=0, le=64)]
    max_lessons: Positive
    reserve_mb: NotNegative


class Retention(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Days after which what is kept is deleted; 0: never."""

    videos_days: NotNegative
    lessons_days: NotNegative


class App(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A web app of another origin that lessons may show; ``name`` is for people."""

    name: str
    url: str


class Materials(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Files that people bring into lessons: MiB of one file and of a lesson together, GiB of all (0: as the
    disk allows); ``apps`` that they may show.
    """

    file_mb: Annotated[int, Meta(ge=1, le=2000)]
    lesson_mb: Positive
    total_gb: NotNegative
    apps: tuple[App, ...]

    @property
    def app_origins(self) -> tuple[str, ...]:
        """Where they come from, each once."""
        found = (urlsplit(app.url) for app in self.apps)
        return tuple(dict.fromkeys(f"{parts.scheme}://{parts.netloc}" for parts in found))


class Slides(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How files become slides: pages, seconds and MiB of memory of one file at most. ``office``: the program
    that reads office files, auto: LibreOffice where it is installed; empty: they are refused."""

    max_pages: Annotated[int, Meta(ge=1, le=1000)]
    limit_s: Annotated[int, Meta(ge=10, le=3600)]
    memory_mb: Annotated[int, Meta(ge=256, le=16384)]
    office: str


class Store(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where video lessons are kept: a bucket of an S3-compatible store, or, ``url`` empty, a folder.

    ``key_id_file`` and ``secret_file`` are names of files in ``Paths.keys``.
    """

    url: str
    endpoint: str
    region: str
    key_id_file: str
    secret_file: str

    @property
    def bucket(self) -> str:
        """Name of the bucket; "" for a folder."""
        return urlsplit(self.url).netloc

    @property
    def prefix(self) -> str:
        """What names in the bucket begin with, without slashes at its ends; may be empty."""
        return urlsplit(self.url).path.strip("/")


class Jobs(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Processes of this machine that make what is behind a video lesson: thumbnails, MP4 and the like. None:
    others do it, or nobody."""

    workers: Annotated[int, Meta(ge=0, le=64)]


class Log(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is logged."""

    level: Literal["debug", "info", "warning", "error"]


class Paths(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Absolute folders: ``var`` is the only one written to, ``web`` holds the built pages."""

    var: str
    web: str

    @property
    def var_path(self) -> Path:
        return Path(self.var)

    @property
    def web_path(self) -> Path:
        return Path(self.web)

    @property
    def keys(self) -> Path:
        """Folder of the secrets (0700), made at first start."""
        return Path(self.var) / "keys"

    @property
    def ca_certificate(self) -> Path:
        """Certificate (PEM) of the local authority, which devices are asked to trust; with ``tls`` local."""
        return self.keys / "ca.pem"

    @property
    def log(self) -> Path:
        """Folder of the child processes' logs."""
        return Path(self.var) / "log"

    @property
    def recordings(self) -> Path:
        """Folder of the journals: one folder a recording, until its video lesson is made."""
        return Path(self.var) / "recordings"

    @property
    def library(self) -> Path:
        """Folder of the video lessons: one folder each."""
        return Path(self.var) / "library"

    @property
    def materials(self) -> Path:
        """Folder of the files that people brought: one folder a lesson."""
        return Path(self.var) / "materials"

    @property
    def incoming(self) -> Path:
        """Folder of files that are just coming."""
        return Path(self.var) / "incoming"

    @property
    def making(self) -> Path:
        """Folder of what is being made of them."""
        return Path(self.var) / "making"

    def given(self, name: str) -> str:
        """What an administrator put into ``keys`` under this name; raises SettingsError."""
        file = self.keys / name
        try:
            text = file.read_text(encoding="ascii").strip()
        except OSError as error:
            raise SettingsError(f"{file} cannot be read ({error.strerror})") from None
        except UnicodeDecodeError:
            text = ""
        if not text or len(text.split()) != 1:
            raise SettingsError(f"{file} does not hold one word")
        return text

    def secret(self, name: str) -> bytes:
        """The secret of this name (64 hexadecimal digits, 256 bits), made at first use; raises OSError.

        Names in use: ``ticket.key``, ``cookie.key``, ``people.key``, ``rpc.key``, ``media.key``,
        ``redis.password``. Every process of one installation reads the same; whoever comes first makes it.
        """
        file = self.keys / name
        if not file.exists():
            self.keys.mkdir(mode=0o700, parents=True, exist_ok=True)
            draft = self.keys / f".{name}.{os.getpid()}"
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w", encoding="ascii") as handle:
                handle.write(secrets.token_hex(32))
                handle.flush()
                os.fsync(descriptor)
            try:
                os.link(draft, file)  # fails when another process was first: its secret is the one
            except FileExistsError:
                pass
            finally:
                draft.unlink()
        return file.read_bytes().strip()


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All settings, as in force."""

    server: Server
    admin: Admin
    media: Media
    redis: Redis
    sql: Sql
    lesson: Lesson
    recorder: Recorder
    retention: Retention
    materials: Materials
    slides: Slides
    store: Store
    jobs: Jobs
    log: Log
    paths: Paths
