"""Settings: where a value comes from, what "auto" becomes, and how a wrong one is told."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from config.settings import DEFAULTS, Settings, SettingsError, load, load_settings, shown, variables


def test_defaults_name_every_setting_and_nothing_else() -> None:
    defaults = tomllib.loads(DEFAULTS.read_text())
    typed = {
        group.name: {field.name for field in msgspec.structs.fields(group.type)}
        for group in msgspec.structs.fields(Settings)
    }
    assert {group: set(keys) for group, keys in defaults.items()} == typed


def test_later_sources_win_and_are_named(tmp_path: Path) -> None:
    file = tmp_path / "school.toml"
    file.write_text('[server]\nport = 9001\n[lesson]\nmax_people = 35\n[log]\nlevel = "debug"\n')
    environ = {"ZVONOK_CONFIG": str(file), "ZVONOK_SERVER__PORT": "9002", "ZVONOK_LOG__LEVEL": "error"}
    loaded = load(environ, overrides={"log.level": "warning"})
    assert loaded.settings.server.port == 9002
    assert loaded.settings.lesson.max_people == 35
    assert loaded.settings.log.level == "warning"
    assert loaded.origins["server.port"] == "ZVONOK_SERVER__PORT"
    assert loaded.origins["lesson.max_people"] == str(file)
    assert loaded.origins["log.level"] == "command line"
    assert loaded.origins["lesson.drop_grace_s"] == "default"


@pytest.mark.parametrize(
    ("environ", "host", "port", "tls", "origin"),
    [
        ({}, "127.0.0.1", 8080, "off", "http://localhost:8080"),
        ({"PUBLIC": "lessons.example"}, "::", 8443, "local", "https://lessons.example:8443"),
        ({"PUBLIC": "192.0.2.7"}, "::", 8443, "local", "https://192.0.2.7:8443"),
        ({"PUBLIC": "2001:db8::7"}, "::", 8443, "local", "https://[2001:db8::7]:8443"),
        ({"PUBLIC": "[2001:db8::7]"}, "::", 8443, "local", "https://[2001:db8::7]:8443"),
        ({"PUBLIC": "lessons.example", "PORT": "443"}, "::", 443, "local", "https://lessons.example"),
        ({"PUBLIC": "lessons.example", "TLS": "off"}, "::", 8080, "off", "https://lessons.example"),
        ({"PUBLIC": "lessons.example:9443", "TLS": "off"}, "::", 8080, "off", "https://lessons.example:9443"),
        ({"PUBLIC": "https://lessons.example", "TLS": "off"}, "::", 8080, "off", "https://lessons.example"),
        ({"PUBLIC": "http://lessons.example:8000"}, "::", 8080, "off", "http://lessons.example:8000"),
        (
            {"PUBLIC": "lessons.example", "CERTIFICATE": "c.pem", "CERTIFICATE_KEY": "k.pem"},
            "::",
            8443,
            "certificate",
            "https://lessons.example:8443",
        ),
    ],
)
def test_auto_follows_from_public_and_certificate(
    environ: dict[str, str], host: str, port: int, tls: str, origin: str
) -> None:
    server = load_settings({f"ZVONOK_SERVER__{key}": value for key, value in environ.items()}).server
    assert (server.host, server.port, server.tls, server.origin()) == (host, port, tls, origin)


def test_origin_takes_the_port_that_was_really_bound() -> None:
    assert load_settings({"ZVONOK_SERVER__PORT": "0"}).server.origin(4711) == "http://localhost:4711"


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        (
            {"SERVER__PROT": "1"},
            "ZVONOK_SERVER__PROT: unknown setting server.prot (did you mean server.port?)",
        ),
        ({"SERVER__PORT": "many"}, "ZVONOK_SERVER__PORT: server.port: expected `int`, got `str`"),
        ({"SERVER__PORT": "70000"}, "ZVONOK_SERVER__PORT: server.port: expected `int` <= 65535"),
        ({"SERVER__PUBLIC": "two words"}, "ZVONOK_SERVER__PUBLIC: server.public: 'two words' is not a name"),
        ({"SERVER__PUBLIC": "name/path"}, "server.public: 'name/path' is not a name"),
        ({"SERVER__PUBLIC": "name:port"}, "server.public: 'name:port' is not a name"),
        ({"SERVER__CERTIFICATE": "c.pem"}, "certificate and certificate_key go together"),
        ({"SERVER__TLS": "maybe"}, "ZVONOK_SERVER__TLS: server.tls: invalid enum value 'maybe'"),
        ({"SERVER__TLS": "local"}, "server.tls: a local certificate needs server.public"),
        ({"SERVER__TRUSTED_PROXIES": "10.0.0.0/8, here"}, "server.trusted_proxies: 'here'"),
        ({"SERVER__ALLOWED_ORIGINS": "portal.example"}, "'portal.example' is not an origin"),
        ({"MEDIA__ANNOUNCE": "auto,everywhere"}, "ZVONOK_MEDIA__ANNOUNCE: media.announce: 'everywhere'"),
        ({"MEDIA__ANNOUNCE": ""}, "media.announce: at least one address"),
        ({"MEDIA__PORT": "65535", "MEDIA__WORKERS": "2"}, "ZVONOK_MEDIA__PORT: media.port: no room"),
        ({"MEDIA__HOST": "localhost"}, "media.host: 'localhost' is not an IP address"),
        ({"MEDIA__ICE_SERVERS": '[{"urls":["http://x"]}]'}, "media.ice_servers: entry 0: urls begin with"),
        ({"MEDIA__ICE_SERVERS": '[{"url":"stun:x"}]'}, "media.ice_servers[0]"),
        ({"REDIS__URL": "localhost:6379"}, "redis.url: begins with redis://"),
        ({"REDIS__URL": "redis://h", "REDIS__PASSWORD_FILE": "/nowhere/at/all"}, "redis.password_file"),
        ({"REDIS__URL": "redis://8.8.8.8"}, "redis.url: a public address is reached by rediss:// only"),
        ({"REDIS__LISTEN": "10.0.0.1"}, "redis.listen: '10.0.0.1' is not address:port"),
        ({"REDIS__LISTEN": "10.0.0.1:0"}, "redis.listen: '10.0.0.1:0' is not address:port"),
        ({"REDIS__LISTEN": "db.example:6379"}, "redis.listen: 'db.example:6379' is not address:port"),
        ({"REDIS__LISTEN": "0.0.0.0:6379"}, "redis.listen: '0.0.0.0:6379' is not address:port"),
        ({"REDIS__LISTEN": "[::]:6379"}, "redis.listen: '[::]:6379' is not address:port"),
        ({"REDIS__LISTEN": "10.0.0.1:6379\nsave x"}, "is not address:port"),
        (
            {"REDIS__LISTEN": "8.8.8.8:6379"},
            "redis.listen: the embedded Valkey speaks no TLS: never at a public",
        ),
        (
            {"REDIS__LISTEN": "10.0.0.1:6379", "REDIS__URL": "redis://h"},
            "redis.listen: it is for the embedded",
        ),
        ({"MEDIA__RPC_HOST": "node-a"}, "media.rpc_host: 'node-a' is not an IP address"),
        ({"MEDIA__RPC_HOST": "0.0.0.0"}, "media.rpc_host: other nodes are told it"),
        ({"SERVER__PROCESSES": "0"}, "server.processes: expected `int` >= 1"),
        ({"SERVER__PROCESSES": "2", "ADMIN__PORT": "65535"}, "no room for one port a process"),
        ({"LESSON__TILES_TEACHER": "25"}, "ZVONOK_LESSON__TILES_TEACHER: lesson.tiles_teacher"),
        ({"CONFIG": "/nowhere/at.toml"}, "/nowhere/at.toml: cannot be read"),
        ({"CONFIG": "/nowhere/\ud800"}, "not a file's name"),
        ({"ADMIN__PORT": "\ud800"}, "ZVONOK_ADMIN__PORT: admin.port: not UTF-8 text"),
        ({"SERVER__PUBLIC": "name\udcff"}, "ZVONOK_SERVER__PUBLIC: server.public: not UTF-8 text"),
        ({"MEDIA__ANNOUNCE": "auto,\udcff"}, "ZVONOK_MEDIA__ANNOUNCE: media.announce: not UTF-8 text"),
        (
            {"MEDIA__ICE_SERVERS": '[{"urls":[],"\\ud800":""}]'},
            "ZVONOK_MEDIA__ICE_SERVERS: media.ice_servers: not UTF-8 text",
        ),
    ],
)
def test_wrong_value_is_one_line_with_source_and_key(environ: dict[str, str], words: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load({f"ZVONOK_{name}": value for name, value in environ.items()})
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[server]\nport = 'x'", "server.port: expected `int`"),
        ("[srever]\nport = 1", "unknown setting srever.port (did you mean server.port?)"),
        ("port = 1", "unknown setting port"),
        ("[server\n", "not TOML"),
        ("[paths]\nvar = 5", "paths.var: expected `str`"),
        ("[server]\npublic = ['a']", "server.public: expected `str`"),
    ],
)
def test_wrong_file_is_one_line_naming_it(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "wrong.toml"
    file.write_text(text)
    with pytest.raises(SettingsError) as caught:
        load({}, file=file)
    assert str(caught.value).startswith(f"{file}: ")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_undecodable_text_from_the_command_line_is_refused_with_its_key() -> None:
    with pytest.raises(SettingsError, match=r"^command line: server\.host: not UTF-8 text$"):
        load({}, overrides={"server.host": "\udcff"})


def test_undecodable_bytes_in_a_file_are_refused_with_its_name(tmp_path: Path) -> None:
    file = tmp_path / "latin.toml"
    file.write_bytes(b"[server]\npublic = '\xff'\n")
    with pytest.raises(SettingsError) as caught:
        load({}, file=file)
    assert str(caught.value).startswith(f"{file}: not TOML")
    password = tmp_path / "password"
    password.write_bytes(b"\xff")
    environ = {"ZVONOK_REDIS__URL": "redis://h", "ZVONOK_REDIS__PASSWORD_FILE": str(password)}
    with pytest.raises(SettingsError, match=r"redis\.password_file: .*: not UTF-8 text$"):
        load(environ)


def test_other_zvonok_variables_are_no_settings() -> None:
    assert load({"ZVONOK_CHROMIUM": "/usr/bin/chromium"}).settings == load({}).settings


def test_the_plane_has_a_short_name_and_the_long_one_wins() -> None:
    loaded = load({"ZVONOK_PLANE": "native"})
    assert (loaded.settings.media.plane, loaded.origins["media.plane"]) == ("native", "ZVONOK_PLANE")
    both = {"ZVONOK_PLANE": "native", "ZVONOK_MEDIA__PLANE": "reference"}
    assert load(both).settings.media.plane == "reference"
    assert load({"ZVONOK_PLANE": ""}).settings.media.plane == load({}).settings.media.plane
    with pytest.raises(SettingsError, match=r"ZVONOK_PLANE: media\.plane: "):
        load({"ZVONOK_PLANE": "fast"})


def test_children_load_the_same_settings() -> None:
    overrides: dict[str, Any] = {
        "server.public": "lessons.example",
        "server.trusted_proxies": ["10.0.0.0/8"],
        "media.announce": ["auto", "203.0.113.7"],
        "media.ice_servers": [{"urls": ["turn:t.example"], "secret": "s"}],
        "media.workers": 3,
    }
    assert load(variables(overrides)).settings == load({}, overrides=overrides).settings


def test_secrets_are_not_shown(tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text("p/ss:w@rd\n")
    loaded = load(
        {
            "ZVONOK_REDIS__URL": "redis://redis.example:6379/2",
            "ZVONOK_REDIS__PASSWORD_FILE": str(password),
            "ZVONOK_SQL__URL": "postgresql+asyncpg://zvonok:hidden@db.example/zvonok",
            "ZVONOK_MEDIA__ICE_SERVERS": '[{"urls":["turn:t.example"],"secret":"hidden"}]',
        }
    )
    assert loaded.settings.redis.url == "redis://:p%2Fss%3Aw%40rd@redis.example:6379/2"
    text = "\n".join(" ".join(row) for row in shown(loaded))
    assert "hidden" not in text
    assert "w%40rd" not in text
    assert "redis.example:6379/2" in text
    assert "db.example/zvonok" in text


def test_everything_written_is_below_var(tmp_path: Path) -> None:
    settings = load_settings({"ZVONOK_PATHS__VAR": str(tmp_path / "data")})
    assert settings.sql.url == f"sqlite+aiosqlite:///{tmp_path}/data/zvonok.db"
    for folder in (settings.paths.keys, settings.paths.log):
        assert folder.is_relative_to(settings.paths.var_path)


def test_secret_is_made_once_and_private(tmp_path: Path) -> None:
    paths = load_settings({"ZVONOK_PATHS__VAR": str(tmp_path)}).paths
    secret = paths.secret("ticket.key")
    assert len(secret) == 64
    assert paths.secret("ticket.key") == secret
    assert paths.secret("cookie.key") != secret
    assert (paths.keys / "ticket.key").stat().st_mode & 0o777 == 0o600
    assert paths.keys.stat().st_mode & 0o777 == 0o700
    assert sorted(file.name for file in paths.keys.iterdir()) == ["cookie.key", "ticket.key"]


EVERY_SETTING = [
    f"{group}__{key}" for group, keys in tomllib.loads(DEFAULTS.read_text()).items() for key in keys
]


@example(name="admin__port", value="\ud800")
@example(name="paths__var", value="~0")
@given(
    name=st.sampled_from(EVERY_SETTING), value=st.text(st.characters(exclude_characters="\0"), max_size=40)
)
def test_any_text_loads_or_is_refused_by_its_own_name(name: str, value: str) -> None:
    variable = f"ZVONOK_{name.upper()}"
    refused = ""
    try:
        load({variable: value})
    except SettingsError as error:
        refused = str(error)
    assert refused == "" or refused.startswith(f"{variable}: ")


def test_the_embedded_valkey_may_listen_in_the_nodes_network() -> None:
    listens = {
        text: load_settings({"ZVONOK_REDIS__LISTEN": text}).redis.listens_at
        for text in ("", "10.0.0.1:6379", "100.64.0.1:6379", "[fd00::1]:7000", "127.0.0.2:7000")
    }
    assert listens == {
        "": None,
        "10.0.0.1:6379": ("10.0.0.1", 6379),
        "100.64.0.1:6379": ("100.64.0.1", 6379),
        "[fd00::1]:7000": ("fd00::1", 7000),
        "127.0.0.2:7000": ("127.0.0.2", 7000),
    }
