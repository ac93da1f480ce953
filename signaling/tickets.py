"""Signed things people carry: tickets, teachers' one-time keys, library keys, cookies. PyJWT, HS256 only.

A key file holds one secret a line: the first signs, the second (the former one) still verifies, so keys
can be changed without turning anybody away.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import jwt

from sfu.model import Refused, Role

TICKET_LIFETIME_S: Final = 120
TEACHER_DAY_S: Final = 24 * 3600
ONE_TIME_KEY_LIFETIME_S: Final = 24 * 3600
DEVICE_LIFETIME_S: Final = 365 * 24 * 3600
LIBRARY_LIFETIME_S: Final = 30 * 24 * 3600
MIN_SECRET_BYTES: Final = 32
_ALGORITHM: Final = "HS256"


class KeyRing:
    """At most two live secrets by key id (the start of their SHA-256)."""

    def __init__(self, secrets_: list[bytes]) -> None:
        """Raises ValueError for none, more than two, or short ones."""
        if not 1 <= len(secrets_) <= 2:
            raise ValueError("a key file holds one or two secrets")
        if any(len(secret) < MIN_SECRET_BYTES for secret in secrets_):
            raise ValueError(f"a secret has at least {MIN_SECRET_BYTES} characters")
        self._keys = {hashlib.sha256(secret).hexdigest()[:12]: secret for secret in secrets_}
        self._signing = hashlib.sha256(secrets_[0]).hexdigest()[:12]
        self._headers = {_header(kid, secret): secret for kid, secret in self._keys.items()}
        """Secrets by the header as we write it: to read it costs as much as to verify the rest."""

    @classmethod
    def read(cls, path: Path) -> KeyRing:
        """From a key file; raises OSError, ValueError."""
        return cls([line.strip() for line in path.read_bytes().splitlines() if line.strip()])

    @property
    def secret(self) -> bytes:
        """The secret that signs."""
        return self._keys[self._signing]

    def ballot(self, lesson: str, participant: str) -> str:
        """Stands for a participant in anonymous answers: without the key nobody can tell whose it is."""
        message = "\0".join(("ballot", lesson, participant)).encode()
        return hmac.new(self.secret, message, hashlib.sha256).hexdigest()

    def sign(self, claims: dict[str, Any], audience: str, now_s: int, lifetime_s: int) -> str:
        """A compact JWT with kid, aud, iat and exp."""
        return jwt.encode(
            {**claims, "aud": audience, "iat": now_s, "exp": now_s + lifetime_s},
            self.secret,
            algorithm=_ALGORITHM,
            headers={"kid": self._signing},
        )

    def verify(self, token: str, audience: str, now_s: int) -> dict[str, Any]:
        """The claims; raises jwt.InvalidTokenError (ExpiredSignatureError when only its time is over)."""
        claims = _decode(token, self._secret_of(token), audience)
        expires = claims["exp"]
        if not isinstance(expires, int) or isinstance(expires, bool):
            raise jwt.InvalidTokenError("exp is not a number")
        if now_s >= expires:
            raise jwt.ExpiredSignatureError("expired")
        return claims

    def _secret_of(self, token: str) -> bytes:
        secret = self._headers.get(token.partition(".")[0])
        if secret is None:  # another version's way of writing it
            kid = jwt.get_unverified_header(token).get("kid")
            secret = self._keys.get(kid) if isinstance(kid, str) else None
        if secret is None:
            raise jwt.InvalidTokenError("unknown key id")
        return secret


def _header(kid: str, secret: bytes) -> str:
    return jwt.encode({}, secret, algorithm=_ALGORITHM, headers={"kid": kid}).partition(".")[0]


def _decode(token: str, secret: bytes, audience: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(
        token,
        secret,
        algorithms=[_ALGORITHM],
        audience=audience,
        options={"require": ["exp", "aud"], "verify_exp": False, "verify_iat": False, "verify_nbf": False},
    )
    return claims


@dataclass(frozen=True, slots=True)
class Ticket:
    """The right to enter one lesson as one participant in one role."""

    participant: str
    lesson: str
    role: Role
    name: str


def issue_ticket(keys: KeyRing, ticket: Ticket, now_s: int) -> str:
    """A ticket good for TICKET_LIFETIME_S."""
    claims = {
        "sub": ticket.participant,
        "lesson": ticket.lesson,
        "role": ticket.role.value,
        "name": ticket.name,
    }
    return keys.sign(claims, "lesson", now_s, TICKET_LIFETIME_S)


def read_ticket(keys: KeyRing, token: str, now_s: int) -> Ticket:
    """Raises Refused ``ticket_bad`` or ``ticket_expired``."""
    try:
        claims = keys.verify(token, "lesson", now_s)
        return Ticket(str(claims["sub"]), str(claims["lesson"]), Role(claims["role"]), str(claims["name"]))
    except jwt.ExpiredSignatureError:
        raise Refused("ticket_expired") from None
    except (jwt.InvalidTokenError, KeyError, ValueError):
        raise Refused("ticket_bad") from None


@dataclass(frozen=True, slots=True)
class OneTimeKey:
    """A teacher's printed key: ``jti`` may be used once."""

    teacher: str
    jti: str


def issue_one_time_key(
    keys: KeyRing, teacher: str, now_s: int, lifetime_s: int = ONE_TIME_KEY_LIFETIME_S
) -> str:
    """The fragment of a teacher's link (``/t#<key>``). ``teacher`` is the id it signs in as."""
    return keys.sign({"sub": teacher, "jti": secrets.token_urlsafe(12)}, "sign-in", now_s, lifetime_s)


def read_one_time_key(keys: KeyRing, token: str, now_s: int) -> OneTimeKey:
    """Raises Refused ``sign_in_key_bad``, also when expired. Whether it was used only the catalog knows."""
    try:
        claims = keys.verify(token, "sign-in", now_s)
        return OneTimeKey(str(claims["sub"]), str(claims["jti"]))
    except (jwt.InvalidTokenError, KeyError):
        raise Refused("sign_in_key_bad") from None


def issue_library_key(keys: KeyRing, now_s: int, lifetime_s: int = LIBRARY_LIFETIME_S) -> str:
    """The fragment of a library link (``/library#<key>``); whoever holds it may look until it is over."""
    return keys.sign({"jti": secrets.token_urlsafe(12)}, "library-key", now_s, lifetime_s)


def check_library_key(keys: KeyRing, token: str, now_s: int) -> None:
    """Raises Refused ``library_key_bad``, also when expired."""
    try:
        keys.verify(token, "library-key", now_s)
    except jwt.InvalidTokenError:
        raise Refused("library_key_bad") from None


def issue_cookie(keys: KeyRing, audience: str, subject: str, now_s: int, lifetime_s: int) -> str:
    """Value of a signed cookie; ``audience`` is "teacher", "library", "device" or "turn"."""
    return keys.sign({"sub": subject}, audience, now_s, lifetime_s)


def read_cookie(keys: KeyRing, audience: str, token: str | None, now_s: int) -> str | None:
    """The subject of a signed cookie, None when it is missing, foreign or over."""
    if not token or len(token) > 1024:
        return None
    try:
        return str(keys.verify(token, audience, now_s)["sub"])
    except (jwt.InvalidTokenError, KeyError):
        return None
