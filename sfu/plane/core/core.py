"""The sans-IO core of the reference plane."""

from __future__ import annotations

from collections.abc import Sequence

from sfu.plane.api import Command, Counters, Drop, DtlsReceived, Event, TransportHandle, TransportState
from sfu.plane.core.checks import Checks
from sfu.plane.core.commands import Commands
from sfu.plane.core.crypto import Crypto
from sfu.plane.core.feedback import Feedback
from sfu.plane.core.forwarding import Forwarding
from sfu.plane.core.housekeeping import Housekeeping
from sfu.plane.core.ice import SocketAddress
from sfu.plane.core.ingress import Ingress
from sfu.plane.core.outbox import Outbox
from sfu.plane.core.switching import Switching
from sfu.plane.core.tables import Tables
from sfu.plane.core.tapping import Tapping


class Core:
    """Bytes, commands and time in; datagrams and events out. No socket, no clock, no randomness.

    Calling rule: after each ``receive``, ``apply`` or ``tick`` send what is in ``datagrams`` and clear
    it, and hand on what ``drain_events`` returns. ``tick`` every 10 ms or so. ``now_us`` never falls.
    An address is whatever the socket gives, its first two items host and port; it comes back as it was.
    """

    def __init__(self, crypto: Crypto, *, wall_offset_us: int = 0) -> None:
        """``wall_offset_us`` added to ``now_us`` is Unix time, for NTP times in reports."""
        self._crypto_errors = crypto.errors
        self._tables = tables = Tables()
        self._outbox = outbox = Outbox()
        self.datagrams = outbox.datagrams
        """(datagram, address) in the order to send; the list object stays the same."""
        switching = Switching(tables, outbox)
        tapping = Tapping(outbox, switching)
        self._checks = Checks(tables, outbox, switching)
        forwarding = Forwarding(outbox, switching, crypto.errors)
        self._ingress = Ingress(tables, outbox, switching, tapping, forwarding)
        self._housekeeping = Housekeeping(tables, outbox, switching, tapping, wall_offset_us)
        self._feedback = Feedback(outbox, switching, tapping, self._housekeeping, wall_offset_us)
        self._commands = Commands(tables, outbox, switching, tapping, self._housekeeping, crypto)

    def receive(self, data: bytes, address: SocketAddress, now_us: int) -> None:
        """Take one datagram."""
        counters = self._outbox.counters
        counters.datagrams_in += 1
        counters.bytes_in += len(data)
        dropped = self._receive(data, address, now_us)
        if dropped is not None:
            counters.dropped[dropped] += 1

    def _receive(self, data: bytes, address: SocketAddress, now_us: int) -> Drop | None:
        # RFC 7983: the first byte tells what a datagram is.
        first = data[0] if data else 255
        if first <= 3:
            return self._checks.receive(data, address, now_us)
        is_media = 128 <= first <= 191
        if not is_media and not 20 <= first <= 63:
            return Drop.UNKNOWN_FIRST_BYTE

        # From here on only addresses that a check with right integrity came from; before any crypto.
        known = self._tables.addresses.get(address)
        if known is None:
            return Drop.NOT_VALIDATED
        transport, validated = known
        if not transport.cap.admit(len(data), now_us):
            return Drop.PUBLISHER_CAP
        if not is_media:
            self._outbox.ready.append(DtlsReceived(transport.handle, data))
            return None

        session = transport.session
        if session is None:
            return Drop.NO_KEYS
        is_rtcp = len(data) > 1 and 192 <= data[1] <= 223
        try:
            plain = session.unprotect_rtcp(data) if is_rtcp else session.unprotect(data)
        except self._crypto_errors:
            return Drop.UNPROTECT
        validated.heard_us = now_us
        transport.packets_received += 1
        transport.bytes_received += len(data)
        if is_rtcp:
            return self._feedback.receive(transport, plain, now_us)
        return self._ingress.receive(transport, plain, now_us)

    def apply(self, commands: Sequence[Command], now_us: int) -> None:
        """Carry out commands in order."""
        for command in commands:
            self._commands.apply(command, now_us)
        self._housekeeping.ask_for_keyframes(now_us)

    def tick(self, now_us: int) -> None:
        """Do what is due by the clock."""
        self._housekeeping.tick(now_us)

    def drain_events(self) -> list[Event]:
        """Events that are to be delivered now: DTLS and nominations, and ten times a second the rest."""
        ready = self._outbox.ready
        if not ready:
            return []
        self._outbox.ready = []
        return ready

    def drop(self, reason: Drop) -> None:
        """Count something that the shell dropped."""
        self._outbox.drop(reason)

    def counters(self) -> Counters:
        """A copy of the totals."""
        return self._outbox.copy_counters()

    def transport_state(self, transport: TransportHandle) -> TransportState | None:
        """Present state of one transport, None when it is unknown."""
        known = self._tables.transports.get(transport)
        return None if known is None else known.state()
