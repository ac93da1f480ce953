"""Join codes and participant ids."""

from __future__ import annotations

import base64

import hypothesis.strategies as st
import pytest
from hypothesis import given

from sfu.model import Role
from signaling.links import (
    BACKUP_LENGTH,
    CODE_BITS,
    backup_code,
    code_from,
    new_code,
    new_id,
    participant_of_device,
    participant_of_teacher,
    read_backup_code,
    read_code,
)

STUDENT = Role.STUDENT


def test_a_code_has_at_least_60_bits_and_no_two_are_alike() -> None:
    assert CODE_BITS >= 60
    assert len({new_code() for _ in range(1000)}) == 1000


@given(st.integers(0, 2**CODE_BITS - 1), st.integers(0, 2**CODE_BITS - 1))
def test_numbers_and_codes_match_one_to_one(one: int, other: int) -> None:
    assert (code_from(one) == code_from(other)) == (one == other)
    assert read_code(code_from(one)) == code_from(one)


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("0123456789abc", "0123456789ABC"),
        (" 0123-4567-89ABC ", "0123456789ABC"),
        ("oIl3456789ABC", "0113456789ABC"),
        ("0123456789AB", None),
        ("0123456789ABCD", None),
        ("0123456789ABU", None),
        ("", None),
        ("../../etc/pas", None),
        ("０123456789ABC", None),
    ],
)
def test_codes_as_people_type_them(typed: str, code: str | None) -> None:
    assert read_code(typed) == code


def test_a_browser_is_the_same_person_in_a_lesson_and_another_one_in_the_next() -> None:
    key = b"k" * 32
    assert participant_of_device(key, "l1", STUDENT, "d1") == participant_of_device(key, "l1", STUDENT, "d1")
    everybody = {
        participant_of_device(key, "l1", STUDENT, "d1"),
        participant_of_device(key, "l2", STUDENT, "d1"),
        participant_of_device(key, "l1", STUDENT, "d2"),
        participant_of_device(b"j" * 32, "l1", STUDENT, "d1"),
        participant_of_device(key, "l1", Role.CO_TEACHER, "d1"),
        participant_of_teacher(key, "l1", "d1"),
    }
    assert len(everybody) == 6
    assert all(len(participant) == 16 for participant in everybody)


def test_ids_are_16_characters() -> None:
    assert len(new_id()) == 16


KEY = b"k" * 32


@given(st.binary(min_size=10, max_size=10), st.sampled_from([Role.STUDENT, Role.TEACHER]))
def test_a_backup_code_says_its_lesson_and_role_and_is_no_join_code(lesson: bytes, role: Role) -> None:
    name = base64.b32encode(lesson).decode().lower()
    code = backup_code(KEY, name, role, "anna")
    found = read_backup_code(code)
    assert found is not None
    assert (len(code), found.lesson, found.role) == (BACKUP_LENGTH, name, role)
    assert found.signed(KEY, "anna")
    assert read_code(code) is None


def test_a_backup_code_is_ours_and_a_teacher_s_only_the_own_one_s() -> None:
    lesson = new_id()
    for role in (Role.STUDENT, Role.TEACHER):
        code = backup_code(KEY, lesson, role, "anna")
        found = read_backup_code(code)
        assert found is not None
        assert found.signed(KEY, "boris") == (role is Role.STUDENT)
        assert found.signed(KEY) == (role is Role.STUDENT)
        assert not found.signed(b"j" * 32, "anna")
        for place in range(BACKUP_LENGTH):
            other = code[:place] + ("A" if code[place] != "A" else "B") + code[place + 1 :]
            forged = read_backup_code(other)
            assert forged is None or not forged.signed(KEY, "anna")


@given(st.text(max_size=40) | st.text("ABCdef-_019", min_size=36, max_size=36))
def test_whatever_is_given_as_a_backup_code_is_read_or_not(text: str) -> None:
    found = read_backup_code(text)
    assert found is None or not found.signed(KEY, "anna")
