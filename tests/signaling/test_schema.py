"""The generated wire types follow signaling.wire."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from signaling import schema, wire


def test_generated_files_are_current(capsys: pytest.CaptureFixture[str]) -> None:
    assert schema.main(["--check"]) == 0, capsys.readouterr().err


def test_check_reports_drift_and_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert schema.main([], out=tmp_path) == 0
    assert schema.main(["--check"], out=tmp_path) == 0
    stale = tmp_path / "wire.ts"
    stale.write_text("// old\n", encoding="utf-8")
    assert schema.main(["--check"], out=tmp_path) == 1
    assert "wire.ts differs" in capsys.readouterr().err
    assert stale.read_text(encoding="utf-8") == "// old\n"


def test_json_schema_defines_every_struct_and_both_unions() -> None:
    definitions = json.loads(schema.json_schema())["$defs"]
    assert {struct.__name__ for struct in schema.structs()} | {"ClientMessage", "ServerMessage"} == set(
        definitions
    )
    assert definitions["Hello"]["properties"]["t"]["enum"] == ["hello"]


def test_typescript_has_an_interface_per_struct_with_its_tag() -> None:
    text = schema.typescript()
    for struct in schema.structs():
        assert f"export interface {struct.__name__} {{" in text
        tag = struct.__struct_config__.tag
        assert tag is None or f'readonly t: "{tag}";' in text


def test_typescript_optional_only_where_a_client_may_leave_out() -> None:
    text = schema.typescript()
    assert "readonly after?: number | null;" in text  # sent by a client, has a default
    assert "readonly media_alive: boolean;" in text  # sent by the server: always there
    assert b"media_alive" in msgspec.json.encode(wire.Welcome("p", "student", "l", 1, 1, 1))
