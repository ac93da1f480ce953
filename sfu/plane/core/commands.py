"""Carries out the contract's commands."""

from __future__ import annotations

from sfu.plane import api
from sfu.plane.api import Command, Drop
from sfu.plane.core.crypto import Crypto
from sfu.plane.core.housekeeping import Housekeeping
from sfu.plane.core.ice import Credentials
from sfu.plane.core.outbox import Outbox
from sfu.plane.core.redundancy import MAX_DISTANCE
from sfu.plane.core.slot import Slot
from sfu.plane.core.source import Source
from sfu.plane.core.switching import Switching
from sfu.plane.core.tables import Tables
from sfu.plane.core.tapping import Tapping
from sfu.plane.core.taps import Tap
from sfu.plane.core.transport import Transport


class Commands:
    """One command at a time. What names an unknown handle is ignored and counted."""

    def __init__(
        self,
        tables: Tables,
        outbox: Outbox,
        switching: Switching,
        tapping: Tapping,
        housekeeping: Housekeeping,
        crypto: Crypto,
    ) -> None:
        self._tables = tables
        self._outbox = outbox
        self._switching = switching
        self._tapping = tapping
        self._housekeeping = housekeeping
        self._crypto = crypto

    def apply(self, command: Command, now_us: int) -> None:
        """Carry out one command."""
        done = True
        match command:
            case api.SetForward():
                done = self._set_forward(command, now_us)
            case api.SendDtls():
                done = self._send_dtls(command)
            case api.SetRedundancy():
                done = self._set_redundancy(command)
            case api.SetGate():
                done = self._set_gate(command)
            case api.RequestKeyframe():
                done = self._request_keyframe(command)
            case api.SetIngressEstimate():
                done = self._set_estimate(command)
            case api.SetPacing():
                done = command.transport in self._tables.transports
            case api.AddTransport():
                done = self._add_transport(command, now_us)
            case api.RestartIce():
                done = self._restart_ice(command)
            case api.SetKeys():
                done = self._set_keys(command)
            case api.RemoveTransport():
                done = self._remove_transport(command)
            case api.AddSource():
                done = self._add_source(command)
            case api.AddSlot():
                done = self._add_slot(command)
            case api.AddTap():
                done = self._add_tap(command)
            case api.RemoveTap():
                done = self._remove_tap(command.tap)
        if not done:
            self._outbox.drop(Drop.UNKNOWN_HANDLE)

    def _add_transport(self, command: api.AddTransport, now_us: int) -> bool:
        tables = self._tables
        if command.transport in tables.transports or command.local_ufrag in tables.ufrags:
            return False
        transport = Transport(command, now_us)
        tables.transports[command.transport] = transport
        tables.ufrags[command.local_ufrag] = transport
        self._housekeeping.add(transport)
        return True

    def _restart_ice(self, command: api.RestartIce) -> bool:
        transport = self._tables.transports.get(command.transport)
        if transport is None or command.local_ufrag in self._tables.ufrags:
            return False
        ice = transport.ice
        if ice.old_credentials is not None:
            # Restarted twice before a check came: the ones in between were never used.
            self._tables.ufrags.pop(ice.credentials.local_ufrag, None)
        ice.restart(Credentials(command.local_ufrag, command.local_pwd, command.remote_ufrag))
        self._tables.ufrags[command.local_ufrag] = transport
        return True

    def _set_keys(self, command: api.SetKeys) -> bool:
        transport = self._tables.transports.get(command.transport)
        if transport is None:
            return False
        transport.session = self._crypto.session(command.profile, command.receive_key, command.send_key)
        if transport.ready:
            self._switching.receiver_ready(transport)
        return True

    def _send_dtls(self, command: api.SendDtls) -> bool:
        transport = self._tables.transports.get(command.transport)
        if transport is None:
            return False
        address = transport.ice.best
        if address is None or transport.consent_lost:
            self._outbox.drop(Drop.NO_ADDRESS)
        else:
            self._outbox.send(command.datagram, address)
        return True

    def _remove_transport(self, command: api.RemoveTransport) -> bool:
        tables = self._tables
        transport = tables.transports.pop(command.transport, None)
        if transport is None:
            return False
        self._housekeeping.remove(transport)
        tables.unestimated_transports.pop(transport, None)
        for credentials in (transport.ice.credentials, transport.ice.old_credentials):
            if credentials is not None:
                tables.ufrags.pop(credentials.local_ufrag, None)
        for address in transport.ice.addresses:
            tables.addresses.pop(address, None)
        for slot in transport.slots:
            self._switching.release(slot)
            tables.slots.pop(slot.handle, None)
            tables.unreported_slots.pop(slot, None)
        for source in transport.sources:
            self._remove_source(source)
        return True

    def _remove_source(self, source: Source) -> None:
        tables = self._tables
        self._switching.remove(source)
        for tap in tuple(source.taps):
            self._remove_tap(tap.number)
        for layer in source.layers:
            layer.cache.clear()  # slots that showed it may go on pointing there
            tables.missing_layers.pop(layer, None)
        source.open = False  # so that nothing is repaired from caches of former SSRCs either
        tables.keyframe_sources.pop(source, None)
        tables.active_sources.pop(source, None)
        tables.levels.forget(source.handle)
        tables.sources.pop(source.handle, None)

    def _add_source(self, command: api.AddSource) -> bool:
        tables = self._tables
        transport = tables.transports.get(command.transport)
        if transport is None or command.source in tables.sources:
            return False
        source = Source(command, transport)
        tables.sources[command.source] = source
        transport.sources.append(source)
        return True

    def _set_gate(self, command: api.SetGate) -> bool:
        source = self._tables.sources.get(command.source)
        if source is None:
            return False
        if source.open == command.open:
            return True
        source.open = command.open
        if command.open:
            for layer in source.layers:
                if layer.waiting:
                    self._switching.want_keyframe(layer)
            self._tapping.resume(source)
        else:
            self._tables.levels.forget(source.handle)
            for layer in source.layers:
                layer.nack.clear()
            self._switching.hold(source)
            self._tapping.hold(source)
        return True

    def _add_slot(self, command: api.AddSlot) -> bool:
        tables = self._tables
        transport = tables.transports.get(command.transport)
        if transport is None or command.slot in tables.slots:
            return False
        slot = Slot(command, transport)
        tables.slots[command.slot] = slot
        transport.slots.append(slot)
        transport.slots_by_ssrc[command.ssrc] = slot
        return True

    def _set_forward(self, command: api.SetForward, now_us: int) -> bool:
        slot = self._tables.slots.get(command.slot)
        if slot is None:
            return False
        if command.source is None:
            self._switching.empty(slot)
            return True
        source = self._tables.sources.get(command.source)
        if source is None or source.video != slot.video:
            # The source may just have gone; what was shown before is not wanted any more either.
            self._switching.empty(slot)
            return False
        slot.wanted_temporal = min(max(command.temporal, 0), api.ALL_TEMPORAL)
        self._switching.show(slot, source, command.layer, now_us)
        return True

    def _set_redundancy(self, command: api.SetRedundancy) -> bool:
        transport = self._tables.transports.get(command.transport)
        if transport is None:
            return False
        transport.redundancy = min(max(command.distance, 0), MAX_DISTANCE)
        return True

    def _request_keyframe(self, command: api.RequestKeyframe) -> bool:
        source = self._tables.sources.get(command.source)
        if source is None:
            return False
        for layer in source.layers:
            if source.alive(layer):
                self._switching.want_keyframe(layer)
        return True

    def _set_estimate(self, command: api.SetIngressEstimate) -> bool:
        transport = self._tables.transports.get(command.transport)
        if transport is None:
            return False
        transport.estimate_bps = command.bps
        self._housekeeping.send_estimate(transport)
        return True

    def _add_tap(self, command: api.AddTap) -> bool:
        tables = self._tables
        source = tables.sources.get(command.source)
        if source is None or command.tap in tables.taps:
            return False
        tap = tables.taps[command.tap] = Tap(command, source)
        self._tapping.add(tap)
        return True

    def _remove_tap(self, number: int) -> bool:
        tables = self._tables
        tap = tables.taps.pop(number, None)
        if tap is None:
            return False
        self._tapping.remove(tap)
        return True
