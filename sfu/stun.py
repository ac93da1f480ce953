"""STUN messages of an ICE-lite agent (RFC 8489, RFC 8445 section 7), read and written by aioice's classes."""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from struct import error as struct_error
from struct import unpack_from
from typing import Final

from aioice import stun as _stun

from sfu.model import ParseError

MAGIC_COOKIE: Final = 0x2112A442
HEADER_LENGTH: Final = 20
ERROR_BAD_REQUEST: Final = 400
ERROR_UNAUTHENTICATED: Final = 401
ERROR_UNKNOWN_ATTRIBUTE: Final = 420
ERROR_ROLE_CONFLICT: Final = 487

_BINDING: Final = _stun.Method.BINDING
_MESSAGE_INTEGRITY: Final = 0x0008
_INTEGRITY_LENGTH: Final = 20
_MAX_USERNAME: Final = 513
"""RFC 8489 section 14.3: at most 508 bytes; ICE allows two fragments of 256 characters and a colon."""


@dataclass(frozen=True, slots=True)
class BindingRequest:
    """A connectivity check. ``local_ufrag`` is the receiver's (the first half of USERNAME).

    ``controlling`` and ``controlled`` are the role attributes' tie-breakers, None when absent.
    Nothing here is authenticated until :func:`check_integrity` says so.
    """

    transaction_id: bytes
    local_ufrag: str
    remote_ufrag: str
    priority: int | None
    use_candidate: bool
    controlling: int | None
    controlled: int | None
    unknown_attributes: tuple[int, ...]
    """Comprehension-required attributes we do not know: answer with 420 (RFC 8489 section 6.3.1)."""
    integrity: bytes | None = field(repr=False)
    """MESSAGE-INTEGRITY as received, None when absent."""
    covered: bytes = field(repr=False)
    """The bytes before MESSAGE-INTEGRITY."""


@dataclass(frozen=True, slots=True)
class BindingSuccess:
    """A success response; ``mapped_address`` is (ip, port), None when absent."""

    transaction_id: bytes
    mapped_address: tuple[str, int] | None
    integrity: bytes | None = field(repr=False)
    covered: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class BindingError:
    """An error response; ``code`` 300 to 699, 0 when absent."""

    transaction_id: bytes
    code: int
    reason: str
    integrity: bytes | None = field(repr=False)
    covered: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class BindingIndication:
    """A keepalive that wants no answer (RFC 8445 section 11)."""

    transaction_id: bytes


Message = BindingRequest | BindingSuccess | BindingError | BindingIndication


def is_stun(data: bytes | bytearray | memoryview) -> bool:
    """Whether a datagram claims to be STUN: first byte 0 to 3 (RFC 7983) and the magic cookie."""
    return len(data) >= HEADER_LENGTH and data[0] <= 3 and bytes(data[4:8]) == b"\x21\x12\xa4\x42"


def parse(data: bytes) -> Message:
    """Read one Binding message; FINGERPRINT is checked when present.

    Raises ParseError for anything else, also for a request without a USERNAME of two halves.
    """
    if not is_stun(data):
        raise ParseError("not a STUN message", 0)
    unknown, covered_length = _walk(data)
    try:
        message = _stun.parse_message(data)
    except (ValueError, struct_error, IndexError) as error:
        raise ParseError(f"STUN message is malformed: {error}", HEADER_LENGTH) from None
    if message.message_method != _BINDING:
        raise ParseError("STUN method is not Binding", 0)
    attributes = message.attributes
    integrity: bytes | None = attributes.get("MESSAGE-INTEGRITY")
    covered = data[:covered_length]
    transaction_id = message.transaction_id
    if message.message_class == _stun.Class.REQUEST:
        username: str = attributes.get("USERNAME", "")
        local_ufrag, colon, remote_ufrag = username.partition(":")
        if not colon or not local_ufrag or not remote_ufrag or len(username) > _MAX_USERNAME:
            raise ParseError("STUN USERNAME is not two fragments", HEADER_LENGTH)
        return BindingRequest(
            transaction_id=transaction_id,
            local_ufrag=local_ufrag,
            remote_ufrag=remote_ufrag,
            priority=attributes.get("PRIORITY"),
            use_candidate="USE-CANDIDATE" in attributes,
            controlling=attributes.get("ICE-CONTROLLING"),
            controlled=attributes.get("ICE-CONTROLLED"),
            unknown_attributes=unknown,
            integrity=integrity,
            covered=covered,
        )
    if message.message_class == _stun.Class.RESPONSE:
        return BindingSuccess(transaction_id, attributes.get("XOR-MAPPED-ADDRESS"), integrity, covered)
    if message.message_class == _stun.Class.ERROR:
        code, reason = attributes.get("ERROR-CODE", (0, ""))
        return BindingError(transaction_id, code, reason, integrity, covered)
    return BindingIndication(transaction_id)


def _walk(data: bytes) -> tuple[tuple[int, ...], int]:
    """Attributes we do not know but must, and the length covered by MESSAGE-INTEGRITY."""
    unknown: list[int] = []
    end = covered = len(data)
    if HEADER_LENGTH + unpack_from("!H", data, 2)[0] != end:
        raise ParseError("STUN length does not match", 2)
    pos = HEADER_LENGTH
    while pos < end:
        if pos + 4 > end:
            raise ParseError("STUN attribute is cut short", pos)
        kind, length = unpack_from("!HH", data, pos)
        if pos + 4 + length > end:
            raise ParseError("STUN attribute is cut short", pos)
        if kind == _MESSAGE_INTEGRITY and length != _INTEGRITY_LENGTH:
            raise ParseError("STUN MESSAGE-INTEGRITY is not 20 bytes", pos)
        if covered == end:  # what follows MESSAGE-INTEGRITY is not authenticated
            if kind == _MESSAGE_INTEGRITY:
                covered = pos
            elif kind < 0x8000 and kind not in _stun.ATTRIBUTES_BY_TYPE:
                unknown.append(kind)
        pos += 4 + length + (-length % 4)
    return tuple(unknown), covered


def check_integrity(message: BindingRequest | BindingSuccess | BindingError, password: str) -> bool:
    """Whether MESSAGE-INTEGRITY is there and made with this short-term password (RFC 8489 section 9.1)."""
    if message.integrity is None:
        return False
    expected = _stun.message_integrity(message.covered, password.encode())
    return hmac.compare_digest(expected, message.integrity)


def build_binding_success(transaction_id: bytes, address: tuple[str, int], password: str) -> bytes:
    """The answer to a check that came from ``address`` (ip, port), with integrity and fingerprint."""
    message = _stun.Message(_BINDING, _stun.Class.RESPONSE, transaction_id, {"XOR-MAPPED-ADDRESS": address})
    message.add_message_integrity(password.encode())
    return bytes(message)


def build_error(transaction_id: bytes, code: int, reason: str, password: str | None = None) -> bytes:
    """An error response; without a password it carries no integrity (400 and 401)."""
    message = _stun.Message(_BINDING, _stun.Class.ERROR, transaction_id, {"ERROR-CODE": (code, reason)})
    if password is None:
        message.add_fingerprint()
    else:
        message.add_message_integrity(password.encode())
    return bytes(message)


def build_binding_request(
    transaction_id: bytes,
    *,
    local_ufrag: str,
    remote_ufrag: str,
    remote_password: str,
    priority: int,
    use_candidate: bool = False,
    controlling: int | None = None,
    controlled: int | None = None,
) -> bytes:
    """A check as a full agent sends it (tests, load clients); ``local_ufrag`` is the sender's own."""
    attributes: dict[str, object] = {"USERNAME": f"{remote_ufrag}:{local_ufrag}", "PRIORITY": priority}
    if controlling is not None:
        attributes["ICE-CONTROLLING"] = controlling
    if controlled is not None:
        attributes["ICE-CONTROLLED"] = controlled
    if use_candidate:
        attributes["USE-CANDIDATE"] = None
    message = _stun.Message(_BINDING, _stun.Class.REQUEST, transaction_id, attributes)
    message.add_message_integrity(remote_password.encode())
    return bytes(message)
