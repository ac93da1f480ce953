"""docs/protocol.md names everything that goes over the wire."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args

import pytest

from signaling import wire
from signaling.http import STATUS

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
NAMED = set(re.findall(r"`([a-z_0-9]+)`", PAGE))
_CODE = re.compile(r"""(?:Refused\(|ProtocolError\(|\.close\(|_let_go\(\w+, )"([a-z_]+)\"""")


def codes() -> set[str]:
    found: set[str] = set(STATUS)
    for package in ("signaling", "sfu"):
        for file in (ROOT / package).rglob("*.py"):
            found |= set(_CODE.findall(file.read_text(encoding="utf-8")))
    return found


def test_every_code_of_the_program_is_explained() -> None:
    assert len(codes()) > 30
    assert codes() - NAMED == set()


@pytest.mark.parametrize("kind", [*get_args(wire.ClientMessage), *get_args(wire.ServerMessage)])
def test_every_message_is_named(kind: Any) -> None:
    assert kind.__struct_config__.tag in NAMED


def test_every_kind_of_event_is_named() -> None:
    documented = (wire.Event.__doc__ or "").partition("Kinds: ")[2].rstrip().rstrip(".")
    kinds = {kind.strip() for kind in documented.replace("\n", " ").split(",")}
    assert len(kinds) > 15
    assert kinds - NAMED == set()


def test_every_kind_that_rules_make_is_one_of_the_contract() -> None:
    documented = wire.Event.__doc__ or ""
    for file in (ROOT / "signaling" / "lesson").glob("*.py"):
        for kind in re.findall(r"Change\(\s*\"([a-z_]+)\"", file.read_text(encoding="utf-8")):
            assert kind in documented, f"{kind} in {file.name}"
