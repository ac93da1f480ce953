"""Secrets of one installation on several nodes: out and in, whole, private, never over another's."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from config.cli import main
from config.sections import Paths

NAMES = {
    "ticket.key",
    "cookie.key",
    "people.key",
    "rpc.key",
    "media.key",
    "redis.password",
    "node.pem",
    "node.key",
}


def exported(var: Path, capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["keys", "export", f"--set=paths.var={var}"]) == 0
    return capsys.readouterr().out


def files(var: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in (var / "keys").iterdir()}


def test_a_second_node_has_the_same_secrets_and_nobody_else_may_read_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "keys.json").write_text(exported(tmp_path / "a", capsys))
    assert main(["keys", "import", f"--set=paths.var={tmp_path / 'b'}", str(tmp_path / "keys.json")]) == 0
    assert files(tmp_path / "b") == files(tmp_path / "a")
    assert files(tmp_path / "a").keys() == NAMES
    assert (tmp_path / "b/keys").stat().st_mode & 0o777 == 0o700
    assert all(file.stat().st_mode & 0o777 == 0o600 for file in (tmp_path / "b/keys").iterdir())


def test_the_local_authority_comes_along_and_the_certificate_of_one_name_does_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    exported(tmp_path, capsys)
    for name in ("ca.pem", "ca.key", "server.pem", "server.key"):
        (tmp_path / "keys" / name).write_text(name)
    assert json.loads(exported(tmp_path, capsys)).keys() == NAMES | {"ca.pem", "ca.key"}


def test_taken_in_twice_it_changes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = exported(tmp_path, capsys)
    before = files(tmp_path)
    (tmp_path / "keys/media.key").unlink()
    for words in ("media.key", "all were there already"):
        monkeypatch.setattr("sys.stdin", io.StringIO(text))
        assert main(["keys", "import", f"--set=paths.var={tmp_path}"]) == 0
        assert words in capsys.readouterr().out
        assert files(tmp_path) == before


def test_keys_of_another_installation_are_left_as_they_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "keys.json").write_text(exported(tmp_path / "a", capsys))
    paths = Paths(var=str(tmp_path / "b"), web="")
    paths.secret("cookie.key")
    before = files(tmp_path / "b")
    assert main(["keys", "import", f"--set=paths.var={tmp_path / 'b'}", str(tmp_path / "keys.json")]) == 1
    assert "keys of another installation (cookie.key)" in capsys.readouterr().err
    assert files(tmp_path / "b") == before


@pytest.mark.parametrize(
    "change",
    [
        lambda keys: {**keys, "../../escape": "x"},
        lambda keys: {**keys, "server.pem": "x"},
        lambda keys: {name: key for name, key in keys.items() if name != "rpc.key"},
        lambda keys: {**keys, "rpc.key": 5},
        lambda keys: {**keys, "rpc.key": ""},
        lambda keys: list(keys),
    ],
)
def test_anything_else_is_refused_in_one_line_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], change: object
) -> None:
    assert callable(change)
    keys = json.loads(exported(tmp_path / "a", capsys))
    (tmp_path / "keys.json").write_text(json.dumps(change(keys)))
    capsys.readouterr()
    assert main(["keys", "import", f"--set=paths.var={tmp_path / 'b'}", str(tmp_path / "keys.json")]) == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert not list(tmp_path.glob("b/keys/*"))
    assert not list(tmp_path.rglob("escape"))
