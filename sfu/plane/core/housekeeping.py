"""What is done by the clock: requests upstream, reports, liveness, the batch of events."""

from __future__ import annotations

from typing import Final

from sfu import rtcp
from sfu.plane.api import EVENT_INTERVAL_US, ConsentLost, Levels, SourceState
from sfu.plane.core import reports
from sfu.plane.core.outbox import Outbox
from sfu.plane.core.source import Source
from sfu.plane.core.switching import Switching
from sfu.plane.core.tables import Tables
from sfu.plane.core.tapping import Tapping
from sfu.plane.core.transport import Transport

_WHEEL_US: Final = 10_000
_WHEEL_SLOTS: Final = 100
_REPORTS_A_SECOND: Final = 4
"""Receiver reports to who sends: by their absence a page learns within a second that its line is dead."""
_ROUND_TRIP_US: Final = 100_000
"""A publisher's round trip before its first report block and its first repair."""
_RECEIVING_US: Final = 1_000_000


class Housekeeping:
    """One ``tick`` every 10 ms or so. Each transport's second falls on its own tick, to spread the work."""

    def __init__(
        self,
        tables: Tables,
        outbox: Outbox,
        switching: Switching,
        tapping: Tapping,
        wall_offset_us: int,
    ) -> None:
        self._tables = tables
        self._outbox = outbox
        self._switching = switching
        self._tapping = tapping
        self._wall_offset_us = wall_offset_us
        self._wheel: list[dict[Transport, None]] = [{} for _ in range(_WHEEL_SLOTS)]
        self._wheel_position: int | None = None
        self._batch_us: int | None = None

    def add(self, transport: Transport) -> None:
        """Care for a new transport once a second."""
        self._wheel[transport.handle % _WHEEL_SLOTS][transport] = None

    def remove(self, transport: Transport) -> None:
        """No more."""
        self._wheel[transport.handle % _WHEEL_SLOTS].pop(transport, None)

    def tick(self, now_us: int) -> None:
        """Do what is due."""
        self._switching.expire(now_us)
        self._ask_for_packets(now_us)
        self.ask_for_keyframes(now_us)
        self._first_reports(now_us)
        self._first_estimates()
        self._turn_wheel(now_us)
        if self._batch_us is None:
            self._batch_us = now_us
        elif now_us - self._batch_us >= EVENT_INTERVAL_US:
            elapsed_us = now_us - self._batch_us
            self._batch_us = now_us
            self._batch(elapsed_us)

    def send_feedback(self, transport: Transport, packet: bytes) -> bool:
        """Protect and queue one RTCP datagram; False when there is nowhere to send it."""
        session = transport.session
        address = transport.address
        if session is None or address is None:
            return False
        transport.packets_sent_before += 1
        transport.bytes_sent_before += len(packet)
        self._outbox.send(session.protect_rtcp(packet), address)
        return True

    def send_estimate(self, transport: Transport) -> None:
        """REMB now."""
        packet = reports.estimate(transport)
        if packet is not None:
            self.send_feedback(transport, packet)

    def _ask_for_packets(self, now_us: int) -> None:
        missing = self._tables.missing_layers
        for layer in list(missing):
            transport = layer.source.transport
            nack = layer.nack
            round_trip_us = transport.round_trip_us or nack.round_trip_us or _ROUND_TRIP_US
            numbers = nack.due(now_us, round_trip_us)
            if numbers and layer.ssrc is not None:
                packet = rtcp.build_nack(transport.reporter_ssrc, layer.ssrc, numbers)
                if self.send_feedback(transport, packet):
                    self._outbox.counters.nacks_sent += 1
            if not nack:
                del missing[layer]

    def ask_for_keyframes(self, now_us: int) -> None:
        """Send the keyframe requests that are wanted and within the throttle."""
        waiting = self._tables.keyframe_sources
        for source in list(waiting):
            receiving = source.media_us is not None and now_us - source.media_us < _RECEIVING_US
            waited_for = {layer.index for layer in source.layers if layer.waiting}
            waited_for.update(tap.pending.index for tap in source.taps if tap.pending is not None)
            asked = source.keyframes.due(now_us, receiving=receiving, waited_for=waited_for)
            for index in asked:
                ssrc = source.layers[index].ssrc
                if ssrc is None:
                    continue
                packet = rtcp.build_pli(source.transport.reporter_ssrc, ssrc)
                if self.send_feedback(source.transport, packet):
                    self._outbox.counters.keyframe_requests_sent += 1
            if not source.keyframes.wanted:
                del waiting[source]

    def _first_reports(self, now_us: int) -> None:
        unreported = self._tables.unreported_slots
        if not unreported:
            return
        by_transport: dict[Transport, list[bytes]] = {}
        for slot in list(unreported):
            report = reports.sender_report(slot, now_us, self._wall_offset_us)
            if report is not None:
                by_transport.setdefault(slot.transport, []).append(report)
            if report is not None or slot.current is None:
                del unreported[slot]
        for transport, parts in by_transport.items():
            for compound in reports.compounds(parts):
                self.send_feedback(transport, compound)

    def _first_estimates(self) -> None:
        transports = self._tables.unestimated_transports
        for transport in transports:
            self.send_estimate(transport)
        transports.clear()

    def _turn_wheel(self, now_us: int) -> None:
        position = now_us // _WHEEL_US
        if self._wheel_position is None:
            self._wheel_position = position
        first = max(self._wheel_position, position - _WHEEL_SLOTS) + 1
        for index in range(first, position + 1):
            for transport in list(self._wheel[index % _WHEEL_SLOTS]):
                self._each_second(transport, now_us)
            for turn in range(1, _REPORTS_A_SECOND):
                spoke = (index + turn * _WHEEL_SLOTS // _REPORTS_A_SECOND) % _WHEEL_SLOTS
                for transport in self._wheel[spoke]:
                    self._report_between(transport, now_us)
        self._wheel_position = position

    def _report_between(self, transport: Transport, now_us: int) -> None:
        if transport.session is None or transport.address is None:
            return
        report = reports.receiver_report(transport, now_us)
        if report is not None:
            self.send_feedback(transport, report)

    def _each_second(self, transport: Transport, now_us: int) -> None:
        if transport.address is not None and not transport.ice.has_consent(now_us):
            transport.address = None
            transport.consent_lost = True
            self._switching.hold_slots(transport)
            self._outbox.batched.append(ConsentLost(transport.handle))
        if transport.session is None or transport.address is None:
            return
        parts = []
        receiver_report = reports.receiver_report(transport, now_us)
        if receiver_report is not None:
            parts.append(receiver_report)
        remb = reports.estimate(transport)
        if remb is not None:
            parts.append(remb)
        for slot in transport.slots:
            if reports.is_due(slot, now_us):
                report = reports.sender_report(slot, now_us, self._wall_offset_us)
                if report is not None:
                    parts.append(report)
        for compound in reports.compounds(parts):
            self.send_feedback(transport, compound)

    def _batch(self, elapsed_us: int) -> None:
        tables = self._tables
        outbox = self._outbox
        for source in list(tables.active_sources):
            self._check_layers(source)
            outbox.batched.append(self._source_state(source, elapsed_us))
            if not source.packets:
                del tables.active_sources[source]
            source.packets = 0
        levels = tables.levels.drain()
        if levels:
            outbox.batched.append(Levels(levels))
        for transport in tables.transports.values():
            if transport.reports_changed:
                transport.reports_changed = False
                outbox.batched.append(transport.state())
        for tap in tables.taps.values():
            if tap.waits:
                outbox.batched.append(tap.drain())
        outbox.ready += outbox.batched
        outbox.batched.clear()

    def _check_layers(self, source: Source) -> None:
        """Slots and taps that wait for, or show, a layer which is no longer sent turn to another."""
        alive = source.alive_layers()
        if alive != source.alive_before:
            source.alive_before = alive
            self._switching.retarget(source)
            self._tapping.retarget(source)

    def _source_state(self, source: Source, elapsed_us: int) -> SourceState:
        lost = source.lost
        state = SourceState(
            source=source.handle,
            packets=source.packets,
            lost=max(0, lost - source.lost_before),
            layer_bps=tuple(layer.octets * 8_000_000 // elapsed_us for layer in source.layers),
        )
        source.lost_before = lost
        for layer in source.layers:
            layer.octets = 0
        return state
