"""Tickets, one-time keys, cookies: whose signature counts, for what and how long."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import jwt
import pytest

from sfu.model import Refused, Role
from signaling.tickets import (
    KeyRing,
    Ticket,
    check_library_key,
    issue_cookie,
    issue_library_key,
    issue_one_time_key,
    issue_ticket,
    read_cookie,
    read_one_time_key,
    read_ticket,
)

NEW, OLD, OTHER = b"n" * 64, b"o" * 64, b"x" * 64
TICKET = Ticket("p1", "lesson1", Role.STUDENT, "Маша")
NOW = 1_000_000


def refused(ring: KeyRing, token: str, now_s: int = NOW) -> str:
    with pytest.raises(Refused) as error:
        read_ticket(ring, token, now_s)
    return error.value.code


def test_a_ticket_says_what_was_signed() -> None:
    ring = KeyRing([NEW])
    assert read_ticket(ring, issue_ticket(ring, TICKET, NOW), NOW + 119) == TICKET


def test_a_ticket_is_over_after_two_minutes() -> None:
    ring = KeyRing([NEW])
    assert refused(ring, issue_ticket(ring, TICKET, NOW), NOW + 120) == "ticket_expired"


def test_the_former_key_still_verifies_and_the_one_before_does_not() -> None:
    token = issue_ticket(KeyRing([OLD]), TICKET, NOW)
    assert read_ticket(KeyRing([NEW, OLD]), token, NOW) == TICKET
    assert refused(KeyRing([NEW, OTHER]), token) == "ticket_bad"


def _forge(ring: KeyRing, *, algorithm: str = "HS256", key: Any = NEW, **changes: Any) -> str:
    good = jwt.decode(issue_ticket(ring, TICKET, NOW), options={"verify_signature": False})
    kid = changes.pop("kid", jwt.get_unverified_header(issue_ticket(ring, TICKET, NOW))["kid"])
    claims = {name: value for name, value in (good | changes).items() if value is not None}
    return jwt.encode(claims, key, algorithm=algorithm, headers={"kid": kid})


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "teacher"},
        {"aud": ["lesson2"]},
        {"aud": None},
        {"exp": None},
        {"exp": "tomorrow"},
        {"exp": True},
        {"role": "principal"},
        {"role": None},
        {"lesson": None},
        {"kid": "../../etc/passwd"},
        {"kid": "0" * 12},
        {"key": OTHER},
        {"algorithm": "HS512"},
    ],
)
def test_forged_tickets_are_bad(changes: dict[str, Any]) -> None:
    ring = KeyRing([NEW])
    assert refused(ring, _forge(ring, **changes)) == "ticket_bad"


def test_the_algorithm_none_is_bad() -> None:
    ring = KeyRing([NEW])
    head, body, _ = issue_ticket(ring, TICKET, NOW).split(".")
    header = json.loads(base64.urlsafe_b64decode(head + "=="))
    plain = base64.urlsafe_b64encode(json.dumps(header | {"alg": "none"}).encode()).decode().rstrip("=")
    assert refused(ring, f"{plain}.{body}.") == "ticket_bad"


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "é" * 30, "." * 10, "eyJ9.eyJ9.eyJ9"])
def test_what_is_no_token_is_bad(token: str) -> None:
    assert refused(KeyRing([NEW]), token) == "ticket_bad"


def test_audiences_are_not_mixed_up() -> None:
    ring = KeyRing([NEW])
    cookie = issue_cookie(ring, "teacher", "main", NOW, 60)
    assert read_cookie(ring, "teacher", cookie, NOW) == "main"
    assert read_cookie(ring, "device", cookie, NOW) is None
    assert refused(ring, cookie) == "ticket_bad"
    assert read_cookie(ring, "teacher", cookie, NOW + 60) is None
    assert read_cookie(ring, "teacher", cookie[:-2], NOW) is None
    assert read_cookie(ring, "teacher", None, NOW) is None


def test_one_time_keys_differ_and_name_their_teacher() -> None:
    ring = KeyRing([NEW])
    first, second = (read_one_time_key(ring, issue_one_time_key(ring, "main", NOW), NOW) for _ in range(2))
    assert first.teacher == second.teacher == "main"
    assert first.jti != second.jti


def test_an_expired_one_time_key_is_bad() -> None:
    ring = KeyRing([NEW])
    with pytest.raises(Refused, match="sign_in_key_bad"):
        read_one_time_key(ring, issue_one_time_key(ring, "main", NOW, 10), NOW + 10)


def test_a_library_key_opens_again_and_again_until_it_is_over() -> None:
    ring = KeyRing([NEW])
    key = issue_library_key(ring, NOW, 10)
    for now_s in (NOW, NOW + 9):
        check_library_key(ring, key, now_s)
    with pytest.raises(Refused, match="library_key_bad"):
        check_library_key(ring, key, NOW + 10)


@pytest.mark.parametrize(
    "other",
    [
        issue_cookie(KeyRing([NEW]), "library", "library", NOW, 60),
        issue_one_time_key(KeyRing([NEW]), "main", NOW),
        issue_library_key(KeyRing([OTHER]), NOW),
        "",
        "x.y.z",
        "é",
    ],
)
def test_nothing_else_is_a_library_key(other: str) -> None:
    with pytest.raises(Refused, match="library_key_bad"):
        check_library_key(KeyRing([NEW]), other, NOW)


@pytest.mark.parametrize("content", [b"", b"short", b"\n".join([NEW, OLD, OTHER])])
def test_key_files_that_cannot_be_used_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "k").write_bytes(content)
    with pytest.raises(ValueError):
        KeyRing.read(tmp_path / "k")


def test_the_first_line_of_a_key_file_signs(tmp_path: Path) -> None:
    (tmp_path / "k").write_bytes(NEW + b"\n" + OLD + b"\n")
    token = issue_ticket(KeyRing.read(tmp_path / "k"), TICKET, NOW)
    assert read_ticket(KeyRing([NEW]), token, NOW) == TICKET
