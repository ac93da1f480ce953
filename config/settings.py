"""Typed settings: defaults, then a file, then the environment.

``load_settings()`` is all that other packages need. Values that default to "auto" are worked out here, so
that whoever reads ``settings.server.port`` gets the number in force.
"""

from __future__ import annotations

import ipaddress
import json
import os
import re
import secrets
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import quote, urlsplit, urlunsplit

import msgspec
from msgspec import Meta, Struct

from config.addresses import (
    address_and_port,
    is_address,
    is_name_or_address,
    is_public,
    is_unspecified,
    origin_of,
    split_public,
)

DEFAULTS: Final = Path(__file__).with_name("default.toml")
PREFIX: Final = "ZVONOK_"
CONFIG_VARIABLE: Final = "ZVONOK_CONFIG"
SHORT_NAMES: Final = {"ZVONOK_PLANE": ("media", "plane")}
"""Variables that may be said shorter; the long name wins."""
SECRET_KEYS: Final = frozenset({"credential", "secret"})
FROM_DEFAULTS: Final = "default"

_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_FOLDER: Final = re.compile(r"[A-Za-z0-9_-]{1,100}")
_KEY_FILE: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,100}")

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
    store: Store
    jobs: Jobs
    log: Log
    paths: Paths


@dataclass(frozen=True)
class Loaded:
    """Settings and, for each ``group.key``, where its value comes from."""

    settings: Settings
    origins: Mapping[str, str]


def load_settings(
    environ: Mapping[str, str] | None = None,
    *,
    file: Path | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Settings:
    """The settings in force; see ``load``."""
    return load(environ, file=file, overrides=overrides).settings


def load(
    environ: Mapping[str, str] | None = None,
    *,
    file: Path | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Loaded:
    """Read the settings; raises SettingsError.

    ``environ`` defaults to ``os.environ``; ``file`` to what ``ZVONOK_CONFIG`` names; ``overrides`` maps
    ``group.key`` to values from the command line (text as in a variable) and wins over everything.
    """
    environ = os.environ if environ is None else environ
    values: dict[str, dict[str, Any]] = _read_toml(DEFAULTS)
    origins = {f"{group}.{key}": FROM_DEFAULTS for group, keys in values.items() for key in keys}
    known = {group: frozenset(keys) for group, keys in values.items()}

    def put(group: str, key: str, value: Any, source: str) -> None:
        if group not in known or key not in known[group]:
            raise SettingsError(f"{source}: unknown setting {group}.{key}{_nearest(group, key, known)}")
        if not _is_unicode(value):
            raise SettingsError(f"{source}: {group}.{key}: not UTF-8 text")
        values[group][key] = value
        origins[f"{group}.{key}"] = source

    if file is None and environ.get(CONFIG_VARIABLE):
        file = Path(environ[CONFIG_VARIABLE])
    if file is not None:
        for group, keys in _read_toml(file).items():
            if not isinstance(keys, dict):
                raise SettingsError(
                    f"{file}: unknown setting {group} (settings stand in groups, as [server])"
                )
            for key, value in keys.items():
                put(group, key, value, str(file))
    for name, (group, key) in SHORT_NAMES.items():
        if environ.get(name):
            put(group, key, environ[name].strip(), name)
    for name in sorted(environ):
        if name.startswith(PREFIX) and "__" in name:
            group, _, key = name.removeprefix(PREFIX).lower().partition("__")
            put(group, key, _from_text(environ[name], values.get(group, {}).get(key)), name)
    for dotted, value in (overrides or {}).items():
        group, _, key = dotted.partition(".")
        if isinstance(value, str):
            value = _from_text(value, values.get(group, {}).get(key))
        put(group, key, value, "command line")

    _resolve(values, origins)
    return Loaded(_convert(values, origins), origins)


def shown(loaded: Loaded) -> list[tuple[str, str, str]]:
    """Rows ``(group.key, value as TOML would write it, source)`` for people, secrets hidden."""
    rows: list[tuple[str, str, str]] = []
    for group, keys in msgspec.to_builtins(loaded.settings).items():
        for key, value in keys.items():
            dotted = f"{group}.{key}"
            rows.append((dotted, json.dumps(_hide(value), ensure_ascii=False), loaded.origins[dotted]))
    return rows


def variables(overrides: Mapping[str, Any]) -> dict[str, str]:
    """``group.key`` -> value as the ``ZVONOK_*`` variables that say the same to a child process."""
    return {
        f"{PREFIX}{dotted.replace('.', '__')}".upper(): value if isinstance(value, str) else json.dumps(value)
        for dotted, value in overrides.items()
    }


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeEncodeError:
        raise SettingsError(f"{path}: not a file's name") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: not TOML: {error}") from None


def _nearest(group: str, key: str, known: Mapping[str, frozenset[str]]) -> str:
    from difflib import get_close_matches

    dotted = [f"{g}.{k}" for g, keys in known.items() for k in keys]
    close = get_close_matches(f"{group}.{key}", dotted, n=1)
    return f" (did you mean {close[0]}?)" if close else ""


def _is_unicode(value: Any) -> bool:
    """Whether all text in it can be written: an undecodable byte of the environment or the command line
    arrives as a lone surrogate (PEP 383), and JSON can name one."""
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            return False
    elif isinstance(value, dict):
        return all(_is_unicode(part) for pair in value.items() for part in pair)
    elif isinstance(value, list | tuple):
        return all(_is_unicode(item) for item in value)
    return True


def _from_text(text: str, default: Any) -> Any:
    """An environment variable's text in the shape of its default: number, switch, list or text."""
    stripped = text.strip()
    if isinstance(default, list):
        if stripped.startswith("["):
            try:
                return json.loads(stripped)
            except ValueError:
                return stripped  # told as a wrong type, with the key
        return [part.strip() for part in stripped.split(",") if part.strip()]
    is_number = stripped.removeprefix("-").isascii() and stripped.removeprefix("-").isdigit()
    if is_number and (default == "auto" or isinstance(default, int)):
        return int(stripped)
    return stripped


def _resolve(values: dict[str, dict[str, Any]], origins: Mapping[str, str]) -> None:
    """Replace every "auto" and empty default by what it means; wrong types are left for ``_convert``."""
    server, paths, redis = values["server"], values["paths"], values["redis"]
    if server["tls"] == "auto":
        scheme = split_public(server["public"])[0] if isinstance(server["public"], str) else ""
        if server["certificate"]:
            server["tls"] = "certificate"
        else:
            server["tls"] = "local" if server["public"] and scheme != "http" else "off"
    if server["host"] == "auto":
        server["host"] = "::" if server["public"] else "127.0.0.1"
    if server["port"] == "auto":
        server["port"] = 8080 if server["tls"] == "off" else 8443
    if server["processes"] == "auto":
        server["processes"] = 1
    if paths["web"] == "auto":
        paths["web"] = str(Path(__file__).resolve().parent.parent / "web" / "dist")
    for key in ("var", "web"):
        if isinstance(paths[key], str):
            try:
                paths[key] = str(Path(paths[key]).expanduser().absolute())
            except RuntimeError:
                source = origins[f"paths.{key}"]
                raise SettingsError(f"{source}: paths.{key}: {paths[key]!r}: whose home is unknown") from None
    if values["sql"]["url"] == "" and isinstance(paths["var"], str):
        values["sql"]["url"] = f"sqlite+aiosqlite:///{paths['var']}/zvonok.db"
    if redis["url"] and redis["password_file"]:
        redis["url"] = _with_password(redis["url"], redis["password_file"], origins["redis.password_file"])


def _with_password(url: str, file: str, source: str) -> str:
    try:
        password = Path(file).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise SettingsError(
            f"{source}: redis.password_file: {file} cannot be read ({error.strerror})"
        ) from None
    except UnicodeDecodeError:
        raise SettingsError(f"{source}: redis.password_file: {file}: not UTF-8 text") from None
    parts = urlsplit(url)
    if parts.password:
        return url
    host = parts.netloc.rpartition("@")[2]
    user = quote(parts.username or "", safe="")
    return urlunsplit(parts._replace(netloc=f"{user}:{quote(password, safe='')}@{host}"))


def _convert(values: dict[str, dict[str, Any]], origins: Mapping[str, str]) -> Settings:
    try:
        settings = msgspec.convert(values, Settings)
    except msgspec.ValidationError as error:
        reason, _, where = str(error).partition(" - at `$.")
        group, _, rest = where.rstrip("`").partition(".")
        key = rest.split("[", 1)[0].split(".", 1)[0]
        source = origins.get(f"{group}.{key}", "settings")
        raise SettingsError(f"{source}: {group}.{rest}: {reason[:1].lower()}{reason[1:]}") from None
    for keys, reason in _faults(settings):
        changed = [dotted for dotted in keys.split() if origins[dotted] != FROM_DEFAULTS]
        dotted = (changed or keys.split())[0]
        raise SettingsError(f"{origins[dotted]}: {dotted}: {reason}")
    return settings


def _faults(settings: Settings) -> list[tuple[str, str]]:
    """What the types cannot say: ``(group.key, or several apart by spaces, reason)``."""
    server, faults = settings.server, list[tuple[str, str]]()
    if server.public and not is_name_or_address(server.public):
        faults.append(("server.public", f"{server.public!r} is not a name, an address or an origin"))
    if bool(server.certificate) != bool(server.certificate_key) or (
        server.tls == "certificate" and not server.certificate
    ):
        both = "server.certificate server.certificate_key"
        faults.append((both, "certificate and certificate_key go together"))
    if server.tls == "local" and not server.public:
        faults.append(("server.tls", "a local certificate needs server.public, the name it is made for"))
    for network in server.trusted_proxies:
        try:
            ipaddress.ip_network(network)
        except ValueError as error:
            faults.append(("server.trusted_proxies", str(error)))
    for origin in server.allowed_origins:
        scheme, name, _ = split_public(origin)
        if scheme not in ("http", "https") or not name or origin.endswith("/"):
            faults.append(
                ("server.allowed_origins", f"{origin!r} is not an origin (https://name or https://name:port)")
            )
    for dotted, host in (
        ("server.host", server.host),
        ("admin.host", settings.admin.host),
        ("media.host", settings.media.host),
        ("media.rpc_host", settings.media.rpc_host),
    ):
        if not is_address(host):
            faults.append((dotted, f"{host!r} is not an IP address"))
    if is_unspecified(settings.media.rpc_host):
        faults.append(("media.rpc_host", "other nodes are told it: it must be one address of this machine"))
    if settings.admin.port and settings.admin.port + server.processes > 65536:
        faults.append(("admin.port server.processes", "no room for one port a process below 65536"))
    if settings.media.port and settings.media.port + settings.media.worker_count > 65536:
        faults.append(("media.port media.workers", "no room for one port a worker below 65536"))
    for address in settings.media.announce:
        if address != "auto" and not is_address(address):
            faults.append(("media.announce", f'{address!r} is neither "auto" nor an IP address'))
    if not settings.media.announce:
        faults.append(("media.announce", 'at least one address (or "auto") is needed'))
    for index, ice in enumerate(settings.media.ice_servers):
        if not all(url.partition(":")[0] in ("stun", "stuns", "turn", "turns") for url in ice.urls):
            faults.append(("media.ice_servers", f"entry {index}: urls begin with stun:, turn: or turns:"))
    url = settings.redis.url
    if url and urlsplit(url).scheme not in ("redis", "rediss", "unix"):
        faults.append(("redis.url", "begins with redis://, rediss:// or unix://"))
    if urlsplit(url).scheme == "redis" and is_public(urlsplit(url).hostname or ""):
        faults.append(("redis.url", "a public address is reached by rediss:// only"))
    return faults + _faults_of_listening(settings.redis) + _faults_of_store(settings.store)


def _faults_of_store(store: Store) -> list[tuple[str, str]]:
    faults: list[tuple[str, str]] = []
    if not store.url:
        if store.endpoint or store.region:
            faults.append(("store.endpoint store.region", "they are for a store, which store.url names"))
        return faults
    parts = urlsplit(store.url)
    if parts.scheme != "s3" or not _BUCKET.fullmatch(store.bucket) or parts.query or parts.fragment:
        faults.append(("store.url", f"{store.url!r} is not s3://bucket or s3://bucket/prefix"))
    if store.prefix and not all(_FOLDER.fullmatch(each) for each in store.prefix.split("/")):
        faults.append(("store.url", "a prefix has letters, digits, - and _ between its slashes"))
    if not store.endpoint and not store.region:
        faults.append(("store.url", "store.region is needed at Amazon's, store.endpoint elsewhere"))
    at = urlsplit(store.endpoint)
    if store.endpoint and (at.scheme not in ("http", "https") or not at.hostname or at.path.strip("/")):
        faults.append(("store.endpoint", f"{store.endpoint!r} is not https://name or https://name:port"))
    elif at.scheme == "http" and (not is_address(at.hostname or "") or is_public(at.hostname or "")):
        reason = "http:// only by an address in the nodes' own network: recordings would be read on their way"
        faults.append(("store.endpoint", reason))
    for key, name in (("key_id_file", store.key_id_file), ("secret_file", store.secret_file)):
        if not _KEY_FILE.fullmatch(name):
            faults.append((f"store.{key}", f"{name!r} is not the name of a file in keys/"))
    return faults


def _faults_of_listening(redis: Redis) -> list[tuple[str, str]]:
    if not redis.listen:
        return []
    if redis.url:
        return [("redis.listen", "it is for the embedded Valkey, which does not run with redis.url")]
    found = redis.listens_at
    if found is None or not found[1] or is_unspecified(found[0]):
        return [("redis.listen", f"{redis.listen!r} is not address:port of this machine (10.0.0.1:6379)")]
    if is_public(found[0]):
        return [("redis.listen", "the embedded Valkey speaks no TLS: never at a public address")]
    return []


def _hide(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: "***" if k in SECRET_KEYS and v else _hide(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_hide(item) for item in value]
    if isinstance(value, str) and "@" in value and "://" in value:
        scheme, _, rest = value.partition("://")
        userinfo, _, host = rest.rpartition("@")
        if ":" in userinfo:
            return f"{scheme}://{userinfo.partition(':')[0]}:***@{host}"
    return value
