"""Join codes and participant ids. Pure but for the random numbers, which are arguments."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass
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


_BACKUP_ROLES: Final = (Role.STUDENT, Role.TEACHER)
_ID_BYTES: Final = 10
_MAC_BYTES: Final = 16
BACKUP_LENGTH: Final = 36


@dataclass(frozen=True, slots=True)
class Backup:
    """What a backup code says; believe it only once ``signed`` has checked it."""

    lesson: str
    role: Role
    mac: bytes

    def signed(self, key: bytes, teacher: str = "") -> bool:
        """Whether it is ours: a student's for everybody, a teacher's for this teacher only."""
        return hmac.compare_digest(self.mac, _backup_mac(key, self.lesson, self.role, teacher))


def backup_code(key: bytes, lesson: str, role: Role, teacher: str) -> str:
    """The code of a link that can be read without a database: lesson and role, signed. Students' and the
    teacher's own."""
    mac = _backup_mac(key, lesson, role, teacher)
    data = base64.b32decode(lesson.upper()) + bytes((_BACKUP_ROLES.index(role),)) + mac
    return base64.urlsafe_b64encode(data).decode()


def read_backup_code(text: str) -> Backup | None:
    """None for what is no backup code."""
    if len(text) != BACKUP_LENGTH:
        return None
    try:
        data = base64.b64decode(text, altchars=b"-_", validate=True)
    except ValueError:
        return None
    role = data[_ID_BYTES]
    if role >= len(_BACKUP_ROLES):
        return None
    return Backup(_base32(data[:_ID_BYTES]), _BACKUP_ROLES[role], data[_ID_BYTES + 1 :])


def _backup_mac(key: bytes, lesson: str, role: Role, teacher: str) -> bytes:
    whose = teacher if role is Role.TEACHER else ""
    message = f"backup link\0{lesson}\0{role.value}\0{whose}".encode()
    return hmac.new(key, message, hashlib.sha256).digest()[:_MAC_BYTES]


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
