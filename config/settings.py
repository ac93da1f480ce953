"""Typed settings: defaults, then a file, then the environment.

``load_settings()`` is all that other packages need. Values that default to "auto" are worked out here, so
that whoever reads ``settings.server.port`` gets the number in force.
"""

from __future__ import annotations

import ipaddress
import json
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlsplit, urlunsplit

import msgspec

from config.addresses import (
    is_address,
    is_app_address,
    is_name_or_address,
    is_public,
    is_unspecified,
    split_public,
)
from config.sections import Redis, Settings, SettingsError, Store

__all__ = ["Loaded", "Settings", "SettingsError", "load", "load_settings", "shown", "variables"]

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
    for app in settings.materials.apps:
        if not app.name.strip() or not is_app_address(app.url):
            faults.append(("materials.apps", f"{app.url!r}: a name, and an https address of another origin"))
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
