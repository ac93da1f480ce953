"""Connectivity checks: the only way by which an address becomes one of a peer."""

from __future__ import annotations

from sfu import stun
from sfu.model import ParseError
from sfu.plane.api import AddressNominated, Drop
from sfu.plane.core.ice import SocketAddress, plain_address
from sfu.plane.core.outbox import Outbox
from sfu.plane.core.switching import Switching
from sfu.plane.core.tables import Tables
from sfu.plane.core.transport import Transport


class Checks:
    """Answers Binding requests as an ICE-lite agent (RFC 8445 section 7.3)."""

    def __init__(self, tables: Tables, outbox: Outbox, switching: Switching) -> None:
        self._tables = tables
        self._outbox = outbox
        self._switching = switching

    def receive(self, data: bytes, address: SocketAddress, now_us: int) -> Drop | None:
        """One STUN datagram; returns why it was not answered."""
        try:
            request = stun.parse(data)
        except ParseError:
            return Drop.STUN_MALFORMED
        if not isinstance(request, stun.BindingRequest):
            # We send no requests, so no answer is ours; an indication asks for nothing.
            return None if isinstance(request, stun.BindingIndication) else Drop.STUN_UNKNOWN_USER
        tables = self._tables
        transport = tables.ufrags.get(request.local_ufrag)
        if transport is None:
            return Drop.STUN_UNKNOWN_USER
        ice = transport.ice
        credentials = ice.authenticate(request)
        if isinstance(credentials, Drop):
            return credentials
        password = credentials.local_pwd
        if request.unknown_attributes:
            self._refuse(request, address, stun.ERROR_UNKNOWN_ATTRIBUTE, "Unknown Attribute", password)
            return Drop.STUN_MALFORMED
        if request.controlled is not None:
            # A lite agent is never controlling (RFC 8445 section 7.3.1.1).
            self._refuse(request, address, stun.ERROR_ROLE_CONFLICT, "Role Conflict", password)
            return None

        restarted = credentials is ice.credentials and ice.old_credentials is not None
        old_ufrag = ice.old_credentials.local_ufrag if restarted and ice.old_credentials else None
        before = ice.selected
        evicted = ice.check(request, credentials, address, now_us)
        if old_ufrag is not None and old_ufrag != credentials.local_ufrag:
            tables.ufrags.pop(old_ufrag, None)
        if evicted is not None:
            tables.addresses.pop(evicted, None)
        known = tables.addresses.get(address)
        if known is not None and known[0] is not transport:
            self._give_up(known[0], address)
        tables.addresses[address] = (transport, ice.addresses[address])
        was_ready = transport.ready
        if ice.selected is not None and (ice.selected == address or not transport.consent_lost):
            transport.address = ice.selected
            transport.consent_lost = False
        if transport.ready and not was_ready:
            self._switching.receiver_ready(transport)
        self._outbox.send(
            stun.build_binding_success(request.transaction_id, plain_address(address), password), address
        )
        if ice.selected != before and ice.selected is not None:
            self._outbox.ready.append(AddressNominated(transport.handle, plain_address(ice.selected)))
        return None

    def _give_up(self, former: Transport, address: SocketAddress) -> None:
        """The address proved to be another peer's now (a NAT gave it anew)."""
        former.ice.forget(address)
        if former.address == address:
            former.address = None
            self._switching.hold_slots(former)

    def _refuse(
        self, request: stun.BindingRequest, address: SocketAddress, code: int, reason: str, password: str
    ) -> None:
        self._outbox.send(stun.build_error(request.transaction_id, code, reason, password), address)
