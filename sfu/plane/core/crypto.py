"""What the core needs of SRTP, so that it can be run with the real one or with none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from sfu.plane.api import SrtpProfile

Transform = Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True)
class Session:
    """One peer's SRTP in both directions; each function takes and returns one whole packet."""

    unprotect: Transform
    unprotect_rtcp: Transform
    protect: Transform
    protect_rtcp: Transform


class Crypto(Protocol):
    """Makes sessions."""

    @property
    def errors(self) -> tuple[type[Exception], ...]:
        """What the functions of a session raise for a packet they refuse."""

    def session(self, profile: SrtpProfile, receive_key: bytes, send_key: bytes) -> Session:
        """Both directions of one peer; raises ValueError when a key is too short."""


class NullCrypto:
    """No protection at all: for tests that look at plain packets."""

    errors: tuple[type[Exception], ...] = (ValueError,)

    def session(self, profile: SrtpProfile, receive_key: bytes, send_key: bytes) -> Session:  # noqa: ARG002
        """A session that hands every packet back as it came."""
        return Session(_same, _same, _same, _same)


def _same(packet: bytes) -> bytes:
    return packet
