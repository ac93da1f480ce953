"""Which compiler builds the native plane."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.setup import native
from config.setup.packages import SetupError


def program(folder: Path, name: str, says: str, code: int = 0) -> None:
    folder.mkdir(exist_ok=True)
    file = folder / name
    file.write_text(f"#!/bin/sh\necho '{says}'\nexit {code}\n")
    file.chmod(0o755)


def test_a_switcher_without_a_toolchain_and_an_old_compiler_are_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty, old, new = tmp_path / "empty", tmp_path / "old", tmp_path / "new"
    program(empty, "cargo", "error: no toolchain", 1)
    program(empty, "rustc", "error: no toolchain", 1)
    program(old, "cargo", "cargo 1.65.0")
    program(old, "rustc", "rustc 1.63.0")
    program(new, "cargo", "cargo 1.96.0 (abc 2026-01-01)")
    program(new, "rustc", "rustc 1.96.0 (abc 2026-01-01)")
    program(new, "cc", "cc")
    monkeypatch.setenv("PATH", f"{empty}:{old}:{new}")
    assert native.find_cargo() == new / "cargo"
    (new / "cc").unlink()
    assert native.find_cargo() is None, "assembly and C have to be compiled too"


def test_without_a_compiler_a_server_is_set_up_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sys.prefix", str(tmp_path))
    native.build(needed=False)
    said = capsys.readouterr().out
    assert native.COMMAND in said
    assert "reference plane" in said
    with pytest.raises(SetupError, match="cargo"):
        native.build(needed=True)
