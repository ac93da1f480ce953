"""Attendance from the log: stays add up, gaps do not count, the end closes all."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest

from signaling import wire
from signaling.attendance import Roll, as_csv
from signaling.codec import builtins
from signaling.replica import Record
from signaling.wire import AttendanceRow, PersonField


def person(*, here: bool, name: str = "Маша", role: Any = "student") -> Any:
    return builtins(PersonField(name, role, here=here, order=1))


def told(*events: tuple[int, str, dict[str, Any]]) -> Roll:
    return Roll(
        Record(number, kind, at_ms, None, changed) for number, (at_ms, kind, changed) in enumerate(events, 1)
    )


JOIN, LEAVE = {"person/m": person(here=True)}, {"person/m": person(here=False)}


@pytest.mark.parametrize(
    ("events", "row"),
    [
        ([(100, "joined", JOIN)], AttendanceRow("m", "Маша", "student", 100, None, 900, 1)),
        (
            [(100, "joined", JOIN), (300, "left", LEAVE)],
            AttendanceRow("m", "Маша", "student", 100, 300, 200, 1),
        ),
        (
            [(100, "joined", JOIN), (300, "left", LEAVE), (600, "joined", JOIN)],
            AttendanceRow("m", "Маша", "student", 100, None, 600, 2),
        ),
        (
            [(100, "joined", JOIN), (300, "left", LEAVE), (600, "joined", JOIN), (700, "ended", {})],
            AttendanceRow("m", "Маша", "student", 100, 700, 300, 2),
        ),
        (
            [(100, "joined", JOIN), (200, "may", JOIN)],
            AttendanceRow("m", "Маша", "student", 100, None, 900, 1),
        ),
        ([(100, "joined", JOIN), (50, "left", LEAVE)], AttendanceRow("m", "Маша", "student", 100, 50, 0, 1)),
        (
            [(100, "joined", JOIN), (200, "renamed", {"person/m": person(here=True, name="Мария")})],
            AttendanceRow("m", "Мария", "student", 100, None, 900, 1),
        ),
    ],
)
def test_stays(events: list[tuple[int, str, dict[str, Any]]], row: AttendanceRow) -> None:
    assert told(*events).rows(1000) == (row,)


def test_who_only_waited_in_the_lobby_was_not_there() -> None:
    assert told((1, "waiting", {"lobby/m": {"name": "x", "at_ms": 1}})).rows(10) == ()


def test_rows_come_in_the_order_of_coming() -> None:
    roll = told(
        (1, "joined", {"person/z": person(here=True)}), (2, "joined", {"person/a": person(here=True)})
    )
    assert [row.participant for row in roll.rows(5)] == ["z", "a"]


def test_a_record_told_twice_counts_once() -> None:
    roll = told((100, "joined", JOIN), (300, "left", LEAVE))
    roll.add(Record(1, "joined", 100, None, JOIN))
    assert roll.rows(1000)[0].stays == 1


@pytest.mark.parametrize(
    ("name", "cell"),
    [
        ("Маша", "Маша"),
        ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ('quote " and, comma', 'quote " and, comma'),
        ("two\nlines", "two\nlines"),
        ("<svg onload=x>", "<svg onload=x>"),
    ],
)
def test_csv_cells_are_text(name: str, cell: str) -> None:
    row = AttendanceRow("m", name, "student", 0, 90_000, 90_000, 1)
    rows = list(csv.reader(io.StringIO(as_csv(wire.Attendance("l", "t", (row,))), newline="")))
    assert rows[1] == [cell, "student", "1970-01-01T00:00:00Z", "1970-01-01T00:01:30Z", "1.5", "1"]
