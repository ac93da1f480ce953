"""ICE-lite for one transport (RFC 8445): credentials, validated addresses, nomination, consent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sfu import stun
from sfu.plane.api import CONSENT_TIMEOUT_US, Address, Drop

SocketAddress = tuple[Any, ...]
"""What the socket gives and takes: (host, port), or (host, port, flow, scope) of IPv6.

Opaque but for the first two items."""

MAX_ADDRESSES: Final = 8
_TIE_US: Final = 1_000_000
_LIVE_US: Final = 3_000_000


def plain_address(address: SocketAddress) -> Address:
    """(ip, port), IPv4 peers of a dual-stack socket as plain IPv4."""
    host: str = address[0]
    return (host.removeprefix("::ffff:") if "." in host else host, address[1])


@dataclass(frozen=True, slots=True)
class Credentials:
    """Both sides' user fragments and the password that the peer's checks are made with."""

    local_ufrag: str
    local_pwd: str
    remote_ufrag: str


class ValidatedAddress:
    """An address from which a check with right integrity came."""

    __slots__ = ("checked_us", "generation", "heard_us", "nominated_us", "priority")

    def __init__(self, generation: int) -> None:
        self.checked_us = 0
        self.heard_us = 0
        self.nominated_us = 0
        self.priority = 0
        self.generation = generation


class IceLite:
    """The answering side of checks. Media goes to ``selected``; DTLS may go to ``best`` before.

    Of two nominations within a second the higher PRIORITY holds; later the last one does, but an
    address that is heard from is not left for one of lower priority. After a restart the first
    nomination with the new credentials holds whatever its priority.
    """

    __slots__ = ("_last_validated", "addresses", "credentials", "generation", "old_credentials", "selected")

    def __init__(self, credentials: Credentials) -> None:
        self.credentials = credentials
        self.old_credentials: Credentials | None = None
        """Valid until the first check with the new ones succeeds (RFC 8445 section 9)."""
        self.generation = 0
        self.addresses: dict[SocketAddress, ValidatedAddress] = {}
        self.selected: SocketAddress | None = None
        self._last_validated: SocketAddress | None = None

    @property
    def best(self) -> SocketAddress | None:
        """The nominated address, else the last validated one."""
        return self.selected if self.selected is not None else self._last_validated

    def restart(self, credentials: Credentials) -> None:
        """New credentials; the old ones go on until the new ones are used."""
        if self.old_credentials is None:
            self.old_credentials = self.credentials
        self.credentials = credentials
        self.generation += 1

    def authenticate(self, request: stun.BindingRequest) -> Credentials | Drop:
        """The credentials that the request was made with, or why it is dropped without an answer.

        Neither error is answered: an answer to an address nobody vouches for is an amplifier.
        """
        known = False
        for credentials in (self.credentials, self.old_credentials):
            if (
                credentials is None
                or credentials.local_ufrag != request.local_ufrag
                or credentials.remote_ufrag != request.remote_ufrag
            ):
                continue
            known = True
            if stun.check_integrity(request, credentials.local_pwd):
                return credentials
        return Drop.STUN_INTEGRITY if known else Drop.STUN_UNKNOWN_USER

    def check(
        self, request: stun.BindingRequest, credentials: Credentials, address: SocketAddress, now_us: int
    ) -> SocketAddress | None:
        """A check with right integrity came; returns an address that fell out to make room."""
        if credentials is self.credentials:
            self.old_credentials = None
        evicted: SocketAddress | None = None
        entry = self.addresses.get(address)
        if entry is None:
            if len(self.addresses) >= MAX_ADDRESSES:
                evicted = min(
                    (known for known in self.addresses if known != self.selected),
                    key=lambda known: self.addresses[known].heard_us,
                )
                del self.addresses[evicted]
            entry = self.addresses[address] = ValidatedAddress(self.generation)
        entry.checked_us = entry.heard_us = now_us
        self._last_validated = address
        if request.use_candidate:
            generation = self.generation if credentials is self.credentials else self.generation - 1
            self._nominate(address, entry, request.priority or 0, generation, now_us)
        return evicted

    def _nominate(
        self, address: SocketAddress, entry: ValidatedAddress, priority: int, generation: int, now_us: int
    ) -> None:
        current = None if self.selected is None else self.addresses[self.selected]
        if current is None or current is entry or generation > current.generation:
            wins = True
        elif generation < current.generation:
            wins = False
        elif now_us - current.nominated_us < _TIE_US:
            wins = priority > current.priority
        else:
            wins = priority >= current.priority or now_us - current.heard_us > _LIVE_US
        if wins:
            entry.priority = priority
            entry.generation = generation
            # A refresh of the same address is no new nomination: the tie window is not prolonged.
            if current is not entry:
                entry.nominated_us = now_us
            self.selected = address

    def forget(self, address: SocketAddress) -> None:
        """The address now belongs to another peer."""
        self.addresses.pop(address, None)
        if self.selected == address:
            self.selected = None
        if self._last_validated == address:
            self._last_validated = None

    def has_consent(self, now_us: int) -> bool:
        """Whether the selected address was checked within 30 s (RFC 7675)."""
        if self.selected is None:
            return False
        return now_us - self.addresses[self.selected].checked_us <= CONSENT_TIMEOUT_US
