"""Join codes and participant ids. Pure but for the random numbers, which are arguments."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from typing import Final

from sfu.model import Role

_CROCKFORD: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_READ_AS: Final = str.maketrans({"O": "0", "I": "1", "L": "1"})
CODE_LENGTH: Final = 13
"""13 characters of 5 bits: 65 bits."""
CODE_BITS: Final = 5 * CODE_LENGTH


def new_code() -> str:
    """A join code nobody can guess."""
    return code_from(secrets.randbits(CODE_BITS))


def code_from(number: int) -> str:
    """A number below 2**65 in Crockford's base32."""
    return "".join(_CROCKFORD[number >> shift & 31] for shift in range(CODE_BITS - 5, -1, -5))


def read_code(text: str) -> str | None:
    """A code as typed (any case, hyphens, O for 0, I and L for 1); None when it cannot be one."""
    code = text.strip().upper().replace("-", "").translate(_READ_AS)
    return code if len(code) == CODE_LENGTH and all(c in _CROCKFORD for c in code) else None


def new_id() -> str:
    """A random id of 80 bits for a lesson or a device, 16 lower-case letters and digits."""
    return _base32(secrets.token_bytes(10))


def participant_of_device(key: bytes, lesson: str, role: Role, device: str) -> str:
    """Who a browser is in a lesson and role: the same one each time, and not to be linked across lessons.

    The role is part of it: a co-teacher who tries the students' link is another participant there, so no
    one's role ever changes.
    """
    return _participant(key, role.value, lesson, device)


def participant_of_teacher(key: bytes, lesson: str, teacher: str) -> str:
    """Who a signed-in teacher is in a lesson, whatever browser it is."""
    return _participant(key, Role.TEACHER.value, lesson, teacher)


def _participant(key: bytes, kind: str, lesson: str, who: str) -> str:
    digest = hmac.new(key, f"{kind}\0{lesson}\0{who}".encode(), hashlib.sha256).digest()
    return _base32(digest[:10])


def _base32(data: bytes) -> str:
    return base64.b32encode(data).decode().rstrip("=").lower()
