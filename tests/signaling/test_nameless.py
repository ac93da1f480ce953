"""What is left in a lesson's log of somebody who is erased: no name and no word of theirs."""

from __future__ import annotations

from typing import Any

import pytest

from signaling.catalog.keeping import NAMELESS
from signaling.erasing import nameless
from signaling.replica import Record

STROKE = {"kind": "freedraw", "points": b"\0\0\4\0", "pressures": b"\x80", "by": "m"}


@pytest.mark.parametrize(
    ("path", "value", "left"),
    [
        ("chat/1", {"participant": "m", "name": "Masha", "text": "hi"}, {"name": NAMELESS, "text": ""}),
        ("note/m/1", {"participant": "m", "name": "Masha", "text": "hi"}, {"name": NAMELESS, "text": ""}),
        (
            "group_chat/1/1",
            {"participant": "m", "name": "Masha", "text": "hi"},
            {"name": NAMELESS, "text": ""},
        ),
        ("group_notice", {"participant": "m", "name": "Masha", "text": "hi"}, {"name": NAMELESS, "text": ""}),
        ("held/m/1", {"name": "Masha", "text": "hi"}, {"name": NAMELESS, "text": ""}),
        ("quiz_answer/m/q/0", {"text": "because"}, {"text": ""}),
        ("board/b/e/1", {"kind": "text", "text": "Masha was here", "by": "m"}, {"text": ""}),
        ("board/b/e/2", STROKE, {"points": b"", "pressures": b""}),
    ],
)
def test_nothing_of_theirs_is_left(path: str, value: dict[str, Any], left: dict[str, Any]) -> None:
    event = Record(1, "x", 1, "m", {path: value})
    assert nameless({"m"}, teacher=False)(event).set[path] == value | left
    assert nameless({"p"}, teacher=False)(event) is event
